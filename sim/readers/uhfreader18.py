"""Readers of the UHFReader18 and 288 families made of software; see `reader_drivers.uhfreader18.codec`."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import ClassVar, Final

import numpy as np

from reader_drivers.uhfreader18.codec import (
    BANDS,
    BROADCAST,
    COMMANDS,
    HEARTBEAT,
    RSSI_ZERO,
    Command,
    Dialect,
    Status,
    band_of,
    decode_band,
    encode_answer,
    encode_band,
    encode_tags,
)
from sim.readers.gen2_memory import usual_memory
from sim.readers.serial_emulator import SerialEmulator
from sim.readers.source import Inventory, ReportSlice

_MOST_DBM: Final = 30
_HEARTBEAT_NS: Final = 1_000_000_000
_BAND_OF: Final = {"CN": "CN", "ETSI": "EU", "FCC": "US"}
_FRAME_ROOM: Final = 249  # bytes of records in a frame of the 18 family


class _UhfEmulator(SerialEmulator):
    """What both families share: settings, which flash keeps.

    Attributes
    ----------
    broken : int
        The status every inventory fails with; 0: none.
    """

    scheme = "uhfreader18"
    frames = COMMANDS
    dialect: ClassVar[Dialect]
    type: ClassVar[int]
    weakest_dbm = -84

    sizes: ClassVar[dict[int, int]] = {
        Command.SET_BAND: 2,
        Command.SET_ADDRESS: 1,
        Command.SET_SCAN_TIME: 1,
        Command.SET_POWER: 1,
        Command.SIGNAL: 3,
    }
    """Bytes of data of each command that sets something."""

    broken = 0

    def make(self) -> None:
        """Be as delivered: address 0, 26 dBm, the source's band."""
        self.own_address = 0
        self.power, self.scan = 26, 10
        band = BANDS[_BAND_OF[self.source.region]]
        self.band = encode_band(band.number, 0, band.count - 1)

    def reset(self) -> None:
        """Forget what flash does not keep: nothing that can be set."""

    async def answer(self, frame: bytes) -> None:
        """Do what a command asks, if it is for this reader."""
        if frame[1] in (self.own_address, BROADCAST):
            await self.obey(frame[2], frame[3:-2])

    async def obey(self, command: int, data: bytes) -> None:
        """Do what a command asks."""
        if command == Command.INVENTORY:
            await self.inventory(data)
        elif command not in set(Command):
            await self.send(encode_answer(Command.ILLEGAL, Status.ILLEGAL, b"", self.own_address))
        else:
            await self._done(command, *self._setting(command, data))

    def _setting(self, command: int, data: bytes) -> tuple[int, bytes]:
        if command == Command.INFO and not data:
            return Status.OK, self.info()
        size = self.sizes.get(command)
        if size is None:
            return Status.ILLEGAL, b""
        if len(data) != size:
            return Status.LENGTH, b""
        return (Status.OK if self._set(command, data) else Status.PARAMETER), b""

    def _set(self, command: int, data: bytes) -> bool:
        """Set something; whether its values are allowed."""
        if command == Command.SET_BAND:
            number, first, last = decode_band(data[0], data[1])
            name = band_of(number)
            if name is None or not first <= last < BANDS[name].count:
                return False
            self.band = data
        elif command == Command.SET_POWER:
            if data[0] > _MOST_DBM:
                return False
            self.power = data[0]
        elif command == Command.SET_SCAN_TIME:
            self.scan = max(3, data[0])
        elif command == Command.SET_ADDRESS:
            if data[0] == BROADCAST:
                return False
            self.own_address = data[0]
        return True

    def info(self) -> bytes:
        """Return what it says about itself."""
        return bytes([3, 1, self.type, 2, *self.band, self.power, self.scan])

    @abstractmethod
    async def inventory(self, data: bytes) -> None:
        """Do a round of an inventory."""

    def heard_well(self, heard: ReportSlice | None) -> list[tuple[bytes, int, int]]:
        """Return EPC, RSSI (the byte it tells) and port of the reads that are loud enough."""
        if heard is None:
            return []
        rssi = np.rint(heard.rssi_dbm).astype(np.int64)
        rows = np.flatnonzero(rssi >= self.weakest_dbm).tolist()
        return [
            (
                heard.tags[int(heard.tag[row])],
                int(np.clip(rssi[row] + RSSI_ZERO, 0, 127)),
                int(heard.port[row]),
            )
            for row in rows
        ]

    def asked_of_air(self, port: int, session: int) -> Inventory:
        """Return what a round asks the air interface for."""
        return Inventory((port,), (float(self.power),), session=session, search="dual")

    async def _done(self, command: int, status: int, data: bytes = b"") -> None:
        await self.send(encode_answer(command, status, data, self.own_address))


class UhfReader18Emulator(_UhfEmulator):
    """A UHFReader18: it tells each tag once a round, when the round is over, in frames as long as they may be."""

    dialect = "18"
    type = 0x09
    sizes: ClassVar = _UhfEmulator.sizes | {Command.SET_WORK_MODE_18: 6}

    def make(self) -> None:
        """Be as delivered: it answers when asked."""
        super().make()
        self.work_mode = bytes(6)

    def _setting(self, command: int, data: bytes) -> tuple[int, bytes]:
        if command == Command.GET_WORK_MODE_18 and not data:
            return Status.OK, bytes([0, 30, 10, 15]) + self.work_mode + bytes([8, 0])
        return super()._setting(command, data)

    def _set(self, command: int, data: bytes) -> bool:
        if command == Command.SET_WORK_MODE_18:
            self.work_mode = data
            return True
        return super()._set(command, data)

    async def inventory(self, data: bytes) -> None:
        """Answer with every tag once: frames that announce more, and a last one."""
        if self.broken or data:
            await self._done(Command.INVENTORY, self.broken or Status.LENGTH)
            return
        heard = self.heard_well(await self.hear(self.asked_of_air(1, 0)))
        tags = [(epc, 0) for epc in dict.fromkeys(epc for epc, *_ in heard)]
        if not tags:
            await asyncio.sleep(0.01)
            await self._done(Command.INVENTORY, Status.NO_TAG)
            return
        while tags:
            room, count = _FRAME_ROOM, 0
            while count < len(tags) and room > len(tags[count][0]):
                room -= 1 + len(tags[count][0])
                count += 1
            now, tags = tags[:count], tags[count:]
            status = Status.MORE if tags else Status.COMPLETE
            await self.send(encode_tags("18", status, now, address=self.own_address))


class UhfReader288Emulator(_UhfEmulator):
    """A UHFReader288: it tells each read at once, and reports by itself where it is told to.

    Attributes
    ----------
    missing : set of int
        Ports whose antenna is unplugged, 1-based.
    module : bool
        Whether its network module sends heartbeats while nothing else happens.
    tids : bool
        Whether tags tell their TID where they are asked to (Impinj's FastID).
    reporting : bool
        Whether it reports by itself.
    """

    dialect = "288"
    type = 0x0C
    sizes: ClassVar = _UhfEmulator.sizes | {Command.SET_WORK_MODE_288: 1}

    module = False
    tids = True

    def make(self) -> None:
        """Be as delivered: it answers when asked; no antenna is unplugged."""
        super().make()
        self.missing: set[int] = set()
        self.reporting = False

    async def crash(self) -> None:
        """Boot while the line stands; one that reports by itself goes on doing so."""
        await super().crash()
        if self.reporting:
            await self._set_reporting()

    async def obey(self, command: int, data: bytes) -> None:
        """Do what a command asks; while it reports by itself it hears nothing but that it shall stop."""
        if self.reporting and command not in (Command.SET_WORK_MODE_288, Command.SET_WORK_MODE_18):
            return
        await super().obey(command, data)
        if command == Command.SET_WORK_MODE_288:
            await self._set_reporting()

    def _set(self, command: int, data: bytes) -> bool:
        if command == Command.SET_WORK_MODE_288:
            self.reporting = bool(data[0])
            return True
        return super()._set(command, data)

    def info(self) -> bytes:
        """Return what it says about itself, with the antennas in use."""
        antennas = sum(1 << port - 1 for port in self.source.ports)
        return super().info() + bytes([antennas, 0, 0, 1])

    async def inventory(self, data: bytes) -> None:
        """Answer with a frame a read, and one that ends the round."""
        if self.broken or len(data) < 9:
            await self._done(Command.INVENTORY, self.broken or Status.LENGTH)
            return
        port = data[-2] - 0x80 + 1
        if data[1] > 3 or not 1 <= port <= 8:
            await self._done(Command.INVENTORY, Status.PARAMETER)
        elif port in self.missing or port not in self.source.ports:
            await asyncio.sleep(0.005)
            await self._done(Command.INVENTORY, Status.ANTENNA, bytes([1 << port - 1, 0]))
        else:
            heard = await self.hear(self.asked_of_air(port, data[1]))
            for epc, rssi, _ in self.heard_well(heard):
                record = self._record(epc, rssi, fast_id=bool(data[0] & 0x20))
                await self._done(Command.INVENTORY, Status.MORE, bytes([1 << port - 1, 1]) + record)
            if heard is None:
                await asyncio.sleep(0.05)
            await self._done(Command.INVENTORY, Status.COMPLETE, bytes([1 << port - 1, 0]))

    def _record(self, epc: bytes, rssi: int, *, fast_id: bool = False) -> bytes:
        tid = usual_memory(epc).tid if fast_id and self.tids else b""
        return bytes([len(epc) + len(tid) | (0x80 if tid else 0)]) + epc + tid + bytes([rssi])

    async def _set_reporting(self) -> None:
        if not self.reporting:
            await self.end_inventory()
        elif not self.running:
            self._quiet_since, self._beats = 0, 0
            await self.begin_inventory(
                Inventory(self.source.ports, (float(self.power),) * len(self.source.ports), session=1),
                self.report,
            )

    async def report(self, heard: ReportSlice) -> None:
        """Tell each read; when there was none for a second, a heartbeat."""
        reads = self.heard_well(heard)
        for epc, rssi, port in reads:
            await self._done(Command.REPORT, Status.OK, bytes([1 << port - 1]) + self._record(epc, rssi))
        if reads or not self._quiet_since:
            self._quiet_since = heard.t_end_ns
        elif heard.t_end_ns - self._quiet_since >= _HEARTBEAT_NS:
            self._quiet_since = heard.t_end_ns
            self._beats += 1
            if self.module:
                await self.send(HEARTBEAT)
            else:
                said = self._beats.to_bytes(4, "big") + bytes(8) + bytes(4)
                await self._done(Command.REPORT, Status.HEARTBEAT, said)
