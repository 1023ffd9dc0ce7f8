"""On which night of a month gone books were told as missing, and how rightly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from benchmarks.month_figures import Truth, share
from reports.case import Case
from reports.ledger import confirmed, due


class GoneBooks:
    """The books that were gone, those that somebody was to look for, and those that were confirmed or looked for."""

    def __init__(self) -> None:
        self._gone_since: dict[str, tuple[int, bool]] = {}
        self._due: dict[str, tuple[int, str]] = {}
        self._confirmed: dict[str, tuple[int, str]] = {}
        self._looked: dict[str, tuple[int, bool]] = {}
        self._heard: set[str] = set()

    def evening(self, n: int, truth: Truth) -> None:
        """Note since which night books are gone, and whether they were ever heard."""
        for barcode in truth.of["missing"]:
            self._gone_since.setdefault(barcode, (n, barcode in self._heard))

    def hear(self, barcodes: Iterable[str]) -> None:
        """Note who was heard."""
        self._heard.update(barcodes)

    def look(self, n: int, barcode: str, *, gone: bool) -> None:
        """Note that somebody looked for a book and did not find it."""
        self._looked.setdefault(barcode, (n, gone))

    def night(self, n: int, cases: Iterable[Case], truth: Truth) -> None:
        """Note for which missing books somebody is to look since tonight, and which are confirmed."""
        for case in cases:
            barcode = case.finding.barcode
            if case.finding.kind != "missing":
                continue
            why = "" if barcode in truth.of["missing"] else truth.why_wrong(case.finding)
            if due(case):
                self._due.setdefault(barcode, (n, why))
            if confirmed(case):
                self._confirmed.setdefault(barcode, (n, why))

    def figures(self, nights: int) -> dict[str, Any]:
        """Return on which night gone books were told, counted from the first that could see it; and how rightly."""
        last = nights - 1
        waited: dict[str, list[int]] = {"heard": [], "never heard": []}
        never = Counter[str]()
        for barcode, (since, heard) in self._gone_since.items():
            if last - since < 2:
                continue
            group = "heard" if heard else "never heard"
            when = [told[barcode][0] for told in (self._due, self._looked) if barcode in told]
            if when:
                waited[group].append(max(min(when) - since, 0) + 1)
            else:
                never[group] += 1
        figures: dict[str, Any] = {}
        for group, those in waited.items():
            gone = len(those) + never[group]
            figures[group] = {
                "gone": gone, "told_by_night": {str(k): v for k, v in sorted(Counter(those).items())},
                "never": never[group], "by_third": share(sum(w <= 3 for w in those), gone),
            }  # fmt: skip
        # Confirmed by the radio, and by somebody who looked and found nothing.
        wrong = Counter(why for _, why in self._confirmed.values() if why)
        looked = {b: right for b, (_, right) in self._looked.items() if b not in self._confirmed}
        by_all = len(self._confirmed) + len(looked)
        right = len(self._confirmed) - sum(wrong.values()) + sum(looked.values())
        told = Counter(why for _, why in self._due.values() if why)
        return figures | {
            "told": len(self._due), "told_wrong": dict(told),
            "told_right": share(len(self._due) - sum(told.values()), len(self._due)),
            "confirmed": len(self._confirmed), "confirmed_wrong": dict(wrong),
            "looked": len(looked), "looked_right": sum(looked.values()), "precision": share(right, by_all),
        }  # fmt: skip
