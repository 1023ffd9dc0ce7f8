"""How fast bytes of serial readers become readings: framing, times of frames, decoding, columns; one core.

Pieces of 64 bytes are what a driver reads from a line at work; long ones what it reads after a pause. What the line can
carry is the frames' own bytes at its usual speed.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.serial_protocols import PROTOCOLS, Protocol
from reader_drivers.framing import Frames
from reader_drivers.serial_client import SerialClient

_PIECES = (64, 1 << 14)
_TAGS = 300


class _Replay:
    """A transport that brings canned bytes in pieces of one size."""

    where = "replay"

    def __init__(self, data: bytes, piece: int, byte_s: float) -> None:
        self._data, self._piece, self.byte_s = data, piece, byte_s
        self._at = 0

    def send(self, data: bytes) -> None:
        """Send nowhere."""

    def receive(self, _timeout_s: float) -> bytes:
        """Return the next piece; empty at the end."""
        piece = self._data[self._at : self._at + self._piece]
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """Nothing is open."""


class _Counter:
    """Makes readings of frames, and counts them."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol, self.count = protocol, 0

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take frames."""
        self.count += len(self._protocol.readings(frames, t))

    def on_noise(self, garbage: int, wrong: int, /) -> None:
        """There is none."""
        raise AssertionError(f"{garbage} bytes of garbage, {wrong} wrong frames")


def make_stream(protocol: Protocol, reads: int, seed: int = 1) -> bytes:
    """Return what a reader sends for so many reads of 300 tags."""
    rng = np.random.default_rng(seed)
    tags = [rng.bytes(12) for _ in range(_TAGS)]
    which = rng.integers(0, _TAGS, reads).tolist()
    parts = [
        protocol.report(rng, [tags[k] for k in which[i : i + protocol.together]])
        for i in range(0, reads, protocol.together)
    ]
    return b"".join(parts)


def rate(protocol: Protocol, data: bytes, reads: int, piece: int, repeats: int = 3) -> float:
    """Return readings per second, the best of some runs."""
    best = 0.0
    for _ in range(repeats):
        counter = _Counter(protocol)
        client = SerialClient(
            _Replay(data, piece, protocol.byte_s),
            protocol.layout,
            counter,
            time.time_ns,
            1.0,
        )
        began = time.perf_counter()
        while client.pump(0.0):
            pass
        best = max(best, counter.count / (time.perf_counter() - began))
        assert counter.count == reads, f"{protocol.name}: {counter.count} of {reads} readings came out"
    return best


def main(reads: int = 40_000) -> dict[str, dict[str, float]]:
    """Print and return the table."""
    head = (
        "protocol",
        "tags/frame",
        "bytes/reading",
        "line/s",
        *(f"{p} B pieces/s" for p in _PIECES),
        "times line",
    )
    print(f"  {head[0]:20}" + "".join(f"{name:>18}" for name in head[1:]))
    figures: dict[str, dict[str, float]] = {}
    for protocol in PROTOCOLS:
        reads_of = reads // protocol.together * protocol.together
        data = make_stream(protocol, reads_of)
        few = reads_of // 10 // protocol.together * protocol.together
        rate(protocol, make_stream(protocol, few), few, _PIECES[-1], 1)
        size = len(data) / reads_of
        line = 1 / (protocol.byte_s * size)
        rates = [rate(protocol, data, reads_of, piece) for piece in _PIECES]
        figures[protocol.name] = {
            "tags_per_frame": protocol.together,
            "bytes_per_reading": size,
            "line_per_s": line,
            **{f"pieces_of_{piece}_per_s": value for piece, value in zip(_PIECES, rates, strict=True)},
            "times_line": rates[0] / line,
        }
        row = [protocol.together, size, line, *rates, rates[0] / line]
        print(f"  {protocol.name:20}" + "".join(f"{value:>18,.0f}" for value in row))
    return figures


if __name__ == "__main__":
    main()
