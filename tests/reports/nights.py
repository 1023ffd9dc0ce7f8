"""Nights made by hand: what each book was seen to be, and which findings were listed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from reports.findings import Finding, finding_id
from reports.ledger import Ledger, update
from reports.memory import Memory
from reports.night import NOT_LOOKED, RIGHT, SILENT, UNSURE, WRONG, Looks, Night
from stacks.holdings import Holding, Holdings

FIRST = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
AS = {"right": RIGHT, "wrong": WRONG, "silent": SILENT, "unsure": UNSURE, "not_looked": NOT_LOOKED}


def told_of(chance: np.ndarray) -> np.ndarray:
    """A night's own word: its chance against one in five, which is neither for nor against a book under suspicion."""
    p = np.clip(chance, 1e-9, 1.0 - 1e-9)
    return np.log(p / (1.0 - p)) - np.log(0.2 / 0.8)


def epc_of(n: int) -> str:
    return f"{0xE2000000 + n:024X}"


def holding(n: int, status: str = "available", home: str = "A-01-1", **extra: str) -> Holding:
    return Holding(f"b{n}", epc_of(n), f"QA{n}", "lcc", f"Book {n}", home, status, extra)


def found(
    kind: str, n: int, shelf: str = "A-02-1", at: float | None = 1.0, p: float = 0.95, **more
) -> Finding:
    return Finding(
        kind, finding_id(kind, f"b{n}"), epc_of(n), f"b{n}", f"QA{n}", f"Book {n}", shelf, at,
        confidence=p, evidence=f"{kind} seen", **more,
    )  # fmt: skip


class Months:
    """A library of a few books and its ledger; each `night` says what was seen of them."""

    def __init__(self, books: int = 6) -> None:
        self.rows = [holding(n) for n in range(books)]
        self.ledger = Ledger(site="Test")
        self.day = 0
        self.heard: set[str] = set()
        self.silent = np.zeros(books)

    def set_status(self, n: int, status: str) -> None:
        self.rows = [replace(h, status=status) if h.barcode == f"b{n}" else h for h in self.rows]

    def retag(self, n: int, epc: str) -> None:
        self.rows = [replace(h, epc=epc) if h.barcode == f"b{n}" else h for h in self.rows]

    @property
    def now(self) -> datetime:
        return FIRST + timedelta(days=self.day)

    def night(
        self,
        *findings: Finding,
        run: str = "",
        scanned=("A-01-1", "A-02-1"),
        on_lists=(),
        secured=(),
        **looks,
    ) -> Ledger:
        """Books are right unless said otherwise: b3=("silent", 0.9), b2=("wrong", 0.95, "A-02-1")."""
        self.day += 1
        n = len(self.rows)
        columns = {"what": np.full(n, RIGHT, np.uint8), "p_wrong": np.full(n, 0.001), "shelf": ["A-01-1"] * n}
        missing, p_heard = np.full(n, np.nan), np.full(n, 0.99)
        told = {f.barcode: ("silent", f.confidence) if f.kind in ("missing", "dead_tag")
                else ("wrong", f.confidence, f.shelf_id) for f in findings
                if f.kind not in ("listed", "weak_tag", "security_off")}  # fmt: skip
        for row, h in enumerate(self.rows):
            look = looks.get(h.barcode, told.get(h.barcode))
            if h.status != "available" and look is None:
                look = ("not_looked",)
            if look is None:
                continue
            columns["what"][row] = AS[look[0]]
            if look[0] in ("silent", "not_looked"):
                columns["p_wrong"][row], columns["shelf"][row] = np.nan, ""
                missing[row] = look[1] if len(look) > 1 else np.nan
                continue
            columns["p_wrong"][row] = look[1] if len(look) > 1 else 0.001
            columns["shelf"][row] = look[2] if len(look) > 2 else "A-01-1"
        # Only a tag that was heard or seen on an earlier night is known to have worked.
        worked = np.array([h.epc in self.heard for h in self.rows], bool)
        self.heard.update(
            h.epc for h, w in zip(self.rows, columns["what"], strict=True) if w in (RIGHT, AS["wrong"])
        )
        quiet = columns["what"] == AS["silent"]
        self.silent = np.where(
            quiet, self.silent + 1, np.where(columns["what"] == AS["not_looked"], self.silent, 0)
        )
        # A stranger on every scanned shelf, so that it counts as scanned.
        barcodes = [h.barcode for h in self.rows] + [""] * len(scanned)
        epcs = [h.epc for h in self.rows] + [""] * len(scanned)
        k = len(scanned)
        at = Looks(
            np.array(barcodes, object), np.array(epcs, object),
            np.concatenate([columns["what"], np.full(k, RIGHT, np.uint8)]),
            np.concatenate([columns["p_wrong"], np.full(k, 0.0)]),
            np.concatenate([told_of(columns["p_wrong"]), np.zeros(k)]),
            np.concatenate([missing, np.full(k, np.nan)]), np.concatenate([p_heard, np.full(k, np.nan)]),
            np.array([*columns["shelf"], *scanned], object), np.concatenate([worked, np.zeros(k, bool)]),
            np.concatenate([self.silent, np.zeros(k)]),
        )  # fmt: skip
        on = frozenset((*on_lists, *(f.barcode for f in findings if f.lists)))
        night = Night(
            run or f"run{self.day}",
            self.now,
            list(findings),
            at,
            Memory.empty(),
            on_lists=on,
            secured=frozenset(secured),
        )
        self.ledger = update(self.ledger, night, Holdings.of(self.rows))
        return self.ledger

    def case(self, n: int):
        return next((c for c in self.ledger.cases.values() if c.finding.barcode == f"b{n}"), None)

    def did(self, n: int) -> list[str]:
        return [s.did for s in self.case(n).history]
