"""From tag reports to readings: units, channel to frequency, phase turned, reader time to host time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader_drivers.clock_map import ClockEvent, ClockMap
from reader_drivers.llrp.codec import NO_DOPPLER, NO_RSSI, PHASE_STEPS, Reports
from recording import LEAST_RSSI_DBM, MOST_RSSI_DBM, NO_TIME, Readings

_LEAST_CDBM, _MOST_CDBM = round(100 * LEAST_RSSI_DBM), round(100 * MOST_RSSI_DBM)

_LATEST_US = 7_258_118_400_000_000
"""2200-01-01; a stamp behind it is garbage."""


def phase_table(phase_sign: int) -> NDArray[np.float32]:
    """Return the phase of each of the reader's 4096 angles in radians, growing with distance, in [0, 2 pi)."""
    steps = phase_sign * np.arange(PHASE_STEPS) % PHASE_STEPS
    return (steps * (2 * np.pi / PHASE_STEPS)).astype(np.float32)


class ReportConverter:
    """Turns reports of one reader into readings.

    Parameters
    ----------
    frequency_khz : uint32[channels + 1]
        By channel index; 0: no such channel.
    phase_sign
        See `options.Options`.
    clock
        The reader's clock, followed over reconnections.
    """

    def __init__(self, frequency_khz: NDArray[np.uint32], phase_sign: int, clock: ClockMap) -> None:
        self._frequency_khz = frequency_khz
        # One entry more for "no phase", so that a single look-up does both.
        self._phase = np.append(phase_table(phase_sign), np.float32(np.nan))
        self._clock = clock

    def convert(
        self, reports: Reports, arrival_ns: int, doppler: bool
    ) -> tuple[Readings, list[ClockEvent], int]:
        """Return readings, what the clocks did, and how many reports had to be left out.

        Left out are reports without antenna, channel or RSSI, or with one that cannot be, and those of tags without an
        EPC: no tag's position is to be had from them.
        """
        channel = np.minimum(reports.channel, len(self._frequency_khz) - 1)
        frequency = np.where(channel == reports.channel, self._frequency_khz[channel], 0)
        rssi = reports.rssi_cdbm
        good = (frequency > 0) & (rssi != NO_RSSI) & (rssi >= _LEAST_CDBM) & (rssi <= _MOST_CDBM)
        good &= (reports.antenna > 0) & (reports.antenna < 256)
        if not all(reports.epcs):
            good &= np.array([bool(epc) for epc in reports.epcs])[reports.tag]
        # The clock follows all stamps; a spoiled RSSI does not spoil them.
        reader_t = _stamps(reports)
        t, events = self._times(reader_t, arrival_ns)
        columns: dict[str, Any] = {
            "t": t,
            "tag": reports.tag,
            "antenna": reports.antenna.astype(np.uint8),
            "frequency_khz": frequency.astype(np.uint32),
            "rssi_dbm": (rssi / 100).astype(np.float32),
            "phase_rad": self._phase[np.minimum(reports.phase, PHASE_STEPS)],
            "seen_count": np.maximum(reports.seen, 1).astype(np.uint32),
            "reader_t": reader_t,
        }
        if doppler:
            shift = (reports.doppler / 16).astype(np.float32)
            columns["doppler_hz"] = np.where(reports.doppler == NO_DOPPLER, np.float32(np.nan), shift)
        if not good.all():
            columns = {name: values[good] for name, values in columns.items()}
        tags = tuple(epc.hex().upper() for epc in reports.epcs)
        return Readings(tags=tags, **columns), events, int(len(good) - good.sum())

    def _times(
        self, reader_t: NDArray[np.int64], arrival_ns: int
    ) -> tuple[NDArray[np.int64], list[ClockEvent]]:
        stamped = reader_t != NO_TIME
        if stamped.all():
            return self._clock.map(reader_t, arrival_ns)
        t = np.full(len(reader_t), arrival_ns, np.int64)
        t[stamped], events = self._clock.map(reader_t[stamped], arrival_ns)
        return t, events


def _stamps(reports: Reports) -> NDArray[np.int64]:
    """Return when each tag was first seen by the reader's clock, ns: UTC if it has it, else its uptime."""
    microseconds = np.zeros(len(reports), np.uint64)
    for column in (
        reports.last_uptime_us,
        reports.last_utc_us,
        reports.first_uptime_us,
        reports.first_utc_us,
    ):
        microseconds = np.where(column > 0, column, microseconds)
    usable = (microseconds > 0) & (microseconds < _LATEST_US)
    return np.where(usable, np.where(usable, microseconds, 0).astype(np.int64) * 1000, NO_TIME)
