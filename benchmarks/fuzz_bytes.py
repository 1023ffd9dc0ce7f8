"""Ten million spoiled bytes through framer and decoder of every protocol.

Nothing may raise or loop, and good frames behind the garbage must be found: at once, or where noise looks like the
beginning of a longer frame, when the line has been quiet. An LLRP stream that cannot be followed ends the connection.

The bytes are noise, good reports, reports cut short, with flipped bits, with bytes lost and doubled, and frames whose
check is right and whose content is not. They arrive in pieces of any size.
"""

from __future__ import annotations

import contextlib
import time

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
from reader_drivers.r2000 import codec as r2000
from reader_drivers.uhfreader18 import codec as uhf

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


def fuzz_serial(protocol: Protocol, total: int, seed: int = 1) -> dict[str, float]:
    """Run bytes through a serial protocol; return what came of them."""
    Framer(protocol.layout).feed(b"\0")  # compiled before anything is timed
    rng = np.random.default_rng(seed)
    framer = Framer(protocol.layout)
    done = frames_seen = readings = 0
    at_once = batches = 0
    slowest = seconds = 0.0

    def take(frames: Frames) -> set[str]:
        nonlocal frames_seen, readings
        frames_seen += len(frames)
        heard = protocol.readings(frames, np.zeros(len(frames), np.int64))
        # What else looks at frames of this protocol must stand them, too.
        if protocol.layout is r2000.FRAMES:
            r2000.decode_inventory(frames, phase=True, eight=True)
        if protocol.layout is uhf.ANSWERS:
            uhf.decode_ends(frames)
        readings += len(heard)
        return set(heard.tags)

    while done < total:
        epc = rng.bytes(12)
        data = make_batch(rng, protocol) + protocol.report(rng, [epc])
        cuts = np.sort(rng.integers(0, len(data) + 1, int(rng.integers(0, 12)))).tolist()
        began = time.perf_counter()
        tags: set[str] = set()
        for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True):
            tags |= take(framer.feed(data[a:b]))
        at_once += protocol.name_of(epc) in tags
        # When the line is quiet what is no frame is given up.
        tags |= take(framer.flush())
        assert framer.pending == 0, f"{protocol.name}: bytes were held back"
        if protocol.name_of(epc) not in tags:
            # Noise may happen to make a frame that ends within the good one; the next is found.
            again = take(framer.feed(protocol.report(rng, [epc])))
            assert protocol.name_of(epc) in again, (
                f"{protocol.name}: a good frame behind garbage was not found"
            )
        took = time.perf_counter() - began
        slowest, seconds = max(slowest, took), seconds + took
        done += len(data)
        batches += 1
    return {
        "bytes": done,
        "frames": frames_seen,
        "readings": readings,
        "found_at_once": at_once / batches,
        "slowest_batch_ms": 1000 * slowest,
        "seconds": seconds,
    }


def fuzz_llrp(total: int, seed: int = 1) -> dict[str, float]:
    """Run bytes through LLRP: a stream that is no LLRP ends the connection, and the next one is read."""
    rng = np.random.default_rng(seed)
    good = make_llrp_stream(4000)
    size = len(good) // 4000
    decode_reports(FrameReader().feed(good[:size]))  # compiled before anything is timed
    frames = FrameReader()
    done = frames_seen = readings = batches = at_once = 0
    slowest = seconds = 0.0
    while done < total:
        parts = []
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
            frames_seen += len(batch)
            for is_report, first, last in batch.runs(RO_ACCESS_REPORT):
                if is_report:
                    readings += len(decode_reports(batch, first, last))
                    continue
                for index in range(first, last):
                    with contextlib.suppress(CodecError):
                        decode_message(batch.frame(index))
        at_once += frames.error is None
        # What cannot be followed ends the connection.
        frames = FrameReader()
        assert len(decode_reports(frames.feed(good[: 3 * size]))) == 3
        took = time.perf_counter() - began
        slowest, seconds = max(slowest, took), seconds + took
        done += len(data)
        batches += 1
    return {
        "bytes": done,
        "frames": frames_seen,
        "readings": readings,
        "found_at_once": at_once / batches,
        "slowest_batch_ms": 1000 * slowest,
        "seconds": seconds,
    }


def main(total: int = 10_000_000) -> dict[str, dict[str, float]]:
    """Print and return what came of the bytes of each protocol; an AssertionError or any other is a fault."""
    print(
        f"  {'protocol':20}{'bytes':>14}{'frames':>12}{'readings':>12}{'at once':>10}{'slowest':>12}{'seconds':>10}"
    )
    figures: dict[str, dict[str, float]] = {}
    for name in (*(protocol.name for protocol in PROTOCOLS), "llrp"):
        wanted = {protocol.name: protocol for protocol in PROTOCOLS}.get(name)
        figures[name] = row = fuzz_llrp(total) if wanted is None else fuzz_serial(wanted, total)
        print(
            f"  {name:20}{row['bytes']:>14,.0f}{row['frames']:>12,.0f}{row['readings']:>12,.0f}"
            f"{row['found_at_once']:>10.1%}{row['slowest_batch_ms']:>9.1f} ms{row['seconds']:>10.1f}"
        )
    return figures


if __name__ == "__main__":
    main()
