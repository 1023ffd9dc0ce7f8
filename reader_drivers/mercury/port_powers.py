"""Powers of single ports (`Op.SET_ANTENNA`, option 4), in the layout that a module tells them in.

Two layouts are known (Mercury API for C, `TMR_SR_cmdSetAntennaPortPowersAndSettlingTime`, `checkForAvailableFeatures`
and `getPortValues`): seven bytes of port, read power, write power and settling time; and, behind an 01, three bytes of
port and read power (M6e from firmware 1.23.1.06 on).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reader_drivers._reader import ReaderError
from reader_drivers.mercury.codec import Op, Status
from reader_drivers.mercury.module import Asks, Module

NOT_HERE: Final = (Status.BAD_OPCODE, Status.WRONG_LENGTH, Status.BAD_PARAMETER, Status.ANTENNA_CONFIG)
"""Statuses of a module that does not know a command's variant."""

_M6E: Final = (0x18, 0x19)
_LEAST_DBM: Final = -327.68
"""What two bytes can hold at the least."""

_SHORT_FROM: Final = bytes.fromhex("01230106")


class _Layout(NamedTuple):
    head: bytes
    width: int
    """Bytes of an entry behind its port; the first two are the read power."""


_LONG: Final = _Layout(b"\x04", 6)
_SHORT: Final = _Layout(b"\x04\x01", 2)


def apply_port_powers(link: Asks, module: Module, dbm: dict[int, float], needed: bool) -> None:
    """Give ports their powers, where they have others; what else their entries hold stays.

    Parameters
    ----------
    link, module
    dbm
        Of each of the module's ports.
    needed
        False: one power does for all, and only what an earlier client left has to go.

    Raises
    ------
    ReaderError
        Powers are `needed`, and the module has one for all ports.
    """
    layout, entries = _ask(link, module)
    if layout is None:
        if needed:
            raise ReaderError(f"{link.where}: the module has one power for all ports; leave port_power out")
        return
    # No power of its own: told as 0 by an M6e, for which 0 dBm is too little, and as the least number by the others.
    none = hundredths(0 if module.hardware in _M6E else _LEAST_DBM)
    wanted = {port: hundredths(power) for port, power in dbm.items()}
    present = {port: entries.get(port, none)[:2] for port in dbm}
    if present == wanted or (not needed and all(p in (none, wanted[port]) for port, p in present.items())):
        return
    rest = (none + b"\0\0")[: layout.width - 2]
    data = layout.head + b"".join(
        bytes([port]) + wanted[port] + (entries[port][2:] if port in entries else rest) for port in dbm
    )
    link.ask(Op.SET_ANTENNA, data, "power of single ports", fine=() if needed else NOT_HERE)


def _ask(link: Asks, module: Module) -> tuple[_Layout | None, dict[int, bytes]]:
    """Return the layout that the module tells its ports' powers in, and the entries; None: it tells none."""
    newer = module.m7e or (module.hardware in _M6E and module.version.firmware >= _SHORT_FROM)
    for layout in (_SHORT, _LONG) if newer else (_LONG, _SHORT):
        told = link.ask(Op.GET_ANTENNA, layout.head, "its ports' powers", fine=NOT_HERE)
        rows, step = told.data[len(layout.head) :], layout.width + 1
        ports = rows[::step]
        # The other layout's bytes would name ports twice, or ports that there are not.
        known = len(set(ports)) == len(ports) and set(ports) <= set(module.ports)
        if told.status == 0 and told.data.startswith(layout.head) and len(rows) % step == 0 and known:
            return layout, {port: rows[step * k + 1 : step * k + step] for k, port in enumerate(ports)}
    return None, {}


def hundredths(dbm: float) -> bytes:
    """Return a power as modules have it: signed, in 0.01 dBm."""
    return round(100 * dbm).to_bytes(2, "big", signed=True)
