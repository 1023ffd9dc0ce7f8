"""How far the share inside the 90 % intervals scatters from one slide set to another.

A measured set is one laboratory: its recordings share tags, metal, wall and antenna, so that its errors are alike and
what share of them lies inside their intervals is one draw. Simulated laboratories with the geometry of each measured
set, localized alike, tell how far a single one may come out from their mean; a measured share is set beside them. That
their mean is near 90 per cent proves little: bars are learnt on rows of the same physics (other draws).

A set is one laboratory here, whatever pitches its rows have: the same tags hang in them. ``benchmarks.slide``, which
compares pitch by pitch, draws one a pitch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.honesty import HELD, bars
from benchmarks.measured import NAMES, measured_folder, why_absent
from benchmarks.scoring import OURS, judge
from benchmarks.slide_rows import Row, measured_rows, simulated_row
from localization.evaluate import Evaluation, pool
from sim.slide import parameters_at, scan_row

Floats = npt.NDArray[np.float64]

LABORATORIES: Final = 32
SEED: Final = 77
PARTS: Final = ("as they are", "local")


def main(console: Console | None = None, *, laboratories: int = LABORATORIES) -> dict[str, Any]:
    """Print a row a measured set and part of the error, and return the figures; nothing without measured scans."""
    console = console or wide_console()
    folder = measured_folder()
    if folder is None:
        console.print(f"laboratories: {why_absent()}")
        return {}
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in (
        "set",
        "tags",
        "error",
        "measured",
        "laboratories: mean",
        "least",
        "5 %",
        "95 %",
        "most",
        "as high",
    ):
        table.add_column(column, justify="left" if column in ("set", "error") else "right", no_wrap=True)
    found: dict[str, Any] = {}
    for number_of_set, (name, rows) in enumerate(by_set(measured_rows(folder)).items()):
        real = _inside([_judged(row) for row in rows])
        made = np.array([_inside(simulated(rows, (number_of_set, n))) for n in range(laboratories)])
        found[name] = {"measured": real.tolist(), "simulated": made.tolist()}
        tags = str(sum(len(row.scan.along_m) for row in rows))
        for part, share, each in zip(PARTS, real, made.T, strict=True):
            cells = (share, each.mean(), each.min(), *np.quantile(each, (0.05, 0.95)), each.max())
            higher = f"{int((each >= share).sum())} of {laboratories}"
            table.add_row(name, tags, part, *(f"{100 * cell:.1f}" for cell in cells), higher)
            name = tags = ""
    low, high = (100 * share for share in HELD)
    console.print(
        f"errors inside the 90 % intervals, per cent, of measured sets and of {laboratories} simulated laboratories of"
        f" their geometry;\nhonest: {low:.0f} to {high:.0f} on the mean. As high: laboratories that hold as much as"
        " the measured set, or more.",
        soft_wrap=True,
    )
    console.print(table)
    return found


def by_set(kinds: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Return the rows of each measured set, of whatever pitch; those that hang in several lines are left out."""
    found: dict[str, list[Row]] = {}
    for rows in kinds.values():
        for row in rows:
            if len(np.unique(row.scan.line)) == 1:
                group = row.laboratory.split()[0]
                found.setdefault(NAMES.get(group, group), []).append(row)
    return dict(sorted(found.items()))


def simulated(like: Sequence[Row], which: tuple[int, ...]) -> list[Evaluation]:
    """Return how our estimator does in the simulated laboratory of that number, on rows as those of a measured set."""
    found: list[Evaluation] = []
    for m, row in enumerate(like):
        scan = row.scan
        made = scan_row(
            scan.along_m, float(scan.away_m.min()), (SEED, *which, 1, m),  # longer than any seed of a laboratory
            parameters_at(scan.pitch_m), laboratory=(SEED, *which),
        )  # fmt: skip
        found.append(_judged(simulated_row(made, f"laboratory-{m}")))
    return found


def _judged(row: Row) -> Evaluation:
    return judge(OURS, row.recording, row.plan, label=row.rig)[0]


def _inside(evaluations: Sequence[Evaluation]) -> Floats:
    """Return the shares inside the 90 % intervals, as they are and less the median of each recording."""
    tags = pool(evaluations).tags
    pairs = ((tags.error_m, tags.sigma_along_m), (tags.local_error_m, tags.sigma_local_m))
    return np.array([bars(error, sigma).inside[-1] for error, sigma in pairs])
