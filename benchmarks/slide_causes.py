"""What on a simulated slide makes our joint fit err: ``python -m benchmarks.slide_causes``.

Rows of narrow pitch in laboratories that are alike but for one part of the physics, and the measured rows where there
are any: the joint fit's error less the row's median, by how much it stretches a row, and the residuals' size beside
those of the row's end tags alone. Draws are the same in all laboratories, so that differences are of the part.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.measured import measured_folder
from benchmarks.slide import DEPTHS_M
from benchmarks.slide_rows import Row, measured_rows, simulated_row
from localization import localize
from sim.slide import SLIDE, slide
from sim.slide_scan import tag_order
from sim.slide_statistics import residuals

Floats = npt.NDArray[np.float64]

PITCHES_M: Final = (0.06, 0.04)
SETS: Final = 12
PARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "as it is": {},
    "no wall": {"wall_reflection": (0.0, 0.0)},
    "end metal half as strong": {"end_metal": tuple(size / 2 for size in SLIDE.end_metal)},
    "end metal 4 to 45 cm beyond": {"end_beyond_m": (0.04, 0.45)},
    "the same, and all metal weaker": {
        "end_beyond_m": (0.04, 0.45), "end_metal": (0.5, 0.86), "weak_metal": (0.03, 0.15)
    },
    "weak metal half as strong": {"weak_metal": tuple(size / 2 for size in SLIDE.weak_metal)},
    "tags answer more alike": {"tag_answer_sd_rad": 0.1},
    "tags answer less": {"tag_answer": (0.65, 0.75), "tag_answer_rad": -0.26},
    "tags answer later": {"tag_answer_rad": -1.0},
    "antenna straight": {"tilt_sd_rad": 0.0},
    "no centres, no hanging": {"tag_centre_sd_m": 0.0, "hanging_sd_m": 0.0},
    "no noise, tilt or turned phase": {"noise_scale": 0.0, "tilt_sd_rad": 0.0, "am_pm_rad_per_db": 0.0},
}  # fmt: skip
"""What is changed of `SLIDE`, by name."""


@dataclass(frozen=True, slots=True)
class Told:
    """One row.

    Attributes
    ----------
    error_m : float64 array, shape (i,)
        Of each tag, less the row's median.
    stretch : float
        Slope of the error along the row.
    end_square, inner_square : float
        Mean square residual (rad^2) of the two end tags, and of those between.
    """

    error_m: Floats
    stretch: float
    end_square: float
    inner_square: float


def told(row: Row) -> Told:
    """Localize a row and compare."""
    truth, scan = row.recording.truth, row.scan
    assert truth is not None  # from_recording refuses one without
    positions = localize(row.recording, row.plan).positions
    place = dict(zip(positions.epc.tolist(), positions.x_m.tolist(), strict=True))
    said = np.array([place[epc] for epc in truth.epc[tag_order(truth)].tolist()], np.float64)
    error = said - scan.along_m
    square = np.asarray(np.nanmean(residuals(scan) ** 2, axis=(1, 2)), np.float64)
    order = np.argsort(scan.along_m)
    return Told(
        error_m=error - np.median(error),
        stretch=float(np.polyfit(scan.along_m, error, 1)[0]),
        end_square=float(square[order[[0, -1]]].mean()),
        inner_square=float(square[order[1:-1]].mean()),
    )


def simulated_rows(pitch_m: float, parts: Mapping[str, Any], sets: int) -> Iterator[Row]:
    """Yield the rows of ``sets`` laboratories, each at four depths."""
    laboratory = replace(SLIDE, **parts)
    for n in range(sets):
        for depth in DEPTHS_M:
            scan = slide(pitch_m, depth, n, laboratory, laboratory=(n, round(1000 * pitch_m)))
            yield simulated_row(scan, f"{n}-{depth}")


def line(rows: Sequence[Told], each: int) -> str:
    """Sum up rows of which ``each`` belong to one laboratory."""
    error = 100 * np.abs(np.concatenate([row.error_m for row in rows]))
    by_row = np.array([100 * np.abs(row.error_m).mean() for row in rows])
    stretch = 100 * np.array([row.stretch for row in rows])
    end, inner = (
        float(np.mean([getattr(row, name) for row in rows])) for name in ("end_square", "inner_square")
    )
    count = len(rows[0].error_m)
    return (
        f"{error.mean():5.2f} {np.median(by_row.reshape(-1, each).mean(axis=1)):6.2f} {100 * np.mean(error > 3.0):5.0f}"
        f" {np.abs(stretch).mean():8.1f} {stretch.mean():+6.1f}"
        f" {np.sqrt((2 * end + (count - 2) * inner) / count):8.2f} {np.sqrt(end / inner):6.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each pitch and part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slide_causes", description=__doc__)
    parser.add_argument(
        "--sets", type=int, default=SETS, help="laboratories, each at four depths (%(default)s)"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="parts whose names contain it"
    )
    options = parser.parse_args(arguments)
    print("                                       error less median, cm    stretch, %     residual, rad")
    print(
        "pitch  laboratory                      mean   set's  >3 cm, %    size   mean      rms   ends/inner"
    )
    folder = measured_folder()
    measured = measured_rows(folder) if folder else {}
    for pitch in PITCHES_M:
        kind = f"{100 * pitch:.0f} cm"
        if measured.get(kind):
            found = [told(row) for row in measured[kind]]
            print(f"{kind:6s} {'measured':30s} {line(found, len(found))}")
        for name, parts in PARTS.items():
            if options.only and not any(text in name for text in options.only):
                continue
            found = [told(row) for row in simulated_rows(pitch, parts, options.sets)]
            print(f"{kind:6s} {name:30s} {line(found, len(DEPTHS_M))}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
