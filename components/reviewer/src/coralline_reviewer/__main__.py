"""The reviewer as a command: `python -m coralline_reviewer --help`."""

import argparse
import sys
from pathlib import Path

from coralline_core.command import read_settings, validated
from coralline_core.errors import CorallineError
from coralline_core.store import open_store

from coralline_reviewer.serve import HOST, PORT, serve
from coralline_reviewer.settings import ReviewSettings


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m coralline_reviewer",
        description="Serve the page where people look at a store's crops and relabel them.",
        epilog="Example: python -m coralline_reviewer --settings review.yaml --store ./store",
    )
    parser.add_argument(
        "--settings", type=Path, required=True, help="YAML with `labels`, and `name`"
    )
    parser.add_argument("--store", required=True, help="the store's URI, or a folder")
    parser.add_argument("--host", default=HOST, help=f"default: {HOST}; in a container: 0.0.0.0")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"Where to listen; 0: any free one. Default: {PORT}"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the page is reached, beside localhost; may be given again",
    )
    parser.add_argument("--who", help="by which name corrections are kept")
    parser.add_argument(
        "--who-header",
        metavar="NAME",
        help="the header in which a proxy says who asks, which it must take out of what it is "
        "sent; whoever comes without it is refused",
    )
    given = parser.parse_args()
    try:
        serve(
            validated(ReviewSettings, read_settings(given.settings), "review"),
            open_store(given.store),
            host=given.host,
            port=given.port,
            allow_hosts=given.allow_host,
            who=given.who,
            who_header=given.who_header,
            ready=lambda address: print(address, flush=True),
        )
    except CorallineError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
