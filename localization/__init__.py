"""From what was heard to where every tag stands.

``localize`` turns a recording (and a plan) into positions and coverage; ``localization.positions`` holds their
files, ``localization.evaluate`` judges them against a truth.
"""

from typing import TYPE_CHECKING, Any

from localization.positions import (
    Coverage,
    Positions,
    PositionsError,
    read_coverage,
    read_positions,
    write_coverage,
    write_positions,
)

if TYPE_CHECKING:
    from localization.calibration import Calibration, CalibrationError, read_calibration, write_calibration
    from localization.estimator import Localization, Localizer, localize

__all__ = [
    "Calibration",
    "CalibrationError",
    "Coverage",
    "Localization",
    "Localizer",
    "Positions",
    "PositionsError",
    "localize",
    "read_calibration",
    "read_coverage",
    "read_positions",
    "write_calibration",
    "write_coverage",
    "write_positions",
]

_CALIBRATION = {"Calibration", "CalibrationError", "read_calibration", "write_calibration"}


def __getattr__(name: str) -> Any:
    """Load the estimator (and the compiler behind it) only for those who estimate."""
    if name not in __all__:
        raise AttributeError(f"module 'localization' has no attribute {name!r}")
    if name in _CALIBRATION:
        from localization import calibration as module
    else:
        from localization import estimator as module
    return getattr(module, name)
