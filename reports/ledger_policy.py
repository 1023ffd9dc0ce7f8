"""How stubborn cases are: when a missing book is confirmed, and how far belief must fall before a case closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from reports.case import Case


@dataclass(frozen=True, slots=True)
class Life:
    """What decides over the life of a case. Chances are 0..1.

    Attributes
    ----------
    close_below : float
        An open case closes as seen right once its chance has fallen to this. It opens at `Policy.accuse_from`
        (0.8); the wide gap between the two is what keeps a book near either from coming and going.
    alike : float
        How much of one night's error comes back the next, where the book has not moved: nights of one library
        err alike by .6 to .9 (docs/nights.md), so that a second night is much less than a second opinion.
    mended_if_mailed, mended_alone, spoiled : float
        Chance that a misplaced book stands right the next night after its line was mailed, and without that
        (patrons and shelvers in passing); and that one that stood right does not any more.
    sure_missing, nights_missing
        Somebody is sent to look for a missing book from this chance on, after so many silent nights: one silent night
        is as often a bad night for that tag as a book that is gone, and a book in use comes back within a day or two.
    likely_missing, nights_likely, nights_look
        A tag that was never heard may be dead, and no further night tells that from a missing book: the chance stays
        below `sure_missing`. So after `nights_likely` nights `likely_missing` is enough, and after `nights_look`
        nights somebody is to look once, whatever the chance.
    same_place_m : float
        A claim within so much of an earlier one is the same claim: a false alarm keeps it quiet.
    false_alarm_days : float
        After so long the same claim may be made again: books are moved without our hearing of it.
    absent_nights : int
        A trouble that can only be seen, never seen right (an unknown tag), is over after so many nights that
        looked there and did not see it.
    """

    close_below: float = 0.2
    alike: float = 0.7
    mended_if_mailed: float = 0.3
    mended_alone: float = 0.02
    spoiled: float = 0.002
    sure_missing: float = 0.95
    nights_missing: int = 2
    likely_missing: float = 0.8
    nights_likely: int = 3
    nights_look: int = 5
    same_place_m: float = 0.3
    false_alarm_days: float = 60.0
    absent_nights: int = 2

    def __post_init__(self) -> None:
        chances = ("close_below", "alike", "mended_if_mailed", "mended_alone", "spoiled")
        for name in (*chances, "sure_missing", "likely_missing"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ValueError(f"life: {name} is {value}, it must be a probability between 0 and 1")
        for name in ("nights_missing", "nights_likely", "nights_look", "absent_nights"):
            if getattr(self, name) < 1:
                raise ValueError(f"life: {name} is {getattr(self, name)}, it must be at least 1")

    @property
    def false_alarm_for(self) -> timedelta:
        """How long a false alarm keeps its claim quiet."""
        return timedelta(days=self.false_alarm_days)


def due(case: Case, life: Life | None = None) -> bool:
    """Whether a missing book has been silent surely and often enough to send somebody; other kinds always are."""
    chosen = life or Life()
    if case.finding.kind != "missing":
        return True
    return _surely_silent(case, chosen) or case.silent >= chosen.nights_look


def confirmed(case: Case, life: Life | None = None) -> bool:
    """Whether a book is surely missing: its tag had been heard and has fallen silent, or staff looked in vain.

    A tag that was silent from the first night on may have been dead all along: that is due for a look, and is
    confirmed by it.
    """
    if case.resolution == "marked_missing":
        return True
    return case.finding.kind == "missing" and case.tag_worked and _surely_silent(case, life or Life())


def waiting(case: Case, life: Life | None = None) -> bool:
    """Whether the case is perhaps missing: better to wait for another night, unless a reader waits for the book."""
    return case.state != "resolved" and not due(case, life)


def _surely_silent(case: Case, life: Life) -> bool:
    sure, nights = case.confidence, case.silent
    return (nights >= life.nights_missing and sure >= life.sure_missing) or (
        nights >= life.nights_likely and sure >= life.likely_missing
    )
