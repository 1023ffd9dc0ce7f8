"""How fast a ThingMagic module's stream becomes readings: one core, beside what the line can carry.

Each protocol's stream goes through all that its driver does with it in its thread: framing with checks, decoding,
times, columns; in pieces of 4 KB, as a busy thread finds them, and of one record, as an idle one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from reader_drivers.framing import FrameFormat, Framer, Frames

_PIECE: Final = 4096


@dataclass(frozen=True)
class Protocol:
    """A row of the table.

    Parameters
    ----------
    layout
        How frames are framed.
    stream
        Makes the bytes of so many reads.
    taker
        Makes what turns frames, and their arrival times, into a number of readings.
    bauds
        Usual and highest speed of the line, baud.
    """

    layout: FrameFormat
    stream: Callable[[int], bytes]
    taker: Callable[[], Callable[[Frames, np.ndarray], int]]
    bauds: tuple[int, int]


def _mercury_stream(reads: int) -> bytes:
    from reader_drivers.mercury.codec import Record, Search, encode_record

    rng = np.random.default_rng(1)
    tags = [rng.bytes(12) for _ in range(300)]
    search = Search(0x7F)
    made = [
        Record(b"\x30\0", tags[k % 300], 0, 1, -60 - k % 20, 0x11 * (1 + k % 4), 920_625, k % 1000, k % 180)
        for k in range(min(reads, 3000))
    ]
    block = b"".join(encode_record(search, record) for record in made)
    return block * (reads // len(made))


def _mercury_taker() -> Callable[[Frames, np.ndarray], int]:
    from reader_drivers.inbox import Inbox
    from reader_drivers.mercury.options import Options
    from reader_drivers.mercury.stream import Stream

    stream = Stream("bench", Options(), (1, 2, 3, 4), Inbox(time.time_ns), set(), lambda _: None)

    def take(frames: Frames, t: np.ndarray) -> int:
        read = stream.take(frames, t)
        return 0 if read is None else len(read.columns["tag"])

    return take


def _protocols() -> dict[str, Protocol]:
    from reader_drivers.mercury.codec import REPLIES

    return {
        "mercury": Protocol(REPLIES, _mercury_stream, _mercury_taker, (115_200, 921_600)),
    }


def _rate(protocol: Protocol, data: bytes, piece: int, repeats: int = 3) -> float:
    best = 0.0
    for _ in range(repeats):
        framer, take, count = Framer(protocol.layout), protocol.taker(), 0
        began = time.perf_counter()
        for at in range(0, len(data), piece):
            frames = framer.feed(data[at : at + piece])
            if len(frames):
                count += take(frames, np.full(len(frames), time.time_ns(), np.int64))
        best = max(best, count / (time.perf_counter() - began))
    return best


def main(reads: int = 60_000) -> dict[str, dict[str, float]]:
    """Print and return readings per second of each protocol, and how many times what its line can carry."""
    figures: dict[str, dict[str, float]] = {}
    for name, protocol in _protocols().items():
        data = protocol.stream(reads)
        record = len(data) / (len(data) // len(protocol.stream(1)))
        _rate(protocol, data[: 4 * _PIECE], _PIECE, 1)
        busy = _rate(protocol, data, _PIECE)
        idle = _rate(protocol, data[: len(data) // 20], round(record))
        usual, most = (baud / 10 / record for baud in protocol.bauds)
        figures[name] = {
            "bytes_a_record": record,
            "readings_per_s": busy,
            "readings_per_s_one_by_one": idle,
            "line_per_s_usual": usual,
            "line_per_s_most": most,
            "times_the_usual_line": busy / usual,
            "times_the_fastest_line": busy / most,
        }
        print(f"  {name}")
        for what, value in figures[name].items():
            print(f"    {what:28} {value:>12,.0f}")
    return figures


if __name__ == "__main__":
    main()
