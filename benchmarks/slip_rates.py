"""How often localization puts a book that stands at home on another shelf: what `reports.slips` begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.month_figures import Truth
from localization.positions import Positions
from reports.books import Catalogue, Shelved
from reports.places import Places
from reports.slips import WIDE_M
from stacks.holdings import Holdings
from stacks.plan import Plan

WAYS = ("second best", "near, unnamed", "far")
CLAIMS = (0.0, 0.5, 0.8, 0.95, 0.99, 0.999, 1.01)
_NEAR_M = 1.0


def count_slips(positions: Positions, plan: Plan, holdings: Holdings, truth: Truth) -> dict[str, Any]:
    """Count one night's books at home and those of them that localization placed elsewhere.

    Returns
    -------
    dict
        ``books`` and ``open`` (what the claims leave to other shelves, summed), by width of the error bar and by
        claim; ``slips`` in addition by the way of being off. Misplaced books are left out.
    """
    places = Places.of(plan)
    catalogue = Catalogue.of(holdings, places)
    s = Shelved.of(positions, catalogue, places)
    p = s.positions
    barcode = catalogue.barcode[np.maximum(s.copy, 0)]
    right = np.fromiter(
        (b not in truth.misplaced and b not in truth.absent for b in barcode.tolist()), bool, len(s)
    )
    asked = (s.copy >= 0) & (s.home >= 0) & (s.place >= 0) & right & np.isfinite(p.p_shelf)
    asked[asked] &= catalogue.available[s.copy[asked]]
    sigma = np.nan_to_num(p.sigma_along_m, nan=0.1)
    width = np.searchsorted(np.array(WIDE_M), sigma, side="right")
    claim = np.clip(np.searchsorted(np.array(CLAIMS), p.p_shelf, side="right") - 1, 0, len(CLAIMS) - 2)
    away = places.distance_m(np.where(asked, s.home, -1), p.x_m, p.y_m, p.z_m)
    way = np.where(s.alt == s.home, 0, np.where(away > np.maximum(_NEAR_M, 3.0 * sigma), 2, 1))
    off = asked & (s.home != s.place)
    books, left_open = (np.zeros((len(WIDE_M) + 1, len(CLAIMS) - 1)) for _ in range(2))
    slips = np.zeros((len(WAYS), *books.shape))
    np.add.at(books, (width[asked], claim[asked]), 1.0)
    np.add.at(left_open, (width[asked], claim[asked]), 1.0 - p.p_shelf[asked])
    np.add.at(slips, (way[off], width[off], claim[off]), 1.0)
    return {"books": books.tolist(), "open": left_open.tolist(), "slips": slips.tolist()}


def add_up(nights: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of several nights' counts, as arrays."""
    told = list(nights)
    return {name: np.sum([np.array(n[name]) for n in told], axis=0) for name in ("books", "open", "slips")}
