"""A connection to an M100 module."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings
from reader_drivers.framing import Frames
from reader_drivers.m100.codec import (
    COMMAND,
    REGIONS,
    Command,
    Failure,
    decode_notices,
    encode,
    parameters,
)
from reader_drivers.serial_link import SerialLink
from reader_drivers.transport import LinkLostError

_ROUNDS: Final = 65_535  # a poll of many rounds ends by itself after so many
_POLL_MANY: Final = encode(Command.POLL_MANY, b"\x22" + _ROUNDS.to_bytes(2, "big"))
LEAST_DBM: Final = 10.0


class M100Link(SerialLink):
    """A module that answers."""

    def set_up(self) -> Capabilities:
        """End a poll that is under way, and learn model, firmware and power."""
        # It answers STOP among the notices of the poll it ends; one that polls nothing answers with an error.
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        model = self._text(0)
        firmware, maker = self._text(1), self._text(2)
        self._most_dbm = int.from_bytes(parameters(self._ask(Command.GET_POWER, b"", "power")), "big") / 100
        region = self.address.settings.region or "CN"
        if region not in REGIONS:
            raise ReaderError(f"{self.where}: no region {region}; it has {', '.join(REGIONS)}")
        number, frequencies = REGIONS[region]
        self._ask(Command.REGION, bytes([number]), "region")
        self._centre_khz = frequencies[len(frequencies) // 2]
        self._khz = self._centre_khz
        return Capabilities(
            manufacturer=maker or "MagicRF",
            model=model,
            firmware=firmware,
            air="gen2",
            antennas=1,
            phase=False,
            phase_ambiguity="unknown",
            rssi_step_db=1.0,
            frequencies_khz=frequencies,
            powers_dbm=tuple(
                float(p) for p in range(int(LEAST_DBM), int(max(self._most_dbm, LEAST_DBM)) + 1)
            ),
            region=region,
        )

    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Set power, session and channel, and poll."""
        power = settings.port_power_dbm.get(1, settings.power_dbm)
        dbm = self._most_dbm if power is None else min(power, self._most_dbm)
        self._ask(Command.POWER, round(dbm * 100).to_bytes(2, "big"), "power")
        session = 1 if settings.session is None else settings.session
        q = 4 if settings.q is None else settings.q
        # DR 8, M 1, pilot tone; Sel all; session; target A; Q (protocol, section 4.13).
        target = 1 if settings.target == "B" else 0
        query = 0x1000 | session << 8 | target << 7 | q << 3
        self._query = query.to_bytes(2, "big")
        self._ask(Command.SET_QUERY, self._query, "query parameters")
        self._khz = self._centre_khz
        if settings.channels:
            channel = settings.channels[0]
            self._ask(Command.CHANNEL, bytes([channel - 1]), "channel")
            self._khz = self.capabilities.frequencies_khz[channel - 1]
        else:
            self._ask(Command.HOPPING, b"\xff", "hopping")
        self.client.send(_POLL_MANY)
        return {1: dbm}

    def end(self) -> None:
        """Stop polling."""
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)

    def alive(self) -> None:
        """Poll anew: the rounds may be over, and a module that polls answers each empty round.

        Raises
        ------
        LinkLostError
            It does not answer, or has forgotten what it was told.
        """
        told = self._ask(Command.GET_QUERY, b"", "query parameters", refused_is_fine=True)
        if told[2] == Command.GET_QUERY and parameters(told) != self._query:
            raise LinkLostError(f"{self.where}: the module booted by itself; is its supply strong enough?")
        self.client.send(_POLL_MANY)

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take tag notices."""
        if not self.power_dbm:
            return
        notices = decode_notices(frames)
        if notices.bad:
            self.inbox.add_left_out("bad_message", notices.bad)
        if not len(notices.row):
            self.note_listening(int(t[-1]))
            return
        n = len(notices.row)
        self.add_readings(
            notices.tags,
            t[notices.row],
            tag=notices.tag,
            antenna=np.ones(n, np.uint8),
            frequency_khz=np.full(n, self._khz, np.uint32),
            rssi_dbm=notices.rssi_dbm,
        )

    def _ask(self, command: Command, values: bytes, what: str, *, refused_is_fine: bool = False) -> bytes:
        def is_answer(frame: bytes) -> bool:
            if frame[1] != 0x01:
                return False
            # An empty round of a poll is told as an error, too: it answers no other command.
            empty = frame[2] == Command.ERROR and parameters(frame)[:1] == bytes([Failure.NO_TAG])
            return frame[2] == command or (frame[2] == Command.ERROR and not empty)

        answer = self.client.request(encode(command, values, COMMAND), is_answer, what)
        if answer[2] == Command.ERROR and not refused_is_fine:
            code = parameters(answer)[0] if parameters(answer) else 0
            raise ReaderError(f"{self.where}: the module refused {what} (error {code:02X})")
        return answer

    def _text(self, which: int) -> str:
        answer = self._ask(Command.INFO, bytes([which]), "its name", refused_is_fine=True)
        if answer[2] == Command.ERROR:
            return ""
        # The first parameter says which text it is.
        return parameters(answer)[1:].decode("ascii", "replace").strip("\0 ")


def check_settings(settings: ReaderSettings, can: Capabilities, where: str) -> None:
    """Refuse settings that a module cannot follow; raises ReaderError."""
    named = (*settings.ports, *settings.port_power_dbm)
    if wrong := [port for port in named if port != 1]:
        raise ReaderError(f"{where}: no antenna port {wrong[0]}; it has port 1 only")
    if settings.session is not None and settings.session not in range(4):
        raise ReaderError(f"{where}: session {settings.session} does not exist; Gen2 has 0 to 3")
    if settings.power_dbm is not None and settings.power_dbm < LEAST_DBM:
        raise ReaderError(f"{where}: power {settings.power_dbm:g} dBm is below its least ({LEAST_DBM:g} dBm)")
    count = len(can.frequencies_khz)
    if len(settings.channels) > 1 or any(not 1 <= c <= count for c in settings.channels):
        raise ReaderError(f"{where}: it stays on one channel of 1 to {count}, or hops; name one, or none")
    if settings.search == "focus":
        raise ReaderError(f"{where}: search focus is Impinj's; use dual or single")
