"""The step as a command: `python -m coralline_curator`."""

from coralline_curator.step import execute

if __name__ == "__main__":
    execute.main()
