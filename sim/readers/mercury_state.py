"""What an emulated ThingMagic module was told, and how it answers commands, whose lengths and values it checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reader_drivers.mercury.codec import BOOTLOADER, GEN2, SPEEDS, Config, Gen2, Op, Status
from sim.readers.mercury_identity import Identity, Model, regions_of
from sim.readers.source import ReadSource

Answer = tuple[int, bytes]

_CONFIG: Final = {0x00, 0x01, 0x03, 0x04, 0x05, 0x06, 0x08, 0x0A, 0x0B, Config.READ_FILTER, 0x1B, 0x1E}
_IN_BOOTLOADER: Final = {Op.VERSION, Op.BOOT_FIRMWARE, Op.CURRENT_PROGRAM, Op.SET_BAUD}
_TEMPERATURE: Final = 41
_TARGETS: Final = {0x0000, 0x0001, 0x0100, 0x0101}


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


class ModuleState:
    """A module's settings.

    Parameters
    ----------
    identity, model
        What it is.
    source
        Its radio: which ports have an antenna, which channels there are.
    bootloader
        Whether it waits in the bootloader.
    """

    def __init__(self, identity: Identity, model: Model, source: ReadSource, *, bootloader: bool) -> None:
        self.identity, self.model, self.source, self.bootloader = identity, model, source, bootloader
        self.regions = regions_of(source.region, model)
        self.region = self.protocol = 0
        self.power = identity.most_cdbm
        self.short_entries = self.listed_singly = model == "m7e"
        """Ports' powers in entries of three bytes, not seven; antenna lists of single numbers, not of pairs."""
        self.no_power = 0 if model == "m6e" else -32768
        """What stands for a port without a power of its own; an M6e cannot go down to 0 dBm, others can."""
        self.port_power = dict.fromkeys(range(1, identity.ports + 1), self.no_power)
        self.ports: tuple[int, ...] = (1,)
        self.hopping = source.frequencies_khz
        self.session, self.target, self.rf_mode = 0, 0, 0
        self.q: int | None = None
        self.config = dict.fromkeys(_CONFIG, 0) | {Config.READ_FILTER: 1}
        self._answers: dict[int, tuple[set[int] | None, Callable[[bytes], Answer]]] = {
            Op.VERSION: ({0}, lambda _: (0, identity.version.encode())),
            Op.BOOT_FIRMWARE: ({0}, self._boot),
            Op.SET_BAUD: ({4}, self._set_baud),
            Op.CURRENT_PROGRAM: ({0}, lambda _: (0, bytes([0x10 | (BOOTLOADER if self.bootloader else 2)]))),
            Op.TAG_BUFFER: ({0}, lambda _: (0, bytes(4))),
            Op.CLEAR_BUFFER: ({0}, lambda _: (0, b"")),
            Op.GET_ANTENNA: ({1, 2}, self._get_antenna),
            Op.SET_ANTENNA: (None, self._set_antenna),
            Op.GET_POWER: ({0, 1}, self._get_power),
            Op.SET_POWER: ({2}, self._set_power),
            Op.GET_PROTOCOL: ({0}, lambda _: (0, self.protocol.to_bytes(2, "big"))),
            Op.SET_PROTOCOL: ({2}, self._set_protocol),
            Op.GET_HOP_TABLE: ({0}, self._get_hop_table),
            Op.SET_HOP_TABLE: (None, self._set_hop_table),
            Op.GET_REGION: ({0}, lambda _: (0, bytes([self.region]))),
            Op.SET_REGION: ({1}, self._set_region),
            Op.REGIONS: ({0}, lambda _: (0, bytes(self.regions))),
            Op.GET_CONFIG: ({2}, self._get_config),
            Op.SET_CONFIG: ({3, 6}, self._set_config),
            Op.SET_GEN2: ({3, 4}, self._set_gen2),
            Op.TEMPERATURE: ({0}, lambda _: (0, bytes([_TEMPERATURE]))),
        }

    @property
    def read_filter(self) -> bool:
        """Whether each tag is told once."""
        return self.config[Config.READ_FILTER] == 1

    def power_of(self, port: int) -> int:
        """Return a port's power, hundredths of a dBm; its own where it has one."""
        own = self.port_power[port]
        return self.power if own == self.no_power else own

    def ready(self) -> int:
        """Return the status with which a search is answered."""
        if self.region == 0:
            return Status.REGION
        return Status.OK if self.protocol == GEN2 else Status.NO_PROTOCOL

    def command(self, op: int, data: bytes) -> Answer:
        """Do what a command asks; return status and data of its answer."""
        known = self._answers.get(op)
        if known is None or (self.bootloader and op not in _IN_BOOTLOADER):
            return Status.BAD_OPCODE, b""
        lengths, answer = known
        if lengths is not None and len(data) not in lengths:
            return Status.WRONG_LENGTH, b""
        return answer(data)

    def _boot(self, _: bytes) -> Answer:
        if not self.bootloader:
            return Status.BAD_OPCODE, b""
        self.bootloader = False
        return 0, self.identity.version.encode()

    def _set_baud(self, data: bytes) -> Answer:
        return (0 if int.from_bytes(data, "big") in SPEEDS else Status.BAUD), b""

    def _get_antenna(self, data: bytes) -> Answer:
        if data[0] == 4:
            return self._get_port_power(data)
        if len(data) > 1:
            return Status.WRONG_LENGTH, b""
        if data[0] == 0:
            return 0, bytes([self.ports[0], self.ports[0]])
        if data[0] != 5:
            return Status.BAD_PARAMETER, b""
        every = range(1, self.identity.ports + 1)
        there = self.source.ports if self.identity.sees_antennas else ()
        return 0, b"\x05" + b"".join(bytes([port, port in there]) for port in every)

    def _set_antenna(self, data: bytes) -> Answer:
        option, rest = data[:1], data[1:]
        if len(data) == 2 and data[0] == data[1]:
            return self._use(rest)
        if option == b"\x02" and not self.listed_singly and rest and len(rest) % 2 == 0:
            return self._use(rest[::2])
        if option == b"\x82" and self.listed_singly and rest:
            return self._use(rest)
        if option == b"\x04" and self.identity.ports > 1:
            if self.short_entries:
                rest = rest[1:] if rest[:1] == b"\x01" else b"?"
            return self._set_port_power(rest, 3 if self.short_entries else 7)
        return Status.BAD_PARAMETER, b""

    def _use(self, ports: bytes) -> Answer:
        if not all(1 <= port <= self.identity.ports for port in ports):
            return Status.ANTENNA_CONFIG, b""
        self.ports = tuple(ports)
        return 0, b""

    def _get_port_power(self, data: bytes) -> Answer:
        if data != (b"\x04\x01" if self.short_entries else b"\x04"):
            return Status.WRONG_LENGTH, b""
        rest = b"" if self.short_entries else self.no_power.to_bytes(2, "big", signed=True) + b"\0\0"
        entries = (
            bytes([port]) + cdbm.to_bytes(2, "big", signed=True) + rest
            for port, cdbm in self.port_power.items()
        )
        return 0, data + b"".join(entries)

    def _set_port_power(self, data: bytes, width: int) -> Answer:
        if not data or len(data) % width:
            return Status.WRONG_LENGTH, b""
        powers = {data[at]: _signed(data[at + 1 : at + 3]) for at in range(0, len(data), width)}
        if not all(1 <= port <= self.identity.ports for port in powers):
            return Status.ANTENNA_CONFIG, b""
        for power in powers.values():
            if power != self.no_power and (status := self._power_status(power)):
                return status, b""
        self.port_power |= powers
        return 0, b""

    def _get_power(self, data: bytes) -> Answer:
        limits = (self.power,)
        if data == b"\x01":
            limits = (self.power, self.identity.most_cdbm, self.identity.least_cdbm)
        return 0, (data or b"\0") + b"".join(value.to_bytes(2, "big", signed=True) for value in limits)

    def _power_status(self, power: int) -> int:
        if power > self.identity.most_cdbm:
            return Status.POWER_TOO_HIGH
        return Status.POWER_TOO_LOW if power < self.identity.least_cdbm else 0

    def _set_power(self, data: bytes) -> Answer:
        power = _signed(data)
        status = self._power_status(power)
        if status == 0:
            self.power = power
        return status, b""

    def _set_protocol(self, data: bytes) -> Answer:
        if int.from_bytes(data, "big") != GEN2:
            return Status.BAD_PARAMETER, b""
        self.protocol = GEN2
        return 0, b""

    def _get_hop_table(self, _: bytes) -> Answer:
        if self.region == 0:
            return Status.REGION, b""
        shuffled = sorted(self.hopping, key=lambda khz: khz * 7919 % 1009)
        return 0, b"".join(khz.to_bytes(4, "big") for khz in shuffled)

    def _set_hop_table(self, data: bytes) -> Answer:
        if not data or len(data) % 4:
            return Status.WRONG_LENGTH, b""
        table = [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]
        if not set(table) <= set(self.source.frequencies_khz):
            return Status.BAD_PARAMETER, b""
        self.hopping = tuple(table)
        return 0, b""

    def _set_region(self, data: bytes) -> Answer:
        if data[0] not in self.regions:
            return Status.REGION, b""
        self.region, self.hopping = data[0], self.source.frequencies_khz
        return 0, b""

    def _get_config(self, data: bytes) -> Answer:
        if data[0] != 1 or data[1] not in self.config:
            return Status.BAD_PARAMETER, b""
        return 0, data + bytes([self.config[data[1]]])

    def _set_config(self, data: bytes) -> Answer:
        if data[0] != 1 or (data[1] not in self.config) != (data[1] == 0x0D):
            return Status.BAD_PARAMETER, b""
        if (len(data) == 6) != (data[1] == 0x0D):
            return Status.WRONG_LENGTH, b""
        if data[1] in self.config:
            self.config[data[1]] = data[2]
        return 0, b""

    def _set_gen2(self, data: bytes) -> Answer:
        key, value = data[1], int.from_bytes(data[2:], "big")
        if data[0] != GEN2:
            return Status.BAD_PARAMETER, b""
        if key == Gen2.SESSION and len(data) == 3 and value < 4:
            self.session = value
        elif key == Gen2.TARGET and len(data) == 4 and value in _TARGETS:
            self.target = value
        elif key == Gen2.Q and data[2:] == b"\0":
            self.q = None
        elif key == Gen2.Q and len(data) == 4 and data[2] == 1 and data[3] < 16:
            self.q = data[3]
        elif key == Gen2.RF_MODE and len(data) == 4 and self.model == "m7e":
            self.rf_mode = value
        else:
            return Status.BAD_PARAMETER, b""
        return 0, b""
