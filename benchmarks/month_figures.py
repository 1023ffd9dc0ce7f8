"""What of a night's findings was true, and how honest stated chances are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.plot import Panel, draw
from reports.findings import Finding
from sim.library_life import GONE, SHELF, TABLE, TROLLEY, LibraryLife

KINDS: Final = (
    "wrong_shelf",
    "wrong_order",
    "missing",
    "on_shelf_loaned",
    "found",
    "dead_tag",
    "unknown_tag",
)
BINS: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0001)


@dataclass(frozen=True)
class Truth:
    """What is really so on one night, by barcode (of strangers by EPC).

    Attributes
    ----------
    of : mapping of str to set of str
        Each kind's own.
    order : set of str
        Copies on their own shelf that some fewest moves would move: moving them is right, too.
    misplaced : set of str
        On another shelf, or out of order.
    absent : mapping of str to str
        Copies that the system expects and that are not on their shelf, and why.
    present_why : mapping of str to str
        Of copies on their shelf, what makes them silent: a dead tag.
    deaf : set of str
        Copies whose tag is dead.
    """

    of: Mapping[str, set[str]]
    order: set[str]
    misplaced: set[str]
    absent: Mapping[str, str]
    deaf: set[str]

    def right(self, finding: Finding) -> bool:
        """Say whether a finding is true."""
        name = finding.barcode or finding.epc
        if finding.kind == "wrong_order":
            return name in self.order
        if finding.kind == "low_confidence":
            return name in self.misplaced
        if finding.kind == "duplicate_tag" or finding.kind not in self.of:
            return False
        return name in self.of[finding.kind]

    def why_wrong(self, finding: Finding) -> str:
        """Say in a word or two what is really so with the book of a wrong finding."""
        name = finding.barcode or finding.epc
        if finding.kind == "missing":
            if name in self.deaf:
                return "dead tag"
            return self.absent.get(name, "on its shelf")
        for kind, names in self.of.items():
            if name in names:
                return kind
        return self.absent.get(name, "stands right")


def truth_of(life: LibraryLife) -> Truth:
    """Return what is so now."""
    shelf = life.shelf_of()
    code = life.barcodes
    wrong_shelf, wrong_order = life.wrong_shelf(), life.wrong_order()
    of: dict[str, set[str]] = {kind: set() for kind in KINDS}
    absent: dict[str, str] = {}
    words = {GONE: "gone", TABLE: "in use", TROLLEY: "on the trolley"}
    for c in range(life.books):
        expected, here = life.status[c] == "available", shelf[c] >= 0
        if here and life.status[c] == "loaned":
            of["on_shelf_loaned"].add(code[c])
        elif here and life.status[c] == "missing":
            of["found"].add(code[c])
        elif here and c in wrong_shelf:
            of["wrong_shelf"].add(code[c])
        elif here and c in wrong_order:
            of["wrong_order"].add(code[c])
        if here and life.dead[c]:
            of["dead_tag"].add(code[c])
        if expected and life.where[c] == GONE:
            of["missing"].add(code[c])
        if expected and life.where[c] != SHELF:
            absent[code[c]] = words.get(int(life.where[c]), "lent")
        elif expected and c in wrong_shelf:
            absent[code[c]] = "on another shelf"
    of["unknown_tag"] = {life.epcs[c] for c in range(life.books, len(life.epcs)) if shelf[c] >= 0}
    return Truth(
        of=of,
        order={code[c] for c in life.may_be_moved()},
        misplaced={code[c] for c in wrong_shelf | wrong_order},
        absent=absent,
        deaf={code[c] for c in np.flatnonzero(life.dead[: life.books]).tolist()},
    )


def score(findings: Sequence[Finding], truth: Truth) -> dict[str, dict[str, Any]]:
    """Return for each kind how many findings there are, how many true, and how much of what is so was found.

    A copy whose tag is dead is asked for under ``dead_tag`` alone; a book out of order counts as found also where the
    one it was exchanged with is named.
    """
    figures: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        said = [f for f in findings if f.kind == kind]
        right = [f for f in said if truth.right(f)]
        named = {f.barcode or f.epc for f in said}
        due = truth.of[kind] if kind == "dead_tag" else truth.of[kind] - truth.deaf
        wrong = Counter(truth.why_wrong(f) for f in said if not truth.right(f))
        figures[kind] = {
            "said": len(said), "right": len(right), "due": len(due), "found": len(due & named),
            "wrong": dict(wrong),
        }  # fmt: skip
        if kind == "missing":
            figures[kind]["absent"] = sum(f.barcode in truth.absent for f in said)
    return figures


def share(part: float, whole: float) -> float:
    """Return part of whole, NaN of nothing."""
    return part / whole if whole else float("nan")


class Stated:
    """Chances that were stated, and whether it was so."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[float, bool]]] = {}

    def add(self, name: str, chance: float, so: bool) -> None:
        """Add one."""
        self._of.setdefault(name, []).append((chance, so))

    def many(self, name: str, chances: Collection[float], so: Collection[bool]) -> None:
        """Add many."""
        self._of.setdefault(name, []).extend(zip(chances, so, strict=True))

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return Brier scores, beside that of always saying how often it is so, and the reliability by bins."""
        out: dict[str, dict[str, Any]] = {}
        for name, rows in self._of.items():
            p, so = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
            inside = np.digitize(p, BINS) - 1
            bins = [
                {
                    "stated": float(p[inside == b].mean()), "so": float(so[inside == b].mean()),
                    "n": int(np.sum(inside == b)),
                }
                for b in range(len(BINS) - 1) if np.any(inside == b)
            ]  # fmt: skip
            out[name] = {
                "n": len(rows), "brier": float(np.mean((p - so) ** 2)),
                "brier_constant": float(so.mean() * (1 - so.mean())),
                "off": float(sum(b["n"] * abs(b["stated"] - b["so"]) for b in bins) / max(len(rows), 1)),
                "stated": float(p.mean()), "so": float(so.mean()), "bins": bins,
            }  # fmt: skip
        return out


def draw_reliability(path: Path, figures: Mapping[str, Mapping[str, Any]]) -> Path:
    """Draw how often it was so against what was stated, a panel a kind of statement."""
    x = [1, 2, 3, 5, 10, 20, 30, 50, 70, 80, 90, 95, 98, 100]
    rows: list[list[Panel]] = [[]]
    for name, figure in figures.items():
        so = [float("nan")] * len(x)
        weight = [0] * len(x)
        for b in figure["bins"]:
            near = min(range(len(x)), key=lambda n, at=100 * b["stated"]: abs(x[n] - at))
            before = 0.0 if weight[near] == 0 else so[near] * weight[near]
            so[near] = (before + b["so"] * b["n"]) / (weight[near] + b["n"])
            weight[near] += b["n"]
        panel = Panel(
            f"{name} ({figure['n']} stated)",
            {"was so": so, "as stated": [v / 100 for v in x]}, 0.0, 1.0,
        )  # fmt: skip
        if len(rows[-1]) == 3:
            rows.append([])
        rows[-1].append(panel)
    return draw(path, "Stated chances and how often it was so", x, "stated, %", rows)
