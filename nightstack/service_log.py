"""The service's log: one plain line each for what operators ask after, on standard error."""

from __future__ import annotations

import logging
from typing import Final

_ROOM: Final = "cloud_ingest"


class _Line(logging.Formatter):
    """Time with its offset, ``warning`` or ``error`` where it is one, and the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(level)s%(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        record.level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return super().format(record)


def start_log(*, verbose: bool = False) -> None:
    """Write the service's log to standard error.

    Parameters
    ----------
    verbose
        Each step of every part as well, such as files written and tries of a job; of the libraries that are used,
        warnings are written in either case.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logging.basicConfig(handlers=[handler])
    logging.getLogger(_ROOM).setLevel(logging.DEBUG if verbose else logging.INFO)
