"""What one night has to say about each case: its look, its shelf, and its copy's status now."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reports.books import EXPECTED
from reports.case import Case
from reports.findings import MOVES, Finding
from reports.ledger_belief import MOST_LLR
from reports.night import NOT_LOOKED, RIGHT, Night
from stacks.holdings import Holdings

_DUE = frozenset((*MOVES, "missing", "low_confidence", "dead_tag", "lying"))
_HELD = frozenset(("found", "on_shelf_loaned", "on_shelf_status"))
_AWAY = frozenset(("loaned", "on_hold", "in_transit", "in_process", "withdrawn", ""))


@dataclass(frozen=True, slots=True)
class Look:
    """What a night saw of one copy: a row of `reports.night.Looks`."""

    what: int
    p_wrong: float
    p_missing: float
    shelf_id: str
    told: float = math.nan
    tag_worked: bool = False
    nights_silent: int = 0

    @property
    def right(self) -> bool:
        """Whether it was seen where it belongs."""
        return self.what == RIGHT

    @property
    def llr(self) -> float:
        """What this night alone says, wrong against right, within `MOST_LLR`; 0 where it says nothing."""
        return 0.0 if math.isnan(self.told) else min(max(self.told, -MOST_LLR), MOST_LLR)


NOTHING = Look(NOT_LOOKED, math.nan, math.nan, "")
"""The look of what is no copy of the catalogue."""


class Seen:
    """A night, ready to be asked about single books."""

    def __init__(self, night: Night, holdings: Holdings | None, about: Iterable[Case]) -> None:
        looks = night.looks
        wanted = {c.finding.barcode for c in about} | {f.barcode for f in night.findings}
        wanted.discard("")
        self.rows: dict[tuple[str, str], int] = {}
        self._epcs: dict[str, list[str]] = {}
        for row, barcode in enumerate(looks.barcode.tolist()):
            if barcode in wanted:
                epc = str(looks.epc[row]).upper()
                self.rows.setdefault((barcode, epc), row)
                self._epcs.setdefault(barcode, []).append(epc)
        self.scanned = frozenset(s for s in set(looks.shelf_id.tolist()) if s)
        self.scanned |= frozenset(f.shelf_id for f in night.findings if f.epc and f.shelf_id)
        self.on_lists, self.secured = night.on_lists, night.secured
        self._looks = looks
        self._status: dict[str, str] | None = None
        if holdings is not None:
            self._status = {h.barcode: h.status for h in holdings if h.barcode in wanted}

    def look(self, finding: Finding) -> Look:
        """Return the look at a finding's copy; `NOTHING` if it is none of the catalogue."""
        row = self.rows.get((finding.barcode, finding.epc.upper()))
        if row is None:
            return NOTHING
        at = self._looks
        return Look(
            int(at.what[row]),
            float(at.p_wrong[row]),
            float(at.p_missing[row]),
            str(at.shelf_id[row]),
            float(at.told[row]),
            bool(at.tag_worked[row]),
            round(float(at.nights_silent[row])),
        )

    def new_epc(self, finding: Finding) -> str:
        """Return the tag that the copy's record names in place of the finding's; empty if it is the same."""
        if not finding.barcode or (finding.barcode, finding.epc.upper()) in self.rows:
            return ""
        epcs = self._epcs.get(finding.barcode, [])
        return epcs[0] if len(epcs) == 1 else ""

    def status(self, finding: Finding) -> str | None:
        """Return the copy's status now, '' if the catalogue has no such copy; None if that is not known."""
        if self._status is None or not finding.barcode:
            return None
        return self._status.get(finding.barcode, "")

    def settled(self, finding: Finding) -> str | None:
        """Return the status now if it makes the finding void (lent or cleared since); None if it stands."""
        status = self.status(finding)
        if status is None:
            return None
        if finding.kind in _DUE and (status not in EXPECTED):
            return status
        if finding.kind in _HELD and (status in EXPECTED or not status):
            return status
        if finding.kind == "listed" and status in _AWAY:
            return status  # of one that is lost or missing the search goes on
        if finding.kind == "weak_tag" and not status:
            return status
        return None
