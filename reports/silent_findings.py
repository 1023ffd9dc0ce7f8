"""Findings about copies that were silent where they would have been heard: gone, or there with a dead tag."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from reports import evidence_text as say_why
from reports.book_findings import belonging, book_finding
from reports.books import Catalogue
from reports.findings import Finding
from reports.gaps import Gaps
from reports.memory import AWAY, DEAD
from reports.missing import Silent
from reports.policy import Policy
from reports.silence import Past
from reports.text import T

Ints = npt.NDArray[np.int64]

_SAID_FROM = 0.05  # a chance below this is not worth a sentence


def missing_findings(
    silent: Silent, c: Catalogue, gaps: Gaps, past: Past, policy: Policy
) -> Iterator[Finding]:
    """List the silent copies that are most likely gone."""
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
        yield book_finding(
            c,
            int(silent.copy[row]),
            "missing",
            **belonging(gap),
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


def dead_findings(silent: Silent, dead: Ints, c: Catalogue, gaps: Gaps) -> Iterator[Finding]:
    """List the silent copies that staff found on their shelf: rows of the catalogue in `dead`."""
    rows = np.flatnonzero(np.isin(silent.copy, dead))
    described = gaps.describe(c.home[silent.copy[rows]], silent.copy[rows])
    for row, gap in zip(rows.tolist(), described, strict=True):
        offset = float(silent.offset_m[row])
        where = {"shelf_id": gap.shelf_id, "offset_m": None if np.isnan(offset) else offset}
        more = {**belonging(gap), **where, "confidence": 0.95, "evidence": say_why.dead_tag()}
        yield book_finding(c, int(silent.copy[row]), "dead_tag", **more)
