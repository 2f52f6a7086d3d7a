"""`python -m coralline_crawler`: see `--help`."""

from coralline_crawler.step import execute

if __name__ == "__main__":
    execute.main()
