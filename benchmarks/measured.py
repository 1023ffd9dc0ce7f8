"""Where the measured scans are, and what is known of them.

They are not part of the project: their sources state no licence. Whoever has them in the recording format
puts them in one folder, a folder for each group of recordings, and names it in the environment variable
NIGHTSTACK_MEASURED.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recording import Truth

CHECKOUT = Path(__file__).resolve().parent.parent
VARIABLE = "NIGHTSTACK_MEASURED"
NAMES = {
    "set1": "slide set 1 (20 cm)",
    "set3": "slide set 3 (4-10 cm)",
    "set4": "slide set 4 (8 cm)",
    "robot": "robot",
}

# One robot tag was surveyed wrongly: every run and every method puts it 0.7 to 1 m away from its place.
WRONG_FACE, WRONG_X_M, WRONG_Z_M = "B", 5.233, 1.57


def measured_folder() -> Path | None:
    """Return the folder of the measured scans, or None where there is none."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data" / "measured"
    return folder if folder.is_dir() and any(folder.rglob("run.json")) else None


def why_absent() -> str:
    """Return the sentence that says what to do when there are no measured scans."""
    return f"the measured scans are not here; name their folder in {VARIABLE} (see docs/benchmarks.md)"


def measured_sets(folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """Return the recordings of each group, by the group's name."""
    groups: dict[str, list[Path]] = {}
    for run in sorted(folder.rglob("run.json")):
        group = run.parent.parent.name
        groups.setdefault(NAMES.get(group, group), []).append(run.parent)
    order = {name: k for k, name in enumerate(NAMES.values())}
    return {name: tuple(groups[name]) for name in sorted(groups, key=lambda n: (order.get(n, len(order)), n))}


def wrongly_surveyed(truth: Truth) -> tuple[str, ...]:
    """Return the EPC of the robot set's wrongly surveyed tag, known by its place; none in other sets."""
    if truth.face is None:
        return ()
    there = (truth.face == WRONG_FACE) & (np.abs(truth.x_m - WRONG_X_M) < 5e-4)
    return tuple(truth.epc[there & (np.abs(truth.z_m - WRONG_Z_M) < 5e-4)].tolist())
