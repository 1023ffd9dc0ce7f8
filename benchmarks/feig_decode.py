"""How fast FEIG inventory answers become columns, on one core, and how that compares with what lines and air can bring.

Answers of 12 tags each, in advanced frames, cut from the stream and read with and without antenna blocks. A serial line
of 38,400 baud with parity brings 38,400 / 11 bytes a second and so at most 349 tags; ISO 15693's air at most one in
4.6 ms.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from reader_drivers.feig.codec import ADVANCED, AntennaSeen, Control, Status, decode_sets, encode_sets
from reader_drivers.feig.codec.reference import walk
from reader_drivers.framing import Framer

_CHUNK: Final = 1 << 16
_TAGS: Final = 12
LINE_PER_S: Final = 38_400 / 11 / 10
AIR_PER_S: Final = 1 / 0.0046


def make_stream(readings: int, ant: bool, seed: int = 1) -> bytes:
    """Return the bytes of answers with so many readings in all."""
    rng = np.random.default_rng(seed)
    uids = [b"\xe0\x04\x01" + rng.bytes(5) for _ in range(500)]
    seen = [(AntennaSeen(1, 57, 1234),)] * _TAGS
    frames: list[bytes] = []
    for _ in range(readings // _TAGS):
        tags = [(uids[k], 0x3E) for k in rng.integers(0, len(uids), _TAGS).tolist()]
        frames.append(ADVANCED.answer(Control.ISO, Status.OK, encode_sets(tags, seen if ant else None)))
    return b"".join(frames)


def _compiled(data: bytes, ant: bool) -> int:
    framer, count = Framer(ADVANCED.frames), 0
    for at in range(0, len(data), _CHUNK):
        count += len(decode_sets(framer.feed(data[at : at + _CHUNK]), ADVANCED.data_at, ant))
    return count


def _poll_by_poll(data: bytes, ant: bool) -> int:
    """Read one answer at a time, as the driver does: it asks again only when it has the answer."""
    framer, count, at = Framer(ADVANCED.frames), 0, 0
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        count += len(decode_sets(framer.feed(data[at : at + size]), ADVANCED.data_at, ant))
        at += size
    return count


def _plain(data: bytes, ant: bool) -> int:
    framer, count = Framer(ADVANCED.frames), 0
    for frame in framer.feed(data):
        count += len(walk([frame[ADVANCED.data_at : -2]], ant)[0])
    return count


def main(readings: int = 300_000) -> dict[str, float]:
    """Print and return readings per second."""
    figures: dict[str, float] = {}
    for ant in (False, True):
        data = make_stream(readings, ant)
        few = make_stream(readings // 20, ant)
        _compiled(few, ant)
        name = "with antenna blocks" if ant else "tags"
        for what, decode, stream in (
            ("64 KB at once", _compiled, data),
            ("answer by answer", _poll_by_poll, few),
            ("plain reference", _plain, few),
        ):
            best = 0.0
            for _ in range(3):
                began = time.perf_counter()
                count = decode(stream, ant)
                best = max(best, count / (time.perf_counter() - began))
            figures[f"{name}, {what}"] = best
    for name, rate in figures.items():
        print(
            f"  {name:38} {rate:>12,.0f} a second, {rate / LINE_PER_S:>9,.0f} times the line,"
            f" {rate / AIR_PER_S:>9,.0f} times the air"
        )
    return figures


if __name__ == "__main__":
    main()
