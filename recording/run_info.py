"""Who scanned, when, and with which antennas: ``run.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from recording.errors import RecordingError
from recording.json_checks import Json

FORMAT = "nightstack-recording/1"

Air = Literal["gen2", "iso15693"]
"""Air interfaces: EPC Gen2 (UHF) and ISO 15693 (HF)."""

PhaseAmbiguity = Literal["none", "pi", "unknown"]
"""Whether the phase that a reader tells may be half a turn off; `unknown`: its maker does not say."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NAME = re.compile(r"[^\W_][^\x00-\x1f\x7f/\\+#*?<>|\":\u2028\u2029]{0,127}")
_ANTENNA_KEYS = {
    "id",
    "reader",
    "port",
    "air",
    "position_m",
    "boresight_deg",
    "phase_ambiguity",
    "power_dbm",
    "beamwidth_deg",
    "gain_dbi",
    "polarization",
}


def is_run_id(text: object) -> bool:
    """Whether a text can name a run: 1 to 128 of ``A-Z a-z 0-9 . _ -``, the first a letter or digit."""
    return isinstance(text, str) and _RUN_ID.fullmatch(text) is not None


def is_name(text: object) -> bool:
    r"""
    Whether a text can name a site or a robot.

    Names become folders and MQTT topic levels: 1 to 128 characters of any script, the first a letter or
    digit, none of ``/ \\ + # * ? < > | " :`` and no control characters, no space at the end.
    """
    return (
        isinstance(text, str)
        and _NAME.fullmatch(text) is not None
        and text == text.strip()
        and ".." not in text
    )


@dataclass(frozen=True, slots=True)
class AntennaMount:
    """
    One antenna on the robot, an entry of ``robot.antennas`` in ``run.json``.

    Attributes
    ----------
    id : int
        What readings name it by, 0 to 255.
    reader, port : str, int
        The reader it hangs on and the port there.
    air : {"gen2", "iso15693"}
        Air interface.
    position_m : (float, float, float)
        Place in the robot frame: x forward, y left, z up from the floor.
    boresight_deg : (float, float)
        Yaw and pitch of the beam's axis in the robot frame.
    phase_ambiguity : {"none", "pi", "unknown"}
        Whether the reader's phase may jump by pi from reading to reading.
    power_dbm, beamwidth_deg, gain_dbi, polarization
        As far as known.
    extra : mapping
        Keys of the file that this version does not know, kept.
    """

    id: int
    reader: str
    port: int
    air: Air
    position_m: tuple[float, float, float]
    boresight_deg: tuple[float, float]
    phase_ambiguity: PhaseAmbiguity = "unknown"
    power_dbm: float | None = None
    beamwidth_deg: float | None = None
    gain_dbi: float | None = None
    polarization: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``robot.antennas``; what is not known is left out."""
        made: dict[str, Any] = {
            "id": self.id,
            "reader": self.reader,
            "port": self.port,
            "air": self.air,
            "position_m": list(self.position_m),
            "boresight_deg": list(self.boresight_deg),
            "phase_ambiguity": self.phase_ambiguity,
        }
        for key in ("power_dbm", "beamwidth_deg", "gain_dbi", "polarization"):
            if getattr(self, key) is not None:
                made[key] = getattr(self, key)
        return made | dict(self.extra)

    @classmethod
    def from_json(cls, entry: Json) -> AntennaMount:
        """Return an antenna from its entry; raises RecordingError."""
        x, y, z = entry.numbers("position_m", 3)
        yaw, pitch = entry.numbers("boresight_deg", 2)
        return cls(
            id=entry.integer("id", 0, 255),
            reader=entry.text("reader"),
            port=entry.integer("port", 0, 65535),
            air=cast(Air, entry.choice("air", get_args(Air))),
            position_m=(x, y, z),
            boresight_deg=(yaw, pitch),
            phase_ambiguity=cast(
                PhaseAmbiguity,
                entry.choice("phase_ambiguity", get_args(PhaseAmbiguity), default="unknown"),
            ),
            power_dbm=entry.optional_number("power_dbm"),
            beamwidth_deg=entry.optional_number("beamwidth_deg"),
            gain_dbi=entry.optional_number("gain_dbi"),
            polarization=entry.optional_text("polarization"),
            extra=entry.others(_ANTENNA_KEYS),
        )


@dataclass(frozen=True, slots=True)
class RunInfo:
    """
    One run: ``run.json``.

    Attributes
    ----------
    run_id, site, robot_id : str
        Names; see `is_run_id` and `is_name`.
    started_at : datetime
        With a time zone.
    antennas : tuple of AntennaMount
        At least one, each id once.
    extra : mapping
        Keys of the file that this version does not know, kept; those of ``robot`` under ``"robot"``.
    """

    run_id: str
    site: str
    started_at: datetime
    robot_id: str
    antennas: tuple[AntennaMount, ...]
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def antenna(self, mount_id: int) -> AntennaMount:
        """Return the mount of an id; raises KeyError."""
        for mount in self.antennas:
            if mount.id == mount_id:
                return mount
        raise KeyError(f"no antenna {mount_id} in run {self.run_id}")

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``run.json``."""
        extra = dict(self.extra)
        robot = dict(extra.pop("robot", {}))
        return {
            "format": FORMAT,
            "run_id": self.run_id,
            "site": self.site,
            "started_at": self.started_at.astimezone(UTC).isoformat(),
            "robot": {"id": self.robot_id, "antennas": [mount.to_json() for mount in self.antennas]} | robot,
        } | extra

    @classmethod
    def from_json(cls, obj: object, source: str = "run.json") -> RunInfo:
        """
        Return a run from the object of ``run.json``.

        Raises
        ------
        RecordingError
            Naming `source` and the JSON path of what is wrong.
        """
        top = Json(obj, source, RecordingError)
        found = top.text("format")
        if found != FORMAT:
            raise RecordingError(f"{source}: format is {found!r}; this version reads {FORMAT!r}")
        run_id = top.text("run_id")
        if not is_run_id(run_id):
            raise RecordingError(
                f"{source}: run_id {run_id[:40]!r} may hold letters, digits and . _ - only, at most 128"
            )
        robot = top.object("robot")
        for name, where, value in (("site", "site", top.text("site")), ("id", "robot.id", robot.text("id"))):
            if not is_name(value):
                raise RecordingError(
                    f"{source}: {where} {value[:40]!r} cannot be a folder and a topic; choose a plain {name}"
                )
        antennas = tuple(AntennaMount.from_json(entry) for entry in robot.objects("antennas"))
        if not antennas:
            raise RecordingError(f"{source}: robot.antennas is empty; a recording needs at least one antenna")
        seen: set[int] = set()
        for mount in antennas:
            if mount.id in seen:
                raise RecordingError(
                    f"{source}: robot.antennas has the id {mount.id} twice; each id must be its own"
                )
            seen.add(mount.id)
        extra = top.others({"format", "run_id", "site", "started_at", "robot"})
        other_robot = robot.others({"id", "antennas"})
        return cls(
            run_id=run_id,
            site=top.text("site"),
            started_at=_instant(top.text("started_at"), source),
            robot_id=robot.text("id"),
            antennas=antennas,
            extra=extra | ({"robot": other_robot} if other_robot else {}),
        )


def _instant(text: str, source: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("no zone")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RecordingError(
            f"{source}: started_at {text[:40]!r} is no ISO 8601 time with a zone; write 2026-01-31T22:00:00+00:00"
        ) from None
