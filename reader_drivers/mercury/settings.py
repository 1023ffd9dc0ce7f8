"""What a module is told before it reads: settings as commands."""

from __future__ import annotations

from typing import Final

from reader_drivers._reader import Capabilities, ReaderSettings, SettingsError
from reader_drivers.mercury.codec import GEN2, Config, Gen2, Op
from reader_drivers.mercury.module import Asks, Module
from reader_drivers.mercury.port_powers import NOT_HERE, apply_port_powers, hundredths
from reader_drivers.setting_checks import check_gen2

MOST_CHANNELS: Final = 62
"""A frame holds no more."""

_TARGETS: Final = {"A": b"\x01\x00", "B": b"\x01\x01", "AB": b"\x00\x00"}


def check_kind(settings: ReaderSettings, where: str) -> None:
    """Refuse settings that no module can follow; raises SettingsError."""
    check_gen2(settings, where)
    if settings.search == "focus":
        raise SettingsError(f"{where}: search focus is Impinj's; use dual or single")


def check_settings(settings: ReaderSettings, module: Module, can: Capabilities, where: str) -> None:
    """Refuse settings that a module cannot follow; raises SettingsError."""
    for port in (*settings.ports, *settings.port_power_dbm):
        if port not in module.ports:
            has = f"it has ports {module.ports[0]} to {module.ports[-1]}"
            raise SettingsError(f"{where}: no antenna port {port}; {has}")
    for power in (settings.power_dbm, *settings.port_power_dbm.values()):
        if power is not None and power < module.least_dbm:
            least = f"{module.least_dbm:g} dBm"
            raise SettingsError(f"{where}: power {power:g} dBm is below its least ({least}); ask for more")
    if settings.rf_mode is not None and not (module.m7e and 0 <= settings.rf_mode < 65_536):
        raise SettingsError(f"{where}: mode {settings.rf_mode}: only M7e modules have RF modes; leave it out")
    known = ", ".join(module.regions)
    if settings.region is not None:
        if module.region(settings.region) is None:
            raise SettingsError(f"{where}: no region {settings.region}; this module has {known}")
    elif not can.region:
        raise SettingsError(f"{where}: no region is set; add option region=, one of {known}")
    count = len(can.frequencies_khz)
    if settings.region is None and any(not 1 <= c <= count for c in settings.channels):
        raise SettingsError(f"{where}: channels are 1 to {count} in region {can.region}")


def power_of(settings: ReaderSettings, module: Module, port: int) -> float:
    """Return a port's power, dBm."""
    asked = settings.port_power_dbm.get(port, settings.power_dbm)
    return module.most_dbm if asked is None else min(asked, module.most_dbm)


def apply_power(link: Asks, settings: ReaderSettings, module: Module, ports: tuple[int, ...]) -> None:
    """Set the power of all ports, and of single ones where the module can.

    Raises
    ------
    ReaderError
        Ports are to have different powers, and the module has one for all.
    """
    powers = {port: power_of(settings, module, port) for port in ports}
    common = power_of(settings, module, 0)
    several = set(powers.values()) != {common}
    if several and len(set(powers.values())) == 1:
        common, several = next(iter(powers.values())), False
    link.ask(Op.SET_POWER, hundredths(common), f"power {common:g} dBm")
    if len(module.ports) > 1:
        apply_port_powers(link, module, {port: powers.get(port, common) for port in module.ports}, several)


def apply_antennas(link: Asks, module: Module, ports: tuple[int, ...]) -> None:
    """Set the list of antennas to cycle through."""
    what = f"antenna ports {', '.join(map(str, ports))}"
    if module.m7e:
        # Sources differ on how an M7e is told: by single numbers, or as all others by pairs.
        told = link.ask(Op.SET_ANTENNA, b"\x82" + bytes(ports), what, fine=NOT_HERE)
        if told.status == 0:
            return
    link.ask(Op.SET_ANTENNA, b"\x02" + b"".join(bytes([port, port]) for port in ports), what)


def apply_gen2(link: Asks, settings: ReaderSettings) -> None:
    """Set the air protocol and how tags are counted through."""
    link.ask(Op.SET_PROTOCOL, bytes([0, GEN2]), "protocol Gen2")
    session, target = settings.gen2_session, settings.flags
    link.ask(Op.SET_GEN2, bytes([GEN2, Gen2.SESSION, session]), f"session {session}")
    link.ask(Op.SET_GEN2, bytes([GEN2, Gen2.TARGET]) + _TARGETS[target], f"target {target}")
    q = b"\0" if settings.q is None else bytes([1, settings.q])
    link.ask(Op.SET_GEN2, bytes([GEN2, Gen2.Q]) + q, "Q" if settings.q is None else f"Q {settings.q}")
    if settings.rf_mode is not None:
        mode = settings.rf_mode.to_bytes(2, "big")
        link.ask(Op.SET_GEN2, bytes([GEN2, Gen2.RF_MODE]) + mode, f"RF mode {settings.rf_mode}")
    # With the filter a module tells each tag once, and phase and RSSI of the other reads are lost.
    link.ask(Op.SET_CONFIG, bytes([1, Config.READ_FILTER, 0]), "read filter off")


def apply_channels(link: Asks, frequencies_khz: tuple[int, ...], channels: tuple[int, ...]) -> None:
    """Set the channels to hop over: those asked for, or all."""
    table = [frequencies_khz[c - 1] for c in channels] or list(frequencies_khz)
    data = b"".join(khz.to_bytes(4, "big") for khz in table[:MOST_CHANNELS])
    link.ask(Op.SET_HOP_TABLE, data, f"channels {', '.join(map(str, channels))}" if channels else "channels")
