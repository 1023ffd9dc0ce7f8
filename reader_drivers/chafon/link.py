"""A connection to a Chafon `CF` reader."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings, SettingsError
from reader_drivers.chafon.codec import (
    Command,
    Parameters,
    Status,
    command_of,
    data_of,
    decode_parameters,
    decode_reports,
    encode,
    inventory_parameters,
    status_words,
)
from reader_drivers.framing import Frames
from reader_drivers.serial_link import FAILED_AGAIN_S, SerialLink
from reader_drivers.setting_checks import check_gen2, check_one_power, check_whole_dbm
from reader_drivers.transport import LinkLostError

MOST_DBM: Final = 33
MOST_PORTS: Final = 8

_ROUND_S: Final = 2  # an inventory ends by itself after so long, and is asked for again
_INIT_S: Final = 0.3
_REGIONS: Final = {1: "FCC"}


class ChafonLink(SerialLink):
    """A reader that answers."""

    patience_s = _ROUND_S + 0.5  # a reader that hears no tag says nothing until its inventory is over

    def set_up(self) -> Capabilities:
        """End what it was doing, and learn name and parameters."""
        self._again_at = float("inf")
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        # What it is good for is not told anywhere, but the maker's own program begins with it.
        with contextlib.suppress(LinkLostError):
            self.client.request(encode(Command.INIT), self._is(Command.INIT), "init", _INIT_S, tries=1)
        info = self._ask(Command.INFO, b"", "its name", refused_is_fine=True)
        # Texts of fixed lengths, filled up with zeros; which is which is not certain.
        texts = [text.decode().strip() for text in re.findall(rb"[\x20-\x7e]{3,}", info)]
        self._parameters = self._get_parameters()
        region = self._parameters.region
        return Capabilities(
            manufacturer="Chafon",
            model="CF reader",
            firmware=" ".join(texts),
            air="gen2",
            antennas=max(1, self._parameters.antennas.bit_length()),
            phase=False,
            phase_ambiguity="unknown",
            rssi_step_db=0.1,
            frequencies_khz=self._parameters.frequencies_khz,
            powers_dbm=tuple(float(power) for power in range(max(MOST_DBM, self._parameters.power_dbm) + 1)),
            region=_REGIONS.get(region, f"region {region}"),
        )

    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Set antennas, power, session and Q, and ask for the first inventory."""
        now = self._parameters
        ports = (
            settings.ports or tuple(bit + 1 for bit in range(MOST_PORTS) if now.antennas >> bit & 1) or (1,)
        )
        power = now.power_dbm if settings.power_dbm is None else int(settings.power_dbm)
        wanted = now.to_read(
            antennas=sum(1 << port - 1 for port in set(ports)),
            power_dbm=power,
            session=settings.gen2_session,
            q=settings.q,
        )
        # They are kept in flash, so they are written only where they differ.
        if wanted != now:
            self._ask(Command.SET_PARAMETERS, wanted.raw, "its parameters")
            self._parameters = self._get_parameters()
        self._table = np.array(self._parameters.frequencies_khz, np.uint32)
        self._start()
        return dict.fromkeys(ports, float(power))

    def end(self) -> None:
        """End the inventory."""
        self._again_at = float("inf")
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        self.note_deaf()

    def alive(self) -> None:
        """Stop, which is answered, and ask anew: the end of the inventory was not told, or the reader booted."""
        self.note_deaf()
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        if self._get_parameters() != self._parameters:
            raise LinkLostError(f"{self.where}: somebody else set it, or it forgot what was set")
        self._start()

    def pump(self, timeout_s: float) -> None:
        """Handle what comes, and ask for the next inventory when one is over."""
        super().pump(max(0.0, min(timeout_s, self._again_at - time.monotonic())))
        if time.monotonic() >= self._again_at and self.power_dbm:
            self._start()

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take reports of reads."""
        if not self.power_dbm:
            return
        reports = decode_reports(frames)
        good = reports.channel < len(self._table)
        if bad := reports.bad + int(np.count_nonzero(~good)):
            self.inbox.add_left_out("bad_message", bad)
        # An answer to a question says nothing of listening: the reader may have booted.
        if reports.over not in (-1, Status.INVENTORY_OVER):
            self.note_deaf()
        elif reports.over == Status.INVENTORY_OVER or len(reports.row):
            self.note_listening(int(t[-1]))
        self.add_readings(
            reports.tags,
            t[reports.row[good]],
            tag=reports.tag[good],
            antenna=reports.antenna[good].astype(np.uint8),
            frequency_khz=self._table[reports.channel[good]],
            rssi_dbm=reports.rssi_dbm[good],
        )
        if len(reports.row):
            self.note_failure("")
        if reports.over >= 0 and self._again_at < float("inf"):
            self._note_over(reports.over)

    def _note_over(self, status: int) -> None:
        failed = status != Status.INVENTORY_OVER
        self.note_failure(status_words(status) if failed else "")
        self._again_at = time.monotonic() + (FAILED_AGAIN_S if failed else 0.0)

    def _start(self) -> None:
        # Should its end not be told, it is asked for again when it must be over.
        self._again_at = time.monotonic() + _ROUND_S + 1
        self.client.send(encode(Command.INVENTORY, inventory_parameters(_ROUND_S)))

    def _get_parameters(self) -> Parameters:
        parameters = decode_parameters(self._ask(Command.GET_PARAMETERS, b"", "its parameters"))
        if parameters is None:
            raise ReaderError(f"{self.where}: its parameters are not those of a CF reader as they are known")
        return parameters

    @staticmethod
    def _is(command: Command) -> Callable[[bytes], bool]:
        def is_answer(frame: bytes) -> bool:
            return command_of(frame) == command and len(data_of(frame)) > 0

        return is_answer

    def _ask(self, command: Command, data: bytes, what: str, *, refused_is_fine: bool = False) -> bytes:
        """Ask for something and return the data of the answer behind its status."""
        answer = data_of(self.client.request(encode(command, data), self._is(command), what))
        if answer[0] != Status.OK and not refused_is_fine:
            raise ReaderError(f"{self.where}: the reader refused {what} ({status_words(answer[0])})")
        return answer[1:]


def check_kind(settings: ReaderSettings, where: str) -> None:
    """Refuse settings that no reader of this kind can follow; raises SettingsError."""
    check_one_power(settings, where)
    if wrong := [port for port in settings.ports if not 1 <= port <= MOST_PORTS]:
        raise SettingsError(f"{where}: no antenna port {wrong[0]}; there are at most {MOST_PORTS}")
    check_gen2(settings, where)
    if settings.channels or settings.region is not None:
        raise SettingsError(f"{where}: region and channels are set with the maker's program; leave them out")
    if settings.search == "focus" or settings.target is not None or settings.rf_mode is not None:
        raise SettingsError(
            f"{where}: search focus, target and mode are not in this protocol; leave them out"
        )


def check_settings(settings: ReaderSettings, can: Capabilities, where: str) -> None:
    """Refuse settings that a reader cannot follow; raises SettingsError."""
    check_whole_dbm(settings, can, where)
