"""A ThingMagic module made of software; see `reader_drivers.mercury.codec` for its frames and their source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from reader_drivers.checksums import crc_epc
from reader_drivers.mercury.codec import (
    REQUESTS,
    Op,
    Record,
    Search,
    Status,
    encode_record,
    read_search,
    reply,
)
from sim.readers.clock import ReaderClock
from sim.readers.gen2_memory import usual_memory
from sim.readers.mercury_identity import IDENTITIES, Model
from sim.readers.mercury_state import ModuleState
from sim.readers.serial_emulator import SerialEmulator
from sim.readers.source import Inventory, ReadSource, ReportSlice

_LATE_NS = 100_000_000  # what the module's buffer holds while the line is full


class MercuryEmulator(SerialEmulator):
    """The module.

    Parameters
    ----------
    source, listen, clock, baud
        As of `SerialEmulator`; `baud` follows the speed that the module is told.
    model
        ``nano`` (one port), ``micro`` (two), ``m6e`` or ``m7e`` (four).
    phase_sign
        1: its angle grows with distance.
    keepalives
        ``each``: every cycle ends with one. ``empty``: only those without a tag; stamps begin anew all the same.
    bootloader
        True: after power-up it waits in the bootloader.
    speed
        The speed it is at after power-up. On a pty what comes at another speed is lost; None: any speed does.
    xpc
        XPC words behind the protocol control word, by EPC.
    memory
        User memory, by EPC, and tags without refuse to be read; None: every tag has `usual_memory`.
    """

    scheme = "mercury"
    frames = REQUESTS
    weakest_dbm = -80

    def __init__(
        self,
        source: ReadSource,
        listen: str = "127.0.0.1:0",
        *,
        clock: ReaderClock | None = None,
        baud: int | None = None,
        model: Model = "nano",
        phase_sign: int = 1,
        keepalives: Literal["each", "empty"] = "each",
        bootloader: bool = False,
        speed: int | None = None,
        xpc: Mapping[bytes, bytes] | None = None,
        memory: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.identity = IDENTITIES[model]
        self.model: Model = model
        self.phase_sign, self.keepalives = phase_sign, keepalives
        self._bootloader, self._power_up_speed = bootloader, speed
        self._power_up_baud = baud
        self._xpc, self._memory = xpc or {}, memory
        self._blocks: dict[bytes, tuple[bytes, int]] = {}
        self.refused: dict[int, int] = {}
        """Statuses with which commands are refused, by opcode."""
        self.told: list[tuple[int, bytes]] = []
        """Commands that were understood: opcode and data."""
        super().__init__(source, listen, clock=clock, baud=baud)

    def make(self) -> None:
        """Be as delivered: nothing that can be set is kept."""

    def reset(self) -> None:
        """Forget what was set."""
        self.state = ModuleState(self.identity, self.model, self.source, bootloader=self._bootloader)
        self.speed, self.baud = self._power_up_speed, self._power_up_baud
        self.search: Search | None = None
        self._filtered: set[tuple[int, int]] = set()
        self._cycle_ns: int | None = None
        self._tags_in_cycle = 0

    def greet(self) -> bytes:
        """Return what a module says when its application has booted."""
        if self._bootloader:
            return b""
        return reply(Op.BOOT_FIRMWARE, 0, self.identity.version.encode())

    # Faults, for tests

    async def status(self, code: int) -> None:
        """Tell a status as a module does that reads; `Status.BUFFER_FULL` ends its search."""
        await self.send(reply(Op.READ_TAGS, code))
        if code == Status.BUFFER_FULL:
            await self.end_inventory()

    async def end_stream(self) -> None:
        """End the search out of turn, and say so."""
        search = self.search or Search(0)
        await self.end_inventory()
        await self.send(reply(Op.READ_TAGS, 0, search.head() + search.mask.to_bytes(2, "big") + b"\0"))

    async def assert_failed(self, line: int, file: str) -> None:
        """Let the firmware fail: it says where, and boots."""
        await self.send(reply(Op.READ_TAGS, Status.ASSERT, line.to_bytes(4, "big") + file.encode()))
        await self.crash()

    # Requests

    def _heard(self, data: bytes) -> None:
        if self._at_another_speed():
            return
        super()._heard(data)

    def _at_another_speed(self) -> bool:
        theirs = self.wire.speed
        return theirs is not None and self.speed is not None and theirs != self.speed

    async def send(self, data: bytes) -> None:
        """Send a frame; at another speed than the other end's it is not understood there."""
        if data and self._at_another_speed():
            data = bytes(byte * 167 % 251 for byte in data)
        await super().send(data)

    async def answer(self, frame: bytes) -> None:
        """Do what a command asks."""
        op, data = frame[2], frame[3:-2]
        if op == Op.MULTI and not self.state.bootloader:
            await self._multi(data)
        elif not self.running:
            # A module that reads takes commands in the wrapping of opcode 2F alone.
            status, answer = self._command(op, data)
            await self.send(reply(op, status, answer))
            if op == Op.SET_BAUD and status == 0:
                self._go_at(int.from_bytes(data, "big"))

    def _command(self, op: int, data: bytes) -> tuple[int, bytes]:
        if op in self.refused:
            return self.refused[op], b""
        status, answer = self.state.command(op, data)
        if status == 0:
            self.told.append((op, data))
        return status, answer

    def _go_at(self, speed: int) -> None:
        if self.speed is not None:
            self.speed = speed
        if self.baud is not None:
            self.baud = speed

    async def _multi(self, data: bytes) -> None:
        option = data[2] if len(data) > 2 else None
        if option == 2 and len(data) == 3:
            await self.end_inventory()
            await self.send(reply(Op.MULTI, 0, b"\x02"))
        elif option == 4 and len(data) >= 5 and data[3] == len(data) - 5:
            status, answer = self._command(data[4], data[5:])
            inner = bytes([4, len(answer), data[4]]) + status.to_bytes(2, "big") + answer
            await self.send(reply(Op.MULTI, 0, inner))
        elif option == 1 and (search := read_search(data)) is not None:
            await self._start(search)
        else:
            await self.send(reply(Op.MULTI, Status.WRONG_LENGTH))

    async def _start(self, search: Search) -> None:
        status = self.refused.get(Op.READ_TAGS) or self.state.ready()
        if status == 0 and not self.running:
            self.search, self._cycle_ns, self._tags_in_cycle = search, None, 0
            self._filtered.clear()
            self.told.append((Op.READ_TAGS, search.start()))
            await self.begin_inventory(self._inventory_asked(), self.report)
        await self.send(reply(Op.MULTI, status, b"\x01" if status == 0 else b""))

    def _inventory_asked(self) -> Inventory:
        state = self.state
        fixed = state.hopping if len(state.hopping) < len(self.source.frequencies_khz) else ()
        channels = tuple(1 + self.source.frequencies_khz.index(khz) for khz in fixed)
        return Inventory(
            ports=state.ports,
            power_dbm=tuple(state.power_of(port) / 100 for port in state.ports),
            session=state.session,
            search="dual" if state.target == 0 else "single",
            channels=channels,
        )

    # Stream

    async def report(self, heard: ReportSlice) -> None:
        """Tell each read by a record, and the end of each cycle by a keep-alive."""
        search = self.search
        assert search is not None
        stamps = self.clock.at(heard.t_ns)
        begin, end = self.clock.at(np.array([heard.t_start_ns, heard.t_end_ns], np.int64)).tolist()
        cycle = begin if self._cycle_ns is None else self._cycle_ns
        rssi = np.clip(np.rint(heard.rssi_dbm), -128, 0).astype(np.int64)
        rows = np.flatnonzero((rssi >= self.weakest_dbm) & np.isin(heard.port, self.state.ports))
        late = 0 if self.source.virtual else self.source.true_time_ns() - heard.t_end_ns
        if self.baud is not None and late > _LATE_NS:
            # The line is full and so is the buffer: nothing is read until there is room.
            rows = rows[:0]
        frames: list[bytes] = []
        at = 0
        while True:
            boundary = cycle + search.on_ms * 1_000_000
            upto = int(np.searchsorted(stamps[rows], boundary))
            for row in rows[at:upto].tolist():
                frames += self._records(search, heard, row, int(stamps[row]) - cycle, int(rssi[row]))
            at = upto
            if boundary > end:
                break
            if self.keepalives == "each" or not self._tags_in_cycle:
                frames.append(reply(Op.READ_TAGS, Status.NO_TAGS))
            cycle, self._tags_in_cycle = boundary, 0
        self._cycle_ns = cycle
        for frame in (b"".join(frames),) if self.source.virtual else frames:
            await self.send(frame)

    def _records(
        self, search: Search, heard: ReportSlice, row: int, stamp_ns: int, rssi: int
    ) -> tuple[bytes, ...]:
        """Return the record of a read; none where the filter has told its tag before."""
        self._tags_in_cycle += 1
        port, epc = int(heard.port[row]), heard.tags[int(heard.tag[row])]
        if self.state.read_filter:
            key = (hash(epc), port)
            if key in self._filtered:
                return ()
            self._filtered.add(key)
        pc, crc = self._block(epc)
        degrees = round(float(np.rad2deg(self.phase_sign * float(heard.phase_rad[row]) % np.pi))) % 180
        data: bytes | int = b""
        if search.embedded is not None:
            wanted = search.embedded
            bank = usual_memory(epc).user if self._memory is None else self._memory.get(epc, b"")
            there = bank[2 * wanted.word :][: 2 * wanted.words]
            data = there if len(there) == 2 * wanted.words else Status.MEMORY_OVERRUN
        record = Record(
            pc=pc,
            epc=epc,
            crc=crc,
            rssi_dbm=rssi,
            antenna=(port & 15) << 4 | (port & 15),
            frequency_khz=self.source.frequencies_khz[int(heard.channel[row]) - 1],
            stamp_ms=stamp_ns // 1_000_000,
            phase_deg=degrees,
            data=data,
        )
        return (encode_record(search, record),)

    def _block(self, epc: bytes) -> tuple[bytes, int]:
        """Return protocol control with what follows it, and the tag's CRC."""
        if epc not in self._blocks:
            xpc = self._xpc.get(epc, b"")
            pc = (len(epc) // 2 << 11 | (0x0200 if xpc else 0)).to_bytes(2, "big") + xpc
            self._blocks[epc] = pc, crc_epc(pc + epc)
        return self._blocks[epc]
