"""From a byte stream to frames: the 10 byte header of LLRP 1.0.1, section 16.1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reader_drivers.llrp.codec._kernels import scan_frames
from reader_drivers.llrp.codec.errors import CodecError

HEADER_BYTES = 10
MAX_MESSAGE_BYTES = 4 << 20
"""A longer message is taken for garbage: readers send reports of at most some hundred kilobytes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as framed: version 1 (LLRP 1.0.1) or 2 (1.1), type number, message id, body without header."""

    version: int
    type: int
    id: int
    body: bytes


def encode_frame(message_type: int, message_id: int, body: bytes, version: int = 1) -> bytes:
    """Return header and body.

    Raises
    ------
    CodecError
        A number does not fit the header.
    """
    if version not in (1, 2) or not 0 <= message_type < 1024 or not 0 <= message_id < 1 << 32:
        raise CodecError(
            f"version {version}, type {message_type}, id {message_id}: no LLRP header can carry them"
        )
    head = (version << 10 | message_type).to_bytes(2, "big") + (len(body) + HEADER_BYTES).to_bytes(4, "big")
    return head + message_id.to_bytes(4, "big") + body


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """The whole frames of one piece of stream, as columns.

    Parameters
    ----------
    data
        The bytes that hold the frames, one behind the other.
    offset, length : int64[n]
        Each frame with its header.
    type : int64[n]
        Type numbers.
    """

    data: bytes
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    type: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offset)

    def frame(self, index: int) -> Frame:
        """Return one frame."""
        at, end = int(self.offset[index]), int(self.offset[index] + self.length[index])
        head = self.data[at] << 8 | self.data[at + 1]
        message_id = int.from_bytes(self.data[at + 6 : at + 10], "big")
        return Frame(head >> 10, head & 0x3FF, message_id, self.data[at + HEADER_BYTES : end])

    def runs(self, message_type: int) -> Iterator[tuple[bool, int, int]]:
        """Yield `(is of that type, first, one past last)` of maximal runs of frames, in stream order."""
        same = self.type == message_type
        cuts = [0, *(np.flatnonzero(same[1:] != same[:-1]) + 1).tolist(), len(same)]
        for first, last in pairwise(cuts):
            if first < last:
                yield bool(same[first]), first, last


class FrameReader:
    """Cuts a byte stream into frames, however it arrives.

    Parameters
    ----------
    max_bytes
        A header that announces more is taken for garbage.
    """

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.error: CodecError | None = None
        """Why the stream can no longer be followed, once it cannot."""
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> FrameBatch:
        """Return the frames that are whole now.

        A header that cannot be one sets `error`; frames before it are still returned, bytes behind it are not looked
        at, since a length that is wrong once leaves no way to find the next header.
        """
        data = self._rest + data if self._rest else data
        if self.error is not None or len(data) < HEADER_BYTES:
            self._rest = b"" if self.error is not None else data
            empty = np.empty(0, np.int64)
            return FrameBatch(b"", empty, empty, empty)
        offset, length, kind, end, bad = scan_frames(np.frombuffer(data, np.uint8), self.max_bytes)
        if bad:
            head = data[end : end + HEADER_BYTES].hex(" ")
            self.error = CodecError(f"no LLRP header: {head} (reserved bits, version or length)")
            self._rest = b""
        else:
            self._rest = data[end:]
        return FrameBatch(data, offset, length, kind)
