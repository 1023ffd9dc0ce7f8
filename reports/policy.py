"""How sure one must be before staff are sent to a shelf, and what is usual in a library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds and base rates of the exceptions.

    Attributes
    ----------
    accuse_from : float
        A book is called misplaced from this probability on.
    doubt_from : float
        From this one on it is listed as doubtful (`low_confidence`).
    missing_from : float
        A silent book is called missing from this probability on.
    scanned_from : float
        A stretch counts as scanned where a book would have been heard with at least this probability.
    misshelved_share, disorder_share : float
        Share of books on another shelf, and out of order on their own. Inventories of open stacks find 3 to 12
        per cent misplaced in all (Purdue University, Collection Management 34, 2009: 11.6 per cent before and
        3.1 per cent after five yearly inventories).
    missing_share : float
        Share of expected books that are not there; the run's own share takes its place as books are counted.
    silent_share : float
        Share of books whose tag is not heard however well the shelf is scanned (broken, shielded, none).
    weak_share : float
        Share of tags that are silent every third night on a well scanned shelf; once nights have told, their own
        share takes its place.
    faint_share : float
        Share of tags that are heard far less often than their neighbours, or silent now and then, for a fault of
        their own. Assumed; once nights have told, the library's own share takes its place.
    weak_from : float
        A tag is called weak, to be replaced before it falls silent, from this probability on.
    used_share : float
        Share of books that are in use in the house overnight (on a table, on a trolley) and will be back.
    returned_share : float
        Share of the copies that the library's system saw in use just before the run (returned, most of them) that are
        not on their shelf yet but wait on a trolley. Assumed, not counted.
    back_per_day : float
        Chance that such a book is back on its shelf a day later: most libraries reshelve within a day. This and the two
        shares of used and lost books are what nothing is known of yet; the library's own nights take their place.
    lost_per_day : float
        Chance that a book that stood on its shelf is gone for good a day later; one in ten thousand are a few in a
        hundred a year.
    found_per_day : float
        Chance that a book that was gone is back a day later.
    dies_per_day : float
        Chance that a tag dies in a day; three in a thousand in three years.
    """

    accuse_from: float = 0.8
    doubt_from: float = 0.5
    missing_from: float = 0.5
    scanned_from: float = 0.5
    misshelved_share: float = 0.03
    disorder_share: float = 0.03
    missing_share: float = 0.02
    silent_share: float = 0.002
    weak_share: float = 0.001
    faint_share: float = 0.01
    weak_from: float = 0.8
    used_share: float = 0.0005
    returned_share: float = 0.3
    back_per_day: float = 0.8
    lost_per_day: float = 1e-4
    found_per_day: float = 0.01
    dies_per_day: float = 3e-6

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ValueError(f"policy: {name} is {value}, it must be a probability between 0 and 1")
