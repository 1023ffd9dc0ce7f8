"""On which shelf each book stands, from what localization heard and from where the catalogue expects it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr

from reports.books import Shelved
from reports.places import Places
from reports.policy import Policy
from reports.slips import (
    FAR,
    SECOND,
    UNNAMED,
    WIDE_M,
    Classes,
    Crowd,
    far_slips,
    honest_claims,
    no_more_of_wide,
    put_or_slipped,
    share_of_sure,
    usual_slips,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NEAR_M = 1.0  # within this of its shelf a book may have been placed on the wrong board or side
_GAP_M = 0.04  # how far a book in order may stand from the middle of its four neighbours
_FITS = 0.75  # share of books at home that do stand there; the others are out of order or their offset went astray
_NEXT = 0.25  # of all misplaced books: those put beside their own shelf because it is near
_MANY = 10.0  # readings from which a slip's offset is as good as its bar says
_EDGE_M = 0.01  # the plan's own error at a shelf end


def settle(
    shelved: Shelved, places: Places, policy: Policy, behind: Floats, away: Floats | None = None
) -> tuple[Shelved, Floats, Floats, Floats, Ints]:
    """Weigh the home shelf against the shelf heard; books that are most likely at home are put there.

    Parameters
    ----------
    shelved, places, policy
    behind : float64 array, shape (n,)
        Probability that each tag stands at home where nobody scanned (`reports.behind.heard_from_behind`).
    away : float64 array, shape (n,), optional
        As `wrong_shelf_chances` returns it, with what else is known; None: as it returns it.

    Returns
    -------
    shelved : Shelved
        With the books moved home that were heard beside it, sorted anew.
    wrong_shelf : float64 array, shape (n,)
        Probability that each tag stands on another shelf than its own; 0 where that cannot be asked.
    doubt : float64 array, shape (n,)
        The same for books moved home: the chance that this was wrong.
    behind : float64 array, shape (n,)
        As given, for the new rows; 0 for books moved home.
    order : int64 array, shape (n,)
        The former row of each new row.
    """
    if not len(shelved) or not len(places):
        n = len(shelved)
        return shelved, np.zeros(n), np.zeros(n), behind, np.arange(n)
    if away is None:
        away = wrong_shelf_chances(shelved, places, policy, behind)
    home = np.maximum(shelved.home, 0)
    at_alt = (shelved.alt == shelved.home) & np.isfinite(shelved.positions.alt_offset_m)
    offset = np.where(at_alt, shelved.positions.alt_offset_m, shelved.offset_m)
    slack = 2.0 * np.nan_to_num(shelved.positions.sigma_along_m, nan=0.1) + _EDGE_M
    fits = (offset >= places.from_m[home] - slack) & (offset <= places.to_m[home] + slack)
    same_face = places.face_index[home] == places.face_index[np.maximum(shelved.place, 0)]
    asked = (shelved.home >= 0) & (shelved.place >= 0) & (shelved.home != shelved.place)
    back = asked & fits & (same_face | at_alt) & (away < policy.doubt_from)
    settled, order = shelved.resettle(back, shelved.home, offset)
    return (
        settled,
        np.where(back, 0.0, away)[order],
        np.where(back, away, 0.0)[order],
        np.where(back, 0.0, behind)[order],
        order,
    )


def wrong_shelf_chances(
    s: Shelved, places: Places, policy: Policy, behind: Floats, known: Bools | None = None
) -> Floats:
    """Return the probability that each tag stands on another shelf than its own.

    Localization's posterior knows nothing of the catalogue. Bayes' rule joins the two: nearly every book stands
    at home, so a posterior that leaves its home shelf a few per cent is no accusation. Mass localization gave
    to no named place counts for the home shelf only if that is near. A book by its shelf's end counts as at
    home with the chance that its error along the face crossed the end. Books that nobody drove past say nothing
    about how well the others were placed.

    Parameters
    ----------
    s, places, policy, behind
        As for `settle`.
    known : bool array, shape (n,), optional
        Tags that former nights already knew to be misplaced: they say nothing of how often localization slips tonight.

    Returns
    -------
    float64 array, shape (n,)
        0 where that cannot be asked.
    """
    if not len(s) or not len(places):
        return np.zeros(len(s))
    p = s.positions
    asked = (s.copy >= 0) & (s.home >= 0) & (s.place >= 0)
    claimed = np.clip(np.nan_to_num(p.p_shelf, nan=0.5), 0.0, 1.0)
    everybody = asked & (behind <= 0.0)
    if known is not None:
        everybody &= ~known
    sigma = np.hypot(np.nan_to_num(p.sigma_along_m, nan=0.1), _EDGE_M)
    kinds = Classes.of(claimed, sigma)
    share = share_of_sure(claimed, s.home != s.place, everybody, policy.misshelved_share)
    here = honest_claims(kinds, claimed, s.home == s.place, everybody, share)
    second = np.where(s.alt >= 0, np.clip(np.nan_to_num(p.p_alt, nan=0.0), 0.0, 1.0), 0.0)
    # What the claim loses goes to the other places as localization divided the rest among them.
    second *= np.divide(1.0 - here, 1.0 - claimed, out=np.ones(len(s)), where=claimed < 1.0)
    second = np.where(claimed >= 1.0, np.where(s.alt >= 0, 1.0 - here, 0.0), second)
    home, place = np.maximum(s.home, 0), np.maximum(s.place, 0)
    asked = asked & (s.home != s.place)
    away_m = places.distance_m(np.where(asked, s.home, -1), p.x_m, p.y_m, p.z_m)
    near = ~(away_m > np.maximum(_NEAR_M, 3.0 * sigma))
    # Three ways to be off: home is the second best place, home is near, home is far.
    second_best = asked & (s.alt == s.home)
    beside = asked & near & ~second_best
    far = asked & ~near & ~second_best
    readings = p.readings.astype(np.float64)
    usual = [usual_slips(way, sigma, here, readings) for way in (SECOND, UNNAMED, FAR)]
    slips_far = far_slips(kinds, claimed, far, everybody, share, usual[FAR])
    at_home = np.select(
        [second_best, beside],
        [np.maximum(second, usual_slips(SECOND, sigma, np.ones(len(s)), readings)), usual[UNNAMED]],
        slips_far,
    )
    same_level = places.face_index[home] == places.face_index[place]
    same_level &= places.level[home] == places.level[place]
    gap = np.maximum(places.from_m[home] - s.offset_m, s.offset_m - places.to_m[home])
    crossed = here * ndtr(-np.maximum(np.nan_to_num(gap), 0.0) / sigma)
    at_home = np.where(same_level, np.maximum(at_home, crossed), at_home)
    ratio, told = _beneath_its_place(s, places, sigma, asked)
    near_share = share * (_NEXT + (1.0 - _NEXT) * places.near_share(_NEAR_M))
    crowd = Crowd(kinds, everybody, ratio, told, share, near_share)
    most = np.ones(len(s))
    for way, off in ((SECOND, second_best), (UNNAMED, beside)):
        put, slip = put_or_slipped(crowd, off, usual[way])
        most = np.where(off, put / (put + slip), most)
    confidence = (1.0 - at_home) * share / ((1.0 - at_home) * share + at_home * (1.0 - share))
    confidence = np.clip(np.minimum(confidence, most), 0.0, 0.999)
    confidence = np.minimum(expit(logit(confidence) - np.log(ratio)), 1.0 - behind)
    confidence = np.where(asked, np.minimum(confidence, 0.995), 0.0)
    return no_more_of_wide(kinds, confidence, asked, everybody, share)


def _beneath_its_place(s: Shelved, places: Places, sigma: Floats, asked: Bools) -> tuple[Floats, Bools]:
    """Return how much better the offset of each tag fits its own place on its home shelf than a place by chance.

    A book at home that was heard a board too high or low still has its right offset along the face: between the
    books of its home shelf with the next call numbers. A misplaced one is there only by chance. The ratio of the
    two likelihoods, and where it can be asked; 1 where home is on another face or too few books stand on it.
    """
    ratio, told = np.ones(len(s)), np.zeros(len(s), bool)
    standing = np.flatnonzero((s.home >= 0) & (s.home == s.place) & (s.rank >= 0))
    home, place = np.maximum(s.home, 0), np.maximum(s.place, 0)
    rows = np.flatnonzero(asked & (s.rank >= 0) & (places.face_index[home] == places.face_index[place]))
    if len(standing) < 4 or not len(rows):
        return ratio, told
    step = int(s.rank.max()) + 2
    standing = standing[np.lexsort((s.rank[standing], s.place[standing]))]
    key = s.place[standing] * step + s.rank[standing]
    at = np.searchsorted(key, s.home[rows] * step + s.rank[rows], side="right")
    around = np.clip(at[:, None] + np.array([-2, -1, 0, 1]), 0, len(standing) - 1)
    same = s.place[standing[around]] == s.home[rows][:, None]
    enough = same.sum(axis=1) >= 2
    rows, around, same = rows[enough], around[enough], same[enough]
    if not len(rows):
        return ratio, told
    x = np.nanmedian(np.where(same, s.offset_m[standing[around]], np.nan), axis=1)
    length = np.maximum(places.to_m[s.home[rows]] - places.from_m[s.home[rows]], 0.3)
    wide = np.hypot(sigma[rows], _GAP_M)
    z = (s.offset_m[rows] - x) / wide
    # A slip that was heard seldom has lost its offset, too.
    kept = _FITS * np.minimum(WIDE_M[-1] / wide, 1.0) * np.clip(s.positions.readings[rows] / _MANY, 0.3, 1.0)
    fits = kept * np.exp(-0.5 * z * z) / (wide * np.sqrt(2.0 * np.pi)) + (1.0 - kept) / length
    ratio[rows], told[rows] = fits * length, True
    return ratio, told
