"""The demo's image site, standing alone: `python -m coralline_demo`."""

import argparse
import signal
import sys
import threading

from coralline_core.errors import CorallineError

from coralline_demo.site import HOST, PORT, image_site


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m coralline_demo",
        description="Serve the demo's images.",
        epilog=f"Example: python -m coralline_demo --port {PORT}",
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0: any free one")
    parser.add_argument("--host", default=HOST, help=f"default: {HOST}; in a container: 0.0.0.0")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as a container is stopped
    try:
        with image_site(given.port, given.host) as address:
            print(address, flush=True)
            threading.Event().wait()
    except CorallineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
