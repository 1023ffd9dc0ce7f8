"""An R2000 board made of software; see `reader_drivers.r2000.codec` for its frames and their source."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np

from reader_drivers.r2000.codec import (
    BROADCAST,
    CUSTOM_REGION,
    FRAMES,
    INVENTORIES,
    PHASE_STEPS,
    RSSI_ZERO,
    Command,
    Plan,
    Status,
    data_of,
    decode_plan,
    encode,
    encode_end,
    encode_fast_end,
    encode_plan,
    encode_tag,
)
from sim.readers.serial_emulator import SerialEmulator
from sim.readers.source import Inventory, ReportSlice, Search

_NAME: Final = b"IND903-EMU\0\0"


class R2000Emulator(SerialEmulator):
    """The board. Power of each port, region and address are in flash; the rest a boot forgets.

    Attributes
    ----------
    missing : set of int
        Ports whose antenna is unplugged, 1-based, besides those the source has none on.
    broken : int
        What every inventory fails with; 0: nothing.
    with_phase : bool
        Whether it knows the inventory with phase (the layout is not proven).
    eight : bool
        Whether it has eight ports (the layout is not proven).
    """

    scheme = "r2000"
    frames = FRAMES
    weakest_dbm = -84

    missing: set[int]
    broken = 0
    with_phase = False
    eight = False
    degrees = 41

    def make(self) -> None:
        """Be as delivered: address 1, 30 dBm, the source's channels; no antenna is unplugged."""
        self.missing, self.own_address = set(), 1
        self.flash_dbm = bytes([30])
        khz = self.source.frequencies_khz
        self.plan = Plan(CUSTOM_REGION, 0, len(khz) - 1, khz)

    def reset(self) -> None:
        """Forget what flash does not keep."""
        self.power_dbm = self.flash_dbm
        self.antenna = 0

    async def answer(self, frame: bytes) -> None:
        """Do what a command asks."""
        command, data = frame[3], data_of(frame)
        if frame[2] not in (self.own_address, BROADCAST):
            return
        if command in INVENTORIES:
            await self._inventory_round(command, data)
        elif command == Command.RESET:
            await self.crash()
        else:
            await self.send(encode(command, self._setting(command, data), self.own_address))

    def _setting(self, command: int, data: bytes) -> bytes:
        """Return the data of the answer to a setting or a question."""
        ports = 8 if self.eight else 4
        known: dict[int, bytes] = {
            Command.VERSION: b"\x08\x02",
            Command.IDENTIFIER: _NAME,
            Command.GET_ANTENNA: bytes([self.antenna]),
            Command.GET_POWER: self.power_dbm,
            Command.GET_REGION: encode_plan(self.plan),
            Command.TEMPERATURE: bytes([self.degrees >= 0, abs(self.degrees)]),
        }
        done = bytes([Status.SUCCESS])
        if not data:
            return known.get(command, bytes([Status.FAILED]))
        if command == Command.SET_ANTENNA and len(data) == 1:
            if data[0] >= ports:
                return bytes([Status.BAD_ANTENNA])
            self.antenna = data[0]
            return done
        if command == Command.TEMPORARY_POWER and len(data) == 1 and data[0] <= 33:
            self.power_dbm = data
            return done
        sizes = (1, 8) if command == Command.SET_POWER_8 and self.eight else (1, 4)
        if command in (Command.SET_POWER, Command.SET_POWER_8) and len(data) in sizes and max(data) <= 33:
            self.flash_dbm = self.power_dbm = data
            return done
        if command == Command.SET_REGION and (plan := decode_plan(data)) is not None:
            self.plan = plan
            return done
        if command == Command.BEEPER and len(data) == 1:
            return done
        if command == Command.RETURN_LOSS and len(data) == 1:
            return bytes([1 if self._is_missing(self.antenna) else 17])
        return bytes([Status.BAD_PARAMETER if command in set(Command) else Status.FAILED])

    def _is_missing(self, antenna: int) -> bool:
        return antenna + 1 in self.missing or antenna + 1 not in self.source.ports

    async def _inventory_round(self, command: int, data: bytes) -> None:
        if self.broken:
            await self._refuse(command, self.broken)
        elif command == Command.FAST_SWITCH:
            await self._switched(data)
        elif command == Command.REALTIME and len(data) == 1:
            await self._one_antenna(command, 1, "dual", phase=False)
        elif command == Command.SESSION and len(data) == 3 and data[0] < 4 and data[1] < 2:
            await self._one_antenna(command, data[0], "single", phase=False)
        elif command == Command.SESSION and len(data) == 5 and self.with_phase:
            await self._one_antenna(command, data[0], "single", phase=bool(data[3]))
        else:
            await self._refuse(command, Status.BAD_PARAMETER)

    async def _one_antenna(self, command: int, session: int, search: Search, *, phase: bool) -> None:
        antenna = self.antenna
        if self._is_missing(antenna):
            await asyncio.sleep(0.002)
            await self._refuse(command, Status.ANTENNA_MISSING)
            return
        heard = await self._hear_on(antenna, session, search)
        count = await self._report(command, antenna, heard, phase=phase)
        span_s = 0.05 if heard is None else max(1e-3, (heard.t_end_ns - heard.t_start_ns) / 1e9)
        rate = min(0xFFFF, round(count / span_s))
        await self.send(encode_end(antenna, rate, count, command, self.own_address))

    async def _switched(self, data: bytes) -> None:
        pairs = 8 if self.eight else 4
        if len(data) != 2 * pairs + 2:
            await self._refuse(Command.FAST_SWITCH, Status.BAD_PARAMETER)
            return
        total, ns = 0, 0
        for _ in range(max(1, data[-1])):
            for antenna, stay in zip(data[: 2 * pairs : 2], data[1 : 2 * pairs : 2], strict=True):
                if antenna >= pairs or not stay:
                    continue
                if self._is_missing(antenna):
                    said = bytes([antenna, Status.ANTENNA_MISSING])
                    await self.send(encode(Command.FAST_SWITCH, said, self.own_address))
                    continue
                for _ in range(stay):
                    heard = await self._hear_on(antenna, 0, "dual")
                    total += await self._report(Command.FAST_SWITCH, antenna, heard, phase=False)
                    ns += 0 if heard is None else heard.t_end_ns - heard.t_start_ns
        await asyncio.sleep(0 if ns else 0.002)
        await self.send(encode_fast_end(total, ns // 1_000_000, self.own_address))

    async def _hear_on(self, antenna: int, session: int, search: Search) -> ReportSlice | None:
        powers = self.power_dbm
        khz = np.array(self.source.frequencies_khz)
        # Of the source's channels those that lie in the frequencies set; all where none does.
        low, high = self.plan.table[self.plan.first], self.plan.table[self.plan.last]
        inside = np.flatnonzero((khz >= low - 250) & (khz <= high + 250)) + 1
        heard = await self.hear(
            Inventory(
                ports=(antenna + 1,),
                power_dbm=(float(powers[antenna if len(powers) > antenna else 0]),),
                session=session,
                search=search,
                channels=tuple(inside.tolist()) if 0 < len(inside) < len(khz) else (),
            )
        )
        if heard is None:
            await asyncio.sleep(0.05)  # the world has ended; the board goes on
        return heard

    async def _report(self, command: int, antenna: int, heard: ReportSlice | None, *, phase: bool) -> int:
        if heard is None:
            return 0
        rssi = np.clip(np.rint(heard.rssi_dbm), -RSSI_ZERO, -2).astype(np.int64)
        rows = np.flatnonzero((rssi >= self.weakest_dbm) & (heard.port == antenna + 1))
        khz = np.array(self.source.frequencies_khz)[heard.channel.astype(np.int64) - 1]
        table = np.array(self.plan.table)[self.plan.first : self.plan.last + 1]
        index = self.plan.first + np.abs(khz[:, None] - table).argmin(1)
        steps = np.rint(heard.phase_rad.astype(np.float64) / (2 * np.pi) * PHASE_STEPS).astype(np.int64)
        for row in rows.tolist():
            epc = heard.tags[int(heard.tag[row])]
            await self.send(
                encode_tag(
                    command,
                    int(index[row]),
                    antenna,
                    epc,
                    int(rssi[row]),
                    phase=int(steps[row]) % PHASE_STEPS if phase else None,
                    address=self.own_address,
                )
            )
        return len(rows)

    async def _refuse(self, command: int, why: int) -> None:
        await self.send(encode(command, bytes([why]), self.own_address))
