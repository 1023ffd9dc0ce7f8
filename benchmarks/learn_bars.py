"""The figures of ``localization.bars``, learnt on simulated libraries: ``python -m benchmarks.learn_bars``.

The tags' errors of the libraries of ``honesty_worlds``, of other seeds than ``python -m benchmarks honesty`` judges by,
with all readings and with few of each tag, teach two logistic regressions (scikit-learn) of the chance that a tag is at
a wrong peak, by itself and with its shelf, a law of how far tags of a well fitted shelf are pulled by what their
loudness swings by and what is left of their phases, and how wide intervals must be for that to hold. What is printed
goes into ``localization/bars.py`` by hand; nothing measured has a part in it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from benchmarks.honesty import HELD
from benchmarks.honesty_worlds import LIBRARIES, record_library
from benchmarks.robustness import thinned
from localization import bars, work
from localization.bars import (
    PULL_SPREAD,
    SCORES,
    SWING_SPREAD,
    Together,
    alone_features,
    coupled_m,
    in_cm,
    supposed_swing,
    usual_of_shelf,
)
from localization.estimator import Localizer
from localization.evaluate import evaluate
from localization.faces import Frames
from localization.normal import Z90
from localization.placing import FEW_CELLS, Places, left_alone, taken_cells, wavenumbers
from localization.profile import Fits
from localization.shelf_scan import Block
from localization.shelves import TAG_SIGMA_M, Refined
from recording import Recording, Truth, read_recording
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Others than those that ``honesty`` judges by.
SEEDS: Final = (1, 2)
#: A tag, at most; None: all.
READINGS: Final = (None, 30, 15, 8)
#: A tag so far off its face's median is at a wrong peak.
FAR_M: Final = 0.06
#: Shelves of which more are teach nothing of how far tags are pulled.
MOST_ASTRAY: Final = 0.2
STRENGTH: Final = 10.0
#: A run's loudness tells how far it swings where single tags' noise is less than so much of it; how far it may be from
#: anything beforehand then (log).
MOST_NOISE, ANY_SWING = 0.7, 3.0
#: Factors that ``bars.SHARED`` may be.
SHARED_TRIED: Final = (0.8, 0.9, 0.95, 1.0, 1.05, 1.1)
#: A chance is the mean of scores this near.
SCORE_REACH: Final = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one library taught: of tags placed by themselves, and with their shelves."""

    left_alone: Floats
    share_alone: Floats
    astray_alone: Bools
    together: Together | None
    error_m: Floats


def lesson(recording: Recording, plan: Plan) -> Lesson | None:
    """Localize a recording and hold what bars are made of against the truth; None: nothing was heard of any shelf.

    ``together`` is None where no shelf's fit was believed.
    """
    assert recording.truth is not None
    seen: list[tuple[Block, Places, Refined]] = []
    real = work.refine_shelves

    def watched(block: Block, scores: work.Scores, places: Places, *rest: Any, **more: Any) -> Refined:
        refined = real(block, scores, places, *rest, **more)
        seen.append((block, places, refined))
        return refined

    tags: list[npt.NDArray[np.object_]] = []
    whole = work.Work.block

    def block(self: work.Work, chosen: npt.NDArray[np.int64], **more: Any) -> work.Part:
        part = whole(self, chosen, **more)
        tags.append(np.array(self.source.tags, object)[part.observations.tag[part.places.tag]])
        return part

    with mock.patch.object(work, "refine_shelves", watched), mock.patch.object(work.Work, "block", block):
        positions = Localizer(plan).fit(replace(recording, truth=None)).localization_.positions
    if not seen:
        return None
    (looked, places, refined), epc = seen[-1], tags[-1]
    alone = _errors(places, looked.frames, epc, recording.truth, plan)
    fits: Fits = looked.fits
    by_phase = np.isfinite(alone) & (places.cells >= FEW_CELLS)
    judged = evaluate(positions, recording.truth, plan).tags
    of = dict(zip(judged.epc.tolist(), judged.local_error_m.tolist(), strict=True))
    members = refined.members if refined.told is not None else np.zeros(0, np.int64)
    error = np.array([of.get(name, np.nan) for name in epc[members].tolist()], np.float64)
    waves = wavenumbers(looked.observations, looked.candidates, places)
    return Lesson(
        left_alone=left_alone(places, waves, taken_cells(looked.candidates, places))[by_phase],
        share_alone=fits.peak_share[places.hypothesis][by_phase],
        astray_alone=np.abs(alone[by_phase]) > FAR_M,
        together=refined.told,
        error_m=error,
    )


def _errors(places: Places, frames: Frames, epc: npt.NDArray[np.object_], truth: Truth, plan: Plan) -> Floats:
    """Return what each place is off by less its face's median; NaN: on another face, or not known."""
    assert truth.offset_m is not None and truth.shelf_id is not None
    face_of = {shelf.id: face.id for face in plan.faces for shelf in face.shelves}
    row = {name: n for n, name in enumerate(truth.epc.tolist())}
    error = np.full(len(epc), np.nan)
    for n, name in enumerate(epc.tolist()):
        at = row.get(name)
        if at is not None and face_of.get(str(truth.shelf_id[at])) == frames.ids[int(places.face[n])]:
            error[n] = places.offset_m[n] - truth.offset_m[at]
    for face in np.unique(places.face):
        here = (places.face == face) & np.isfinite(error)
        if here.any():
            error[here] -= np.median(error[here])
    return error


def learn_alone(lessons: Sequence[Lesson]) -> tuple[float, ...]:
    """Return ``bars.ALONE``."""
    taught = [one for one in lessons if len(one.left_alone)]
    rows = [alone_features(one.left_alone, one.share_alone) for one in taught]
    return _logistic(np.concatenate(rows), np.concatenate([one.astray_alone for one in taught]))


def learn_together(lessons: Sequence[Lesson]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return ``bars.TOGETHER`` and ``bars.CHANCES``."""
    rows: list[Floats] = []
    far: list[Bools] = []
    for one in lessons:
        told, known = one.together, np.isfinite(one.error_m)
        if told is None:
            continue
        lead = usual_of_shelf(told.ahead, told.shelf)
        left = usual_of_shelf(told.left_rad / told.wavenumber, told.shelf)
        columns = [np.log(np.maximum(lead, 0.1)), np.log(in_cm(left)), np.log(np.maximum(told.ahead, 0.1))]
        rows.append(np.stack(columns, axis=1)[known])
        far.append(np.abs(one.error_m[known]) > FAR_M)
    features, astray = np.concatenate(rows), np.concatenate(far)
    figures = _logistic(features, astray)
    score = figures[0] + features @ np.array(figures[1:])
    # The regression's tails are heavier than those of shelves, which are right or wrong as a whole.
    true = IsotonicRegression(y_min=0.001, y_max=0.9, out_of_bounds="clip").fit(score, astray)
    wide = np.abs(score - np.array(SCORES)[:, None]) < SCORE_REACH
    chances = [float(np.mean(true.predict(score[here]))) if here.any() else float("nan") for here in wide]
    return figures, tuple(chances)


def _logistic(features: Floats, astray: Bools) -> tuple[float, ...]:
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(features, astray)
    return (float(fitted.intercept_[0]), *(float(v) for v in fitted.coef_[0]))


def learn_swing(lessons: Sequence[Lesson]) -> tuple[tuple[float, ...], float]:
    """Return ``bars.SWING`` and its spread, from libraries whose tags' loudness tells how far it swings."""
    rows: list[tuple[float, float]] = []
    swung: list[float] = []
    for one in lessons:
        told = one.together
        if told is None or not _swing_is_told(told):
            continue
        swung.append(float(np.log(100.0 * _usual_swing(told))))
        rows.append(_logs(told))
    design = np.column_stack([np.ones(len(rows)), np.array(rows)])
    found = np.linalg.lstsq(design, np.array(swung), rcond=None)[0]
    return tuple(float(v) for v in found), float((np.array(swung) - design @ found).std())


def learn_pull(lessons: Sequence[Lesson]) -> tuple[tuple[float, ...], float]:
    """Return ``bars.PULL`` and its spread, from what shelves' tags err by beyond their fits' own variance.

    ``bars.SWING`` is that in force.
    """
    rows: list[tuple[float, float]] = []
    pulled: list[float] = []
    for one in lessons:
        told, known = one.together, np.isfinite(one.error_m)
        size = np.abs(one.error_m[known])
        if told is None or not len(size) or np.mean(size > FAR_M) > MOST_ASTRAY or not _swing_is_told(told):
            continue
        own = told.variance * told.cells / np.maximum(told.cells - 3.0, 0.5)
        error = 1.4826 * float(np.median(size))
        pulled.append(float(np.log(100.0 * np.sqrt(max(error**2 - float(np.median(own)), 1e-6)))))
        left = usual_of_shelf(told.left_rad / told.wavenumber, told.shelf)
        usual = _rms(coupled_m(told.swings, supposed_swing(left, told.alone_m))[0])
        rows.append((100.0 * usual, _logs(told)[0]))
    swing, left = np.array(rows).T
    target = np.array(pulled)

    def away(law: Floats) -> Floats:
        return 0.5 * np.log((law[0] * swing) ** 2 + (law[1] * np.exp(law[2] * left)) ** 2) - target

    found = least_squares(away, (1.0, 1.0, 0.5), loss="soft_l1", f_scale=0.2)
    return tuple(float(v) for v in found.x), float(away(found.x).std())


def _swing_is_told(told: Together) -> bool:
    return float(np.sqrt(np.median(told.swings.variance))) < MOST_NOISE * _usual_swing(told)


def _usual_swing(told: Together) -> float:
    """Return how far a library's loudness swings by itself, m."""
    return _rms(coupled_m(told.swings, 0.01, spread=ANY_SWING)[0])


def _rms(value: Floats) -> float:
    return float(np.sqrt(np.mean(value**2)))


def _logs(told: Together) -> tuple[float, float]:
    """Return the logs of what shelves, and tags by themselves, have left of their phases, cm."""
    left = usual_of_shelf(told.left_rad / told.wavenumber, told.shelf)
    shelf, alone = in_cm(np.median(left)), in_cm(np.median(told.alone_m))
    return float(np.log(shelf)), float(np.log(alone))


def learn_shared(lessons: Sequence[Lesson], learnt: dict[str, Any]) -> dict[float, tuple[int, int, int]]:
    """Return, by what ``bars.SHARED`` may be, how many runs' intervals hold less than 85, 85 to 95 %, and more.

    Parameters
    ----------
    learnt : dict
        Figures of ``bars`` in force.
    """
    counts: dict[float, tuple[int, int, int]] = {}
    with mock.patch.multiple(bars, **learnt):
        for factor in SHARED_TRIED:
            held: list[float] = []
            with mock.patch.object(bars, "SHARED", factor):
                for one in lessons:
                    known = np.isfinite(one.error_m)
                    if one.together is not None and known.any():
                        sigma, _ = bars.together_sigma(one.together, TAG_SIGMA_M)
                        held.append(float(np.mean(np.abs(one.error_m[known]) <= Z90 * sigma[known])))
            below, above = int(np.sum(np.array(held) < HELD[0])), int(np.sum(np.array(held) > HELD[1]))
            counts[factor] = below, len(held) - below - above, above
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan libraries, learn from them, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learn_bars", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="worlds whose names contain it"
    )
    options = parser.parse_args(arguments)
    lessons: list[Lesson] = []
    for seed in SEEDS:
        for number, (name, kind) in enumerate(LIBRARIES.items()):
            if options.only and not any(part in name for part in options.only):
                continue
            with tempfile.TemporaryDirectory() as place:
                path = record_library(kind, 100 * seed + number, Path(place))
                lessons += _taught(f"{name}, {seed}", read_recording(path), read_plan(path / "plan.json"))
    if not lessons:
        print("nothing was heard of any shelf: nothing is learnt")
        return 1
    _tell(lessons)
    return 0


def _taught(name: str, recording: Recording, plan: Plan) -> list[Lesson]:
    """Learn from a library with all readings and with few, and say what of."""
    taught: list[Lesson] = []
    for readings in READINGS:
        found = lesson(recording if readings is None else thinned(recording, readings), plan)
        if found is None:
            continue
        taught.append(found)
        alone = 100.0 * float(np.mean(found.astray_alone)) if len(found.astray_alone) else 0.0
        known = np.isfinite(found.error_m)
        far = 100.0 * float(np.mean(np.abs(found.error_m[known]) > FAR_M)) if known.any() else 0.0
        swung = (
            ""
            if found.together is None
            else f", loudness swings by {100.0 * _usual_swing(found.together):.2f} cm"
        )
        print(
            f"{name}, {readings or 'all'} readings: {len(found.left_alone)} tags, {alone:.1f} % astray alone; "
            f"{len(found.error_m)} with their shelves, {far:.1f} % astray{swung}",
            flush=True,
        )
    return taught


def _tell(lessons: Sequence[Lesson]) -> None:
    swing, unlike = learn_swing(lessons)
    with mock.patch.object(bars, "SWING", swing):
        pull, spread = learn_pull(lessons)
    together, chances = learn_together(lessons)
    figures = {
        "ALONE": learn_alone(lessons),
        "TOGETHER": together,
        "CHANCES": chances,
        "SWING": swing,
        "PULL": pull,
    }
    for name, values in figures.items():
        print(f"{name} = ({', '.join(f'{value:.3f}' for value in values)})")
    print(f"spread of SWING: {unlike:.2f} (supposed: {SWING_SPREAD}), of PULL: {spread:.2f} ({PULL_SPREAD})")
    for factor, (below, inside, above) in learn_shared(lessons, figures).items():
        print(
            f"SHARED = {factor:.2f}: {below} runs below 85 %, {inside} inside, {above} above 95 %",
            flush=True,
        )


if __name__ == "__main__":
    raise SystemExit(main())
