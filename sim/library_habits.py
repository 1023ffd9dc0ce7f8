"""Where a copy of a library that lives may be, and how often what happens to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

SHELF, LENT, TROLLEY, TABLE, GONE, STAFF = range(6)
"""Where a copy is; what `STAFF` have taken away has left the collection."""
DEAD_LOSS_DB: Final = 200.0
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Habits:
    """What happens, as shares of all copies; of those without a source the size is assumed.

    Attributes
    ----------
    misplaced_near, misplaced_far, gone : float
        Before the first night: out of order on their own shelf, on another shelf, not there. Purdue: 11 % and 5 %.
    lent, not_checked_in, strangers, dead : float
        Before the first night: on loan, back on the shelf without having been checked in, tags on the shelf that the
        catalogue does not know. Dead tags stay so all along.
    trouble : float
        New trouble a day: misplaced or stolen.
    stolen : float
        Share of the new trouble that is theft.
    loans, in_house : float
        Lent, and used in the house, a day.
    loan_days : float
        Mean length of a loan.
    left : float
        Share of the books used in the house that lie on tables overnight; the rest is back by the evening.
    trolley : float
        Share of a day's returns that wait on the trolley overnight.
    unseen_return : float
        Share of the returns that are put back without having been checked in.
    early : float
        Share of a day's returns that are checked in from the book drop before the mail goes out.
    """

    misplaced_near: float = 0.055
    misplaced_far: float = 0.055
    gone: float = 0.05
    lent: float = 0.08
    not_checked_in: float = 0.004
    strangers: float = 0.002
    dead: float = 0.003
    trouble: float = 0.001
    stolen: float = 0.3
    loans: float = 0.005
    in_house: float = 0.004
    loan_days: float = 16.0
    left: float = 0.4
    trolley: float = 0.4
    unseen_return: float = 0.01
    early: float = 0.3
