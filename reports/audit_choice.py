"""Which shelves to scan by hand: chosen by chance, so that what they tell holds for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.audit_scan import AuditError
from reports.books import EXPECTED, Catalogue
from reports.places import Places
from stacks.holdings import Holdings
from stacks.plan import Plan


@dataclass(frozen=True, slots=True)
class Chosen:
    """A shelf to be scanned.

    Attributes
    ----------
    shelf_id : str
    books : int
        Copies at home on it that should stand there.
    first, last : str
        Call numbers of the first and last of them.
    """

    shelf_id: str
    books: int
    first: str
    last: str


def choose_shelves(plan: Plan, holdings: Holdings, shelves: int = 10, seed: int = 1) -> list[Chosen]:
    """Choose shelves at random, each that should hold a book with the same chance, in walking order.

    Books are counted, not shelves, when shares are made of them (a ratio estimate): long shelves weigh what they hold.

    Raises
    ------
    AuditError
        When the plan has no shelf that should hold a book.
    """
    places = Places.of(plan)
    catalogue = Catalogue.of(holdings, places)
    due = np.isin(catalogue.status, list(EXPECTED)) & (catalogue.home >= 0)
    used = np.unique(catalogue.home[due])
    if not len(used):
        raise AuditError("no shelf of the plan should hold a book; check home_location and range_start")
    rng = np.random.default_rng([seed, 0xA0D17])
    picked = np.sort(rng.permutation(used)[:shelves])
    out: list[Chosen] = []
    for place in picked.tolist():
        rows = np.flatnonzero(due & (catalogue.home == place))
        rows = rows[np.argsort(catalogue.rank[rows], kind="stable")]
        names = [catalogue.rows[i].call_number for i in rows.tolist()]
        out.append(Chosen(places.rows[place].id, len(rows), names[0], names[-1]))
    return out
