"""A run's report: the findings and what is to be known about the run before one believes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from localization.positions import Coverage, Positions
from recording import Events, RunInfo
from reports.books import Catalogue
from reports.exceptions import judge_in, sort_walking
from reports.findings import KINDS, Finding
from reports.gone import split_gone
from reports.known_tags import Remembered
from reports.missing import expected_copies
from reports.places import Places
from reports.policy import Policy
from reports.tags_tonight import with_tags
from reports.trend import NightFigures
from reports.troubles import State, troubles_of
from reports.zones import Heard
from stacks.holdings import Holdings
from stacks.plan import Plan
from stacks.tag_data import TagContents


@dataclass(frozen=True, slots=True)
class ShelfTally:
    """One shelf in figures.

    Attributes
    ----------
    shelf_id : str
    expected, heard : int
        Books that should stand on it by the catalogue, and how many of those were heard anywhere.
    here, disordered : int
        Of those heard, the ones that no finding places elsewhere; and books out of order on it.
    used_m : float
        How much of it books take, from the first tag to the last, gaps of 0.15 m and more left out; NaN: unknown.
    length_m : float
    """

    shelf_id: str
    expected: int
    heard: int
    here: int = 0
    disordered: int = 0
    used_m: float = float("nan")
    length_m: float = float("nan")

    @property
    def on_shelf(self) -> float:
        """Share of its books that stand on it; NaN without any."""
        return self.here / self.expected if self.expected else float("nan")

    @property
    def in_order(self) -> float:
        """Share of the books on it that stand in order; NaN without any."""
        return max(0.0, 1.0 - self.disordered / self.here) if self.here else float("nan")

    @property
    def filled(self) -> float:
        """Share of its length that books take; NaN where unknown."""
        return min(1.0, self.used_m / self.length_m) if self.length_m > 0.0 else float("nan")


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures.

    Attributes
    ----------
    copies : int
        Copies in the catalogue.
    expected, expected_heard : int
        Copies that should stand on the shelves the run was to scan, and how many of them were heard.
    tags_heard, tags_placed : int
        Tags heard (books or not), and those with a place on the plan.
    readings : int or None
        Readings of the run.
    coverage_share : float
        Share of the shelf metres to be scanned in which a book would have been heard; NaN where unknown.
    counts : mapping of str to int
        Findings of each kind.
    shelves : tuple of ShelfTally
        In walking order; shelves without an expected book are left out.
    """

    copies: int = 0
    expected: int = 0
    expected_heard: int = 0
    tags_heard: int = 0
    tags_placed: int = 0
    readings: int | None = None
    coverage_share: float = float("nan")
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    shelves: tuple[ShelfTally, ...] = ()

    @property
    def to_act_on(self) -> int:
        """Findings that send somebody to a book: all but zones and doubts."""
        return sum(n for kind, n in self.counts.items() if kind not in ("zone_not_scanned", "low_confidence"))


@dataclass(frozen=True)
class RunReport:
    """Everything the documents and the mail of one run say.

    Attributes
    ----------
    info : RunInfo
        The run.
    findings : tuple of Finding
        In walking order.
    plan : Plan or None
    summary : Summary
    state : {"done", "aborted", "failed"}
        Whether the robot finished its route, stopped on the way, or the run could not be worked out.
    troubles : tuple of str
        What went wrong on the way, one sentence each, worst first.
    notes : tuple of str
        What was forgiven or left out, one sentence each.
    positions : Positions or None
        Draws the shelf strips.
    ended_at : datetime or None
    time_zone : str
        IANA zone the times are written in.
    link : str
        Where the documents can be found on the web; empty: nowhere.
    language : str
        What its documents and mail are written in: a name as ``en``, ``zh``, ``zh_CN`` (`languages.languages`).
    minutes : float or None
        How long working this list is thought to take; None: nobody planned.
    minutes_asked : float or None
        How many minutes its reader has this morning.
    paced : int
        Of how many mornings the pace was learnt that `minutes` is planned with; 0: it is assumed.
    backlog : mapping of str to int
        Findings of each kind that did not fit into those minutes and wait.
    first_seen : mapping of str to date
        By `finding_id`, the day (or moment) a finding was first made; one that is not in it, or whose moment lies
        within this run, is new tonight.
        None: nobody keeps them, and neither "new" nor "since" is said.
    perhaps : frozenset of str
        Ids of findings that are only perhaps missing: silent too few nights to be searched for.
    put_off : int
        Books perhaps missing that wait for another night's scan, counted in `backlog`.
    dropped : tuple of str
        Lines the last look into the library system took off the list, a sentence each.
    checked_at : datetime or None
        When the statuses were asked again; None: they were not.
    lists : tuple of str
        What became of staff's lists, one or two sentences each.
    nights : tuple of NightFigures
        The last nights in figures, this one included, oldest first; fewer than three are not shown.
    still_open : int or None
        Of a run that tells nothing: lines of the reader's earlier lists that are open; None: nobody counted them.

    Those from `minutes` to `checked_at` belong to one reader: `dataclasses.replace` makes another's report from it.
    """

    info: RunInfo
    findings: tuple[Finding, ...]
    plan: Plan | None
    summary: Summary
    state: State = "done"
    troubles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    positions: Positions | None = None
    ended_at: datetime | None = None
    time_zone: str = "UTC"
    link: str = ""
    language: str = "en"
    minutes: float | None = None
    minutes_asked: float | None = None
    paced: int = 0
    backlog: Mapping[str, int] = field(default_factory=dict[str, int])
    first_seen: Mapping[str, date] | None = None
    perhaps: frozenset[str] = frozenset()
    put_off: int = 0
    dropped: tuple[str, ...] = ()
    checked_at: datetime | None = None
    lists: tuple[str, ...] = ()
    nights: tuple[NightFigures, ...] = ()
    still_open: int | None = None

    @property
    def perhaps_missing(self) -> tuple[Finding, ...]:
        """Listed books that are only perhaps missing: nobody is sent for them, and they count as no missing book."""
        return tuple(f for f in self.findings if f.kind == "missing" and f.finding_id in self.perhaps)


def make_report(
    info: RunInfo,
    *,
    positions: Positions | None = None,
    coverage: Coverage | None = None,
    plan: Plan | None = None,
    holdings: Holdings | None = None,
    findings: Sequence[Finding] | None = None,
    scanned: Collection[str] | None = None,
    locations: Collection[str] | None = None,
    state: State = "done",
    reason: str = "",
    events: Events | None = None,
    notes: Sequence[str] = (),
    readings: int | None = None,
    ended_at: datetime | None = None,
    time_zone: str = "UTC",
    link: str = "",
    language: str = "en",
    policy: Policy | None = None,
    lists: Sequence[str] = (),
    nights: Sequence[NightFigures] = (),
    contents: Mapping[str, TagContents] | None = None,
    owners: Collection[str] | None = None,
    remembered: Remembered | None = None,
) -> RunReport:
    """Make the report of a run from whatever there is of it.

    Parameters
    ----------
    info
        The run.
    positions, coverage, plan, holdings, scanned, locations, policy
        As for `find_exceptions`; any of them may be missing, and the report says which.
    findings
        Already found; None: they are found now.
    state, reason
        How the run ended, and why, in one sentence without its full stop.
    events
        What happened on the way.
    notes
        What was forgiven, as `Recording.notes` and `Localization.notes` say it.
    readings, ended_at, time_zone, link, language, lists, nights
        See `Summary` and `RunReport`.
    contents, owners, remembered
        See `reports.tags_tonight.with_tags`: without them copies that their tags' memories alone name count as silent.
    """
    heard = Positions.empty() if positions is None else positions
    chosen = policy or Policy()
    places = Places.of(plan)
    catalogue = with_tags(Catalogue.of(holdings, places), heard, places, contents, owners, remembered)
    if findings is None and positions is not None:
        findings = judge_in(heard, coverage, places, catalogue, scanned, locations, chosen).findings
    findings = findings or []
    here, _ = split_gone(heard)
    summary = _summarize(here, coverage, places, catalogue, findings, scanned, readings, chosen)
    return RunReport(
        info=info,
        findings=tuple(sort_walking(list(findings), places)),
        plan=plan,
        summary=summary,
        state=state,
        troubles=troubles_of(state, reason, events, positions, coverage, plan, holdings),
        notes=tuple(dict.fromkeys(notes)),
        positions=None if positions is None else here,
        ended_at=ended_at,
        time_zone=time_zone,
        link=link,
        language=language,
        lists=tuple(lists),
        nights=tuple(nights),
    )


def _summarize(
    positions: Positions,
    coverage: Coverage | None,
    places: Places,
    catalogue: Catalogue,
    findings: Sequence[Finding],
    scanned: Collection[str] | None,
    readings: int | None,
    policy: Policy,
) -> Summary:
    heard = Heard(coverage, places, scanned, policy.scanned_from, catalogue)
    expected = expected_copies(catalogue, heard.asked)
    heard_epcs = {e.upper() for e in positions.epc}
    was_heard = np.fromiter(
        (catalogue.rows[i].epc.upper() in heard_epcs for i in expected), bool, len(expected)
    )
    if catalogue.tags.copy_of:
        was_heard |= np.isin(expected, catalogue.tags.copy_of.row)
    home = catalogue.home[expected]
    away = {(f.barcode, f.epc.upper()) for f in findings if f.kind in ("wrong_shelf", "wrong_location")}
    stays = was_heard.copy()
    if away:
        stays &= np.fromiter(
            ((catalogue.barcode[i], catalogue.rows[i].epc.upper()) not in away for i in expected),
            bool,
            len(expected),
        )
    here = np.bincount(home[stays], minlength=len(places))
    disordered = Counter(f.shelf_id for f in findings if f.kind == "wrong_order")
    used = _used_m(positions)
    due = np.bincount(home, minlength=len(places))
    got = np.bincount(home[was_heard], minlength=len(places))
    counted = Counter(f.kind for f in findings)
    return Summary(
        copies=len(catalogue),
        expected=len(expected),
        expected_heard=int(was_heard.sum()),
        tags_heard=len(positions),
        tags_placed=int(positions.placed.sum()),
        readings=int(positions.readings.sum()) if readings is None and len(positions) else readings,
        coverage_share=heard.share() if coverage is not None else float("nan"),
        counts={kind: counted[kind] for kind in KINDS if counted[kind]},
        shelves=tuple(
            ShelfTally(
                places.rows[i].id,
                int(due[i]),
                int(got[i]),
                int(here[i]),
                disordered[places.rows[i].id],
                used.get(places.rows[i].id, float("nan")),
                places.rows[i].to_m - places.rows[i].from_m,
            )
            for i in np.flatnonzero(due[: len(places)])
        ),
    )


_GAP_M = 0.15  # no book is so thick: from here on a gap is free shelf


def _used_m(positions: Positions) -> dict[str, float]:
    """Return how much of each shelf books take: the spans between neighbouring tags, and one book's more."""
    rows = np.flatnonzero(
        np.array([s is not None for s in positions.shelf_id], bool) & np.isfinite(positions.offset_m)
    )
    if not len(rows):
        return {}
    names, shelf = np.unique(positions.shelf_id[rows].astype(str), return_inverse=True)
    order = np.lexsort((positions.offset_m[rows], shelf))
    at, x = shelf[order], positions.offset_m[rows][order]
    step = np.diff(x)
    near = (at[1:] == at[:-1]) & (step < _GAP_M)
    length = np.bincount(at[1:][near], weights=step[near], minlength=len(names))
    spans = np.bincount(at[1:][near], minlength=len(names))
    # A stretch of n books has n - 1 spans.
    books = np.bincount(at, minlength=len(names))
    thick = np.divide(length, spans, out=np.full(len(names), 0.025), where=spans > 0)
    return dict(zip(names.tolist(), (length + (books - spans) * thick).tolist(), strict=True))
