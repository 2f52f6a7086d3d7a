"""`python -m coralline_cropper`."""

from coralline_cropper.step import execute

if __name__ == "__main__":
    execute.main()
