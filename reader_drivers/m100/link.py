"""A connection to an M100 module."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings, SettingsError, TagData
from reader_drivers.framing import Frames
from reader_drivers.inbox import Inbox
from reader_drivers.m100.codec import (
    COMMAND,
    FRAMES,
    NO_MEMORY,
    NOTICE,
    REGIONS,
    RESPONSE,
    Command,
    Failure,
    decode_notices,
    decode_read,
    encode,
    failure_words,
    parameters,
    read_parameters,
    region_of,
    select_parameters,
)
from reader_drivers.m100.options import Options
from reader_drivers.memory_queue import MemoryQueue
from reader_drivers.serial_link import SerialLink
from reader_drivers.setting_checks import check_gen2
from reader_drivers.targets import Address
from reader_drivers.transport import LinkLostError, Wake

_ROUNDS: Final = 65_535  # a poll of many rounds ends by itself after so many
_POLL_MANY: Final = encode(Command.POLL_MANY, b"\x22" + _ROUNDS.to_bytes(2, "big"))
_USER: Final = 3
_SELECT_FOR_ACCESS: Final = b"\x02"  # of SELECT_MODE: what SELECT names holds for access, not for inventory
_QUERY_TO_READ: Final = (0x1000 | 1 << 3).to_bytes(2, "big")  # session 0, target A, two slots
LEAST_DBM: Final = 10.0
_USUAL_MOST_DBM: Final = 26.0
_OF_POLL: Final = (bytes([Failure.NO_TAG]), bytes([Failure.HOPPING]))  # how a round of a poll may fail


class M100Link(SerialLink):
    """A module that answers.

    Parameters
    ----------
    address, clock, inbox, wake
        As of `SerialLink`.
    options
        The driver's own.
    memories
        Whose user memory is to be read; None: nobody's.
    """

    patience_s = 2.0  # a module that polls answers each empty round

    def __init__(
        self,
        address: Address,
        options: Options,
        memories: MemoryQueue | None,
        clock: Callable[[], int],
        inbox: Inbox,
        wake: Wake,
    ) -> None:
        self.options, self.memories = options, memories
        super().__init__(address, FRAMES, clock, inbox, wake)

    def set_up(self) -> Capabilities:
        """End a poll that is under way, and learn model, firmware and power."""
        # It answers STOP among the notices of the poll it ends; one that polls nothing answers with an error.
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        model = self._text(0)
        firmware, maker = self._text(1), self._text(2)
        set_dbm = self._number(self._ask(Command.GET_POWER, b"", "power")) / 100
        # What is set need not be the most it can; modules name that in their hardware's version.
        named = re.search(r"(\d{2})\s*dBm", model)
        self._most_dbm = max(set_dbm, float(named[1]) if named else _USUAL_MOST_DBM)
        region, frequencies = self._region(self.address.settings.region)
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
        power_set = round(dbm * 100).to_bytes(2, "big")
        self._ask(Command.POWER, power_set, "power")
        q = 4 if settings.q is None else settings.q
        # DR 8, M 1, pilot tone; Sel all; session; target A; Q (protocol, section 4.13).
        target = 1 if settings.target == "B" else 0
        query = 0x1000 | settings.gen2_session << 8 | target << 7 | q << 3
        self._ask(Command.SET_QUERY, query.to_bytes(2, "big"), "query parameters")
        if settings.region not in (None, self.capabilities.region):
            region, frequencies = self._region(settings.region)
            self.capabilities = replace(self.capabilities, region=region, frequencies_khz=frequencies)
        number, frequencies = REGIONS[self.capabilities.region]
        self._set = {
            Command.GET_POWER: power_set,
            Command.GET_QUERY: query.to_bytes(2, "big"),
            Command.GET_REGION: bytes([number]),
        }
        self._channel = settings.channels[0] if settings.channels else 0
        self._khz = frequencies[self._channel - 1] if self._channel else frequencies[len(frequencies) // 2]
        self._set_channel()
        if self.memories is not None:
            self._ask(Command.SELECT_MODE, _SELECT_FOR_ACCESS, "select mode")
        self._poll()
        return {1: dbm}

    def _set_channel(self) -> None:
        if self._channel:
            self._ask(Command.CHANNEL, bytes([self._channel - 1]), "channel")
        else:
            self._ask(Command.HOPPING, b"\xff", "hopping")

    def _poll(self) -> None:
        self._polls = True
        self.client.send(_POLL_MANY)

    def end(self) -> None:
        """Stop polling."""
        self._polls = False
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        # An answer says of the time before it nothing: the module may have booted.
        self.note_deaf()

    def alive(self) -> None:
        """Poll anew: the rounds may be over. A module that polls answers each empty round, so it is not polling."""
        self.note_deaf()
        for command, value in self._set.items():
            said = self._ask(command, b"", "what is set", refused_is_fine=command == Command.GET_REGION)
            if said[2] != Command.ERROR and parameters(said) != value:
                raise LinkLostError(f"{self.where}: it booted, and forgot what was set")
        # It may have booted into what was set otherwise, too.
        self._set_channel()
        self._poll()

    def pump(self, timeout_s: float) -> None:
        """Handle what comes; then, where wanted, read the memory of a tag in reach."""
        super().pump(timeout_s)
        if self.memories is not None and self.power_dbm and (epc := self.memories.next()) is not None:
            self.memories.tried(epc, done=self._read_memory(epc))
            self.note_deaf()
            self._poll()

    def _read_memory(self, epc: bytes) -> bool:
        """Read a tag's user memory, as much as asked for and there is; whether it need not be tried again."""
        self._polls = False
        self._ask(Command.STOP, b"", "stop", refused_is_fine=True)
        query = self._set[Command.GET_QUERY]
        # SELECT names the tag by its flag of session 0; in other sessions a tag just heard keeps silent for a while.
        if query != _QUERY_TO_READ:
            self._ask(Command.SET_QUERY, _QUERY_TO_READ, "query parameters")
        self._ask(Command.SELECT, select_parameters(epc), "select")
        done = self._read_words(epc)
        if query != _QUERY_TO_READ:
            self._ask(Command.SET_QUERY, query, "query parameters")
        return done

    def _read_words(self, epc: bytes) -> bool:
        words = self.options.memory_words
        while words:
            answer = self._ask(
                Command.READ, read_parameters(_USER, 0, words), "user memory", refused_is_fine=True
            )
            if answer[2] != Command.ERROR:
                read = decode_read(answer)
                if read is None or read[0] != epc:
                    return False
                self.inbox.add_tag_data(TagData(self.clock(), epc.hex().upper(), 1, memory=read[1]))
                return True
            if parameters(answer)[:1] != bytes([NO_MEMORY]):
                return False
            words //= 2
        return True  # it has no user memory

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take tag notices."""
        if not self.power_dbm:
            return
        notices = decode_notices(frames)
        if notices.bad:
            self.inbox.add_left_out("bad_message", notices.bad)
        self._note_rounds(frames, t)
        if not len(notices.row):
            return
        if self.memories is not None:
            self.memories.heard(notices.tags)
        n = len(notices.row)
        self.add_readings(
            notices.tags,
            t[notices.row],
            tag=notices.tag,
            antenna=np.ones(n, np.uint8),
            frequency_khz=np.full(n, self._khz, np.uint32),
            rssi_dbm=notices.rssi_dbm,
        )

    def _note_rounds(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Note what the frames say of listening: a notice or "no tag" does; another failure says that it did not."""
        kind, error = frames.byte(1), frames.byte(2) == Command.ERROR
        empty = error & (frames.byte(5) == Failure.NO_TAG)
        rounds = np.flatnonzero((kind == NOTICE) | ((kind == RESPONSE) & empty))
        if len(rounds):
            self.note_listening(int(t[rounds[-1]]))
            self.note_failure("")
        failed = np.flatnonzero((kind == RESPONSE) & error & ~empty & (frames.length > 7))
        if not self._polls or not len(failed):
            return
        self.note_deaf()
        self.note_failure(failure_words(int(frames.byte(5)[failed[-1]])))

    def _ask(self, command: Command, values: bytes, what: str, *, refused_is_fine: bool = False) -> bytes:
        # Reading a tag needs a channel as well.
        passed_over = _OF_POLL[:1] if command == Command.READ else _OF_POLL

        def is_answer(frame: bytes) -> bool:
            if frame[1] != 0x01:
                return False
            # What a poll tells of its rounds is told as an error, too: it answers no other command.
            of_poll = frame[2] == Command.ERROR and parameters(frame)[:1] in passed_over
            return frame[2] == command or (frame[2] == Command.ERROR and not of_poll)

        answer = self.client.request(encode(command, values, COMMAND), is_answer, what)
        if answer[2] == Command.ERROR and not refused_is_fine:
            code = parameters(answer)[0] if parameters(answer) else 0
            raise ReaderError(f"{self.where}: the module refused {what} ({failure_words(code)})")
        return answer

    def _region(self, region: str | None) -> tuple[str, tuple[int, ...]]:
        """Set the region asked for; without one, learn which the module is in."""
        if region is None:
            number = self._number(self._ask(Command.GET_REGION, b"", "its region"))
            region = region_of(number)
            if region is None:
                raise ReaderError(
                    f"{self.where}: it is in region {number}, which is unknown; set one by region="
                )
            return region, REGIONS[region][1]
        number, frequencies = REGIONS[region]
        self._ask(Command.REGION, bytes([number]), "region")
        return region, frequencies

    @staticmethod
    def _number(answer: bytes) -> int:
        return int.from_bytes(parameters(answer)[:4], "big")

    def _text(self, which: int) -> str:
        answer = self._ask(Command.INFO, bytes([which]), "its name", refused_is_fine=True)
        if answer[2] == Command.ERROR:
            return ""
        # The first parameter says which text it is.
        return parameters(answer)[1:].decode("ascii", "replace").strip("\0 ")


def check_kind(settings: ReaderSettings, where: str) -> None:
    """Refuse settings that no module can follow; raises SettingsError."""
    if settings.region is not None and settings.region not in REGIONS:
        raise SettingsError(f"{where}: no region {settings.region}; these modules have {', '.join(REGIONS)}")
    named = (*settings.ports, *settings.port_power_dbm)
    if wrong := [port for port in named if port != 1]:
        raise SettingsError(f"{where}: no antenna port {wrong[0]}; it has port 1 only")
    check_gen2(settings, where)
    if settings.search == "focus":
        raise SettingsError(f"{where}: search focus is Impinj's; use dual or single")
    if settings.target == "AB" or settings.rf_mode is not None:
        raise SettingsError(f"{where}: target AB and mode are not in this protocol; leave them out")


def check_settings(settings: ReaderSettings, can: Capabilities, where: str) -> None:
    """Refuse settings that a module cannot follow; raises SettingsError."""
    powers = (settings.power_dbm, *settings.port_power_dbm.values())
    if wrong := [power for power in powers if power is not None and not LEAST_DBM <= power < math.inf]:
        raise SettingsError(f"{where}: power {wrong[0]:g} dBm is below its least ({LEAST_DBM:g} dBm)")
    count = len(can.frequencies_khz if settings.region is None else REGIONS[settings.region][1])
    if len(settings.channels) > 1 or any(not 1 <= c <= count for c in settings.channels):
        raise SettingsError(f"{where}: it stays on one channel of 1 to {count}, or hops; name one, or none")
