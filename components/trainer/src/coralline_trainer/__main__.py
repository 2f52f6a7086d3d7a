"""The trainer as a command: `python -m coralline_trainer --help`."""

from coralline_trainer.step import execute

if __name__ == "__main__":
    execute.main()
