"""Which tags and shelves a page shows: the worst, the usual, and those asked for, as a night holds too many for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from localization.evaluation import Evaluation
from localization.positions import Positions
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Choice = tuple[tuple[str, str], ...]

#: Tags and shelves chosen for each reason.
TAGS_A_REASON, SHELVES_A_REASON = 2, 1


def choose_tags(positions: Positions, evaluation: Evaluation | None, named: Sequence[str] = ()) -> Choice:
    """Choose tags to show.

    Parameters
    ----------
    positions : Positions
    evaluation : Evaluation, optional
        Where the truth is known.
    named : sequence of str
        EPCs shown whatever they are like.

    Returns
    -------
    tuple of (EPC, reason)
        Each EPC once.
    """
    placed = np.flatnonzero(positions.placed)
    epc = positions.epc[placed]
    found = [(name, "asked for") for name in named]
    if evaluation is not None:
        tags = evaluation.tags
        size = np.abs(np.nan_to_num(tags.error_m))
        worst = np.argsort(-size, kind="stable")[:TAGS_A_REASON]
        found += [(str(tags.epc[i]), "largest error") for i in worst if tags.placed[i]]
    if len(placed):
        quality, bar = positions.quality[placed], positions.sigma_along_m[placed]
        found += [(str(epc[i]), "lowest quality") for i in np.argsort(quality, kind="stable")[:TAGS_A_REASON]]
        found += [(str(epc[i]), "widest bar") for i in np.argsort(-bar, kind="stable")[:TAGS_A_REASON]]
        usual = np.argsort(np.abs(quality - np.median(quality)), kind="stable")[:TAGS_A_REASON]
        found += [(str(epc[i]), "median quality") for i in usual]
    return _once(found)


def choose_shelves(
    positions: Positions, plan: Plan, evaluation: Evaluation | None, named: Sequence[str] = ()
) -> Choice:
    """Choose shelves (or faces without shelves) to show, as :func:`choose_tags` does tags."""
    found = [(name, "asked for") for name in named]
    bare = {face.id for face in plan.faces if not face.shelves}
    name = np.array(
        [
            shelf or (face if face in bare else "")
            for shelf, face in zip(positions.shelf_id, positions.face_id, strict=True)
        ],
        object,
    )
    shelves, index = np.unique(name.astype(str), return_inverse=True)
    count = np.bincount(index, minlength=len(shelves))
    doubt = np.nan_to_num(1.0 - positions.p_order, nan=0.0)
    doubtful = np.bincount(index, doubt, len(shelves)) / np.maximum(count, 1)
    real = np.flatnonzero((shelves != "") & (count > 1))
    if not len(real):
        return _once(found)
    if evaluation is not None:
        wrong = _wrong_order(evaluation)
        share = np.array([wrong.get(str(shelf), 0.0) for shelf in shelves[real]])
        if share.max() > 0:
            found += _picked(shelves, real, -share, "most pairs in the wrong order")
    found += _picked(shelves, real, -doubtful[real], "order least sure")
    found += _picked(shelves, real, -count[real].astype(np.float64), "most books")
    middle = np.abs(doubtful[real] - np.median(doubtful[real]))
    found += _picked(shelves, real, middle, "median")
    return _once(found)


def _picked(
    shelves: npt.NDArray[np.str_], real: npt.NDArray[np.int64], least: Floats, why: str
) -> list[tuple[str, str]]:
    return [(str(shelves[real[i]]), why) for i in np.argsort(least, kind="stable")[:SHELVES_A_REASON]]


def _wrong_order(evaluation: Evaluation) -> dict[str, float]:
    """Return the number of pairs in the wrong order by true shelf (or face)."""
    tags, pairs = evaluation.tags, evaluation.neighbours
    place = {str(e): str(s or f) for e, s, f in zip(tags.epc, tags.shelf, tags.face, strict=True)}
    wrong: dict[str, float] = {}
    for epc in pairs.left[pairs.judged & ~pairs.in_order]:
        shelf = place[str(epc)]
        wrong[shelf] = wrong.get(shelf, 0.0) + 1.0
    return wrong


def _once(found: Iterable[tuple[str, str]]) -> Choice:
    reasons: dict[str, list[str]] = {}
    for name, reason in found:
        kept = reasons.setdefault(name, [])
        if reason not in kept:
            kept.append(reason)
    return tuple((name, ", ".join(kept)) for name, kept in reasons.items())
