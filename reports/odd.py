"""Books that localization found lying, behind the row, or on the move: said as such, and not as something else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from reports.book_findings import book_finding, standing
from reports.books import Catalogue, Shelved
from reports.findings import Finding
from reports.misplaced import Judgement
from reports.places import Places
from reports.policy import Policy
from reports.text import T

Bools = npt.NDArray[np.bool_]

_NEAR_M = 0.15  # a pile is as wide as a book is high


def is_odd(s: Shelved, kind: str, at_least: float) -> Bools:
    """Say which tags localization calls so, at least so surely."""
    return (s.positions.oddity == kind) & (np.nan_to_num(s.positions.p_oddity) >= at_least)


def odd_findings(
    s: Shelved, c: Catalogue, places: Places, verdict: Judgement, elsewhere: Bools, policy: Policy
) -> Iterator[Finding]:
    """List books that lie, surely or perhaps, those that seem to stand behind the row, and those that move.

    A book that is to be carried to another shelf anyway is not said to lie as well.
    """
    stays = (s.copy >= 0) & (s.place >= 0) & ~elsewhere & (verdict.wrong_shelf < policy.accuse_from)
    stays[s.copy >= 0] &= c.available[s.copy[s.copy >= 0]]
    lying = is_odd(s, "lying", policy.doubt_from)
    for row in np.flatnonzero(lying & stays).tolist():
        p = float(s.positions.p_oddity[row])
        beside = lying & (s.place == s.place[row]) & (np.abs(s.offset_m - s.offset_m[row]) <= _NEAR_M)
        sure = p >= policy.accuse_from
        if sure or _silent_else(verdict, row, policy):
            kind = "lying" if sure else "low_confidence"
            yield _finding(s, c, places, row, kind, T.lying(int(beside.sum()) - 1) if sure else T.may_lie(p))
    for row in np.flatnonzero(is_odd(s, "pushed_back", policy.doubt_from) & stays).tolist():
        if _silent_else(verdict, row, policy):
            p = float(s.positions.p_oddity[row])
            yield _finding(s, c, places, row, "low_confidence", T.may_stand_behind(p))


def old_tags(s: Shelved, policy: Policy) -> Bools:
    """Say which tags may be old ones left in a book."""
    return is_odd(s, "double", policy.doubt_from)


def on_the_move(s: Shelved, policy: Policy) -> Bools:
    """Say which tags have no place because they move."""
    return is_odd(s, "moving", policy.doubt_from) & (s.place < 0)


def _silent_else(v: Judgement, row: int, policy: Policy) -> bool:
    """Say whether nothing else is doubted of the book."""
    return max(float(v.wrong_shelf[row]), float(v.wrong_order[row])) < policy.doubt_from


def _finding(s: Shelved, c: Catalogue, places: Places, row: int, kind: str, evidence: str) -> Finding:
    chance = float(s.positions.p_oddity[row])
    return book_finding(
        c, int(s.copy[row]), kind, confidence=chance, evidence=evidence, **standing(s, row, places)
    )
