"""The options of an `m100://` URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.targets import Line, Table, flag, number


@dataclass(frozen=True, slots=True)
class Options:
    """How to treat a module.

    Parameters
    ----------
    memory
        True: read the user memory of tags, between polls.
    memory_words
        How many words of it, where the tag has so many.
    """

    memory: bool = False
    memory_words: int = 32


LINE: Final = Line(port=None, baud=115_200)

OWN: Final[Table] = {"memory": ("memory", flag), "memory_words": ("memory_words", number(1, 128))}
