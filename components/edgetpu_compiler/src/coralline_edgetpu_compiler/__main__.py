"""The compiler as a command: `python -m coralline_edgetpu_compiler --help`."""

from coralline_edgetpu_compiler.step import execute

if __name__ == "__main__":
    execute.main()
