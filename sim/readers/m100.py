"""An M100 module made of software; see `reader_drivers.m100.codec` for its frames and their source."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reader_drivers.checksums import crc_epc
from reader_drivers.m100.codec import (
    FRAMES,
    NO_MEMORY,
    REGIONS,
    RESPONSE,
    Command,
    Failure,
    encode,
    encode_notice,
    parameters,
    region_of,
)
from sim.readers.gen2_memory import usual_memory
from sim.readers.serial_emulator import SerialEmulator
from sim.readers.source import Inventory, ReportSlice

_TEXTS = (b"M100 26dBm V1.0", b"V2.3.5", b"MagicRF")


class M100Emulator(SerialEmulator):
    """The module; its sensitivity, -72 dBm and up, is that of the chip's data sheet.

    Attributes
    ----------
    memory
        User memory of tags by their EPC, and others have none; None: every tag that was heard has `usual_memory`.
    """

    scheme = "m100"
    frames = FRAMES
    weakest_dbm = -72

    memory: Mapping[bytes, bytes] | None = None

    def make(self) -> None:
        """Be as delivered: nothing that can be set is kept."""

    def reset(self) -> None:
        """Forget what was set."""
        self.power_cdbm, self.region, self.channel, self.query = 2600, 1, 0, 0x1020
        self.mask = b""
        self._known_tags: dict[bytes, None] = {}

    async def answer(self, frame: bytes) -> None:
        """Do what a command asks."""
        command, values = frame[2], parameters(frame)
        if command == Command.INFO and len(values) == 1 and values[0] < len(_TEXTS):
            await self._done(command, values + _TEXTS[values[0]])
        elif command == Command.REGION and len(values) == 1:
            self.region = values[0]
            await self._done(command)
        elif command == Command.GET_REGION:
            await self._done(command, bytes([self.region]))
        elif command == Command.SELECT and len(values) >= 7:
            self.mask = values[7:]
            await self._done(command)
        elif command == Command.SELECT_MODE and len(values) == 1:
            await self._done(command)
        elif command == Command.READ and len(values) == 9:
            await self._read(values)
        elif command == Command.POWER and len(values) == 2:
            self.power_cdbm = min(int.from_bytes(values, "big"), 2600)
            await self._done(command)
        elif command == Command.GET_POWER:
            await self._done(command, self.power_cdbm.to_bytes(2, "big"))
        elif command == Command.SET_QUERY and len(values) == 2:
            self.query = int.from_bytes(values, "big")
            await self._done(command)
        elif command == Command.GET_QUERY:
            await self._done(command, self.query.to_bytes(2, "big"))
        elif command == Command.CHANNEL and len(values) == 1:
            self.channel = values[0] + 1
            await self._done(command)
        elif command == Command.HOPPING and len(values) == 1:
            self.channel = 0
            await self._done(command)
        elif command == Command.STOP:
            await self.end_inventory()
            await self._done(command)
        elif command == Command.POLL_MANY and len(values) == 3 and values[0] == 0x22:
            await self.begin_inventory(self._inventory_asked(), self.report)
        else:
            await self._failed(Failure.COMMAND)

    async def _read(self, values: bytes) -> None:
        """Read the tag that SELECT named: user memory alone is emulated."""
        bank, first = values[4], 2 * int.from_bytes(values[5:7], "big")
        end = first + 2 * int.from_bytes(values[7:9], "big")
        known = self._known_tags if self.memory is None else self.memory
        epc = next((tag for tag in known if self.mask and tag.startswith(self.mask)), None)
        # SELECT sets flags of session 0; in the others a tag just heard has turned to B.
        session, target = self.query >> 8 & 3, self.query >> 7 & 1
        if self.running or epc is None or bank != 3 or session or target:
            await self._failed(Failure.READ)
        elif end > len(user := usual_memory(epc).user if self.memory is None else self.memory[epc]):
            await self.send(encode(Command.ERROR, bytes([NO_MEMORY]), RESPONSE))
        else:
            head = bytes([2 + len(epc)]) + (len(epc) // 2 << 11).to_bytes(2, "big") + epc
            await self._done(Command.READ, head + user[first:end])

    def _inventory_asked(self) -> Inventory:
        region = region_of(self.region)
        count = 1 if region is None else len(REGIONS[region][1])
        channel = self.channel if 0 < self.channel <= min(count, len(self.source.frequencies_khz)) else 0
        return Inventory(
            ports=(1,),
            power_dbm=(self.power_cdbm / 100,),
            session=self.query >> 8 & 3,
            search="single",
            channels=(channel,) if channel else (),
        )

    async def report(self, heard: ReportSlice) -> None:
        """Tell each read by a notice, and a slice without any by an error, as empty rounds are."""
        rssi = np.clip(np.rint(heard.rssi_dbm), -128, 0).astype(np.int64)
        strong = np.flatnonzero((rssi >= self.weakest_dbm) & (heard.port == 1))
        if not len(strong):
            await self._failed(Failure.NO_TAG)
        for row in strong.tolist():
            epc = heard.tags[int(heard.tag[row])]
            self._known_tags[epc] = None
            pc = len(epc) // 2 << 11
            crc = crc_epc(pc.to_bytes(2, "big") + epc)
            await self.send(encode_notice(int(rssi[row]), pc, epc, crc))

    async def _done(self, command: int, values: bytes = b"\x00") -> None:
        await self.send(encode(command, values, RESPONSE))

    async def _failed(self, why: Failure) -> None:
        await self.send(encode(Command.ERROR, bytes([why]), RESPONSE))
