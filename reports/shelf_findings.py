"""What is said of copies heard on the shelves: a wrong status, a move, a doubt, a call number nobody can sort."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from reports import evidence_text as say_why
from reports.behind import misled
from reports.book_findings import NOT_HERE, belonging, book_finding, presence, standing
from reports.books import LOST, Catalogue, Shelved
from reports.findings import Finding, finding_id
from reports.gaps import Gaps
from reports.misplaced import Judgement
from reports.odd import on_the_move
from reports.places import Places
from reports.policy import Policy
from reports.text import T

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_ECHO = 0.9  # how likely one more reading from elsewhere is an echo, too


def status_findings(
    s: Shelved, c: Catalogue, places: Places, gaps: Gaps, elsewhere: Bools, behind: Floats, policy: Policy
) -> Iterator[Finding]:
    """Yield the copies on the shelves that their records say are lent, lost or elsewhere."""
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
            confidence = presence(s, row) * at_home
        else:
            where, evidence = standing(s, row, places), T.status(status, readings)
            evidence += say_why.what_to_do(status)
            confidence = presence(s, row) * (1.0 - at_home)
        more = {**where, **belonging(gap), "confidence": confidence, "evidence": evidence}
        yield book_finding(c, copy, kind, **more)


def move_findings(
    s: Shelved,
    c: Catalogue,
    places: Places,
    gaps: Gaps,
    v: Judgement,
    policy: Policy,
    elsewhere: Bools,
    behind: Floats,
) -> Iterator[Finding]:
    """Yield the copies to be carried; those that move as one block share their `move_id`."""
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
            p = 0.95 * presence(s, row) * (1.0 - float(behind[row]))
            more = {"belongs": home, "confidence": p, "evidence": evidence}
            yield book_finding(c, copy, "wrong_location", **standing(s, row, places), **more, move_id=move)
            continue
        if wrong_shelf[row]:
            kind, p = "wrong_shelf", float(v.wrong_shelf[row]) * presence(s, row)
            evidence = T.wrong_shelf(places.rows[int(s.home[row])].id, readings, p)
            evidence += T.perhaps_behind() if not_here[row] >= NOT_HERE else ""
        else:
            kind, p = "wrong_order", float(v.wrong_order[row])
            sigma = float(s.positions.sigma_local_m[row])
            evidence = T.wrong_order(
                float(v.wrong_by_m[row]), int(v.passed[row]), 0.0 if np.isnan(sigma) else sigma
            )
        more = {
            **standing(s, row, places),
            **belonging(gap),
            "move_id": move,
            "confidence": p,
            "evidence": evidence,
        }
        yield book_finding(c, copy, kind, **more)


def doubt_findings(
    s: Shelved, c: Catalogue, places: Places, v: Judgement, policy: Policy, elsewhere: Bools
) -> Iterator[Finding]:
    """Yield the copies that were heard and could not be placed, and those that perhaps stand wrong."""
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
            yield book_finding(c, int(s.copy[row]), "low_confidence", confidence=p, evidence=evidence)
    for row in np.flatnonzero(available & (s.place >= 0)).tolist() if len(places) else ():
        shelf, order = float(v.wrong_shelf[row]), float(v.wrong_order[row])
        if policy.doubt_from <= shelf < policy.accuse_from:
            evidence = T.doubtful_shelf(places.rows[int(s.home[row])].id, shelf)
        elif policy.doubt_from <= order < policy.accuse_from and shelf < policy.accuse_from:
            evidence = T.doubtful_order(order)
        else:
            continue
        more = {"confidence": max(shelf, order), "evidence": evidence, **standing(s, row, places)}
        yield book_finding(c, int(s.copy[row]), "low_confidence", **more)


def bad_call_number_findings(s: Shelved, c: Catalogue, places: Places) -> Iterator[Finding]:
    """Yield the copies whose call number cannot be sorted, heard or due."""
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
        where = {} if row is None else standing(s, row, places)
        evidence = T.bad_call_number(h.call_number, h.scheme)
        yield book_finding(c, copy, "bad_call_number", confidence=0.99, evidence=evidence, **where)
