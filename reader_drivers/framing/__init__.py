"""From a serial reader's byte stream to frames: a head, a length, a check, and another beginning after garbage.

Serial lines lose, double and spoil bytes, and a stream may be joined in the middle of a frame. A frame counts where
its head, length, tail and check are right; else the next byte is tried. Nothing a line brings can raise or stall: what
can no longer become a frame is passed over and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reader_drivers.checksums import crc_8408, crc_thingmagic, neg8, sum8
from reader_drivers.framing.kernels import (
    CRC_8408_LSB,
    CRC_8408_MSB,
    CRC_THINGMAGIC,
    NEG8,
    SUM8,
    scan,
)

__all__ = [
    "CRC_8408_LSB",
    "CRC_8408_MSB",
    "CRC_THINGMAGIC",
    "NEG8",
    "SUM8",
    "FrameFormat",
    "Framer",
    "Frames",
]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FrameFormat:
    """How a protocol frames.

    Parameters
    ----------
    head
        The first byte, where it is always the same; -1: the length comes first.
    length_at, length_bytes
        Where the length stands, and how long it is (two bytes: most significant first).
    extra
        Bytes of a frame that its length does not count.
    least, most
        Shortest and longest frame, bytes with everything.
    check
        One of `CRC_8408_LSB`, `CRC_8408_MSB`, `CRC_THINGMAGIC`, `SUM8`, `NEG8`.
    check_from
        Bytes at the beginning that the check leaves out.
    tail
        The last byte behind the check, where there is one; -1: the check is last.
    idle
        What some readers send between frames as a sign of life; empty: nothing.
    """

    head: int
    length_at: int
    length_bytes: int
    extra: int
    least: int
    most: int
    check: int
    check_from: int = 0
    tail: int = -1
    idle: bytes = b""
    layout: Ints = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.least < self.length_at + self.length_bytes + 2:
            raise ValueError(f"least is {self.least}: too short for its length and check")
        numbers = (
            self.head, self.length_at, self.length_bytes, self.extra, self.least, self.most, self.check,
            self.check_from, self.tail,
        )  # fmt: skip
        object.__setattr__(self, "layout", np.array(numbers, np.int64))

    def seal(self, body: bytes) -> bytes:
        """Return a frame: `body` is everything before the check, its length included."""
        covered = body[self.check_from :]
        if self.check == SUM8:
            check = bytes([sum8(covered)])
        elif self.check == NEG8:
            check = bytes([neg8(covered)])
        elif self.check == CRC_THINGMAGIC:
            check = crc_thingmagic(covered).to_bytes(2, "big")
        else:
            check = crc_8408(covered).to_bytes(2, "little" if self.check == CRC_8408_LSB else "big")
        return body + check + (bytes([self.tail]) if self.tail >= 0 else b"")


@dataclass(frozen=True, slots=True)
class Frames:
    """The whole frames of one piece of stream, as columns; one row a frame, in stream order.

    Attributes
    ----------
    data : uint8[n]
        The bytes that hold them.
    offset, length : int64[frames]
        Each frame with everything.
    """

    data: NDArray[np.uint8]
    offset: Ints
    length: Ints

    def __len__(self) -> int:
        return len(self.offset)

    def __iter__(self) -> Iterator[bytes]:
        whole = self.data.tobytes()
        for at, length in zip(self.offset.tolist(), self.length.tolist(), strict=True):
            yield whole[at : at + length]

    def frame(self, index: int) -> bytes:
        """Return one frame."""
        at = int(self.offset[index])
        return self.data[at : at + int(self.length[index])].tobytes()

    def select(self, rows: NDArray[np.bool_] | Ints | slice) -> Frames:
        """Return some of the frames."""
        return Frames(self.data, self.offset[rows], self.length[rows])

    def byte(self, at: int) -> NDArray[np.int64]:
        """Return the byte `at` of each frame (negative: from its end), int64[frames]; frames must be long enough."""
        place = self.offset + at if at >= 0 else self.offset + self.length + at
        return self.data[place].astype(np.int64)

    def u16(self, at: int) -> NDArray[np.int64]:
        """Return the two bytes at `at`, most significant first, int64[frames]."""
        return self.byte(at) << 8 | self.byte(at + 1)


class Framer:
    """Cuts a byte stream into frames, however it arrives.

    Parameters
    ----------
    layout
        How the protocol frames.

    Attributes
    ----------
    garbage
        Bytes passed over so far.
    wrong
        Frames so far that were whole, and whose check was wrong (noise that looks like a frame included).
    idles
        Signs of life between frames so far.
    """

    def __init__(self, layout: FrameFormat) -> None:
        self._format = layout
        self._rest = b""
        self.garbage = 0
        self.wrong = 0
        self.idles = 0

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> Frames:
        """Return the frames that are whole now."""
        return self._scan(data, final=False)

    def flush(self) -> Frames:
        """Return the frames behind one that will not become whole: the line has been quiet for too long."""
        return self._scan(b"", final=True)

    def _scan(self, data: bytes, *, final: bool) -> Frames:
        data = self._rest + data if self._rest else data
        array = np.frombuffer(data, np.uint8)
        offset, length, end = self._found(array, final)
        idle = self._format.idle
        while idle and data.startswith(idle, end):
            # It looks like the beginning of a frame that would hold back those behind it.
            self.idles += 1
            end += len(idle)
            further, lengths, more = self._found(array[end:], final)
            offset, length = np.concatenate([offset, further + end]), np.concatenate([length, lengths])
            end += more
        self._rest = data[end:]
        return Frames(array, offset, length)

    def _found(self, array: NDArray[np.uint8], final: bool) -> tuple[Ints, Ints, int]:
        offset, length, end, garbage, wrong = scan(array, self._format.layout, final)
        self.garbage += garbage
        self.wrong += wrong
        return offset, length, end
