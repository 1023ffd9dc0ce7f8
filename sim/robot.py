"""The simulated robot: its antennas and how it drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from recording import AntennaMount, RecordingError, RunInfo
from sim.errors import SimError

READER: Final = "uhf"


def default_mounts() -> tuple[AntennaMount, ...]:
    """Three UHF antennas on the right side, one above the other."""
    return tuple(
        AntennaMount(
            id=port,
            reader=READER,
            port=port,
            air="gen2",
            position_m=(-0.1, -0.25, height),
            boresight_deg=(-90.0, 0.0),
            phase_ambiguity="unknown",
            power_dbm=30.0,
            beamwidth_deg=70.0,
            gain_dbi=8.0,
            polarization="circular",
        )
        for port, height in ((1, 0.40), (2, 0.95), (3, 1.50))
    )


@dataclass(frozen=True, slots=True)
class RobotDescription:
    """The robot that stocktakes a library.

    Attributes
    ----------
    id : str
        Name, as in topics and recordings.
    mounts : tuple of AntennaMount
    standoff_m : float
        From the base's centre to the face's line.
    max_v_mps, max_w_radps : float
        Fastest speeds.
    max_a_mps2, max_alpha_radps2 : float
        Hardest accelerations.
    sigma_xy_m, sigma_yaw_rad : float
        Standard deviation of the reported pose's error, per axis.
    drift_s : float
        How slowly that error wanders (time constant).
    pose_lag_s : float
        How old the pose is that the base stamps with the present time: filters and scan matching look back. On a
        measured robot (github.com/ComfortCloud/RF-Robot-Workspace) tags stand 3 cm off along the way, which is 0.3 s
        at its 0.1 m/s, or an antenna mounted so far off.
    """

    id: str = "robot1"
    mounts: tuple[AntennaMount, ...] = ()
    standoff_m: float = 0.75
    max_v_mps: float = 0.6
    max_w_radps: float = 1.2
    max_a_mps2: float = 0.5
    max_alpha_radps2: float = 2.0
    sigma_xy_m: float = 0.01
    sigma_yaw_rad: float = 0.005
    drift_s: float = 40.0
    pose_lag_s: float = 0.1

    def __post_init__(self) -> None:
        if not self.mounts:
            object.__setattr__(self, "mounts", default_mounts())

    def to_json(self) -> dict[str, Any]:
        """Return the description as the object of ``robot.json``."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["mounts"] = [mount.to_json() for mount in self.mounts]
        return {"format": "nightstack-sim-robot/1"} | values

    @classmethod
    def from_json(cls, obj: object, source: str = "robot.json") -> RobotDescription:
        """Check and read a description.

        Raises
        ------
        SimError
            For an unknown or missing key or a wrong value.
        """
        if not isinstance(obj, Mapping):
            raise SimError(f"{source}: must be a JSON object; make the library again")
        top = {str(k): v for k, v in cast(Mapping[object, object], obj).items() if k != "format"}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(top) - known):
            raise SimError(f"{source}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        values: dict[str, Any] = {}
        for name, value in top.items():
            if name == "mounts":
                values[name] = _mounts(value, source)
            elif name == "id":
                if not isinstance(value, str) or not value:
                    raise SimError(f"{source}: id is {value!r}; it must be a name")
                values[name] = value
            elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e4:
                raise SimError(f"{source}: {name} is {value!r}; it must be a number, not negative")
            elif value == 0 and name != "pose_lag_s":
                raise SimError(f"{source}: {name} is {value!r}; it must be a positive number")
            else:
                values[name] = float(value)
        return cls(**values)


def _mounts(value: object, source: str) -> tuple[AntennaMount, ...]:
    wrapped = {
        "format": "nightstack-recording/1",
        "run_id": "x",
        "site": "x",
        "started_at": "2000-01-01T00:00:00+00:00",
        "robot": {"id": "x", "antennas": value},
    }
    try:
        return RunInfo.from_json(wrapped, source).antennas
    except RecordingError as error:
        raise SimError(f"{str(error).replace('robot.antennas', 'mounts')}") from None
