"""What a laid-out report is made of: its parts, as the documents draw them."""

from __future__ import annotations

from dataclasses import dataclass

from reports.figures import Trend
from reports.findings import Finding
from reports.languages import Language
from reports.strips import Strip

TONES: dict[str, str] = {
    "wrong_shelf": "move",
    "wrong_order": "move",
    "wrong_location": "move",
    "missing": "missing",
    "found": "status",
    "on_shelf_loaned": "status",
    "on_shelf_status": "status",
    "listed": "status",
}
"""Which of four colours a kind is drawn in; the others are "data"."""

COLOURS = {"move": "#b45309", "missing": "#a61e34", "status": "#1d5f8a", "data": "#5b6673"}
"""Dark enough on white for small type (WCAG 2.2, contrast of 4.5 to 1)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding as people read it.

    Attributes
    ----------
    number : int
        0: it is no errand.
    stands_m : float or None
        Metres from the left end of its shelf.
    since : str
        "new", or the day it was first found; empty where nobody keeps that.
    beside : str
        Of a copy on a staff list, between which books it stands.
    asked_for : str
        Of a copy to be fetched, for which list.
    target : Strip or None
        The shelf it belongs on, with the gap there; of a book that moves on its shelf, with the book, too.
    """

    number: int
    finding: Finding
    tone: str
    kind: str
    action: str
    title: str
    call_number: str
    barcode: str
    stands: str
    belongs: str
    sure: str
    evidence: str
    block: str
    stands_m: float | None = None
    since: str = ""
    new: bool = False
    target: Strip | None = None
    beside: str = ""
    asked_for: str = ""

    @property
    def stands_beside(self) -> str:
        """Where it stands, and between which books if that is not said elsewhere."""
        return ", ".join(words for words in (self.stands, self.beside) if words)


@dataclass(frozen=True, slots=True)
class Stop:
    """One shelf to stop at."""

    heading: str
    shelf_id: str
    strip: Strip | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One face to walk along."""

    heading: str
    stops: tuple[Stop, ...]
    floor_id: str = ""

    @property
    def count(self) -> int:
        """How many lines there are on it."""
        return sum(len(stop.lines) for stop in self.stops)


@dataclass(frozen=True, slots=True)
class Count:
    """How many findings of a kind are on this list, and how many wait for another morning."""

    tone: str
    title: str
    action: str
    here: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole report, ready to be drawn; every text is in the reader's language.

    Attributes
    ----------
    lang : Language
    title : str
    when : str
        When the run started and ended, in the site's time.
    run : str
        Which run, when, by which robot.
    plan : tuple of str
        How much there is to do this morning, and what was looked up since; nothing where nobody planned.
    figures : tuple of (value, label)
        The few figures that come first.
    counts : tuple of Count
    troubles, zones, dropped, notes : tuple of str
        How the run went, what was not scanned, what was taken off the list, what was forgiven; a sentence each.
    afterwards : tuple of str
        What to do where a line does not hold, and how to say what was done; nothing where there is nothing to do.
    stretches : tuple of Stretch
        What there is to do, in walking order.
    doubts : tuple of Line
        What may be wrong and needs no walk of its own.
    perhaps : tuple of Line
        Books perhaps missing, without numbers: nobody is sent for them.
    lists : tuple of str
        What became of staff's lists.
    trends : tuple of Trend
        Nothing before there are three nights.
    alarm : tuple of str
        What stands first of a run that failed, was cut short or heard nothing: a heading, what happened, what that
        means and what to do; empty of others.
    blank : bool
        Whether the run tells nothing of the shelves, so that it has no figures.
    pace_page : str
        Where to say how long the morning took, as `afterwards` has it; empty where no service keeps that.
    """

    lang: Language
    title: str
    when: str
    run: str
    plan: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    counts: tuple[Count, ...]
    troubles: tuple[str, ...]
    zones: tuple[str, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    afterwards: tuple[str, ...]
    nothing: str
    signature: str
    stretches: tuple[Stretch, ...]
    doubts: tuple[Line, ...]
    lists: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()
    perhaps: tuple[Line, ...] = ()
    pace_page: str = ""
    alarm: tuple[str, ...] = ()
    blank: bool = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line: the numbered ones by their number, then those that are no errand."""
        walked = (line for stretch in self.stretches for stop in stretch.stops for line in stop.lines)
        return (*walked, *self.doubts, *self.perhaps)

    @property
    def waiting(self) -> bool:
        """Whether some findings wait for another morning."""
        return any(c.waiting for c in self.counts)
