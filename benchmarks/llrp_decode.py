"""How fast LLRP tag reports become columns: ours compiled, ours plain, and pyllrp, on the same bytes.

The bytes are what a Speedway sends when every read is reported at once: one RO_ACCESS_REPORT of 75 bytes a read, with
EPC, antenna, channel, RSSI, time, count, phase and fine RSSI. One core each.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from reader_drivers.clock_map import ClockMap
from reader_drivers.llrp.codec import FrameReader, MemoryBank, decode_reports, decode_reports_reference
from reader_drivers.llrp.memories import TagMemories
from reader_drivers.llrp.readings import ReportConverter
from sim.readers.gen2_memory import usual_memory
from sim.readers.llrp_memory import serialized_tid
from sim.readers.llrp_reports import Content, Extras, Rows, encode_reports

_CHUNK = 1 << 16

# pyllrp is foreign software: it runs in a process of its own, and times itself there.
_PYLLRP = """
import sys, time
from bitstring import ConstBitStream
from pyllrp import pyllrp
data = sys.stdin.buffer.read()
began = time.perf_counter()
at = count = 0
while at < len(data):
    size = int.from_bytes(data[at + 2 : at + 6], "big")
    count += len(pyllrp.UnpackMessage(ConstBitStream(bytes=data[at : at + size])).getTagData())
    at += size
print(count / (time.perf_counter() - began))
"""


def make_stream(reads: int, tags: int = 300, seed: int = 1, *, tids: bool = False) -> bytes:
    """Return the bytes of `reads` reports, one message each, in the layout that our driver asks for.

    `tids`: every report carries Impinj's SerializedTID too.
    """
    rng = np.random.default_rng(seed)
    rows = Rows(
        tag=rng.integers(0, tags, reads).astype(np.uint32),
        tags=tuple(rng.bytes(12) for _ in range(tags)),
        antenna=rng.integers(1, 5, reads),
        channel=rng.integers(1, 17, reads),
        rssi_cdbm=rng.integers(-160, -60, reads) * 50,
        phase=rng.integers(0, 4096, reads),
        doppler=np.zeros(reads, np.int64),
        first_us=1_750_000_000_000_000 + 4000 * np.arange(reads),
        last_us=np.zeros(reads, np.int64),
        seen=np.ones(reads, np.int64),
    )
    content = Content(
        antenna_id=True,
        channel_index=True,
        peak_rssi=True,
        first_seen=True,
        seen_count=True,
        phase=True,
        fine_rssi=True,
    )
    extras = None
    if tids:
        blobs = tuple((b"", serialized_tid(usual_memory(epc))) for epc in rows.tags)
        extras = Extras(rows.tag.astype(np.int64), blobs)
    return encode_reports(rows, content, [], 1, 1, 1, extras=extras)


def _rate(data: bytes, decode: Callable[[bytes], int], repeats: int) -> float:
    best = 0.0
    for _ in range(repeats):
        began = time.perf_counter()
        count = decode(data)
        best = max(best, count / (time.perf_counter() - began))
    return best


def _compiled(data: bytes) -> int:
    frames, count = FrameReader(), 0
    for at in range(0, len(data), _CHUNK):
        count += len(decode_reports(frames.feed(data[at : at + _CHUNK])))
    return count


def _plain(data: bytes) -> int:
    frames, count = FrameReader(), 0
    for at in range(0, len(data), _CHUNK):
        count += len(decode_reports_reference(frames.feed(data[at : at + _CHUNK])))
    return count


def _to_readings(data: bytes) -> int:
    """Decode and convert: frequency, phase, host time, as the driver's thread does for every piece of stream."""
    frames, count = FrameReader(), 0
    memories, banks = TagMemories(), frozenset((MemoryBank.TID,))
    converter = ReportConverter(np.arange(920_000, 920_017, dtype=np.uint32), 1, ClockMap())
    for at in range(0, len(data), _CHUNK):
        reports = decode_reports(frames.feed(data[at : at + _CHUNK]))
        newest = 1000 * int(reports.first_utc_us[-1]) + 2_000_000
        readings, _, _ = converter.convert(reports, newest, False)
        memories.collect(reports, newest, banks)
        count += len(readings)
    return count


def main(reads: int = 200_000) -> dict[str, float | None]:
    """Print and return readings per second of each decoder; None where it is not installed."""
    data = make_stream(reads)
    _compiled(data[:_CHUNK])
    figures: dict[str, float | None] = {
        "compiled_per_s": _rate(data, _compiled, 3),
        "compiled_to_readings_per_s": _rate(data, _to_readings, 3),
        "with_tid_to_readings_per_s": _rate(make_stream(reads, tids=True), _to_readings, 3),
        "plain_reference_per_s": _rate(make_stream(max(1, reads // 20)), _plain, 2),
        "pyllrp_per_s": None,
    }
    if find_spec("pyllrp") is not None:
        sample = make_stream(max(1, reads // 200))
        command = [sys.executable, "-W", "ignore", "-c", _PYLLRP]
        done = subprocess.run(command, input=sample, capture_output=True, check=True)
        figures["pyllrp_per_s"] = float(done.stdout)
    for name, rate in figures.items():
        print(f"  {name:28} {'not installed' if rate is None else f'{rate:>12,.0f}'}")
    return figures


if __name__ == "__main__":
    main()
