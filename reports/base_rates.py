"""How much of a library stands wrong, as the run's own books tell: the base rates its accusations are made with.

A neglected library has a tenth of its books misplaced. Judged by the share of a better kept one, hundreds of them are
taken for slips of localization, as their number is more than readers are thought ever to misplace. The shares are
found by expectation maximization over all books heard (A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39,
1977). It starts from many misplaced books and comes down: from few it would not find its way up, as then each of many
misplaced books looks like a slip among many. In a well kept library it comes down below the policy's shares, to a tenth
of them at most: judged by those, what is listed there would mostly be positions gone astray.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from localization.positions import Coverage, Positions
from reports.behind import heard_from_behind
from reports.books import EXPECTED, Catalogue, Shelved
from reports.gone import split_gone
from reports.misplaced import judge
from reports.odd import is_odd
from reports.places import Places
from reports.policy import Policy
from reports.settle import settle
from reports.zones import Heard

START = 0.12
"""Of the books of the worst library that was counted."""
_PRIOR_BOOKS = 100.0  # how many books the policy's own share is worth
_LEAST = 0.1  # of the policy's own share: no library is without
_ROUNDS = 10


def fit_shares(
    positions: Positions,
    coverage: Coverage | None,
    places: Places,
    catalogue: Catalogue,
    policy: Policy,
    *,
    scanned: Collection[str] | None = None,
) -> Policy:
    """Return the policy with the shares of misshelved and disordered books that this run's books tell.

    Parameters
    ----------
    positions, coverage, places, catalogue
        As `reports.exceptions.judge_in` has them.
    policy : Policy
        Its own shares are worth `_PRIOR_BOOKS` books.
    scanned : collection of str, optional
        Faces the run set out to scan.
    """
    if not len(catalogue) or not len(places):
        return policy
    positions, _ = split_gone(positions)
    first = Shelved.of(positions, catalogue, places)
    heard = Heard(coverage, places, scanned, policy.scanned_from, catalogue)
    behind = heard_from_behind(first, catalogue, places, heard, policy)
    chosen = replace(policy, misshelved_share=START, disorder_share=START)
    for _ in range(_ROUNDS):
        shelved, wrong_shelf, doubt, near, _ = settle(first, places, chosen, behind)
        unordered = (near >= policy.doubt_from) | is_odd(shelved, "lying", policy.doubt_from)
        verdict = judge(shelved, catalogue, places, chosen, wrong_shelf, doubt, unordered)
        copy = shelved.copy
        asked = (copy >= 0) & (shelved.place >= 0) & (shelved.home >= 0)
        asked[asked] = np.isin(catalogue.status[copy[asked]], list(EXPECTED))
        n = int(np.count_nonzero(asked))
        shares: dict[str, float] = {}
        for name, chance, own in (
            ("misshelved_share", verdict.wrong_shelf + doubt, policy.misshelved_share),
            ("disorder_share", verdict.wrong_order, policy.disorder_share),
        ):
            told = (float(chance[asked].sum()) + _PRIOR_BOOKS * own) / (n + _PRIOR_BOOKS)
            shares[name] = float(np.clip(told, _LEAST * min(own, START), START))
        before = chosen
        chosen = replace(policy, **shares)
        if all(abs(getattr(before, k) - v) < 0.02 * v for k, v in shares.items()):
            break
    return chosen
