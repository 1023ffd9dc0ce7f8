"""From settings to readers, and from both to the record of a run: what each knows of ports, air and phase."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from reader_drivers import Capabilities, DriverError, ReaderError, ReaderSettings, open_reader
from recording import Air, AntennaMount, RunInfo
from robot.errors import ConfigError
from robot.settings import AntennaTable, ReaderTable, RobotSettings


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
    """Make the driver of each reader, ask it of its settings, and let it go again; nothing is sent.

    Returns
    -------
    dict
        Air interface by the reader's name, as its driver knows it without asking; None: only the reader does.

    Raises
    ------
    ConfigError
        A URL has a scheme or an option that no driver takes, or a reader is to do what none of its kind can.
    """
    airs: dict[str, Air | None] = {}
    for table in settings.reader:
        wrong = "url: "
        try:
            with open_reader(table.url) as reader:
                airs[table.name] = reader.air
                wrong = ""
                reader.check_settings(settings_of(table, settings.antennas_of(table.name)))
        except DriverError as error:
            raise ConfigError(f"reader {table.name}: {error}") from None
        except ReaderError as error:
            raise ConfigError(f"reader {table.name}: {wrong}{error}") from None
    return airs


def run_info(
    settings: RobotSettings,
    airs: Mapping[str, Air | None],
    said: Mapping[str, Capabilities | None],
    now: int,
) -> RunInfo:
    """Return the record of a run that begins at `now`, ns UTC, under a name of its own.

    Parameters
    ----------
    settings
    airs
        As `check_readers` returned them.
    said
        What each reader can do, by its name; None: it did not answer yet.
    now
    """
    started = datetime.fromtimestamp(now / 1e9, UTC)
    return RunInfo(
        run_id=f"{settings.site}-{settings.robot}-{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        site=settings.site,
        started_at=started,
        robot_id=settings.robot,
        antennas=_mounts(settings, airs, said),
    )


def _mounts(
    settings: RobotSettings, airs: Mapping[str, Air | None], said: Mapping[str, Capabilities | None]
) -> tuple[AntennaMount, ...]:
    """Return the mounts with what readers said: of their phase where the settings leave it open, and of the air.

    A reader knows its air interface better than the settings do; one that does not answer has its driver's.
    """
    mounts: list[AntennaMount] = []
    for mount, table in zip(settings.mounts(), settings.antenna, strict=True):
        capabilities = said.get(mount.reader)
        air = airs[mount.reader] if capabilities is None else capabilities.air
        mount = replace(mount, air=air or mount.air)
        if table.phase_ambiguity is None and capabilities is not None:
            mount = replace(mount, phase_ambiguity=capabilities.phase_ambiguity)
        mounts.append(mount)
    return tuple(mounts)
