"""A FEIG HF reader made of software; see `reader_drivers.feig.codec` for its frames and their sources."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final

import numpy as np

from reader_drivers.feig.codec import (
    ADVANCED,
    ANT,
    ISO15693,
    MORE,
    STANDARD,
    AntennaSeen,
    Control,
    Iso,
    Layout,
    Mode,
    Record,
    Status,
    encode_records,
    encode_sets,
)
from sim.readers.clock import ReaderClock
from sim.readers.feig_frames import BothFramers
from sim.readers.feig_memory import Said, obey, obey_custom
from sim.readers.hf_source import HfReadSource
from sim.readers.serial_emulator import RequestFramer, SerialEmulator
from sim.readers.source import Inventory, ReportSlice

_BIT_S, _PAUSE_S, _RF_RESET_S = 1 / 26_480, 0.002, 0.015
_REQUEST_BITS: Final = 120
_PATIENCE_S: Final = 1.0
_BUFFER: Final = 1024
_SET_BYTES = 10

Seen = tuple[tuple[bytes, int], tuple[AntennaSeen, ...]]


class FeigEmulator(SerialEmulator):
    """The reader, in host mode; it answers in the kind of frame that it was asked in.

    Parameters
    ----------
    source, listen, clock, baud
        As of `SerialEmulator`; the source gives inventories and memories.
    model
        FEIG's number of the reader's type; 44: ID ISC.LR2500-A.
    multiplexer
        Whether inventories may choose antennas (the ANT bit).
    outputs
        Which data of a set-output command (control 72) switch to which antenna.
    reversed_blocks
        Block bytes come from the last to the first.
    most_sets
        Tags in an answer, where the frame has room for more.

    Attributes
    ----------
    requests : list of (int, bytes)
        Control and data of everything asked, newest last.
    """

    scheme = "feig"
    frames = ADVANCED.frames

    def __init__(
        self,
        source: HfReadSource,
        listen: str = "127.0.0.1:0",
        *,
        clock: ReaderClock | None = None,
        baud: int | None = None,
        model: int = 44,
        multiplexer: bool = True,
        outputs: Mapping[bytes, int] | None = None,
        reversed_blocks: bool = False,
        most_sets: int = 255,
    ) -> None:
        self.hf, self.model, self.multiplexer = source, model, multiplexer
        self.outputs = dict(outputs or {})
        self.reversed_blocks, self.most_sets = reversed_blocks, min(most_sets, 255)
        self.bus_address = 0
        self.requests: deque[tuple[int, bytes]] = deque(maxlen=1000)
        self._failures: deque[tuple[int, bytes]] = deque()
        self._layout: Layout = ADVANCED
        self._asked: Inventory | None = None
        super().__init__(source, listen, clock=clock, baud=baud)

    def make(self) -> None:
        """Be as delivered: configurations are held in memory here, and forgotten with it."""

    def reset(self) -> None:
        """Forget what a power cycle forgets; the field comes on with the reader."""
        self.field_on, self.port = True, 1
        self.configuration: dict[int, bytes] = {}
        self._left_over: list[Seen] = []
        self._end_polling()
        self.buffer: dict[bytes, Record] = {}
        self._fetched: list[bytes] = []

    def make_framer(self) -> RequestFramer:
        """Take standard and advanced frames."""
        return BothFramers()

    def fail(self, status: int, times: int = 1, data: bytes = b"") -> None:
        """Answer the next inventories by a status."""
        self._failures.extend([(status, data)] * times)

    def _left(self) -> None:
        super()._left()
        self._end_polling()

    def _end_polling(self) -> None:
        if self._asked is not None:
            self._asked = None
            self.hf.stop()

    # Requests

    async def answer(self, frame: bytes) -> None:
        """Do what a frame asks."""
        self._layout = ADVANCED if frame[0] == 0x02 else STANDARD
        address, control, data = self._layout.read_request(frame)
        if address not in (0xFF, self.bus_address):
            return
        self.requests.append((control, data))
        if control == Control.ISO and data[:1] == bytes([Iso.INVENTORY]):
            await self._ask_field(control, data)
        elif control == Control.ISO:
            await self._to_tag(control, data)
        elif control == Control.CUSTOM:
            await self._custom(control, data)
        else:
            status, told = await self._control(control, data)
            await self._say(control, status, told)
            if control in (Control.CPU_RESET, Control.SYSTEM_RESET) and status == Status.OK:
                await self.end_inventory()
                self.reset()

    async def _say(self, control: int, status: int, data: bytes = b"") -> None:
        if len(data) > self._layout.most_data:
            status, data = Status.LENGTH_ERROR, b""
        await self.send(self._layout.answer(control, status, data, self.bus_address))

    async def _control(self, control: int, data: bytes) -> tuple[int, bytes]:
        match control, list(data):
            case Control.SOFTWARE_VERSION, []:
                return Status.OK, self._version()
            case Control.READER_INFO, [0]:
                return Status.OK, self._version() + (4096).to_bytes(2, "big") * 2
            case ((Control.CPU_RESET | Control.BAUD_DETECTION), []):
                return Status.OK, b""
            case ((Control.SYSTEM_RESET | Control.DIAGNOSTIC | Control.LOGIN), _) if data:
                return Status.OK, b""
            case Control.RF_RESET, []:
                await self._pass_time(_RF_RESET_S)
                return Status.OK, b""
            case Control.RF_ON_OFF, [on]:
                self.field_on = on != 0
                if not on:
                    self._end_polling()
                return Status.OK, b""
            case Control.SET_OUTPUT, _ if data:
                if self.outputs and data not in self.outputs:
                    return Status.PARAMETER_RANGE, b""
                self.port = self.outputs.get(data, self.port)
                return Status.OK, b""
            case Control.READ_CONFIGURATION, [block]:
                return Status.OK, self.configuration.get(block & 0x3F, bytes(14))
            case Control.WRITE_CONFIGURATION, [block, *_] if len(data) == 15:
                self.configuration[block & 0x3F] = data[1:]
                return Status.OK, b""
            case (
                (Control.READ_BUFFER | Control.BUFFER_INFO | Control.CLEAR_BUFFER | Control.INIT_BUFFER),
                _,
            ):
                return await self._buffered(control, data)
            case _ if control in set(Control):
                return Status.LENGTH_ERROR, b""
            case _:
                return Status.UNKNOWN_COMMAND, b""

    def _version(self) -> bytes:
        # Revision, development revision, hardware, type, transponders supported.
        return bytes([0x02, 0x01, 0x00, 0x00, self.model, 0x00, 0x08])

    # Inventories

    async def _ask_field(self, control: int, data: bytes) -> None:
        mode = data[1] if len(data) > 1 else 0
        if len(data) != (3 if mode & ANT else 2):
            await self._say(control, Status.LENGTH_ERROR)
            return
        if mode & ANT and not self.multiplexer:
            await self._say(control, Status.PARAMETER_RANGE)
            return
        if not mode & MORE:
            ports = tuple(k + 1 for k in range(8) if data[2] >> k & 1) if mode & ANT else (self.port,)
            self._left_over = await self._hear(ports)
            if self._failures:
                await self._say(control, *self._failures.popleft())
                return
        each = _SET_BYTES + (
            2 + 7 * max((len(seen) for _, seen in self._left_over), default=0) if mode & ANT else 0
        )
        room = max(1, min(self.most_sets, (self._layout.most_data - 1) // each))
        now, self._left_over = self._left_over[:room], self._left_over[room:]
        if not now:
            await self._say(control, Status.NO_TRANSPONDER)
            return
        told = encode_sets((tag for tag, _ in now), (seen for _, seen in now) if mode & ANT else None)
        await self._say(control, Status.MORE_DATA if self._left_over else Status.OK, told)

    async def _hear(self, ports: tuple[int, ...]) -> list[Seen]:
        await self.end_inventory()
        if not self.field_on or not ports:
            await self._pass_time(_PAUSE_S)
            return []
        asked = Inventory(ports, tuple(0.0 for _ in ports))
        if asked != self._asked:
            self.hf.start(asked)
            self._asked = asked
        try:
            # A world that stands must not make the client think that the reader is dead.
            heard = await asyncio.wait_for(self.hf.next_slice(), _PATIENCE_S if self.hf.virtual else None)
        except TimeoutError:
            return []
        if heard is None:
            await asyncio.sleep(_PAUSE_S)
            return []
        return self._sets(heard)

    def _sets(self, heard: ReportSlice) -> list[Seen]:
        """Return the tags of an inventory in the order in which they answered, each with the antennas that heard it."""
        by_tag: dict[int, list[AntennaSeen]] = {}
        rssi = np.clip(np.rint(-heard.rssi_dbm), 1, 255).astype(np.int64)
        for tag, port, strength in zip(heard.tag.tolist(), heard.port.tolist(), rssi.tolist(), strict=True):
            by_tag.setdefault(tag, []).append(AntennaSeen(port, strength))
        made: list[Seen] = []
        for number, seen in by_tag.items():
            tag = self.hf.tag(heard.tags[number])
            made.append(((heard.tags[number], 0 if tag is None else tag.dsfid), tuple(seen)))
        return made

    # Single tags

    async def _to_tag(self, control: int, data: bytes) -> None:
        if len(data) < 2:
            await self._say(control, Status.LENGTH_ERROR)
            return
        addressed = data[1] & 7 == Mode.ADDRESSED
        await self._done(control, data[2:10] if addressed else None, data[0], data[10 if addressed else 2 :])

    async def _custom(self, control: int, data: bytes) -> None:
        if len(data) != 11 or data[2] & 7 != Mode.ADDRESSED:
            await self._say(control, Status.LENGTH_ERROR)
            return
        await self._done(control, data[3:11], data[1], data[:1])

    async def _done(self, control: int, uid: bytes | None, command: int, values: bytes) -> None:
        near = self.hf.in_field(self._port_now()) if self.field_on else ()
        name = uid if uid is not None else (near[0] if len(near) == 1 else None)
        tag = self.hf.tag(name) if name is not None and name in near else None
        if tag is None:
            said = Said(Status.NO_TRANSPONDER, bits=0)
        elif control == Control.CUSTOM:
            said = obey_custom(tag, values[0], command)
        else:
            said = obey(tag, command, values, self.reversed_blocks)
        await self._pass_time((_REQUEST_BITS + said.bits) * _BIT_S + _PAUSE_S)
        await self._say(control, said.status, said.data)

    def _port_now(self) -> int:
        return self._asked.ports[-1] if self._asked is not None else self.port

    async def _pass_time(self, seconds: float) -> None:
        if self.hf.virtual:
            self.hf.occupy(seconds)
        else:
            await asyncio.sleep(seconds)

    # Buffered read mode

    async def _buffered(self, control: int, data: bytes) -> tuple[int, bytes]:
        if control == Control.INIT_BUFFER:
            self.buffer, self._fetched = {}, []
            self._end_polling()
            await self.begin_inventory(
                Inventory(self.hf.ports, tuple(0.0 for _ in self.hf.ports)), self.report
            )
            return Status.OK, b""
        if control == Control.BUFFER_INFO:
            # Size of the table, where it begins, and how much is in it.
            return Status.OK, _BUFFER.to_bytes(2, "big") + b"\0\0" + len(self.buffer).to_bytes(2, "big")
        if control == Control.CLEAR_BUFFER:
            for name in self._fetched:
                self.buffer.pop(name, None)
            self._fetched = []
            return Status.OK, b""
        if len(data) != 2:
            return Status.LENGTH_ERROR, b""
        if not self.buffer:
            return Status.NO_VALID_DATA, b""
        room = (self._layout.most_data - 3) // 14
        self._fetched = list(self.buffer)[: min(int.from_bytes(data, "big"), room)]
        status = Status.MORE_DATA if len(self._fetched) < len(self.buffer) else Status.OK
        return status, encode_records([self.buffer[name] for name in self._fetched])

    async def report(self, heard: ReportSlice) -> None:
        """Put what the reader hears by itself into its buffer, each tag once."""
        for tag, port in zip(heard.tag.tolist(), heard.port.tolist(), strict=True):
            name = heard.tags[tag]
            if len(self.buffer) < _BUFFER:
                self.buffer.setdefault(name, Record(ISO15693, name, antenna=port))
