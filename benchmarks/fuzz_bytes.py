"""Ten million spoiled bytes through framer and decoder of every protocol.

Nothing may raise or loop, and good frames behind the garbage must be found: at once, or where noise looks like the
beginning of a longer frame, when the line has been quiet. An LLRP stream that cannot be followed ends the connection.

The bytes are noise, good reports, reports cut short, with flipped bits, with bytes lost and doubled, and frames whose
check is right and whose content is not. They arrive in pieces of any size.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.llrp_decode import make_stream as make_llrp_stream
from benchmarks.serial_protocols import PROTOCOLS, Protocol
from reader_drivers.framing import NEG8, SUM8, Framer, Frames
from reader_drivers.llrp.codec import (
    RO_ACCESS_REPORT,
    CodecError,
    FrameReader,
    decode_message,
    decode_reports,
    encode_frame,
)

_BATCH = 4000
"""About so many bytes between two good frames that must be found."""


def spoil(rng: np.random.Generator, good: bytes) -> bytes:
    """Return a report with flipped bits, cut short, or with bytes lost or doubled."""
    how, at = int(rng.integers(4)), int(rng.integers(len(good)))
    if how == 0:
        spoiled = bytearray(good)
        for _ in range(int(rng.integers(1, 5))):
            spoiled[int(rng.integers(len(spoiled)))] ^= 1 << int(rng.integers(8))
        return bytes(spoiled)
    if how == 1:
        return good[:at]
    return good[:at] + (b"" if how == 2 else good[at : at + 3]) + good[at + 1 :]


def reseal(rng: np.random.Generator, protocol: Protocol, good: bytes) -> bytes:
    """Return a frame of another content and perhaps another length, whose length and check are right."""
    f = protocol.layout
    check = (1 if f.check in (SUM8, NEG8) else 2) + (f.tail >= 0)
    body = bytearray(good[: int(rng.integers(f.length_at + f.length_bytes, len(good) - check + 1))])
    body += rng.bytes(int(rng.integers(0, 40)))
    body += bytes(max(0, f.least - check - len(body)))
    del body[f.most - check :]
    first = f.length_at + f.length_bytes
    for _ in range(int(rng.integers(0, 4))):
        if len(body) > first:
            body[int(rng.integers(first, len(body)))] = int(rng.integers(256))
    told = len(body) + check - f.extra
    body[f.length_at : first] = told.to_bytes(f.length_bytes, "big")
    return f.seal(bytes(body))


def make_batch(rng: np.random.Generator, protocol: Protocol) -> bytes:
    """Return some thousand bytes of everything that may come."""
    parts: list[bytes] = []
    size = 0
    while size < _BATCH:
        good = protocol.report(
            rng, [rng.bytes(12) for _ in range(int(rng.integers(1, protocol.together + 1)))]
        )
        kind = int(rng.integers(5))
        if kind == 0:
            part = rng.bytes(int(rng.integers(1, 300)))
        elif kind == 1:
            part = good
        elif kind in (2, 3):
            part = spoil(rng, good)
        else:
            part = reseal(rng, protocol, good)
        parts.append(part)
        size += len(part)
    return b"".join(parts)


@dataclass(slots=True)
class _Tally:
    """What came of the batches so far."""

    bytes: int = 0
    frames: int = 0
    readings: int = 0
    _batches: int = 0
    _at_once: int = 0
    _slowest_s: float = 0.0
    _seconds: float = 0.0

    def add(self, size: int, took_s: float, *, at_once: bool) -> None:
        """Count a batch; its frames and readings are counted as they come."""
        self.bytes += size
        self._batches += 1
        self._at_once += at_once
        self._slowest_s = max(self._slowest_s, took_s)
        self._seconds += took_s

    def row(self) -> dict[str, float]:
        """Return the figures."""
        return {
            "bytes": self.bytes,
            "frames": self.frames,
            "readings": self.readings,
            "found_at_once": self._at_once / self._batches,
            "slowest_batch_ms": 1000 * self._slowest_s,
            "seconds": self._seconds,
        }


def fuzz_serial(protocol: Protocol, total: int, seed: int = 1) -> dict[str, float]:
    """Run bytes through a serial protocol; return what came of them."""
    Framer(protocol.layout).feed(b"\0")  # compiled before anything is timed
    rng = np.random.default_rng(seed)
    framer = Framer(protocol.layout)
    tally = _Tally()

    def take(frames: Frames) -> set[str]:
        heard = protocol.readings(frames, np.zeros(len(frames), np.int64))
        # What else looks at frames of this protocol must stand them, too.
        if protocol.also is not None:
            protocol.also(frames)
        tally.frames += len(frames)
        tally.readings += len(heard)
        return set(heard.tags)

    while tally.bytes < total:
        epc = rng.bytes(12)
        data = make_batch(rng, protocol) + protocol.report(rng, [epc])
        cuts = np.sort(rng.integers(0, len(data) + 1, int(rng.integers(0, 12)))).tolist()
        began = time.perf_counter()
        tags: set[str] = set()
        for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True):
            tags |= take(framer.feed(data[a:b]))
        at_once = protocol.name_of(epc) in tags
        # When the line is quiet what is no frame is given up.
        tags |= take(framer.flush())
        assert framer.pending == 0, f"{protocol.name}: bytes were held back"
        if protocol.name_of(epc) not in tags:
            # Noise may happen to make a frame that ends within the good one; the next is found.
            again = take(framer.feed(protocol.report(rng, [epc])))
            assert protocol.name_of(epc) in again, (
                f"{protocol.name}: a good frame behind garbage was not found"
            )
        tally.add(len(data), time.perf_counter() - began, at_once=at_once)
    return tally.row()


def fuzz_llrp(total: int, seed: int = 1) -> dict[str, float]:
    """Run bytes through LLRP: a stream that is no LLRP ends the connection, and the next one is read."""
    rng = np.random.default_rng(seed)
    good = make_llrp_stream(4000)
    size = len(good) // 4000
    decode_reports(FrameReader().feed(good[:size]))  # compiled before anything is timed
    frames = FrameReader()
    tally = _Tally()
    while tally.bytes < total:
        parts: list[bytes] = []
        for _ in range(40):
            at = size * int(rng.integers(4000))
            report = good[at : at + size]
            kind = int(rng.integers(6))
            if kind == 0:
                spoiled = bytearray(report)
                for _ in range(int(rng.integers(1, 6))):
                    spoiled[int(rng.integers(6, size))] ^= 1 << int(rng.integers(8))
                report = bytes(spoiled)
            elif kind == 1:
                report = encode_frame(int(rng.integers(1024)), 1, rng.bytes(int(rng.integers(0, 200))))
            elif kind == 2:
                report = encode_frame(RO_ACCESS_REPORT, 1, report[10 : int(rng.integers(10, size))])
            elif kind == 3 and rng.integers(8) == 0:
                report = spoil(rng, report)
            parts.append(report)
        data = b"".join(parts)
        began = time.perf_counter()
        for a, b in zip([0, len(data) // 3], [len(data) // 3, len(data)], strict=True):
            batch = frames.feed(data[a:b])
            tally.frames += len(batch)
            for is_report, first, last in batch.runs(RO_ACCESS_REPORT):
                if is_report:
                    tally.readings += len(decode_reports(batch, first, last))
                    continue
                for index in range(first, last):
                    with contextlib.suppress(CodecError):
                        decode_message(batch.frame(index))
        followed = frames.error is None
        # What cannot be followed ends the connection.
        frames = FrameReader()
        assert len(decode_reports(frames.feed(good[: 3 * size]))) == 3
        tally.add(len(data), time.perf_counter() - began, at_once=followed)
    return tally.row()


def main(total: int = 10_000_000) -> dict[str, dict[str, float]]:
    """Print and return what came of the bytes of each protocol; an AssertionError or any other is a fault."""
    print(
        f"  {'protocol':20}{'bytes':>14}{'frames':>12}{'readings':>12}{'at once':>10}{'slowest':>12}{'seconds':>10}"
    )
    figures: dict[str, dict[str, float]] = {}
    for protocol in PROTOCOLS:
        figures[protocol.name] = _told(protocol.name, fuzz_serial(protocol, total))
    figures["llrp"] = _told("llrp", fuzz_llrp(total))
    return figures


def _told(name: str, row: dict[str, float]) -> dict[str, float]:
    print(
        f"  {name:20}{row['bytes']:>14,.0f}{row['frames']:>12,.0f}{row['readings']:>12,.0f}"
        f"{row['found_at_once']:>10.1%}{row['slowest_batch_ms']:>9.1f} ms{row['seconds']:>10.1f}"
    )
    return row


if __name__ == "__main__":
    main()
