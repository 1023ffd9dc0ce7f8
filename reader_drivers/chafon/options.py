"""The options of a `chafon://` URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.targets import Line, Table, flag


@dataclass(frozen=True, slots=True)
class Options:
    """How to treat a reader.

    Parameters
    ----------
    unproven
        True: read tags, though how a report of a read is laid out is not proven.
    """

    unproven: bool = False


LINE: Final = Line(port=2022, baud=115_200)

OWN: Final[Table] = {"unproven": ("unproven", flag)}
