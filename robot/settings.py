"""The robot's settings: one TOML file, checked to the last key before anything moves."""

from __future__ import annotations

import json
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from recording import Air, AntennaMount, PhaseAmbiguity
from recording.topics import Topics
from robot.errors import ConfigError

_MOST_TOLD = 5

_Positive = Annotated[float, Field(gt=0)]
_TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ReaderTable(_Settings):
    """``[[reader]]``: one RFID reader on the robot."""

    name: _TopicName = Field(description="name the antennas refer to")
    url: str = Field(
        min_length=3,
        description="where it is: `llrp://host:port`, `m100:///dev/ttyUSB0`, with the driver's options",
    )
    power_dbm: float | None = Field(
        default=None,
        ge=-10,
        le=40,
        description="transmit power; absent: the highest, of R2000, UHFReader18 and Chafon readers the one set",
    )
    session: int | None = Field(
        default=None, ge=0, le=3, description="Gen2 session; absent: the driver's choice"
    )
    search: Literal["dual", "single", "focus"] = Field(
        default="dual", description="search mode: tags repeat under `dual`"
    )
    rf_mode: int | None = Field(default=None, ge=0, description="the reader's number of a link profile")
    channels: tuple[int, ...] = Field(
        default=(), description="channel indices to stay on; empty: the reader hops"
    )
    region: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="regulatory region to set, such as `EU`; absent: the URL's, else the reader's own",
    )
    q: int | None = Field(
        default=None,
        ge=0,
        le=15,
        description="Gen2 slot-count exponent to begin with; absent: the reader's choice",
    )
    target: Literal["A", "B", "AB"] | None = Field(
        default=None, description="which tags answer; absent: as `search` has it"
    )
    keepalive_s: float = Field(
        default=5.0, gt=0, le=60, description="seconds between the reader's signs of life"
    )


class AntennaTable(_Settings):
    """``[[antenna]]``: one antenna and where it is mounted, as run.json carries it."""

    id: int = Field(ge=0, le=255, description="number of the mount, which every reading carries")
    reader: str = Field(description="name of the reader it is wired to")
    port: int = Field(ge=1, le=255, description="that reader's port")
    air: Air | None = Field(
        default=None, description="air interface: `gen2` (UHF) or `iso15693` (HF); absent: as the reader says"
    )
    position_m: tuple[float, float, float] = Field(description="x forward, y left, z up from the floor")
    boresight_deg: tuple[float, float] = Field(
        description="yaw (counter-clockwise from forward) and pitch (up)"
    )
    phase_ambiguity: PhaseAmbiguity | None = Field(
        default=None, description="whether the phase may be half a turn off; absent: as the reader says"
    )
    power_dbm: float | None = Field(
        default=None, ge=-10, le=40, description="transmit power, where it differs from the reader's"
    )
    beamwidth_deg: float | None = Field(default=None, gt=0, le=360, description="half-power beam width")
    gain_dbi: float | None = Field(default=None, ge=-20, le=30, description="antenna gain")
    polarization: str | None = Field(default=None, description="such as `circular`, `linear`")


class RouteTable(_Settings):
    """``[route]``: which faces, how often, how fast, how far off."""

    faces: tuple[str, ...] = Field(
        default=(), description="faces in driving order; empty: all of the floor, nearest next"
    )
    floor: str | None = Field(default=None, description="floor of the plan; needed when the plan has several")
    passes: int = Field(
        default=2, ge=1, le=20, description="how often each face is driven, every second time in reverse"
    )
    speed_mps: float = Field(default=0.3, gt=0, le=1.5, description="speed while reading")
    standoff_m: float = Field(
        default=0.7, gt=0.1, le=5, description="distance of the robot's centre from the face's line"
    )
    overrun_m: float = Field(
        default=0.5, ge=0.3, le=5, description="how far to drive past both ends of a face"
    )
    side: Literal["auto", "left", "right"] = Field(
        default="auto", description="side the antennas look to; `auto`: from their boresights"
    )
    resume_back_m: float = Field(
        default=0.75, ge=0, le=10, description="how far back to scan again after a restart"
    )
    home: tuple[float, float, float] | None = Field(
        default=None, description="x, y in metres and yaw in degrees to drive to after the last face"
    )


class DriveTable(_Settings):
    """``[drive]``: what the base may do."""

    transfer_mps: float = Field(default=0.5, gt=0, le=2, description="speed between faces")
    accel_mps2: float = Field(default=0.4, gt=0, le=3, description="acceleration and braking")
    turn_radps: float = Field(default=0.8, gt=0, le=3, description="fastest turn")
    turn_accel_radps2: float = Field(default=1.5, gt=0, le=10, description="how fast a turn begins and ends")
    clearance_m: float = Field(
        default=0.3, ge=0, le=2, description="distance transfers keep from shelving, where there is room"
    )
    case_depth_m: float = Field(
        default=0.35, gt=0, le=2, description="depth of a bookcase behind a face's line"
    )
    slow_sigma_m: _Positive = Field(
        default=0.25, description="pose uncertainty from which the robot slows down"
    )
    stop_sigma_m: _Positive = Field(default=1.0, description="pose uncertainty at which it stops")
    blocked_wait_s: float = Field(
        default=120.0, ge=0, description="how long to wait for a blocked aisle before the next face"
    )
    base_wait_s: _Positive = Field(default=30.0, description="how long to wait for the base at the start")
    base_lost_s: _Positive = Field(
        default=300.0, description="how long to wait for a base that was lost in mid-run"
    )
    reader_wait_s: float = Field(
        default=20.0, ge=0, description="how long to wait for readers before the first face"
    )


class UplinkTable(_Settings):
    """``[uplink]``: batches, and how they are sent."""

    batch_rows: int = Field(default=1000, ge=1, le=20_000, description="most rows of a batch")
    flush_s: float = Field(
        default=1.0, gt=0, le=60, description="longest time a row waits before it is in the spool"
    )
    window: int = Field(
        default=200, ge=1, le=5000, description="most batches sent and not acknowledged by ingest"
    )
    ack_timeout_s: _Positive = Field(
        default=10.0, description="time without progress after which a batch is sent again"
    )
    grace_s: float = Field(default=60.0, ge=0, description="how long to wait for ingest after the run's end")
    status_s: _Positive = Field(default=5.0, description="time between status messages")
    keepalive_s: int = Field(default=15, ge=5, le=600, description="MQTT keep-alive")
    ca_file: Path | None = Field(
        default=None, description="certificate authority of an mqtts broker; absent: the system's"
    )


class RobotSettings(_Settings):
    """Everything the agent is told; made by `read`."""

    site: _TopicName = Field(description="site, as in the topics")
    robot: _TopicName = Field(description="this robot, as in the topics")
    broker: str = Field(description="`mqtt://[user:password@]host[:port]`, or `mqtts://` for TLS")
    plan: Path = Field(description="the plan of the shelving (plan.json)")
    base: str = Field(
        min_length=1, description="the base's line: `tcp://host:port`, or a serial device or pyserial URL"
    )
    baud: int = Field(default=115_200, ge=1200, le=4_000_000, description="speed of a serial line")
    clock: Literal["system", "base"] = Field(default="system", description="whose time stamps everything")
    spool: Path = Field(
        default=Path("spool.db"), description="file that keeps batches until they are stored in the cloud"
    )
    spool_max_mb: int = Field(
        default=2048, ge=1, description="size of waiting batches at which the robot stops to scan"
    )
    resume_max_age_h: float = Field(
        default=12.0, ge=0, description="an unfinished run older than this is closed, not resumed"
    )
    reader: tuple[ReaderTable, ...] = Field(min_length=1)
    antenna: tuple[AntennaTable, ...] = Field(min_length=1)
    route: RouteTable = RouteTable()
    drive: DriveTable = DriveTable()
    uplink: UplinkTable = UplinkTable()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _once("reader: name", [reader.name for reader in self.reader])
        _once("antenna: id", [antenna.id for antenna in self.antenna])
        _once("antenna: reader and port", [(antenna.reader, antenna.port) for antenna in self.antenna])
        names = {reader.name for reader in self.reader}
        for antenna in self.antenna:
            if antenna.reader not in names:
                raise ValueError(
                    f"antenna {antenna.id} is wired to reader {antenna.reader!r}, which is not listed"
                )
        for reader in self.reader:
            if not self.antennas_of(reader.name):
                raise ValueError(
                    f"reader {reader.name!r} has no antenna; give it an [[antenna]] or take it out"
                )
        if self.drive.stop_sigma_m < self.drive.slow_sigma_m:
            raise ValueError("drive: stop_sigma_m is below slow_sigma_m; a robot slows down before it stops")
        Topics(self.site, self.robot)
        broker_address(self.broker)
        if self.base.startswith("tcp://"):
            host_and_port(self.base, None)
        return self

    @classmethod
    def read(cls, path: Path | str) -> RobotSettings:
        """Read the settings file; paths in it are taken from its own folder.

        Raises
        ------
        ConfigError
            The file is missing or no TOML, a key is unknown, a value of the wrong type or out of range, or
            the plan is missing: one line with the file and the key.
        """
        path = Path(path)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); name the robot's settings file"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: no TOML: {error}") from None
        settings = cls.from_dict(data, source=str(path), folder=path.parent)
        if not settings.plan.is_file():
            raise ConfigError(f"{path}: plan: {settings.plan} is not there; name the site's plan.json")
        return settings

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], *, source: str = "settings", folder: Path = Path()
    ) -> RobotSettings:
        """Make settings of a parsed file; relative paths count from `folder`.

        Raises
        ------
        ConfigError
            As `read`.
        """
        try:
            # By way of JSON: strict types, yet arrays become tuples and strings become paths.
            settings = cls.model_validate_json(json.dumps(data, default=str))
        except ValidationError as error:
            raise ConfigError(f"{source}: {_complaints(error, data)}") from None
        uplink = settings.uplink
        if uplink.ca_file is not None:
            uplink = uplink.model_copy(update={"ca_file": folder / uplink.ca_file})
        return settings.model_copy(
            update={"plan": folder / settings.plan, "spool": folder / settings.spool, "uplink": uplink}
        )

    def antennas_of(self, reader: str) -> tuple[AntennaTable, ...]:
        """Return the antennas that are wired to a reader."""
        return tuple(antenna for antenna in self.antenna if antenna.reader == reader)

    def mounts(self) -> tuple[AntennaMount, ...]:
        """Return the antennas as run.json carries them; without power of its own, one has its reader's.

        Where `air` is left out it stands as ``gen2`` here; the agent asks the readers.
        """
        power = {reader.name: reader.power_dbm for reader in self.reader}
        return tuple(
            AntennaMount(
                id=antenna.id,
                reader=antenna.reader,
                port=antenna.port,
                air=antenna.air or "gen2",
                position_m=antenna.position_m,
                boresight_deg=antenna.boresight_deg,
                phase_ambiguity=antenna.phase_ambiguity or "unknown",
                power_dbm=antenna.power_dbm if antenna.power_dbm is not None else power[antenna.reader],
                beamwidth_deg=antenna.beamwidth_deg,
                gain_dbi=antenna.gain_dbi,
                polarization=antenna.polarization,
            )
            for antenna in self.antenna
        )


class BrokerAddress(_Settings):
    """Where the broker is; `tls` for mqtts."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = Field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def broker_address(url: str) -> BrokerAddress:
    """Take a broker's URL apart; the error never shows the password."""
    shown = re.sub(r"//[^@/]*@", "//...@", url)
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"broker: {shown!r} is not mqtt://[user:password@]host[:port] (mqtts:// for TLS)")
    tls = parts.scheme == "mqtts"
    return BrokerAddress(
        host=parts.hostname,
        port=_port(parts, shown) or (8883 if tls else 1883),
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def host_and_port(url: str, default_port: int | None) -> tuple[str, int]:
    """Return host and port of ``tcp://host:port``."""
    parts = urlsplit(url)
    port = _port(parts, url) or default_port
    if not parts.hostname or port is None:
        raise ValueError(f"base: {url!r} is not tcp://host:port")
    return parts.hostname, port


def _port(parts: SplitResult, shown: str) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise ValueError(f"{shown!r}: the port is not a number of 1..65535") from None


def _once(what: str, values: list[Any]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{what}: {value!r} is there more than once")


def _complaints(error: ValidationError, data: dict[str, Any]) -> str:
    """Turn pydantic's complaints into one line: of each its key, what is wrong, and what to write instead."""
    every = error.errors(include_url=False, include_context=True)
    # A list one of whose tables is wrong counts as empty, too, which nobody need hear.
    inside = {one["loc"][:depth] for one in every for depth in range(1, len(one["loc"]))}
    found = [one for one in every if one["loc"] not in inside]
    told = list(dict.fromkeys(_complaint(one, data) for one in found[:_MOST_TOLD]))
    more = [f"and {len(found) - _MOST_TOLD} more"] if len(found) > _MOST_TOLD else []
    return ". ".join([*told, *more])


def _complaint(one: ErrorDetails, data: dict[str, Any]) -> str:
    where = _place(one["loc"], data)
    if one["type"] == "extra_forbidden":
        model: Any = RobotSettings
        for part in one["loc"][:-1]:
            if isinstance(part, str):
                model = _model_of(model, part)
        known = list(cast("dict[str, Any]", model.model_fields))
        near = get_close_matches(str(one["loc"][-1]), known, 1)
        advice = f"did you mean {near[0]}?" if near else "docs/robot.md lists them all"
        return f"{where}: unknown setting; {advice}"
    if one["type"] == "missing":
        return f"{where}: is missing; docs/robot.md says what belongs there"
    message = one["msg"].removeprefix("Value error, ").replace("\n", " ")
    return f"{where}: {message}" if where else message


def _place(loc: tuple[int | str, ...], data: dict[str, Any]) -> str:
    """Return a key as it is found in the file: a reader by its name, an antenna by its id, else by its number."""
    rest = [str(part) for part in loc]
    if len(loc) > 1 and loc[0] in ("reader", "antenna") and isinstance(loc[1], int):
        table: Any = data[loc[0]][loc[1]]
        named: Any = table.get("name" if loc[0] == "reader" else "id") if isinstance(table, dict) else None
        if isinstance(named, str | int) and len(str(named)) < 80:
            what = f"{loc[0]} {named}"
        else:
            what = f"[[{loc[0]}]] number {loc[1] + 1} of the file"
        return ": ".join([what, *([".".join(rest[2:])] if rest[2:] else [])])
    return ".".join(rest)


def _model_of(model: Any, field: str) -> Any:
    tables = {"reader": ReaderTable, "antenna": AntennaTable, "route": RouteTable, "drive": DriveTable}
    return {**tables, "uplink": UplinkTable}.get(field, model)
