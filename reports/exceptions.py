"""Exceptions: what positions, coverage, plan and holdings together say is wrong on the shelves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from localization.positions import Coverage, Positions
from reports import evidence_text as say_why
from reports.base_rates import fit_shares
from reports.behind import heard_from_behind, misled
from reports.books import LOST, Catalogue, Shelved
from reports.deaf import doubt_silence
from reports.exceptions_csv import number_findings
from reports.findings import KINDS, Finding, finding_id
from reports.former import Lesson, with_former
from reports.gaps import Gap, Gaps
from reports.gone import split_gone, weigh_gone
from reports.memory import AWAY, DEAD
from reports.misplaced import Judgement, judge
from reports.missing import Silent, expected_copies, find_silent, silent_in_zones
from reports.moved_ranges import at_home, find_runs, range_findings
from reports.odd import is_odd, odd_findings, old_tags, on_the_move
from reports.places import Places
from reports.policy import Policy
from reports.settle import settle
from reports.silence import Past
from reports.tags import blank
from reports.text import T
from reports.zones import Heard, zone_finding
from stacks.holdings import Holdings
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ECHO = 0.9  # how likely one more reading from elsewhere is an echo, too
_SAID_FROM = 0.05  # a chance below this is not worth a sentence
_NOT_HERE = 0.2  # from this chance on that a tag stands on an unscanned shelf nearby, that is said


def find_exceptions(
    positions: Positions,
    coverage: Coverage | None,
    plan: Plan | None,
    holdings: Holdings | None,
    *,
    scanned: Collection[str] | None = None,
    locations: Collection[str] | None = None,
    policy: Policy | None = None,
    at: datetime | None = None,
) -> list[Finding]:
    """Find what staff may act on, in walking order.

    Parameters
    ----------
    positions, coverage
        What localization wrote. Without coverage nothing is called missing.
    plan, holdings
        What should be where. Without a plan only tags and statuses are looked at, without holdings only zones.
    scanned : collection of str, optional
        Faces the run set out to scan; None: every face of the plan. Other faces are neither searched for
        missing books nor listed as not scanned.
    locations : collection of str, optional
        Location codes whose books may stand on this plan. None: a code that is no place of the plan counts as
        another location where at least nine in ten of the books heard name a shelf as their home.
    policy : Policy, optional
        Thresholds and base rates.
    at : datetime, optional
        When the run was, with a time zone: what was returned shortly before may still wait on a trolley.

    Returns
    -------
    list of Finding
        At most one finding a book about where it stands (a status to resolve comes before a move); a duplicate
        tag and a bad call number are said in addition.
    """
    places = Places.of(plan)
    catalogue = Catalogue.of(holdings, places)
    chosen = policy or Policy()
    past = Past.of(None, catalogue, places, at, chosen)
    return judge_in(positions, coverage, places, catalogue, scanned, locations, chosen, past=past).findings


@dataclass(frozen=True)
class Judged:
    """All that one night's exceptions were made of.

    Attributes
    ----------
    findings : list of Finding
    shelved : Shelved
        Every tag heard, where it was settled; the arrays below have its rows.
    verdict : Judgement
    elsewhere : bool array
        Belongs to another location.
    behind : float64 array
        Chance that it stands at home, where nobody scanned.
    expected : int64 array
        Rows of the copies that were due on the shelves the run was to scan.
    silent : Silent
        Those of them that were not heard.
    lesson : Lesson
        What the memory is to learn.
    past : Past
        What was expected of every copy.
    policy : Policy
        With the base rates that the run's own books tell.
    """

    findings: list[Finding]
    shelved: Shelved
    verdict: Judgement
    elsewhere: Bools
    behind: Floats
    expected: Ints
    silent: Silent
    lesson: Lesson
    past: Past
    policy: Policy


def find_in(
    positions: Positions,
    coverage: Coverage | None,
    places: Places,
    catalogue: Catalogue,
    scanned: Collection[str] | None,
    locations: Collection[str] | None,
    chosen: Policy,
) -> list[Finding]:
    """Do the work of `find_exceptions` on a catalogue already joined with its plan."""
    return judge_in(positions, coverage, places, catalogue, scanned, locations, chosen).findings


def judge_in(
    positions: Positions,
    coverage: Coverage | None,
    places: Places,
    catalogue: Catalogue,
    scanned: Collection[str] | None,
    locations: Collection[str] | None,
    chosen: Policy,
    *,
    past: Past | None = None,
    retag: Collection[str] = frozenset(),
    security: Mapping[str, bool] | None = None,
) -> Judged:
    """Judge one night, and keep what its findings were made of."""
    given = chosen
    chosen = fit_shares(positions, coverage, places, catalogue, given, scanned=scanned)
    past = past or Past.of(None, catalogue, places, None, chosen)
    dead = _copies_of(retag, catalogue)
    past = past.with_dead(dead) if len(dead) else past
    positions, gone = split_gone(positions)
    shelved = Shelved.of(positions, catalogue, places)
    heard = Heard(coverage, places, scanned, chosen.scanned_from)
    # What was not scanned may be kept worse than what was.
    unseen = replace(chosen, misshelved_share=max(chosen.misshelved_share, given.misshelved_share))
    behind = heard_from_behind(shelved, catalogue, places, heard, unseen)
    runs = find_runs(shelved, catalogue, places, chosen, behind)
    range_lines = list(range_findings(runs, shelved, catalogue, places))
    shelved = at_home(shelved, runs)
    shelved, wrong_shelf, doubt, behind = settle(shelved, places, chosen, behind)
    likely_behind = behind >= chosen.doubt_from
    elsewhere = _elsewhere(shelved, catalogue, places, locations) & ~likely_behind
    # In a pile left and right say nothing of the order.
    unordered = elsewhere | likely_behind | is_odd(shelved, "lying", chosen.doubt_from)
    tonight = judge(shelved, catalogue, places, chosen, wrong_shelf, doubt, unordered)
    verdict = with_former(tonight, shelved, past, chosen)
    gaps = Gaps(shelved, catalogue, places, verdict.right)
    expected = expected_copies(catalogue, heard.asked)
    silent = find_silent(expected, shelved, catalogue, places, heard, gaps, chosen, likely_behind, past)
    silent = weigh_gone(silent, gone, catalogue)
    silent, doubted = doubt_silence(silent, expected, catalogue, places, chosen)

    zones = heard.zones() if len(places) else []
    findings = [
        zone_finding(places, z, n)
        for z, n in zip(zones, silent_in_zones(zones, silent, catalogue, places), strict=True)
    ]
    findings.extend(doubted)
    findings.extend(range_lines)
    if len(catalogue):
        findings.extend(_status_findings(shelved, catalogue, places, gaps, elsewhere, behind, chosen))
        findings.extend(_moves(shelved, catalogue, places, gaps, verdict, chosen, elsewhere, behind))
        findings.extend(_missing_findings(silent, catalogue, gaps, past, chosen))
        findings.extend(_dead_findings(silent, dead, catalogue, gaps))
        findings.extend(_tag_findings(shelved, catalogue, places, behind, chosen))
        findings.extend(_insecure(shelved, catalogue, places, security))
        findings.extend(_doubts(shelved, catalogue, places, verdict, chosen, elsewhere))
        findings.extend(odd_findings(shelved, catalogue, places, verdict, elsewhere, chosen))
        findings.extend(_bad_call_numbers(shelved, catalogue, places))
    findings = number_findings(sort_walking(findings, places))
    lesson = Lesson(shelved, tonight, silent, gaps)
    return Judged(findings, shelved, verdict, elsewhere, behind, expected, silent, lesson, past, chosen)


def sort_walking(findings: list[Finding], places: Places) -> list[Finding]:
    """Sort findings as staff walk; what has no place comes last."""
    index = places.index

    def key(f: Finding) -> tuple[int, float, int, str, str]:
        at = index.get(f.shelf_id, len(places))
        return at, np.inf if f.offset_m is None else f.offset_m, KINDS.index(f.kind), f.barcode, f.epc

    return sorted(findings, key=key)


def _elsewhere(s: Shelved, c: Catalogue, places: Places, locations: Collection[str] | None) -> Bools:
    """Say which placed tags belong to a copy of another location, floor or face."""
    n = len(s)
    out = np.zeros(n, bool)
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0))
    if not len(rows):
        return out
    homes = [c.rows[i].home_location for i in s.copy[rows].tolist()]
    number: dict[str, int] = {}
    code = np.fromiter((number.setdefault(h, len(number)) for h in homes), np.int64, len(homes))
    counts = np.bincount(code)
    named = sum(int(counts[i]) for h, i in number.items() if h in places.index)
    infer = named >= 0.9 * sum(int(counts[i]) for h, i in number.items() if h)
    told = None if locations is None else frozenset(locations)
    codes = set(places.location) - {""}
    here = {
        "face": np.array([p.face.id for p in places.rows], object),
        "floor": np.array([p.floor_id for p in places.rows], object),
        "location": np.array(places.location, object),
    }
    faces, floors = frozenset(here["face"]), frozenset(here["floor"])
    for home, i in number.items():
        if not home or home in places.index:
            continue
        mine = rows[code == i]
        at = s.place[mine]
        if home in faces:
            out[mine] = here["face"][at] != home
        elif home in floors:
            out[mine] = here["floor"][at] != home
        elif home in codes:
            out[mine] = (here["location"][at] != home) & (here["location"][at] != "")
        else:
            out[mine] = infer if told is None else home not in told
    return out


def _book(c: Catalogue, copy: int, kind: str, **more: object) -> Finding:
    h = c.rows[copy]
    basic = Finding(
        kind=kind, finding_id="", epc=h.epc, barcode=h.barcode, call_number=h.call_number, title=h.title
    )
    return replace(basic, **more)


def _where(s: Shelved, row: int, places: Places) -> dict[str, object]:
    place = int(s.place[row])
    if place < 0:
        return {}
    return {"shelf_id": places.rows[place].id, "offset_m": float(s.offset_m[row])}


def _belongs(gap: Gap) -> dict[str, object]:
    return {"belongs": gap.words, "belongs_shelf_id": gap.shelf_id, "belongs_m": gap.middle_m}


def _presence(s: Shelved, row: int) -> float:
    """Return how sure it is that the tag really is on the shelves here: few readings may be a stray echo."""
    readings = int(s.positions.readings[row])
    return 0.99 - 0.3 * 0.5**readings


def _status_findings(
    s: Shelved, c: Catalogue, places: Places, gaps: Gaps, elsewhere: Bools, behind: Floats, policy: Policy
) -> Iterator[Finding]:
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0) & ~elsewhere)
    rows = rows[~c.available[s.copy[rows]]]
    described = gaps.describe(s.home[rows], s.copy[rows])
    for row, gap in zip(rows.tolist(), described, strict=True):
        copy = int(s.copy[row])
        status = str(c.status[copy])
        kind = "found" if status in LOST else "on_shelf_loaned" if status == "loaned" else "on_shelf_status"
        readings, at_home = int(s.positions.readings[row]), float(behind[row])
        if at_home >= policy.doubt_from:
            # Where on its shelf nobody can say; a record that names no shelf leaves the place open.
            where: dict[str, object] = {"shelf_id": gap.shelf_id}
            evidence = T.status_behind(status, gap.shelf_id or c.rows[copy].home_location, readings)
            confidence = _presence(s, row) * at_home
        else:
            where, evidence = _where(s, row, places), T.status(status, readings)
            evidence += say_why.what_to_do(status)
            confidence = _presence(s, row) * (1.0 - at_home)
        more = {**where, **_belongs(gap), "confidence": confidence, "evidence": evidence}
        yield _book(c, copy, kind, **more)


def _moves(
    s: Shelved,
    c: Catalogue,
    places: Places,
    gaps: Gaps,
    v: Judgement,
    policy: Policy,
    elsewhere: Bools,
    behind: Floats,
) -> Iterator[Finding]:
    available = np.zeros(len(s), bool)
    known = s.copy >= 0
    available[known] = c.available[s.copy[known]]
    wrong_shelf = available & (v.wrong_shelf >= policy.accuse_from) & ~elsewhere
    wrong_order = available & (v.wrong_order >= policy.accuse_from) & ~wrong_shelf & ~elsewhere
    rows = np.flatnonzero(wrong_shelf | wrong_order | (elsewhere & available))
    # A book without a known home is put in order where it stands.
    target = np.where(elsewhere[rows], -1, np.where(s.home[rows] >= 0, s.home[rows], s.place[rows]))
    described = gaps.describe(target, s.copy[rows])
    not_here = misled(s, places, behind)
    nth = np.cumsum(known)  # neighbours among books: unknown tags between them do not part a block
    previous: tuple[int, int, tuple[int, int, int]] | None = None
    move, last_rank = "", -1
    for row, gap in zip(rows.tolist(), described, strict=True):
        copy = int(s.copy[row])
        block = (int(s.place[row]), int(nth[row]) - 1, gap.key)
        if previous != block or s.rank[row] < last_rank or gap.key[0] < 0:
            h = c.rows[copy]
            move = "m" + finding_id("move", h.barcode or h.epc)[1:9]
        previous, last_rank = (int(s.place[row]), int(nth[row]), gap.key), int(s.rank[row])
        readings = int(s.positions.readings[row])
        if elsewhere[row]:
            home = c.rows[copy].home_location
            evidence = T.wrong_location(home, places.rows[int(s.place[row])].id)
            p = 0.95 * _presence(s, row) * (1.0 - float(behind[row]))
            more = {"belongs": home, "confidence": p, "evidence": evidence}
            yield _book(c, copy, "wrong_location", **_where(s, row, places), **more, move_id=move)
            continue
        if wrong_shelf[row]:
            kind, p = "wrong_shelf", float(v.wrong_shelf[row]) * _presence(s, row)
            evidence = T.wrong_shelf(places.rows[int(s.home[row])].id, readings, p)
            evidence += T.perhaps_behind() if not_here[row] >= _NOT_HERE else ""
        else:
            kind, p = "wrong_order", float(v.wrong_order[row])
            sigma = float(s.positions.sigma_local_m[row])
            evidence = T.wrong_order(
                float(v.wrong_by_m[row]), int(v.passed[row]), 0.0 if np.isnan(sigma) else sigma
            )
        more = {
            **_where(s, row, places),
            **_belongs(gap),
            "move_id": move,
            "confidence": p,
            "evidence": evidence,
        }
        yield _book(c, copy, kind, **more)


def _missing_findings(
    silent: Silent, c: Catalogue, gaps: Gaps, past: Past, policy: Policy
) -> Iterator[Finding]:
    rows = np.flatnonzero(silent.missing >= policy.missing_from)
    described = gaps.describe(c.home[silent.copy[rows]], silent.copy[rows])
    for row, gap in zip(rows.tolist(), described, strict=True):
        near = float(silent.near_readings[row])
        left, right = gaps.call_numbers(gap)
        evidence = T.missing(
            float(silent.p_heard[row]), None if np.isnan(near) else near, T.missing_place(left, right)
        )
        evidence += T.heard_earlier() if silent.earlier[row] else ""
        evidence += _of_nights(silent, past, row)
        offset = float(silent.offset_m[row])
        yield _book(
            c,
            int(silent.copy[row]),
            "missing",
            **_belongs(gap),
            shelf_id=gap.shelf_id,
            offset_m=None if np.isnan(offset) else offset,
            confidence=float(silent.missing[row]),
            evidence=evidence,
        )


def _of_nights(silent: Silent, past: Past, row: int) -> str:
    """Say what former nights know of a silent copy."""
    copy = int(silent.copy[row])
    if past.row[copy] < 0:
        return ""
    said = say_why.nights_silent(round(float(past.silent[copy])) + 1)
    heard, dead, away = past.nights[copy], float(silent.states[row, DEAD]), float(silent.states[row, AWAY])
    said += (
        say_why.heard_before(round(float(heard)), float(silent.unheard[row]))
        if heard
        else say_why.never_heard(dead)
    )
    return said + (say_why.perhaps_in_use(away) if away >= _SAID_FROM else "")


def _dead_findings(silent: Silent, dead: Ints, c: Catalogue, gaps: Gaps) -> Iterator[Finding]:
    rows = np.flatnonzero(np.isin(silent.copy, dead))
    described = gaps.describe(c.home[silent.copy[rows]], silent.copy[rows])
    for row, gap in zip(rows.tolist(), described, strict=True):
        offset = float(silent.offset_m[row])
        where = {"shelf_id": gap.shelf_id, "offset_m": None if np.isnan(offset) else offset}
        more = {**_belongs(gap), **where, "confidence": 0.95, "evidence": say_why.dead_tag()}
        yield _book(c, int(silent.copy[row]), "dead_tag", **more)


def _copies_of(barcodes: Collection[str], c: Catalogue) -> Ints:
    wanted = frozenset(barcodes)
    if not wanted:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.fromiter((b in wanted for b in c.barcode.tolist()), bool, len(c)))


def _tag_findings(
    s: Shelved, c: Catalogue, places: Places, behind: Floats, policy: Policy
) -> Iterator[Finding]:
    epcs = s.positions.epc
    moves, old = on_the_move(s, policy), old_tags(s, policy)
    not_here = misled(s, places, behind)
    for row in np.flatnonzero(s.copy < 0).tolist():
        epc = str(epcs[row])
        # What rides on the robot or a trolley is nothing to look for on a shelf.
        if epc.upper() in places.label_tags or moves[row]:
            continue
        readings, why = int(s.positions.readings[row]), blank(epc.upper())
        kind = "blank_tag" if why else "unknown_tag"
        evidence = say_why.blank_tag(why, readings) if why else T.unknown_tag(readings)
        evidence += T.perhaps_old() if old[row] else ""
        evidence += T.perhaps_behind() if not_here[row] >= _NOT_HERE else ""
        confidence = _presence(s, row) * (1.0 - float(not_here[row]))
        yield replace(
            Finding(kind, "", epc=epc, confidence=confidence, evidence=evidence),
            **_where(s, row, places),
        )
    known = np.flatnonzero(s.copy >= 0)
    for barcode, rows in _heard_twice(c, s, known).items():
        for row in rows if barcode else ():
            more = {"confidence": 0.99, "evidence": _twice(s, rows), **_where(s, row, places)}
            yield _book(c, int(s.copy[row]), "duplicate_tag", **more)
    if not c.shared_epc:
        return
    shared = np.fromiter((e in c.shared_epc for e in c.epc.tolist()), bool, len(c))
    sharing: dict[str, list[str]] = {}
    for i in np.flatnonzero(shared).tolist():
        sharing.setdefault(c.epc[i], []).append(c.barcode[i])
    for row in known[shared[s.copy[known]]].tolist():
        barcodes = sharing[c.epc[int(s.copy[row])]]
        evidence = T.duplicate_epc(len(barcodes), ", ".join(barcodes[:5]))
        more = {"confidence": 0.99, "evidence": evidence, **_where(s, row, places)}
        yield _book(c, int(s.copy[row]), "duplicate_tag", **more)


def _insecure(
    s: Shelved, c: Catalogue, places: Places, security: Mapping[str, bool] | None
) -> Iterator[Finding]:
    """List the books on the shelves whose security bit is known to be off; nothing where nobody read the bits."""
    off = frozenset(epc.upper() for epc, on in (security or {}).items() if not on)
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0)) if off else ()
    for row in rows:
        copy = int(s.copy[row])
        if c.epc[copy] in off and c.available[copy]:
            more = {"confidence": _presence(s, int(row)), "evidence": say_why.security_off()}
            yield _book(c, copy, "security_off", **more, **_where(s, int(row), places))


def _twice(s: Shelved, rows: list[int]) -> str:
    """Say what is heard twice: one barcode with several tags, or one tag number at several places."""
    p = s.positions
    if len(set(p.epc[rows].tolist())) > 1:
        return T.duplicate_barcode(len(rows))
    apart = np.hypot(p.x_m[rows] - p.x_m[rows[0]], p.y_m[rows] - p.y_m[rows[0]])
    return say_why.two_places(float(np.nanmax(apart)))


def _heard_twice(c: Catalogue, s: Shelved, known: Ints) -> dict[str, list[int]]:
    """Return the rows of every barcode that several heard tags have."""
    once, times = set[str](), dict[str, list[int]]()
    named = c.barcode[s.copy[known]].tolist() if len(known) else []
    if len(set(named)) == len(named):
        return {}
    for barcode in named:
        if barcode in once:
            times[barcode] = []
        once.add(barcode)
    for row, barcode in zip(known.tolist(), named, strict=True):
        if barcode in times:
            times[barcode].append(row)
    return times


def _doubts(
    s: Shelved, c: Catalogue, places: Places, v: Judgement, policy: Policy, elsewhere: Bools
) -> Iterator[Finding]:
    known = s.copy >= 0
    available = np.zeros(len(s), bool)
    available[known] = c.available[s.copy[known]]
    available &= ~elsewhere
    moves = on_the_move(s, policy)
    if len(places):
        for row in np.flatnonzero(available & (s.place < 0)).tolist():
            readings = int(s.positions.readings[row])
            evidence = T.moves(readings) if moves[row] else T.unplaced(readings)
            # A few readings from several places are as often echoes.
            p = 0.9 * (1.0 - _ECHO**readings) if moves[row] else 0.9
            yield _book(c, int(s.copy[row]), "low_confidence", confidence=p, evidence=evidence)
    for row in np.flatnonzero(available & (s.place >= 0)).tolist() if len(places) else ():
        shelf, order = float(v.wrong_shelf[row]), float(v.wrong_order[row])
        if policy.doubt_from <= shelf < policy.accuse_from:
            evidence = T.doubtful_shelf(places.rows[int(s.home[row])].id, shelf)
        elif policy.doubt_from <= order < policy.accuse_from and shelf < policy.accuse_from:
            evidence = T.doubtful_order(order)
        else:
            continue
        more = {"confidence": max(shelf, order), "evidence": evidence, **_where(s, row, places)}
        yield _book(c, int(s.copy[row]), "low_confidence", **more)


def _bad_call_numbers(s: Shelved, c: Catalogue, places: Places) -> Iterator[Finding]:
    bad = np.flatnonzero(c.unsortable)
    if not len(bad):
        return
    at = np.full(len(c), -1, np.int64)
    heard = np.flatnonzero(s.copy >= 0)
    at[s.copy[heard]] = heard
    for copy in bad.tolist():
        h = c.rows[copy]
        row = None if at[copy] < 0 else int(at[copy])
        if row is None and not c.available[copy]:
            continue
        where = {} if row is None else _where(s, row, places)
        evidence = T.bad_call_number(h.call_number, h.scheme)
        yield _book(c, copy, "bad_call_number", confidence=0.99, evidence=evidence, **where)
