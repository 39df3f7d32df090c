"""`python -m pipeline`, the same as `graft`."""

import os
import signal
from typing import Any


def main() -> None:
    """Runs the command line, which a Ctrl-C ends without a traceback from the first moment."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Nothing has begun that could be left half done; nor has it once the command has ended.
        signal.signal(signal.SIGINT, _leave)
    from pipeline.cli import main as graft

    graft(prog_name="graft")


def _leave(*_: Any) -> None:
    os._exit(130)


if __name__ == "__main__":
    main()
