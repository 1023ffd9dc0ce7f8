"""What is unusual about some tags: lying books, books behind the row, two tags in a book, tags that move.

Run after the places are known. Each kind has a test that says how much likelier the tag's readings are if it is so
than if the book stands in its row (``oddity_depth``, ``oddity_evidence``, ``oddity_moving``, ``oddity_piles``);
with how usual each kind is, that makes a posterior over all of them. What is said is the likeliest kind and how likely.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from localization.oddity_depth import behind_evidence
from localization.oddity_evidence import before_evidence, learn_usual
from localization.oddity_moving import moving_evidence, riding_evidence
from localization.oddity_piles import lying_odds
from localization.oddity_traits import Traits
from localization.positions import Positions
from recording.words import counted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Kinds, in the order of the odds' rows.
KINDS: Final = ("lying", "pushed_back", "double", "moving")
#: Posteriors below this are not told; from ``SURE`` on a tag is counted, and one that moves has no place.
TOLD, SURE = 0.2, 0.5
#: How usual each is: of all tags, behind the row, moved about, riding on the robot, before the row.
BEHIND, MOVED, RIDING, BEFORE = 0.003, 0.005, 0.0005, 0.002
SHARE_TAGS, SHARE_ROUNDS = 200.0, 20
#: So many tags of another numbering beside a book are its old ones, the others strange books'; how many tags that
#: counts for beside the run's own.
DOUBLE_FOREIGN, DOUBLE_TAGS = 0.4, 10.0
#: Two tags of one book are that near; neighbours' tags lie a book's thickness apart, a share of them by chance nearer.
DOUBLE_M, NEIGHBOUR_M, NEIGHBOUR_SIGMA_M = 0.006, 0.023, 0.012
#: Columns that tell a place.
PLACE_NUMBERS = (
    "x_m", "y_m", "z_m", "sigma_along_m", "sigma_local_m", "offset_m", "p_shelf", "p_order", "alt_offset_m", "p_alt"
)  # fmt: skip
PLACE_NAMES = ("face_id", "shelf_id", "alt_shelf_id")


def find_oddities(
    positions: Positions, parts: Sequence[Traits | None], row_of: Ints
) -> tuple[Positions, list[str]]:
    """Say of every tag whether something is unusual about it.

    Parameters
    ----------
    positions : Positions
        Placed, not yet ranked.
    parts : sequence of Traits or None
        Of every block.
    row_of : int64 array, shape (tags of the recording,)
        Row of each tag in ``positions``.

    Returns
    -------
    positions : Positions
        With ``oddity`` and ``p_oddity``; tags that surely move are taken off the shelves.
    notes : list of str
    """
    known = [part for part in parts if part is not None and len(part)]
    if not known:
        return positions, []
    traits = Traits.concat(known)
    p = posterior(traits)
    best = p.argmax(axis=0)
    chance = p[best, np.arange(len(traits))]
    rows = row_of[traits.tag]
    oddity, p_oddity = positions.oddity.copy(), positions.p_oddity.copy()
    told = chance >= TOLD
    oddity[rows[told]] = np.array(KINDS, object)[best[told]]
    p_oddity[rows] = chance
    moves = (best == KINDS.index("moving")) & (chance >= SURE)
    positions = without_place(dataclasses.replace(positions, oddity=oddity, p_oddity=p_oddity), rows[moves])
    return positions, oddity_notes(positions)


def posterior(traits: Traits) -> Floats:
    """Return the chance of each of ``KINDS`` for every tag, shape (4, n)."""
    usual = learn_usual(traits)
    moving = np.logaddexp(
        _with_share(moving_evidence(traits), MOVED), math.log(RIDING) + riding_evidence(traits)
    )
    moving = np.logaddexp(moving, _with_share(before_evidence(traits, usual), BEFORE))
    log_odds = np.stack(
        [
            lying_odds(traits, usual),
            _with_share(behind_evidence(traits, usual), BEHIND),
            double_odds(traits),
            moving,
        ]
    )
    placed = traits.face >= 0
    log_odds[:3, ~placed] = -np.inf
    top = np.maximum(log_odds.max(axis=0), 0.0)
    odds = np.exp(log_odds - top)
    return odds / (odds.sum(axis=0) + np.exp(-top))


def _with_share(evidence: Floats, share: float, worth: float = SHARE_TAGS) -> Floats:
    """Return the log-odds, with the share of such tags as the run itself has it: a trolley carries many at once.

    By expectation and maximisation from ``share``, which counts for ``worth`` tags.
    """
    now = share
    for _ in range(SHARE_ROUNDS):
        expected = float(expit(evidence + math.log(now / (1.0 - now))).sum())
        now = (expected + share * worth) / (len(evidence) + worth)
    return evidence + math.log(now / (1.0 - now))


def double_odds(traits: Traits) -> Floats:
    """Return the log-odds of being a second tag of a neighbour's book, shape (n,).

    Only tags of another numbering were compared with their neighbours, by the difference of their phases; that two
    tags of the library's own stand a few millimetres apart is what thin books and covers back to back do every day.
    """
    out = np.full(len(traits), -np.inf)
    if len(traits.first) == 0:
        return out
    at = np.full(int(max(traits.tag.max(), traits.first.max(), traits.second.max())) + 1, -1, np.int64)
    at[traits.tag] = np.arange(len(traits))
    apart, variance = traits.apart_m, traits.apart_variance
    near = _log_normal(apart, DOUBLE_M**2 + variance)
    both = NEIGHBOUR_SIGMA_M**2 + variance
    usual = np.logaddexp(
        _log_normal(apart - NEIGHBOUR_M, both), _log_normal(apart + NEIGHBOUR_M, both)
    ) - math.log(2.0)
    tag = np.concatenate([at[traits.first], at[traits.second]])
    strange = traits.foreign[tag]
    # Its book is one of the two beside it, either as likely.
    np.logaddexp.at(out, tag[strange], np.tile(near - usual, 2)[strange] - math.log(2.0))
    beside = np.flatnonzero(np.isfinite(out))
    out[beside] = _with_share(out[beside], DOUBLE_FOREIGN, DOUBLE_TAGS)
    return out


def _log_normal(gap: Floats, variance: Floats) -> Floats:
    return -0.5 * gap**2 / variance - 0.5 * np.log(2.0 * math.pi * variance)


def without_place(positions: Positions, rows: Ints) -> Positions:
    """Return the positions with the places of some rows, shape (k,), taken back."""
    columns: dict[str, npt.NDArray[Any]] = {}
    for names, blank in ((PLACE_NUMBERS, np.nan), (PLACE_NAMES, None), (("quality",), 0.0)):
        for name in names:
            columns[name] = getattr(positions, name).copy()
            columns[name][rows] = blank
    return dataclasses.replace(positions, **columns)


def oddity_notes(positions: Positions) -> list[str]:
    """Return a sentence for each kind that was found."""
    sure = positions.p_oddity >= SURE
    notes: list[str] = []
    for kind, one, many in (
        (
            "moving",
            "likely on a trolley or the robot: moved while it was heard, or stands in the aisle; not placed",
            "likely on a trolley or the robot: moved while they were heard, or stand in the aisle; not placed",
        ),
        ("lying", "seems to lie flat, in a pile", "seem to lie flat, in piles"),
        ("pushed_back", "seems to stand behind the row", "seem to stand behind the row"),
        # Of simulated ones said so, six or seven in ten are.
        (
            "double",
            "of another numbering, more likely than not in one book with another tag: perhaps left in it",
            "of another numbering, each more likely than not in one book with another tag: perhaps left in it",
        ),
    ):
        epc = positions.epc[sure & (positions.oddity == kind)].tolist()
        if epc:
            more = ", ..." if len(epc) > 5 else ""
            said = one if len(epc) == 1 else many
            notes.append(f"{counted(len(epc), 'tag')} {said}: {', '.join(epc[:5])}{more}")
    return notes
