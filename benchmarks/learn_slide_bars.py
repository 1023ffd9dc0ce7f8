"""The figures of `localization.scatterer_bars`, learnt on simulated slides: ``python -m benchmarks.learn_slide_bars``.

Rows of several pitches, in laboratories of their own, with all readings and with few of each tag, are localized once;
what their solutions say is kept, and the figures of `Widths` are those whose 90 % intervals score best (the interval
score of Gneiting & Raftery, *J. Am. Statistical Association* 102, 2007, section 6.2: width plus 20 times what lies
outside; a proper one, so that neither too wide nor too narrow ones win), taken beside that of one width for all tags
of a kind, mean over the kinds. A mean gains most by narrow bars where these hold already: only what leaves intervals
no more short of 85 % than they were, and places no worse, is taken. What is printed goes into
``localization/scatterer_bars.py`` by hand. Nothing measured has a part in it but through the simulated slide, whose
metal and tags were chosen so that our errors on its rows come near to those on the measured ones (docs/simulator.md).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final
from unittest import mock

import numpy as np
import numpy.typing as npt

from benchmarks.honesty import HELD
from benchmarks.honesty_worlds import ROWS, record_rows
from benchmarks.robustness import thinned
from localization import localize, scatterers
from localization.normal import Z90
from localization.scatterer_bars import WIDTHS, Combined, Solution, Widths, combine, curve_sigma
from recording import Recording, read_recording
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]

SEED: Final = 5000
ROWS_EACH: Final = 12
READINGS: Final = (None, 200, 50, 20, 10)
"""A tag; None: all."""
#: Tries of a random walk over all figures, the first steps by half as much again, the last by a tenth of that.
TRIES: Final = 240
FIRST_STEP, LAST_STEP = 0.5, 0.05
OUTSIDE: Final = 20.0  # 2 / (1 - 0.9)
#: Of how far places are off, the share that counts for nothing.
NO_WORSE: Final = 0.001

Said = Callable[[Widths], tuple[Floats, Floats]]
"""Offsets and bars that widths make of what one row's tags told."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One row.

    Attributes
    ----------
    kind : str
    said : callable
    true_m : float64 array, shape (i,)
        True offsets, up to a constant.
    """

    kind: str
    said: Said
    true_m: Floats

    def score(self, widths: Widths) -> tuple[Floats, Floats]:
        """Return the tags' errors less the row's median, and their bars."""
        offset, sigma = self.said(widths)
        error = offset - self.true_m
        return np.asarray(error - np.median(error), np.float64), sigma


def lesson(recording: Recording, plan: Plan, kind: str) -> Lesson | None:
    """Localize a row and keep what bars are made of; None: its tags were not placed by the fit of a dense scan."""
    told: list[tuple[Floats, Said]] = []

    def combined(found: Sequence[Solution]) -> Combined:
        kept = tuple(found)

        def said(widths: Widths) -> tuple[Floats, Floats]:
            result = combine(kept, widths)
            return result.offset_m, result.sigma_m

        result = combine(kept)
        told.append((result.offset_m, said))
        return result

    def curved(x_m: Floats, score: Floats, offset_m: Floats) -> Floats:
        told.append((offset_m, lambda widths: (offset_m, curve_sigma(x_m, score, offset_m, widths))))
        return curve_sigma(x_m, score, offset_m)

    with (
        mock.patch.object(scatterers, "combine", combined),
        mock.patch.object(scatterers, "curve_sigma", curved),
    ):
        positions = localize(replace(recording, truth=None), plan).positions
    truth = recording.truth
    assert truth is not None
    true = dict(zip(truth.epc.tolist(), truth.x_m.tolist(), strict=True))
    if len(told) != 1:
        return None
    offset, said = told[0]
    # The fit numbers its tags by itself: they are known again by their places, which are told to the nanometre.
    place = np.round(offset, 9)
    rows = np.array([np.flatnonzero(positions.offset_m == x)[:1].sum() for x in place], np.int64)
    if len(rows) == 0 or not np.array_equal(positions.offset_m[rows], place):
        return None
    return Lesson(kind, said, np.array([true[name] for name in positions.epc[rows].tolist()], np.float64))


def lessons(only: Sequence[str], rows_each: int, seed: int) -> Iterator[Lesson]:
    """Simulate and localize all rows."""
    for number, (name, rows) in enumerate(ROWS.items()):
        if rows.lines or (only and not any(part in name for part in only)):
            continue
        with tempfile.TemporaryDirectory() as place:
            for path in record_rows(rows, rows_each, seed + 100 * number, Path(place)):
                recording, plan = read_recording(path), read_plan(path / "plan.json")
                for readings in READINGS:
                    few = recording if readings is None else thinned(recording, readings)
                    found = lesson(few, plan, f"{name}, {readings or 'all'}")
                    if found is not None:
                        yield found


def judged(taught: Sequence[Lesson], widths: Widths) -> dict[str, tuple[float, float, float]]:
    """Return by kind the share inside the intervals, their mean width, and their score beside one width's for all."""
    kinds: dict[str, list[tuple[Floats, Floats]]] = {}
    for one in taught:
        kinds.setdefault(one.kind, []).append(one.score(widths))
    found: dict[str, tuple[float, float, float]] = {}
    for kind, scored in kinds.items():
        error = np.abs(np.concatenate([e for e, _ in scored]))
        half = Z90 * np.concatenate([s for _, s in scored])
        flat = float(np.quantile(error, 0.9))
        usual = float(np.mean(2 * flat + OUTSIDE * np.maximum(error - flat, 0.0)))
        own = float(np.mean(2 * half + OUTSIDE * np.maximum(error - half, 0.0)))
        found[kind] = float(np.mean(error <= half)), float(half.mean()), own / usual
    return found


def learn(taught: Sequence[Lesson], start: Widths = WIDTHS, tries: int = TRIES) -> Widths:
    """Walk at random from the figures in force, each step some of them by some factor, and keep what is better."""
    random = np.random.default_rng(SEED)
    names = [of.name for of in fields(Widths)]
    best, least = start, _mean(taught, start)
    short, error = _short(taught, start), _error(taught, start)
    for step in np.geomspace(FIRST_STEP, LAST_STEP, tries).tolist():
        factor = np.exp(random.normal(0.0, step, len(names)) * (random.random(len(names)) < 0.5))
        changed = {name: getattr(best, name) * float(f) for name, f in zip(names, factor, strict=True)}
        widths = Widths(**changed)
        now = _mean(taught, widths)
        if now >= least or _short(taught, widths) > short:
            continue
        if _error(taught, widths) <= error * (1.0 + NO_WORSE):
            best, least = widths, now
    return best


def _mean(taught: Sequence[Lesson], widths: Widths) -> float:
    return float(np.mean([score for _, _, score in judged(taught, widths).values()]))


def _short(taught: Sequence[Lesson], widths: Widths) -> float:
    """Return by how much intervals hold less than honest ones may, sum over the kinds."""
    return float(sum(max(HELD[0] - held, 0.0) for held, _, _ in judged(taught, widths).values()))


def _error(taught: Sequence[Lesson], widths: Widths) -> float:
    """Return the mean error of all tags, m: how solutions count chooses places as well."""
    return float(np.mean(np.abs(np.concatenate([one.score(widths)[0] for one in taught]))))


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan rows, learn from them, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learn_slide_bars", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="rows whose names contain it"
    )
    parser.add_argument("--rows", type=int, default=ROWS_EACH, metavar="N", help="of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N")
    options = parser.parse_args(arguments)
    taught = list(lessons(options.only, options.rows, options.seed))
    if not taught:
        print("no row was placed by the fit of a dense scan: nothing is learnt")
        return 1
    best = learn(taught)
    for widths in (WIDTHS, best):
        print(", ".join(f"{of.name} = {getattr(widths, of.name):g}" for of in fields(Widths)))
        for kind, (held, half, score) in judged(taught, widths).items():
            print(
                f"  {kind:36s} {100 * held:5.1f} % inside, half widths {100 * half:5.2f} cm, score {score:.2f}"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
