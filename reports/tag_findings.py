"""Findings about tags: unknown, blank, doubled, or without their security."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reports import evidence_text as say_why
from reports.behind import misled
from reports.book_findings import NOT_HERE, book_finding, presence, standing
from reports.books import Catalogue, Shelved
from reports.findings import Finding
from reports.odd import old_tags, on_the_move
from reports.places import Places
from reports.policy import Policy
from reports.text import T, several
from stacks.tag_data.blank import blank
from stacks.tag_data.contents import BLANK
from stacks.tag_data.universities import same_tag

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def tag_findings(
    s: Shelved, c: Catalogue, places: Places, behind: Floats, policy: Policy
) -> Iterator[Finding]:
    """List tags that no record knows, blank ones, and barcodes or tags that are there twice."""
    epcs = s.positions.epc
    moves, old = on_the_move(s, policy), old_tags(s, policy)
    not_here = misled(s, places, behind)
    for row in np.flatnonzero(s.copy < 0).tolist():
        epc = str(epcs[row])
        number, tags = epc.upper(), c.tags
        # What rides on the robot or a trolley is nothing to look for on a shelf; nor is a known item's other part, nor
        # what is most likely one of our books, whose memory nobody read tonight.
        if number in places.label_tags or moves[row] or number in tags.further or number in tags.unread:
            continue
        readings, said = int(s.positions.readings[row]), tags.said.get(number)
        why = "memory" if said is not None and said.problem == BLANK else blank(number)
        kind = "blank_tag" if why else "unknown_tag"
        evidence = say_why.blank_tag(why, readings) if why else T.unknown_tag(readings)
        if not why and said is not None:
            second = tags.second.get(number)
            barcode = "" if second is None else str(c.barcode[second])
            evidence += say_why.tag_says(said, tags.foreign.get(number, ""), barcode)
        evidence += T.perhaps_old() if old[row] else ""
        evidence += T.perhaps_behind() if not_here[row] >= NOT_HERE else ""
        confidence = presence(s, row) * (1.0 - float(not_here[row]))
        yield replace(
            Finding(kind, "", epc=epc, confidence=confidence, evidence=evidence),
            **standing(s, row, places),
        )
    yield from _renumbered(s, c, places)
    known = np.flatnonzero(s.copy >= 0)
    for barcode, rows in _heard_twice(c, s, known).items():
        for row in rows if barcode else ():
            more = {"confidence": 0.99, "evidence": _twice(s, rows), **standing(s, row, places)}
            yield book_finding(c, int(s.copy[row]), "duplicate_tag", **more)
    if not c.shared_epc:
        return
    shared = np.fromiter((e in c.shared_epc for e in c.epc.tolist()), bool, len(c))
    sharing: dict[str, list[str]] = {}
    for i in np.flatnonzero(shared).tolist():
        sharing.setdefault(c.epc[i], []).append(c.barcode[i])
    for row in known[shared[s.copy[known]]].tolist():
        barcodes = sharing[c.epc[int(s.copy[row])]]
        evidence = T.duplicate_epc(len(barcodes), several(barcodes[:5]))
        more = {"confidence": 0.99, "evidence": evidence, **standing(s, row, places)}
        yield book_finding(c, int(s.copy[row]), "duplicate_tag", **more)


def _renumbered(s: Shelved, c: Catalogue, places: Places) -> Iterator[Finding]:
    """List the tags that are known by the barcode they carry, and have another number than its record."""
    tags = c.tags.copy_of
    if not len(tags):
        return
    numbered = np.flatnonzero(c.epc[tags.row] != "")
    renumbered = {
        epc
        for epc, number in zip(tags.epcs(numbered), c.epc[tags.row[numbered]].tolist(), strict=True)
        if epc not in c.tags.stand_ins and not same_tag(epc, number)
    }
    for row in np.flatnonzero(s.copy >= 0).tolist() if renumbered else ():
        epc, copy = str(s.positions.epc[row]), int(s.copy[row])
        if epc.upper() in renumbered:
            evidence = say_why.renumbered(str(c.barcode[copy]), str(c.epc[copy]))
            more = {"epc": epc, "confidence": presence(s, row), "evidence": evidence}
            yield book_finding(c, copy, "unknown_tag", **more, **standing(s, row, places))


def insecure_findings(
    s: Shelved, c: Catalogue, places: Places, security: Mapping[str, bool] | None
) -> Iterator[Finding]:
    """List the books on the shelves whose security bit is known to be off; nothing where nobody read the bits."""
    off = frozenset(epc.upper() for epc, on in (security or {}).items() if not on)
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0)) if off else ()
    for row in rows:
        copy, epc = int(s.copy[row]), str(s.positions.epc[row]).upper()
        if (epc in off or c.epc[copy] in off) and c.available[copy]:
            more = {
                "epc": c.epc[copy] or epc,
                "confidence": presence(s, int(row)),
                "evidence": say_why.security_off(),
            }
            yield book_finding(c, copy, "security_off", **more, **standing(s, int(row), places))


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
