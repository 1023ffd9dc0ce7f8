"""What an emulated HF reader hears, and the memories of the tags it reads.

An HF reader is polled, so a slice is one inventory: `start` names the antennas, `next_slice` returns what they heard
once the inventory is over, and the next call of `next_slice`, which the client's next request brings about, says that
the answer before has arrived. In virtual time that is the barrier.
"""

from __future__ import annotations

from typing import Protocol

from sim.readers.hf_tags import HfTag
from sim.readers.source import ReadSource


class HfReadSource(ReadSource, Protocol):
    """The radio of one HF reader, and the tags around it."""

    def tag(self, uid: bytes) -> HfTag | None:
        """Return a tag wherever it is, to read and to write; None: there is none."""
        ...

    def in_field(self, port: int) -> tuple[bytes, ...]:
        """Return the UIDs of the tags that an antenna powers now."""
        ...

    def occupy(self, seconds: float) -> None:
        """Say that the reader was busy with something else; in virtual time the next inventory begins so much later."""
        ...
