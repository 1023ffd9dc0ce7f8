"""What a module sends while it reads, as readings and events."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import TagData
from reader_drivers.framing import Frames
from reader_drivers.inbox import Inbox
from reader_drivers.mercury.codec import (
    Embedded,
    Kind,
    Metadata,
    Op,
    Records,
    Search,
    Status,
    decode_records,
    describe,
    kinds_of,
    read_reply,
    stamps_of,
    unwrap,
)
from reader_drivers.mercury.cycle_clock import CycleClock
from reader_drivers.mercury.options import Options
from recording import LEAST_RSSI_DBM, MOST_RSSI_DBM, NO_TIME

_MASK: Final = (
    Metadata.COUNT | Metadata.RSSI | Metadata.ANTENNA | Metadata.FREQUENCY | Metadata.STAMP | Metadata.PHASE
    | Metadata.PROTOCOL
)  # fmt: skip
_USER: Final = 3
_AGAIN_S: Final = 30.0
"""What a module tells with every cycle is told once in so long."""

_STOPPED: Final = -1
_RESTART_S: Final = 1.0
_IDLE_S: Final = 3.0

_TROUBLE: Final[dict[int, tuple[str, str]]] = {
    Status.NO_ANTENNA: ("antenna_gone", "no antenna is connected to a port in use"),
    Status.TOO_HOT: ("reader_exception", "too hot: it pauses transmitting; let it cool"),
    Status.RETURN_LOSS: (
        "reader_exception",
        "high return loss: it ended transmitting; check antenna and cable",
    ),
    Status.BUFFER_FULL: ("buffer_overflow", "its tag buffer is full; it was told to read again"),
}


@dataclass(frozen=True, slots=True)
class Read:
    """Readings of one piece of stream.

    Attributes
    ----------
    stamped
        Tags, and when each was read, ns UTC.
    columns
        Further columns of `Readings`.
    """

    stamped: tuple[tuple[bytes, ...], NDArray[np.int64]]
    columns: dict[str, Any]


def phase_table(phase_sign: int) -> NDArray[np.float32]:
    """Return the phase of each of the module's degrees 0..360 in radians, in [0, pi); behind them none (NaN)."""
    # Modulo half a turn: the module cannot tell an angle from one 180 degrees on.
    degrees = phase_sign * np.arange(361) % 180
    return np.append(np.deg2rad(degrees).astype(np.float32), np.float32(np.nan))


def port_table(ports: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the port of each antenna byte, int64[256]; 0: none of those in use.

    The high nibble is the transmit port, 0 meaning 16. Firmware with a plain number in the byte is understood where it
    cannot be taken for a pair.
    """
    table = np.zeros(256, np.int64)
    for byte in range(256):
        port = byte >> 4 or 16
        table[byte] = port if port in ports else byte if byte in ports else 0
    return table


class Stream:
    """One search of a module.

    Parameters
    ----------
    where
        The reader, as messages name it.
    options
    ports
        Antenna ports in use.
    inbox
        Where events and memories go.
    remembered
        Tags whose memory was told before; added to.
    said
        When each kind of trouble was told last, by the monotonic clock, s; kept up.
    send
        Sends a frame.

    Attributes
    ----------
    start : bytes
        The frame that starts the search.
    """

    def __init__(
        self,
        where: str,
        options: Options,
        ports: tuple[int, ...],
        inbox: Inbox,
        remembered: set[bytes],
        said: dict[int, float],
        send: Callable[[bytes], None],
    ) -> None:
        self._where, self._inbox, self._send = where, inbox, send
        data = Embedded(_USER, 0, options.memory_words) if options.memory else None
        search = Search(_MASK | (Metadata.DATA if data else 0), options.cycle_ms, data)
        self.start = search.start()
        self._phase = phase_table(options.phase_sign)
        self._port = port_table(ports)
        self._clock = CycleClock()
        self._heard = self._started = time.monotonic()
        self.idle_s = max(_IDLE_S, 3e-3 * options.cycle_ms)
        """Silence that a module does not keep which reads: it tells each cycle, s."""
        self._said = said
        self._remembered = remembered

    @property
    def stopped(self) -> bool:
        """Whether nothing of the search has come for so long that the module reads no more, though it may answer."""
        return time.monotonic() - self._heard >= self.idle_s

    def tell_stopped(self) -> None:
        """Tell that the module stopped by itself."""
        self._tell("reader_exception", "it stopped reading by itself; it was told to read again", _STOPPED)

    def _again(self) -> None:
        """Start the search again, at most once a second: it may end at once."""
        now = time.monotonic()
        if now - self._started > _RESTART_S:
            self._started = self._heard = now
            self._clock.restart()
            self._send(self.start)

    def _tell(self, kind: str, what: str, key: int) -> None:
        """Tell of something, once in a while."""
        now = time.monotonic()
        if now - self._said.get(key, -_AGAIN_S) >= _AGAIN_S:
            self._said[key] = now
            self._inbox.add_event(kind, f"{self._where}: {what}")

    def rounds(self, frames: Frames) -> NDArray[np.int64]:
        """Return the rows of frames that only a module sends which reads."""
        kind = kinds_of(frames)
        return np.flatnonzero((kind == Kind.RECORD) | (kind == Kind.KEEPALIVE))

    def take(self, frames: Frames, t: NDArray[np.int64]) -> Read | None:
        """Take frames; return readings, or None where there are none."""
        kind = kinds_of(frames)
        if not kind.any():
            return None
        self._heard = time.monotonic()
        rows = np.flatnonzero(kind == Kind.RECORD)
        read = self._read(frames, rows, kind == Kind.KEEPALIVE, t)
        if strange := int(np.count_nonzero(kind == Kind.STRANGE)):
            self._inbox.add_left_out("bad_message", strange)
        for row in np.flatnonzero(kind == Kind.FAULT).tolist():
            self._fault(read_reply(frames.frame(row)).status)
        if np.any(kind == Kind.END):
            self._tell(
                "reader_exception", "it ended the search by itself; it was told to read again", _STOPPED
            )
            self._again()
        return read

    def _fault(self, status: int) -> None:
        kind, what = _TROUBLE.get(status, ("reader_exception", f"while reading: {describe(status)}"))
        self._tell(kind, what, status)
        if status == Status.BUFFER_FULL:
            self._again()

    def _read(
        self, frames: Frames, rows: NDArray[np.int64], keepalive: NDArray[np.bool_], t: NDArray[np.int64]
    ) -> Read | None:
        records = decode_records(frames, rows)
        left_out = records.bad
        read_t = self._times(frames, records, np.flatnonzero(keepalive), t)
        port = self._port[np.clip(records.antenna, 0, 255)]
        khz, rssi = records.frequency_khz, records.rssi_dbm
        # Without port, channel or RSSI there is no position to be had; the clock follows their stamps all the same.
        good = (port > 0) & (khz > 800_000) & (khz < 1_000_000)
        good &= (rssi >= LEAST_RSSI_DBM) & (rssi <= MOST_RSSI_DBM)
        left_out += len(good) - int(good.sum())
        if left_out:
            self._inbox.add_left_out("bad_reading", left_out)
        if not good.any():
            return None
        phase = np.where(records.phase_deg < 0, 361, np.minimum(records.phase_deg, 361))
        stamp = records.stamp_ms
        columns: dict[str, Any] = {
            "tag": records.tag,
            "antenna": port.astype(np.uint8),
            "frequency_khz": khz.astype(np.uint32),
            "rssi_dbm": rssi.astype(np.float32),
            "phase_rad": self._phase[phase],
            "seen_count": np.maximum(records.count, 1).astype(np.uint32),
            "reader_t": np.where(stamp < 0, NO_TIME, stamp * 1_000_000),
        }
        if not good.all():
            columns = {name: column[good] for name, column in columns.items()}
            read_t = read_t[good]
        if records.data_length.any():
            self._remember(
                frames, records, np.flatnonzero(good & (records.data_length > 0)), port, read_t, good
            )
        return Read((records.tags, read_t), columns)

    def _times(
        self, frames: Frames, records: Records, alive: NDArray[np.int64], t: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return when each record was read, ns UTC."""
        if not len(alive) and not len(records.row):
            return np.empty(0, np.int64)
        row = np.concatenate([records.row, alive])
        order = np.argsort(row, kind="stable")
        # Some keep-alives carry the time of the cycle that goes on; the others begin one.
        told = stamps_of(frames.select(alive)) if len(alive) else alive
        stamp = np.concatenate([np.maximum(records.stamp_ms, 0), np.maximum(told, 0)]) * 1_000_000
        begins = np.concatenate([np.zeros(len(records.row), np.bool_), told < 0])
        out = np.empty(len(row), np.int64)
        out[order] = self._clock.map(stamp[order], t[row[order]], begins[order])
        return out[: len(records.row)]

    def _remember(
        self,
        frames: Frames,
        records: Records,
        rows: NDArray[np.int64],
        port: NDArray[np.int64],
        read_t: NDArray[np.int64],
        good: NDArray[np.bool_],
    ) -> None:
        """Hand out the memory of tags that have not been told yet."""
        place = np.cumsum(good) - 1
        tags, first = np.unique(records.tag[rows], return_index=True)
        for tag, row in zip(tags.tolist(), rows[first].tolist(), strict=True):
            epc = records.tags[tag]
            if epc in self._remembered:
                continue
            self._remembered.add(epc)
            at, length = int(records.data_at[row]), int(records.data_length[row])
            memory = frames.data[at : at + length].tobytes()
            when = int(read_t[place[row]])
            self._inbox.add_tag_data(
                TagData(when, epc.hex().upper(), int(port[row]), memory=memory, block_bytes=0)
            )

    def temperatures(self, frames: Frames) -> list[int]:
        """Return the temperatures that the module told among these frames, degrees Celsius."""
        told: list[int] = []
        for row in np.flatnonzero(frames.byte(2) == Op.MULTI).tolist():
            inner = unwrap(read_reply(frames.frame(row)))
            if inner is not None and inner.op == Op.TEMPERATURE and inner.status == 0 and inner.data:
                told.append(int.from_bytes(inner.data[:1], "big", signed=True))
        return told
