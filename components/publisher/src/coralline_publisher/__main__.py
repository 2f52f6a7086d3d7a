"""The publisher as a command: `python -m coralline_publisher --help`."""

from coralline_publisher.step import execute

if __name__ == "__main__":
    execute.main()
