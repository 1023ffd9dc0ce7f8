"""Refusals of settings that several protocols share; each raises SettingsError, one line."""

from __future__ import annotations

from reader_drivers._reader import Capabilities, ReaderSettings, SettingsError


def check_gen2(settings: ReaderSettings, where: str) -> None:
    """Refuse a session or a Q that Gen2 has not."""
    if settings.session is not None and settings.session not in range(4):
        raise SettingsError(f"{where}: session {settings.session} does not exist; Gen2 has 0 to 3")
    if settings.q is not None and settings.q not in range(16):
        raise SettingsError(f"{where}: q {settings.q} does not exist; Gen2 has 0 to 15")


def check_one_power(settings: ReaderSettings, where: str) -> None:
    """Refuse powers of single ports."""
    if settings.port_power_dbm:
        raise SettingsError(f"{where}: it has one power for all ports; leave port_power out")


def check_whole_dbm(settings: ReaderSettings, can: Capabilities, where: str) -> None:
    """Refuse a power that does not come down to a whole dBm from 0 to the reader's highest."""
    most = can.powers_dbm[-1]
    if settings.power_dbm is not None and not 0 <= settings.power_dbm < most + 1:
        raise SettingsError(f"{where}: power {settings.power_dbm:g} dBm is not from 0 to {most:g} dBm")


def check_ports(settings: ReaderSettings, can: Capabilities, where: str) -> None:
    """Refuse antenna ports that the reader has not."""
    named = (*settings.ports, *settings.port_power_dbm)
    if wrong := [port for port in named if not 1 <= port <= can.antennas]:
        raise SettingsError(f"{where}: no antenna port {wrong[0]}; it has ports 1 to {can.antennas}")


def check_run_of_channels(settings: ReaderSettings, count: int, where: str) -> None:
    """Refuse channels that do not follow each other or are beyond `count`, for readers that hop from one to another."""
    if not settings.channels:
        return
    first, last = min(settings.channels), max(settings.channels)
    if not 1 <= first <= last <= count or set(settings.channels) != set(range(first, last + 1)):
        raise SettingsError(
            f"{where}: it hops over channels that follow each other, of 1 to {count}; name such ones, or none"
        )
