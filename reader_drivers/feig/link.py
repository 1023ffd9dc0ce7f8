"""A connection to a FEIG HF reader: polled inventories."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings
from reader_drivers.feig.codec import (
    ADVANCED,
    ISO15693,
    STANDARD,
    Answer,
    Control,
    Sets,
    Status,
    decode_sets,
    inventory_request,
    is_uid,
    status_text,
)
from reader_drivers.feig.exchange import Exchange
from reader_drivers.feig.memories import Memories, ReadBefore
from reader_drivers.feig.models import MODELS
from reader_drivers.feig.options import FeigOptions
from reader_drivers.feig.rounds import Rounds
from reader_drivers.framing import Frames
from reader_drivers.inbox import Inbox
from reader_drivers.serial_link import NO_RSSI_DBM, SerialLink
from reader_drivers.targets import Address
from reader_drivers.transport import Wake
from recording import LEAST_RSSI_DBM

HF_KHZ: Final = 13_560
_MOST_MORE: Final = 64
_TOLD_AGAIN_S: Final = 60.0
_AFTER_TROUBLE_S: Final = 0.1
_SWITCHED_AGAIN_S: Final = 5.0
_HEARD: Final = frozenset((Status.OK, Status.NO_TRANSPONDER, Status.MORE_DATA, Status.RF_WARNING))
"""After these the reader did ask the field."""

_REFUSED: Final = frozenset(
    (Status.PARAMETER_RANGE, Status.LOGIN_REQUEST, Status.FIRMWARE_ACTIVATION, Status.WRONG_FIRMWARE,
     Status.UNKNOWN_COMMAND, Status.LENGTH_ERROR, Status.NOT_AVAILABLE)
)  # fmt: skip
"""After these it never will."""


class FeigLink(SerialLink):
    """A reader that answers.

    Parameters
    ----------
    options
        Of its URL.
    before
        Tags whose memories were read before this connection.

    The others are those of `SerialLink`.
    """

    def __init__(
        self,
        address: Address,
        options: FeigOptions,
        before: ReadBefore,
        clock: Callable[[], int],
        inbox: Inbox,
        wake: Wake,
    ) -> None:
        layout = STANDARD if options.frame == "standard" else ADVANCED
        self._options = options
        self._exchange = Exchange(layout, options.address, clock)
        self._rounds = Rounds(inbox)
        self._memories = (
            Memories(options, before, self._exchange.ask, clock, inbox) if options.memory else None
        )
        self._ports: tuple[int, ...] = ()
        self._turn = 0
        self._switched = (0, -math.inf)
        self._told: dict[int, float] = {}
        # Compiled before the line is open.
        none = np.zeros(0, np.int64)
        decode_sets(Frames(np.zeros(0, np.uint8), none, none), 0, True)
        super().__init__(address, layout.frames, clock, inbox, wake)

    # What `SerialLink` asks for

    def set_up(self) -> Capabilities:
        """Learn which reader this is."""
        self._exchange.client = self.client
        self._exchange.run_dry()
        version = self._exchange.ask(Control.SOFTWARE_VERSION, b"", "its version")
        told = version.data if version.status == Status.OK and len(version.data) >= 5 else None
        options = self._options
        return Capabilities(
            manufacturer="FEIG",
            model="" if told is None else MODELS.get(told[4], f"type {told[4]}"),
            firmware="" if told is None else f"{told[0]:02X}.{told[1]:02X}",
            air="iso15693",
            antennas=len(options.known_ports),
            phase=options.phase,
            phase_ambiguity="unknown",
            rssi_step_db=1.0 if options.antennas else 0.0,
            frequencies_khz=(HF_KHZ,),
            powers_dbm=(),
            region="",
        )

    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Switch the field on, reset it, and ask by each port once."""
        self._ports = settings.ports or self._options.known_ports
        self._switched = (0, -math.inf)
        for control, data in ((Control.RF_ON_OFF, b"\x01"), (Control.RF_RESET, b"")):
            # Not every reader knows both; what it makes of them does not matter to the inventory.
            self._exchange.ask(control, data, "its field")
        for turn in range(len(self._ports)):
            self._turn = turn
            status = self._poll()
            if status in _REFUSED:
                raise ReaderError(
                    f"{self.where}: refuses an inventory by antenna {self._ports[turn]}: {status_text(status)};"
                    " check that it is in host mode, and the options ant and switch"
                )
        return dict.fromkeys(self._ports, math.nan)

    def end(self) -> None:
        """Switch the field off: nothing was under way."""
        self._exchange.ask(Control.RF_ON_OFF, b"\x00", "its field")

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take frames that came."""
        self._exchange.on_frames(frames, t)

    def alive(self) -> None:
        """Ask by the port whose turn it is."""
        self._poll()

    def on_noise(self, garbage: int, wrong: int, /) -> None:
        """Count what the line spoiled."""
        self._exchange.on_noise()
        super().on_noise(garbage, wrong)

    def note_listening(self, now: int, *, last: bool = False) -> None:
        """Note that the reader was heard; when its ports listened the polls say."""
        if last:
            self._rounds.close()
        else:
            self._last_good = max(self._last_good, now)

    def pump(self, timeout_s: float) -> None:
        """Ask by the next port; without one in use, wait."""
        if not self.power_dbm:
            super().pump(timeout_s)
            return
        self._turn = (self._turn + 1) % len(self._ports)
        if self._poll() not in _HEARD:
            self.client.pump(_AFTER_TROUBLE_S)

    # Inventories

    def _poll(self) -> int:
        """Ask by the port whose turn it is; return the reader's status."""
        port = self._ports[self._turn]
        if (refused := self._switch_to(port)) != Status.OK:
            return refused
        field = 1 << (port - 1) if self._options.antennas else None
        answer = self._exchange.ask(Control.ISO, inventory_request(antennas=field), "an inventory")
        start, end = self._exchange.sent, self._exchange.arrived
        t = self._middle()
        status = answer.status
        heard: dict[bytes, int] = {}
        for _ in range(_MOST_MORE):
            heard |= self._take(answer, port, t)
            if answer.status != Status.MORE_DATA:
                break
            answer = self._exchange.ask(
                Control.ISO, inventory_request(True, field), "the rest of an inventory"
            )
        for told in {status, answer.status} - {Status.OK, Status.NO_TRANSPONDER, Status.MORE_DATA}:
            self._tell(told, answer)
        if status in _HEARD:
            # Warned of and without a tag, the antenna may be unplugged: it must not pass for one that listened.
            if status != Status.RF_WARNING or heard:
                self._rounds.note(port, start, end)
            if self._memories is not None:
                self._memories.work(port, heard, (self.clock() - start) * 1e-9)
        return status

    def _middle(self) -> int:
        """Return the middle of the time that an inventory can have taken.

        The reader began when the request's last byte was through, and had heard its last tag when the answer's first
        byte was sent; which tag answered when in between it does not say, so all get the middle.
        """
        ask = self._exchange
        byte_ns = self.client.transport.byte_s * 1e9
        begin = ask.sent + round(ask.request_bytes * byte_ns)
        end = ask.arrived - round(ask.answer_bytes * byte_ns)
        return (begin + end) // 2 if end > begin else (ask.sent + ask.arrived) // 2

    def _take(self, answer: Answer, port: int, t: int) -> dict[bytes, int]:
        """Hand out the tags of an answer; return them with their DSFID."""
        if answer.status not in _HEARD or not answer.data:
            return {}
        asked = self._options.antennas > 0
        sets = decode_sets(self._exchange.frame, self._exchange.layout.data_at, asked)
        good = np.array([is_uid(tag) for tag in sets.tags], np.bool_)[sets.tag] & (sets.kind == ISO15693)
        if bad := sets.bad + int((~good).sum()):
            self.inbox.add_left_out("bad_reading", bad)
        rows = np.flatnonzero(good)
        if not len(rows):
            return {}
        n = len(rows)
        antenna = sets.antenna[rows]
        rssi = sets.rssi_dbm[rows]
        phase = sets.phase_rad[rows] if self._options.phase else np.full(n, np.nan, np.float32)
        # Blocks count antennas from 1, as the bit field's order has it; 0 is "not told".
        self.add_readings(
            sets.tags,
            np.full(n, t, np.int64),
            tag=sets.tag[rows],
            antenna=np.where(antenna > 0, antenna, port).astype(np.uint8),
            frequency_khz=np.full(n, HF_KHZ, np.uint32),
            rssi_dbm=np.where(np.isnan(rssi), NO_RSSI_DBM, np.maximum(rssi, LEAST_RSSI_DBM)).astype(
                np.float32
            ),
            phase_rad=phase,
        )
        return _first(sets, rows)

    def _switch_to(self, port: int) -> int:
        """Choose an antenna by the command that the options name, if any; return the reader's status."""
        command = self._options.switch.get(port)
        now = time.monotonic()
        if command is None or (self._switched[0] == port and now - self._switched[1] < _SWITCHED_AGAIN_S):
            return Status.OK
        answer = self._exchange.ask(command[0], command[1:], f"the switch to antenna {port}")
        if answer.status != Status.OK:
            self._tell(answer.status, answer)
            return answer.status
        self._switched = (port, now)
        time.sleep(self._options.settle_s)
        return Status.OK

    def _tell(self, status: int, answer: Answer) -> None:
        now = time.monotonic()
        if now - self._told.get(status, -math.inf) < _TOLD_AGAIN_S:
            return
        self._told[status] = now
        more = ""
        if status == Status.ISO_ERROR and answer.status == status and answer.data:
            more = f", ISO 15693 error {answer.data[0]:02X}"
        self.inbox.add_event("reader_exception", f"{self.where}: {status_text(status)}{more}")


def _first(sets: Sets, rows: NDArray[np.int64]) -> dict[bytes, int]:
    tag, first = np.unique(sets.tag[rows], return_index=True)
    return {sets.tags[k]: int(sets.dsfid[rows[i]]) for k, i in zip(tag.tolist(), first.tolist(), strict=True)}
