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

CALIBRATION_FORMAT = "nightstack-calibration/1"


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
    """

    latency_s: float = 0.0
    phase_centre_m: Mapping[int, float] = field(default_factory=dict)
    face_shift_m: Mapping[str, float] = field(default_factory=dict)
    sigma_m: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``nightstack-calibration/1``."""
        return {
            "format": CALIBRATION_FORMAT,
            "latency_s": self.latency_s,
            "phase_centre_m": {str(key): value for key, value in self.phase_centre_m.items()},
            "face_shift_m": dict(self.face_shift_m),
            "sigma_m": self.sigma_m,
        }

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
                f"{source}: not a {CALIBRATION_FORMAT} file; docs/localization.md shows one"
            )
        sigma = obj.get("sigma_m")
        return cls(
            latency_s=_number(obj.get("latency_s", 0.0), source, "latency_s", 5.0),
            phase_centre_m={
                _antenna(key, source): _number(value, source, f"phase_centre_m.{key}", 1.0)
                for key, value in _mapping(obj.get("phase_centre_m", {}), source, "phase_centre_m").items()
            },
            face_shift_m={
                key: _number(value, source, f"face_shift_m.{key}", 1.0)
                for key, value in _mapping(obj.get("face_shift_m", {}), source, "face_shift_m").items()
            },
            sigma_m=None if sigma is None else abs(_number(sigma, source, "sigma_m", 10.0)),
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
        raise CalibrationError(f"{path}: no such file; docs/localization.md shows what one holds") from None
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: cannot be read as JSON ({error}); make it anew") from None
    return Calibration.from_json(obj, str(path))


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration file; it appears whole or not at all."""
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(json.dumps(calibration.to_json(), indent=1) + "\n", "utf-8")
    partial.replace(target)


def _mapping(value: Any, source: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CalibrationError(f"{source}: {name} is {value!r}, not an object; make the file anew")
    return {str(key): item for key, item in value.items()}


def _antenna(key: str, source: str) -> int:
    if not (key.isascii() and key.isdigit() and int(key) < 256):
        raise CalibrationError(
            f"{source}: phase_centre_m.{key} names no antenna id (0..255); make the file anew"
        )
    return int(key)


def _number(value: Any, source: str, name: str, limit: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CalibrationError(f"{source}: {name} is {value!r}, not a number; make the file anew")
    if abs(value) > limit:
        raise CalibrationError(f"{source}: {name} is {value}, beyond {limit}; make the file anew")
    return float(value)
