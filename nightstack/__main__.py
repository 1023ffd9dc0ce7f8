"""``python -m nightstack`` is the ``nightstack`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; Ctrl-C is one line from the first moment, while modules are still read."""
    try:
        from nightstack.cli import main as run
    except KeyboardInterrupt:
        print("nightstack: stopped by the keyboard", file=sys.stderr, flush=True)
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
