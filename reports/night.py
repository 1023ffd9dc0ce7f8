"""One night judged: the findings, and what was seen of every copy the catalogue knows.

Findings say only what is wrong. Who keeps cases from night to night also needs to know which books were seen to
stand right, which were not looked at, and how surely a silent one would have been heard: that are the looks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from localization.positions import Coverage, Positions
from reports.books import Catalogue
from reports.exceptions import Judged, judge_in, sort_walking
from reports.exceptions_csv import number_findings
from reports.findings import Finding
from reports.former import learn
from reports.known_tags import Remembered
from reports.listed import ListTally
from reports.memory import Memory
from reports.places import Places
from reports.policy import Policy
from reports.silence import Past, in_ns
from reports.tags_tonight import with_tags
from reports.weak_tags import weak_findings
from stacks.holdings import Holdings
from stacks.plan import Plan
from stacks.staff_lists import StaffList
from stacks.tag_data import TagContents

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

_BELONGS_ELSEWHERE = 3.0
"""Log-likelihood ratio of a book that belongs to another location and stands here."""

NOT_LOOKED, RIGHT, WRONG, SILENT, UNSURE = range(5)
"""What a night saw of a copy (`Looks.what`).

``NOT_LOOKED``: not heard, and not due or its shelf was not scanned: nothing is known. ``RIGHT``: heard, and stands
where it should. ``WRONG``: heard, and most likely stands wrong. ``SILENT``: due on a scanned shelf, and not heard.
``UNSURE``: heard, but where it stands, or whether that is right, cannot be told.
"""


@dataclass(frozen=True)
class Looks:
    """What one night saw of each copy: one row for every copy of the catalogue, in its order; ``n`` rows.

    Attributes
    ----------
    barcode, epc : object array of str, shape (n,)
    what : uint8 array, shape (n,)
        `NOT_LOOKED`, `RIGHT`, `WRONG`, `SILENT` or `UNSURE`.
    p_wrong : float64 array, shape (n,)
        Chance that it stands wrong, on another shelf or out of order, with what former nights said of it; NaN unless
        heard at a place that can be judged.
    told : float64 array, shape (n,)
        What tonight alone says of that: log-likelihood ratio, wrong against right; NaN where `p_wrong` is.
    p_missing : float64 array, shape (n,)
        Chance that it is gone from its shelf, all nights together; NaN where it was heard, was not due, or its zone
        was not scanned.
    p_heard : float64 array, shape (n,)
        Chance that this tag would have been heard tonight on its shelf, had it been there; NaN where it was not due.
    shelf_id : object array of str, shape (n,)
        Where it was heard; empty if it was not, or has no place.
    tag_worked : bool array, shape (n,)
        An earlier night heard this tag: its silence does not mean that it never worked.
    nights_silent : float64 array, shape (n,)
        Nights in a row, tonight included, on which it was silent although its shelf was scanned; 0 where it was heard.
    """

    barcode: Texts
    epc: Texts
    what: npt.NDArray[np.uint8]
    p_wrong: Floats
    told: Floats
    p_missing: Floats
    p_heard: Floats
    shelf_id: Texts
    tag_worked: npt.NDArray[np.bool_]
    nights_silent: Floats

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Looks: columns differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.barcode)


@dataclass(frozen=True)
class Night:
    """What one run makes of the library.

    Attributes
    ----------
    run_id : str
    at : datetime
        When the night was, with a time zone.
    findings : list of Finding
        What staff may act on, in walking order.
    looks : Looks
    memory : Memory
        What the next night is to be given.
    lists : tuple of ListTally
        What became of each of staff's lists.
    on_lists : frozenset of str
        Barcodes that one of them named.
    secured : frozenset of str
        EPCs whose security somebody read, and it is on.
    unread : int
        Tags heard that may be the library's own, and whose memory nobody read, tonight or before
        (`reports.books.TagsTonight.unread`).
    remembered : Remembered or None
        What nights before read of tags, where this night was judged with it: whoever reports it wants that, too.
    """

    run_id: str
    at: datetime
    findings: list[Finding]
    looks: Looks
    memory: Memory
    lists: tuple[ListTally, ...] = ()
    on_lists: frozenset[str] = frozenset()
    secured: frozenset[str] = frozenset()
    unread: int = 0
    remembered: Remembered | None = None


def judge_night(
    run_id: str,
    at: datetime,
    positions: Positions,
    coverage: Coverage | None,
    plan: Plan | None,
    holdings: Holdings | None,
    *,
    memory: Memory | None = None,
    retag: Collection[str] = frozenset(),
    scanned: Collection[str] | None = None,
    locations: Collection[str] | None = None,
    policy: Policy | None = None,
    security: Mapping[str, bool] | None = None,
    lists: Sequence[StaffList] = (),
    day: date | None = None,
    contents: Mapping[str, TagContents] | None = None,
    owners: Collection[str] | None = None,
) -> Night:
    """Judge one night with all that earlier nights taught.

    Parameters
    ----------
    run_id, at
        The run, and when it was (with a time zone).
    positions, coverage, plan, holdings, scanned, locations, policy
        As for `reports.exceptions.find_exceptions`.
    memory : Memory, optional
        That of the night before; None: this is the first. One that has this night, or a later one, is given back as it
        is, and the night is judged alone.
    retag : collection of str, optional
        Barcodes of copies that staff found on their shelf although silent: their tag is dead. While silent they are
        ``dead_tag`` and never missing.
    security : mapping of str to bool, optional
        Of EPCs whose security somebody read (`stacks.security`): whether it is on. None: nobody did, and nothing is
        said of it.
    lists : sequence of StaffList, optional
        What staff search for or want pulled.
    day : date, optional
        Tonight's date where the library is, by which rows of the lists end; None: that of `at`.
    contents : mapping of str to TagContents, optional
        What was read of tags beside their numbers, by EPC or UID in capitals.
    owners : collection of str, optional
        The library's own ISILs, as its tags name it; None: those that the tags of its records name.

    Returns
    -------
    Night
    """
    places = Places.of(plan)
    chosen = policy or Policy()
    # A night older than what is remembered cannot be told by what came after it, and teaches nothing.
    late = memory is not None and len(memory) > 0 and in_ns(at) <= int(memory.at.max())
    known = None if late or memory is None else memory.remembered
    catalogue = with_tags(Catalogue.of(holdings, places), positions, places, contents, owners, known)
    past = Past.of(None if late else memory, catalogue, places, at, chosen)
    judged = judge_in(
        positions,
        coverage,
        places,
        catalogue,
        scanned,
        locations,
        chosen,
        past=past,
        retag=retag,
        security=security,
        lists=lists,
        day=day or at.date(),
    )
    looks = look(judged, catalogue, places, chosen)
    learnt = (
        memory
        if late and memory is not None
        else learn(memory, judged.lesson, past, catalogue, places, in_ns(at), judged.policy)
    )
    weak = weak_findings(learnt, judged, catalogue, places, chosen)
    findings = number_findings(sort_walking([*judged.findings, *weak], places))
    return Night(
        run_id,
        at,
        findings,
        looks,
        learnt,
        lists=judged.lists,
        on_lists=judged.on_lists,
        secured=frozenset(epc.upper() for epc, on in (security or {}).items() if on),
        unread=len(catalogue.tags.unread),
        remembered=known,
    )


def look(judged: Judged, catalogue: Catalogue, places: Places, policy: Policy) -> Looks:
    """Say of every copy what the night saw of it."""
    n, s, v, silent = len(catalogue), judged.shelved, judged.verdict, judged.silent
    what = np.full(n, NOT_LOOKED, np.uint8)
    p_wrong, word, p_missing, p_heard = (np.full(n, np.nan) for _ in range(4))
    shelf = np.full(n, "", object)
    rows = np.flatnonzero(s.copy >= 0)
    copy, place = s.copy[rows], s.place[rows]
    chance = np.maximum(v.wrong_shelf[rows], v.wrong_order[rows])
    chance = np.where(judged.elsewhere[rows], 0.95, chance)
    told = (place >= 0) & (judged.behind[rows] < policy.doubt_from)
    sure = v.right[rows] | (s.home[rows] == place)
    wrong, right = chance >= policy.accuse_from, sure & (chance < policy.doubt_from)
    what[copy] = np.select([told & wrong, told & right], [WRONG, RIGHT], UNSURE)
    p_wrong[copy] = np.where(told, chance, np.nan)
    word[copy] = np.where(
        told, np.where(judged.elsewhere[rows], _BELONGS_ELSEWHERE, judged.lesson.told[rows]), np.nan
    )
    ids = np.array([*(p.id for p in places.rows), ""], object)
    shelf[copy] = ids[place]
    p_heard[judged.expected] = 1.0 - judged.past.unheard(judged.expected, np.zeros(len(judged.expected)))
    p_heard[silent.copy] = 1.0 - silent.unheard
    what[silent.copy[silent.looked]] = SILENT
    worked, nights_silent = judged.past.nights > 0.0, judged.past.silent + (what == SILENT)
    nights_silent[copy] = 0.0
    p_missing[silent.copy] = np.where(silent.looked, silent.missing, np.nan)
    return Looks(
        catalogue.barcode,
        catalogue.epc,
        what,
        p_wrong,
        word,
        p_missing,
        p_heard,
        shelf,
        worked,
        nights_silent,
    )
