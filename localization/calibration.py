"""What is known of a robot or a site beyond the recording: latency, phase centres, shifts of faces.

A calibration is only used where it is named; nothing saved is picked up by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording.files import replacing

CALIBRATION_FORMAT = "nightstack-calibration/1"
#: By how much a face usually differs from night to night: what is supposed where that was not seen.
OTHER_NIGHT_M = 0.01


class CalibrationError(ValueError):
    """A calibration file that cannot be used: which file, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Corrections applied before anything is estimated.

    Attributes
    ----------
    latency_s : float
        How much later than the pose a reading is stamped; the pose used is that of ``t - latency_s``.
    phase_centre_m : mapping of antenna id to float
        Shift of the antenna's phase centre along the base's x axis (forward).
    face_shift_m : mapping of face id to float
        Added to the offset of every tag on that face.
    sigma_m : float or None
        What error the calibrated run still shares; None: the estimator's own assumption.
    phase_centre_left_m : mapping of antenna id to float
        Shift of the antenna's phase centre along the base's y axis (left).
    face_depth_m : mapping of face id to float
        How much farther behind its line a face's tags stand than the plan says; where the registration begins.
    face_sigma_m : mapping of face id to float
        Instead of ``sigma_m`` on faces that no reference told of.
    run_ids : tuple of str
        The runs it was learnt from.
    sigma_run_m : float or None
        Instead of ``sigma_m`` in those runs themselves, whose own wander the references have seen.
    shift_sigma_m : float or None
        How far off places may be on another night by what is applied: ``sigma_m`` before what tags' own bars have to
        spare was taken off it. By this the calibration is weighed against what a run shows of itself.
    shift_sigma_run_m : float or None
        Instead of ``shift_sigma_m`` in the runs it was learnt from.
    deviations : mapping
        Standard deviation of each estimate, under the estimate's name; for the reader, not applied.
    nights : tuple of mapping
        What each run said of its references, kept so that another night can be added (``calibrate_update``); not
        applied.
    """

    latency_s: float = 0.0
    phase_centre_m: Mapping[int, float] = field(default_factory=dict)
    face_shift_m: Mapping[str, float] = field(default_factory=dict)
    sigma_m: float | None = None
    phase_centre_left_m: Mapping[int, float] = field(default_factory=dict)
    face_depth_m: Mapping[str, float] = field(default_factory=dict)
    face_sigma_m: Mapping[str, float] = field(default_factory=dict)
    run_ids: tuple[str, ...] = ()
    sigma_run_m: float | None = None
    deviations: Mapping[str, Any] = field(default_factory=dict)
    nights: tuple[Mapping[str, Any], ...] = ()
    shift_sigma_m: float | None = None
    shift_sigma_run_m: float | None = None

    def shared_m(self, face_id: str | None, run_id: str) -> float | None:
        """Return the error that tags of a face share in a run; None: the estimator's own assumption."""
        if face_id is not None and face_id in self.face_sigma_m:
            return self.face_sigma_m[face_id]
        if self.sigma_run_m is not None and run_id in self.run_ids:
            return self.sigma_run_m
        return self.sigma_m

    def off_m(self, face_id: str | None, run_id: str) -> float | None:
        """Return how far off a face's places may be by what is applied; None: the calibration does not say."""
        if face_id is not None and face_id in self.face_sigma_m:
            return self.face_sigma_m[face_id]
        if self.shift_sigma_run_m is not None and run_id in self.run_ids:
            return self.shift_sigma_run_m
        if self.shift_sigma_m is not None or self.sigma_m is None:
            return self.shift_sigma_m
        return math.hypot(self.sigma_m, OTHER_NIGHT_M)

    def references_of(self, run_id: str) -> frozenset[str]:
        """Return the EPCs of the references that a run gave to the calibration, as far as the file keeps them.

        Of many it keeps some of each face, and some of each face's labels (``calibrate_nights``).
        """
        told: set[str] = set()
        for night in self.nights:
            run, tags = night.get("run"), night.get("tags")
            if isinstance(run, Mapping) and run.get("run_id") == run_id and isinstance(tags, list):
                told.update(str(row[0]) for row in tags if isinstance(row, list) and row)
        return frozenset(told)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``nightstack-calibration/1``; optional keys where they say something."""
        optional = {
            "phase_centre_left_m": {str(key): value for key, value in self.phase_centre_left_m.items()},
            "face_depth_m": dict(self.face_depth_m),
            "face_sigma_m": dict(self.face_sigma_m),
            "run_ids": list(self.run_ids),
            "sigma_run_m": self.sigma_run_m,
            "shift_sigma_m": self.shift_sigma_m,
            "shift_sigma_run_m": self.shift_sigma_run_m,
            "deviations": dict(self.deviations),
            "nights": [dict(night) for night in self.nights],
        }
        return {
            "format": CALIBRATION_FORMAT,
            "latency_s": self.latency_s,
            "phase_centre_m": {str(key): value for key, value in self.phase_centre_m.items()},
            "face_shift_m": dict(self.face_shift_m),
            "sigma_m": self.sigma_m,
        } | {key: value for key, value in optional.items() if value or value == 0.0}

    @classmethod
    def from_json(cls, obj: Any, source: str = "calibration") -> Calibration:
        """Read the JSON object.

        Raises
        ------
        CalibrationError
            A field is missing, of another type or out of any sensible range.
        """
        if not isinstance(obj, dict) or obj.get("format") != CALIBRATION_FORMAT:
            raise CalibrationError(
                f"{source}: not a {CALIBRATION_FORMAT} file; docs/calibration.md shows one"
            )

        def numbers(name: str, limit: float) -> dict[str, float]:
            held = _mapping(obj.get(name, {}), source, name)
            return {key: _number(value, source, f"{name}.{key}", limit) for key, value in held.items()}

        def sigma(name: str) -> float | None:
            value = obj.get(name)
            return None if value is None else abs(_number(value, source, name, 10.0))

        return cls(
            latency_s=_number(obj.get("latency_s", 0.0), source, "latency_s", 5.0),
            phase_centre_m=_by_antenna(numbers("phase_centre_m", 1.0), source, "phase_centre_m"),
            face_shift_m=numbers("face_shift_m", 1.0),
            sigma_m=sigma("sigma_m"),
            phase_centre_left_m=_by_antenna(
                numbers("phase_centre_left_m", 1.0), source, "phase_centre_left_m"
            ),
            face_depth_m=numbers("face_depth_m", 2.0),
            face_sigma_m={key: abs(value) for key, value in numbers("face_sigma_m", 10.0).items()},
            run_ids=_texts(obj.get("run_ids", []), source, "run_ids"),
            sigma_run_m=sigma("sigma_run_m"),
            shift_sigma_m=sigma("shift_sigma_m"),
            shift_sigma_run_m=sigma("shift_sigma_run_m"),
            deviations=_mapping(obj.get("deviations", {}), source, "deviations"),
            nights=tuple(
                _mapping(night, source, "nights") for night in _list(obj.get("nights", []), source, "nights")
            ),
        )


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration file.

    Raises
    ------
    CalibrationError
        The file is missing, no JSON or not a calibration.
    """
    try:
        text = Path(path).read_text("utf-8")
        obj = json.loads(text)
    except FileNotFoundError:
        raise CalibrationError(f"{path}: no such file; docs/calibration.md shows what one holds") from None
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: cannot be read as JSON ({error}); make it anew") from None
    return Calibration.from_json(obj, str(path))


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration file; it appears whole or not at all."""
    with replacing(Path(path)) as partial:
        partial.write_text(json.dumps(calibration.to_json(), indent=1) + "\n", "utf-8")


def _mapping(value: Any, source: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CalibrationError(f"{source}: {name} is {value!r}, not an object; make the file anew")
    return {str(key): item for key, item in value.items()}


def _list(value: Any, source: str, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise CalibrationError(f"{source}: {name} is no list; make the file anew")
    return value


def _by_antenna(values: Mapping[str, float], source: str, name: str) -> dict[int, float]:
    for key in values:
        if not (key.isascii() and key.isdigit() and int(key) < 256):
            raise CalibrationError(f"{source}: {name}.{key} names no antenna id (0..255); make the file anew")
    return {int(key): value for key, value in values.items()}


def _texts(value: Any, source: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CalibrationError(f"{source}: {name} is {value!r}, not a list of names; make the file anew")
    return tuple(value)


def _number(value: Any, source: str, name: str, limit: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CalibrationError(f"{source}: {name} is {value!r}, not a number; make the file anew")
    if abs(value) > limit:
        raise CalibrationError(f"{source}: {name} is {value}, beyond {limit}; make the file anew")
    return float(value)
