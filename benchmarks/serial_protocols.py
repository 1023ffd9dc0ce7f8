"""The serial protocols that `serial_decode` and `fuzz_bytes` run over: one entry of `PROTOCOLS` each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader_drivers.chafon import codec as chafon
from reader_drivers.feig import codec as feig
from reader_drivers.feig.link import HF_KHZ
from reader_drivers.framing import FrameFormat, Frames
from reader_drivers.inbox import Inbox
from reader_drivers.m100 import codec as m100
from reader_drivers.mercury import codec as mercury
from reader_drivers.mercury.options import Options
from reader_drivers.mercury.stream import Stream
from reader_drivers.r2000 import codec as r2000
from reader_drivers.serial_link import NO_RSSI_DBM, make_readings
from reader_drivers.uhfreader18 import codec as uhf
from reader_drivers.uhfreader18.link import read_rssi
from recording import Readings

Rng = np.random.Generator
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol on a line.

    Parameters
    ----------
    name
        As its rows are called.
    layout
        How it frames.
    baud
        Usual speed of its line.
    report
        Makes what a reader sends for these EPCs: one frame each, or one for several.
    readings
        What the driver makes of frames that came at these times (ns).
    together
        EPCs in one report.
    name_of
        What a reading calls the tag that `report` was given.
    bits
        Of a byte on its line; 11: with parity.
    also
        What else looks at frames of it.
    """

    name: str
    layout: FrameFormat
    baud: int
    report: Callable[[Rng, list[bytes]], bytes]
    readings: Callable[[Frames, Times], Readings]
    together: int = 1
    name_of: Callable[[bytes], str] = field(default=lambda epc: epc.hex().upper())
    bits: int = 10
    also: Callable[[Frames], object] | None = None

    @property
    def byte_s(self) -> float:
        """Return how long a byte is on the line."""
        return self.bits / self.baud


def _of(tags: Any, t: Times, khz: NDArray[np.uint32], **columns: Any) -> Readings:
    return make_readings(tags.tags, t[tags.row], tag=tags.tag, frequency_khz=khz, **columns)


def _same(n: int) -> NDArray[np.uint32]:
    return np.full(n, 922_375, np.uint32)


def _m100_report(rng: Rng, epcs: list[bytes]) -> bytes:
    return m100.encode_notice(-int(rng.integers(40, 80)), 0x3000, epcs[0], int(rng.integers(65_536)))


def _m100_readings(frames: Frames, t: Times) -> Readings:
    tags = m100.decode_notices(frames)
    n = len(tags.row)
    return _of(tags, t, _same(n), antenna=np.ones(n, np.uint8), rssi_dbm=tags.rssi_dbm)


_R2000_KHZ = np.array(r2000.TABLE_KHZ + (0,) * 4, np.uint32)


def _r2000_report(rng: Rng, epcs: list[bytes]) -> bytes:
    index, antenna, rssi = int(rng.integers(60)), int(rng.integers(4)), -int(rng.integers(40, 80))
    return r2000.encode_tag(r2000.Command.SESSION, index, antenna, epcs[0], rssi)


def _r2000_readings(frames: Frames, t: Times) -> Readings:
    tags, _ = r2000.decode_inventory(frames)
    return _of(tags, t, _R2000_KHZ[tags.index], antenna=tags.antenna, rssi_dbm=tags.rssi_dbm)


def _uhf_18_report(_: Rng, epcs: list[bytes]) -> bytes:
    return uhf.encode_tags("18", uhf.Status.MORE, [(epc, 0) for epc in epcs])


def _uhf_288_report(rng: Rng, epcs: list[bytes]) -> bytes:
    rssi = int(rng.integers(50, 90))
    return uhf.encode_tags("288", uhf.Status.MORE, [(epc, rssi) for epc in epcs], int(rng.integers(1, 5)))


def _uhf_readings(dialect: uhf.Dialect, how: str) -> Callable[[Frames, Times], Readings]:
    def readings(frames: Frames, t: Times) -> Readings:
        tags = uhf.decode_tags(frames, dialect)
        rssi = read_rssi(tags.rssi, how)
        return _of(tags, t, _same(len(tags.row)), antenna=tags.antenna, rssi_dbm=rssi)

    return readings


def _chafon_report(rng: Rng, epcs: list[bytes]) -> bytes:
    return chafon.encode_report(
        -float(rng.integers(40, 80)), int(rng.integers(1, 5)), int(rng.integers(50)), epcs[0]
    )


_CHAFON_KHZ = np.arange(902_750, 902_750 + 256 * 500, 500, dtype=np.uint32)


def _chafon_readings(frames: Frames, t: Times) -> Readings:
    tags = chafon.decode_reports(frames)
    antenna = tags.antenna.astype(np.uint8)
    return _of(tags, t, _CHAFON_KHZ[tags.channel], antenna=antenna, rssi_dbm=tags.rssi_dbm)


def _mercury_report(rng: Rng, epcs: list[bytes]) -> bytes:
    record = mercury.Record(
        b"\x30\0", epcs[0], 0, 1, -int(rng.integers(40, 80)), 0x11 * int(rng.integers(1, 5)), 920_625,
        4 * next(_READS) % 1000, int(rng.integers(180)),
    )  # fmt: skip
    return mercury.encode_record(mercury.Search(0x7F), record)


_READS = count()


@cache
def _mercury_stream() -> Stream:
    return Stream("bench", Options(), (1, 2, 3, 4), Inbox(time.time_ns), set(), {}, lambda _: None)


def _mercury_readings(frames: Frames, t: Times) -> Readings:
    read = _mercury_stream().take(frames, t)
    return Readings.empty() if read is None else make_readings(*read.stamped, **read.columns)


def _uid(epc: bytes) -> bytes:
    return b"\xe0\x04" + epc[:6]


def _uid_name(epc: bytes) -> str:
    return _uid(epc).hex().upper()


def _feig_report(layout: feig.Layout) -> Callable[[Rng, list[bytes]], bytes]:
    def report(_: Rng, epcs: list[bytes]) -> bytes:
        sets = feig.encode_sets([(_uid(epc), 0x3E) for epc in epcs])
        return layout.answer(feig.Control.ISO, feig.Status.OK, sets)

    return report


def _feig_readings(layout: feig.Layout) -> Callable[[Frames, Times], Readings]:
    def readings(frames: Frames, t: Times) -> Readings:
        sets = feig.decode_sets(frames, layout.data_at)
        n = len(sets)
        return make_readings(
            sets.tags, t[sets.row], tag=sets.tag, frequency_khz=np.full(n, HF_KHZ, np.uint32),
            antenna=np.ones(n, np.uint8), rssi_dbm=np.full(n, NO_RSSI_DBM, np.float32),
        )  # fmt: skip

    return readings


def _feig(name: str, layout: feig.Layout) -> Protocol:
    return Protocol(
        name, layout.frames, 38_400, _feig_report(layout), _feig_readings(layout), 12, _uid_name, bits=11
    )


PROTOCOLS = (
    Protocol("mercury", mercury.REPLIES, 115_200, _mercury_report, _mercury_readings),
    Protocol("m100", m100.FRAMES, 115_200, _m100_report, _m100_readings),
    Protocol(
        "r2000", r2000.FRAMES, 115_200, _r2000_report, _r2000_readings,
        also=lambda frames: r2000.decode_inventory(frames, phase=True, eight=True),
    ),
    Protocol(
        "uhfreader18", uhf.ANSWERS, 57_600, _uhf_18_report, _uhf_readings("18", "none"), together=18,
        also=uhf.decode_ends,
    ),
    Protocol(
        "uhfreader18 (288)", uhf.ANSWERS, 57_600, _uhf_288_report, _uhf_readings("288", "r2000"),
        also=uhf.decode_ends,
    ),
    Protocol("chafon", chafon.FRAMES, 115_200, _chafon_report, _chafon_readings),
    _feig("feig", feig.STANDARD),  # as over serial lines
    _feig("feig (advanced)", feig.ADVANCED),
)  # fmt: skip
