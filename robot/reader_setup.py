"""From the settings to a reader: what is known, and what can be wrong, before any reader answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from reader_drivers import ReaderError, ReaderSettings, open_reader
from robot.errors import ConfigError
from robot.settings import AntennaTable, ReaderTable, RobotSettings

Air = Literal["gen2", "iso15693"]


def settings_of(table: ReaderTable, antennas: Sequence[AntennaTable]) -> ReaderSettings:
    """Return what a reader is asked to do; what the table leaves out is the URL's choice."""
    return ReaderSettings(
        ports=tuple(sorted(antenna.port for antenna in antennas)),
        power_dbm=table.power_dbm,
        session=table.session,
        search=table.search,
        rf_mode=table.rf_mode,
        channels=table.channels,
        keepalive_s=table.keepalive_s,
        port_power_dbm={a.port: a.power_dbm for a in antennas if a.power_dbm is not None},
        region=None if table.region is None else table.region.upper(),
        q=table.q,
        target=table.target,
    )


def check_readers(settings: RobotSettings) -> dict[str, Air | None]:
    """Make the driver of each reader, and let it go again; nothing is sent.

    Returns
    -------
    dict
        Air interface by the reader's name, as its driver knows it without asking; None: only the reader does.

    Raises
    ------
    ConfigError
        A URL has a scheme or an option that no driver takes.
    """
    airs: dict[str, Air | None] = {}
    for table in settings.reader:
        try:
            with open_reader(table.url) as reader:
                airs[table.name] = reader.air
        except ReaderError as error:
            raise ConfigError(f"reader {table.name}: url: {error}") from None
    return airs
