"""The converter as a command: `python -m coralline_converter --help`."""

from coralline_converter.step import execute

if __name__ == "__main__":
    execute.main()
