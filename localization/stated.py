"""What a calibration, and a run's uprights, state of its faces: by how much places on each may be off together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.upright_posterior import Pinned

Floats = npt.NDArray[np.float64]


def pinned_faces(pinned: Pinned | None, faces: int) -> npt.NDArray[np.bool_]:
    """Tell of which faces uprights told what the run is off by, shape (f,)."""
    return np.zeros(faces, np.bool_) if pinned is None else np.isfinite(pinned.sigma_m)


def stated_m(
    calibration: Calibration, ids: Sequence[str | None], run_id: str, pinned: Pinned | None
) -> Floats:
    """Return the error that places on each face share, by uprights or calibration, m, shape (f,); NaN: neither says."""
    shared = np.array([calibration.shared_m(name, run_id) for name in ids], np.float64)
    # Where uprights spoke, they were put together with what the calibration says.
    return shared if pinned is None else np.where(np.isfinite(pinned.sigma_m), pinned.sigma_m, shared)


def off_m(calibration: Calibration, ids: Sequence[str | None], run_id: str, pinned: Pinned | None) -> Floats:
    """Return how far off faces of which no upright spoke may be by the calibration, m, shape (f,); NaN: the others."""
    off = np.array([calibration.off_m(name, run_id) for name in ids], np.float64)
    return np.where(pinned_faces(pinned, len(off)), np.nan, off)
