"""A connection to a reader of the UHFReader18 or 288 family."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings, SettingsError, TagData
from reader_drivers.framing import Frames
from reader_drivers.inbox import Inbox
from reader_drivers.polled_link import PolledLink
from reader_drivers.serial_link import NO_RSSI_DBM
from reader_drivers.setting_checks import (
    check_gen2,
    check_one_power,
    check_ports,
    check_run_of_channels,
    check_whole_dbm,
)
from reader_drivers.targets import Address
from reader_drivers.transport import LinkLostError, Wake
from reader_drivers.uhfreader18.codec import (
    ANSWERS,
    BANDS,
    MODELS,
    RSSI_ZERO,
    Command,
    Dialect,
    Info,
    Status,
    band_of,
    data_of,
    decode_ends,
    decode_info,
    decode_tags,
    encode_band,
    encode_command,
    inventory_parameters,
    status_words,
)
from reader_drivers.uhfreader18.options import Options

MOST_DBM: Final = 30

_DEAF_S: Final = 1.0
_ANSWERS: Final = b"\x00"  # of SET_WORK_MODE_288: speak when asked, report by oneself
_REPORTS: Final = b"\x01"


class UhfReader18Link(PolledLink):
    """A reader that answers.

    Parameters
    ----------
    address, clock, inbox, wake
        As of `SerialLink`.
    options
        The driver's own.
    """

    dialect: Dialect

    def __init__(
        self, address: Address, options: Options, clock: Callable[[], int], inbox: Inbox, wake: Wake
    ) -> None:
        self.options = options
        super().__init__(address, ANSWERS, clock, inbox, wake)

    def set_up(self) -> Capabilities:
        """Learn what it is; one that reports by itself is told to stop."""
        self.patience_s = self.options.scan_s + 1.5
        self._reports_seen = False
        self._port = 1
        self._tids: set[tuple[bytes, bytes]] = set()
        # A reader that reports by itself is deaf to all else, and one that was told to does so still when it is back.
        push = self.options.push
        try:
            self._info = self._ask_info(min(_DEAF_S, self.client.timeout_s) if push else None)
        except LinkLostError:
            if not (push or self._reports_seen):
                raise
            self._ask(Command.SET_WORK_MODE_288, _ANSWERS, "to stop reporting")
            self._info = self._ask_info()
        name, self.dialect = MODELS.get(self._info.type, (f"type {self._info.type:02X}", self._guess()))
        if self.options.dialect is not None:
            self.dialect = self.options.dialect
        if self.dialect == "18" and (self.options.push or self.options.fast_id):
            raise ReaderError(f"{self.where}: push and fastid are of the 288 family, and this is a {name}")
        region = self._region(self.address.settings.region)
        return Capabilities(
            manufacturer="Chafon",
            model=name,
            firmware="{}.{}".format(*self._info.version),
            air="gen2",
            antennas=1 if self.dialect == "18" else 8 if self._info.antennas > 0x0F else 4,
            phase=False,
            phase_ambiguity="unknown",
            rssi_step_db=0.0 if self.dialect == "18" or self.options.rssi == "none" else 1.0,
            frequencies_khz=BANDS[region].frequencies_khz,
            powers_dbm=tuple(float(power) for power in range(max(MOST_DBM, self._info.power_dbm) + 1)),
            region=region,
        )

    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Set region, power, channels and time of a round, and ask for the first one (or let the reader report)."""
        if settings.region not in (None, self.capabilities.region):
            region = self._region(settings.region)
            self.capabilities = replace(
                self.capabilities, region=region, frequencies_khz=BANDS[region].frequencies_khz
            )
        info = self._info
        power = info.power_dbm if settings.power_dbm is None else int(settings.power_dbm)
        # Settings are kept in flash, so they are written only where they differ.
        if power != info.power_dbm:
            self._ask(Command.SET_POWER, bytes([power]), "power")
        if settings.channels:
            self._set_band(info.band, min(settings.channels) - 1, max(settings.channels) - 1)
        scan = round(self.options.scan_s * 10)
        if self.dialect == "18" and scan != info.scan:
            self._ask(Command.SET_SCAN_TIME, bytes([scan]), "the time of a round")
        self._info = info = self._ask_info()
        band = BANDS[self._band()]
        # It does not tell the channel of a read.
        self._khz = band.khz((info.first + info.last) // 2)
        self._q = 4 if settings.q is None else settings.q
        self._scan = scan
        ports = settings.ports or self._ports_in_use()
        if self.options.push:
            self._ask(Command.SET_WORK_MODE_288, _REPORTS, "to report by itself")
        else:
            self.begin_rounds(ports, settings.flags if self.dialect == "288" else "A")
        return dict.fromkeys(ports, float(power))

    def end(self) -> None:
        """Ask for no more rounds; what the last one brings has arrived when this returns."""
        self.end_rounds()
        if self.options.push:
            self._ask(Command.SET_WORK_MODE_288, _ANSWERS, "to stop reporting")
        else:
            self._ask_info(self.options.scan_s + self.client.timeout_s)

    def ask(self, port: int, flag: str) -> None:
        """Ask for a round."""
        data = b""
        if self.dialect == "288":
            data = inventory_parameters(
                self._q, self.session, flag, port, self._scan, fast_id=self.options.fast_id
            )
        self._port = port
        self.client.send(encode_command(Command.INVENTORY, data, self.options.address))

    def alive(self) -> None:
        """Find out why nothing comes; the reader keeps its settings when it boots, but what it was asked is lost."""
        if self.options.push:
            # Its heartbeats show that it is there; what it is told is written to flash, so not before it is needed.
            if time.monotonic() - self.client.last_heard > 2 * self._keepalive_s:
                self.note_deaf()
                self._ask(Command.SET_WORK_MODE_288, _REPORTS, "to report by itself")
            return
        self.round_lost()
        now = self._ask_info(self.options.scan_s + self.client.timeout_s)
        if now != self._info:
            raise LinkLostError(f"{self.where}: somebody else set it, or it forgot what was set")
        self.inbox.add_event("reader_exception", f"{self.where}: a round never ended; asked again")
        self.ask_next()

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take reads and ends of rounds."""
        if not self.power_dbm:
            self._reports_seen |= bool((frames.byte(2) == Command.REPORT).any())
            return
        tags = decode_tags(frames, self.dialect)
        if tags.bad:
            self.inbox.add_left_out("bad_message", tags.bad)
        n = len(tags.row)
        if not self.options.push or bool((frames.byte(2) == Command.REPORT).any()):
            self.note_listening(int(t[-1]))
        self.add_readings(
            tags.tags,
            t[tags.row],
            tag=tags.tag,
            antenna=tags.antenna,
            frequency_khz=np.full(n, self._khz, np.uint32),
            rssi_dbm=self._rssi_dbm(tags.rssi),
        )
        for port in np.unique(tags.antenna).tolist():
            self.antenna_there(port)
        self._take_tids(tags.tids)
        for status in decode_ends(frames).status.tolist():
            self._over(status)

    def _over(self, status: int) -> None:
        if not self.asked:
            return
        if status == Status.ANTENNA:
            self.antenna_missing(self._port)
            self.round_over()
        elif status == Status.MEMORY:
            self.inbox.add_event("buffer_overflow", f"{self.where}: {status_words(status)}")
            self.round_over()
        elif status <= Status.TIMEOUT or status == Status.NO_TAG:
            self.antenna_there(self._port)
            self.round_over()
        else:
            self.round_over(status_words(status))

    def _take_tids(self, tids: tuple[tuple[bytes, bytes, int], ...]) -> None:
        for epc, tid, port in tids:
            # Of two tags of one EPC the TIDs differ.
            if (epc, tid) not in self._tids:
                self._tids.add((epc, tid))
                self.inbox.add_tag_data(TagData(self.clock(), epc.hex().upper(), port, tid=tid))

    def _rssi_dbm(self, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        return read_rssi(raw, "none" if self.dialect == "18" else self.options.rssi)

    # What it is

    def _guess(self) -> Dialect:
        return "288" if self._info.long else "18"

    def _ports_in_use(self) -> tuple[int, ...]:
        told = tuple(bit + 1 for bit in range(8) if self._info.antennas >> bit & 1)
        return told if self.dialect == "288" and told else (1,)

    def _region(self, wanted: str | None) -> str:
        """Set the region asked for; without one, return the reader's own."""
        if wanted is not None and BANDS[wanted].number != self._info.band:
            self._set_band(BANDS[wanted].number, 0, BANDS[wanted].count - 1)
            self._info = self._ask_info()
        return self._band()

    def _band(self) -> str:
        name = band_of(self._info.band)
        if name is None:
            raise ReaderError(f"{self.where}: its band {self._info.band} is unknown; set one by region=")
        return name

    def _set_band(self, number: int, first: int, last: int) -> None:
        if (number, first, last) != (self._info.band, self._info.first, self._info.last):
            self._ask(Command.SET_BAND, encode_band(number, first, last), "region and channels")

    def _ask_info(self, timeout_s: float | None = None) -> Info:
        info = decode_info(self._ask(Command.INFO, b"", "what it is", timeout_s))
        if info is None:
            raise ReaderError(f"{self.where}: it says too little about itself for a reader of this family")
        return info

    def _ask(self, command: Command, data: bytes, what: str, timeout_s: float | None = None) -> bytes:
        def is_answer(frame: bytes) -> bool:
            return frame[2] == command or (frame[2] == Command.ILLEGAL and frame[3] == Status.ILLEGAL)

        sent = encode_command(command, data, self.options.address)
        answer = self.client.request(sent, is_answer, what, timeout_s)
        if answer[3] != Status.OK:
            raise ReaderError(f"{self.where}: the reader refused {what} ({status_words(answer[3])})")
        return data_of(answer)


def read_rssi(raw: NDArray[np.uint8], how: str) -> NDArray[np.float32]:
    """Return RSSI, dBm, of the byte that a 288 reader tells; no manual has its scale, so `how` says how to read it.

    Where it is not to be read (`none`), `NO_RSSI_DBM` stands for it.
    """
    if how == "r2000":
        return raw.astype(np.float32) - RSSI_ZERO
    if how == "int8":
        return raw.view(np.int8).astype(np.float32)
    return np.full(len(raw), NO_RSSI_DBM, np.float32)


def check_kind(settings: ReaderSettings, where: str) -> None:
    """Refuse settings that no reader of these families can follow; raises SettingsError."""
    check_one_power(settings, where)
    if settings.region is not None and settings.region not in BANDS:
        raise SettingsError(f"{where}: no region {settings.region}; these readers have {', '.join(BANDS)}")
    check_gen2(settings, where)
    if settings.search == "focus":
        raise SettingsError(f"{where}: search focus is not in this protocol; use dual or single")
    if settings.rf_mode is not None:
        raise SettingsError(f"{where}: mode is the reader's own; leave it out")


def check_settings(settings: ReaderSettings, dialect: str, can: Capabilities, where: str) -> None:
    """Refuse settings that a reader cannot follow; raises SettingsError."""
    check_ports(settings, can, where)
    check_whole_dbm(settings, can, where)
    if dialect == "18" and (settings.session, settings.target, settings.q) != (None, None, None):
        raise SettingsError(f"{where}: readers of the 18 family choose session, target and q by themselves")
    region = settings.region or can.region
    check_run_of_channels(settings, BANDS[region].count, where)
