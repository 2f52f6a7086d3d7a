"""`python -m coralline.cli`: the same as `coralline`."""

from coralline.cli import main

if __name__ == "__main__":
    main()
