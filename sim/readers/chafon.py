"""A Chafon `CF` reader made of software; see `reader_drivers.chafon.codec` for its frames and what is not proven."""

from __future__ import annotations

from typing import Final

import numpy as np

from reader_drivers.chafon.codec import (
    BROADCAST,
    FRAMES,
    PARAMETER_BYTES,
    Command,
    Parameters,
    Status,
    command_of,
    data_of,
    encode_answer,
    encode_report,
)
from sim.readers.serial_emulator import SerialEmulator
from sim.readers.source import Inventory, ReportSlice

_INFO: Final = b"CF600 V1.2".ljust(32, b"\0") + b"HW V2.0".ljust(32, b"\0") + b"EMU000000001"
_REGIONS: Final = {"FCC": 1}
"""Numbers of regions that frames of real readers show; 0 stands for the others."""

_OF_A_READER: Final = "00 00 01 80 04 00 01 01 03 86 02 EE 01 F4 31 21 01 04 00 00 0C 00 03 01 05"


class ChafonEmulator(SerialEmulator):
    """The reader; its parameters are in flash.

    Attributes
    ----------
    broken : int
        The status every inventory fails with; 0: none.
    tells_end : bool
        Whether it says when an inventory is over.
    """

    scheme = "chafon"
    frames = FRAMES
    weakest_dbm = -84

    broken = 0
    tells_end = True

    def make(self) -> None:
        """Be as delivered: for the source's antennas and channels."""
        khz = self.source.frequencies_khz
        step = (khz[-1] - khz[0]) // max(1, len(khz) - 1)
        raw = bytearray.fromhex(_OF_A_READER)
        raw[2] = 0
        raw[6] = sum(1 << port - 1 for port in self.source.ports)
        raw[7] = _REGIONS.get(self.source.region, 0)
        raw[8:15] = (
            (min(khz) // 1000).to_bytes(2, "big")
            + (min(khz) % 1000).to_bytes(2, "big")
            + step.to_bytes(2, "big")
            + bytes([len(khz) - 1])
        )
        self.parameters = Parameters(bytes(raw))

    def reset(self) -> None:
        """Forget what flash does not keep."""
        self._over_ns: int | None = None
        self._seconds = 0

    async def answer(self, frame: bytes) -> None:
        """Do what a command asks."""
        command, data = command_of(frame), data_of(frame)
        if frame[1] not in (self.parameters.raw[0], BROADCAST):
            return
        if command == Command.INVENTORY:
            await self._begin(data)
        elif command in (Command.STOP, Command.INIT):
            await self.end_inventory()
            await self._done(command)
        elif command == Command.INFO:
            await self._done(command, _INFO)
        elif command == Command.GET_PARAMETERS:
            await self._done(command, self.parameters.raw)
        elif command == Command.SET_PARAMETERS:
            await self._set(data)
        elif command == Command.REBOOT:
            await self._done(command)
            await self.crash()
        else:
            await self.send(encode_answer(command, Status.BAD_FRAME))

    async def _set(self, data: bytes) -> None:
        good = len(data) == PARAMETER_BYTES and data[15] <= 33 and data[17] < 16 and data[18] < 4 and data[6]
        if good:
            self.parameters = Parameters(data)
        await self.send(encode_answer(Command.SET_PARAMETERS, Status.OK if good else Status.BAD_PARAMETER))

    async def _begin(self, data: bytes) -> None:
        if self.broken or len(data) != 5:
            await self.send(encode_answer(Command.INVENTORY, self.broken or Status.BAD_PARAMETER))
            return
        self._seconds, self._over_ns = int.from_bytes(data[1:], "big"), None
        ports = tuple(port for port in self.source.ports if self.parameters.antennas >> port - 1 & 1)
        power = float(self.parameters.power_dbm)
        await self.begin_inventory(
            Inventory(ports, (power,) * len(ports), session=self.parameters.session, search="single"),
            self.report,
        )

    async def report(self, heard: ReportSlice) -> None:
        """Tell each read; when its time is over, end the inventory."""
        if self._over_ns is None:
            self._over_ns = heard.t_start_ns + self._seconds * 1_000_000_000
        rssi = np.round(heard.rssi_dbm.astype(np.float64), 1)
        for row in np.flatnonzero(rssi >= self.weakest_dbm).tolist():
            epc = heard.tags[int(heard.tag[row])]
            port, channel = int(heard.port[row]), int(heard.channel[row]) - 1
            await self.send(encode_report(float(rssi[row]), port, channel, epc, self.parameters.raw[0]))
        if self._seconds and heard.t_end_ns >= self._over_ns:
            if self.tells_end:
                await self.send(encode_answer(Command.INVENTORY, Status.INVENTORY_OVER))
            await self.end_inventory()

    async def _done(self, command: int, data: bytes = b"") -> None:
        await self.send(encode_answer(command, Status.OK, data, self.parameters.raw[0]))
