"""What an import or a sync would change against the present holdings, and writing it so that the former ones stay."""

from __future__ import annotations

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stacks.errors import HoldingsError
from stacks.holding import COLUMNS
from stacks.holdings import Holdings, write_holdings

_SHOWN = 5
FORMER = ".former"
"""Added to the name of the file that was replaced."""


@dataclass(frozen=True)
class Difference:
    """
    New holdings against the present ones.

    Attributes
    ----------
    present, new : int
        How many copies of each were compared.
    added, removed : tuple of str
        Barcodes.
    changed : mapping of str to int
        How many copies differ in a column.
    copies_changed : int
        How many differ in any.
    examples : mapping of str to tuple of str
        By column: ``31001: 'loaned' -> 'available'``.
    status_changes : mapping of str to int
        ``loaned -> available``, how often.
    """

    present: int
    new: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, int]
    copies_changed: int
    examples: Mapping[str, tuple[str, ...]]
    status_changes: Mapping[str, int]

    @property
    def shrinks(self) -> float:
        """Share of the present copies that would go."""
        return len(self.removed) / self.present if self.present else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it with the first barcodes only."""
        return {
            "present": self.present,
            "new": self.new,
            "added": len(self.added),
            "added_examples": list(self.added[:_SHOWN]),
            "removed": len(self.removed),
            "removed_examples": list(self.removed[:_SHOWN]),
            "changed": self.copies_changed,
            "changed_columns": dict(self.changed),
            "changed_examples": {name: list(shown) for name, shown in self.examples.items()},
            "status_changes": dict(self.status_changes),
        }

    def lines(self) -> list[str]:
        """Return it in words, a line each."""
        same = self.new - len(self.added) - self.copies_changed
        made = [
            f"against the present {self.present:,} copies: {len(self.added):,} added, {len(self.removed):,} removed, "
            f"{self.copies_changed:,} changed, {same:,} as they were"
        ]
        for what, codes in (("added", self.added), ("removed", self.removed)):
            if codes:
                made.append(f"  {what}, such as {', '.join(codes[:_SHOWN])}")
        for name, count in self.changed.items():
            made.append(f"  {name} of {count:,}: {'; '.join(self.examples[name][:3])}")
        if self.status_changes:
            most = sorted(self.status_changes.items(), key=lambda item: -item[1])[:6]
            made.append("  statuses: " + ", ".join(f"{what} {n:,}" for what, n in most))
        return made


def compare(present: Holdings, new: Holdings, origin: Sequence[int] | None = None) -> Difference:
    """
    Hold new holdings against the present ones.

    Parameters
    ----------
    present, new : Holdings
        As they are, and as they would be.
    origin : sequence of int, shape (len(new),), optional
        The row in `present` that each new copy was; -1: none. So one whose barcode is new is still the same copy,
        where a system's own id says so. None: the barcode tells; where one stands twice, the first copy counts.
    """
    if origin is None:
        before, after = present.index_of_barcode, new.index_of_barcode
        rows = np.fromiter(after.values(), np.int64, len(after))
        was = np.fromiter((before.get(barcode, -1) for barcode in after), np.int64, len(after))
        there = np.fromiter(before.values(), np.int64, len(before))
    else:
        was, rows = np.asarray(origin, np.int64), np.arange(len(new), dtype=np.int64)
        there = np.arange(len(present), dtype=np.int64)
    old_at, new_at = was[was >= 0], rows[was >= 0]
    both = present.column("barcode")[old_at]
    added = new.column("barcode")[rows[was < 0]]
    removed = present.column("barcode")[there[~np.isin(there, old_at)]]
    names = [*COLUMNS, *dict.fromkeys((*present.extra_columns, *new.extra_columns))]
    changed: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    any_changed = np.zeros(len(old_at), bool)
    moves: Counter[str] = Counter()
    for name in names:
        old, now = present.column(name)[old_at], new.column(name)[new_at]
        differ = np.asarray(old != now, bool)
        if not differ.any():
            continue
        places = np.flatnonzero(differ)
        any_changed |= differ
        changed[name] = len(places)
        examples[name] = tuple(
            f"{both[i]}: {_cut(str(old[i]))} -> {_cut(str(now[i]))}" for i in places[:_SHOWN].tolist()
        )
        if name == "status":
            moves.update(f"{a} -> {b}" for a, b in zip(old[places], now[places], strict=True))
    return Difference(
        len(there),
        len(rows),
        tuple(added.tolist()),
        tuple(removed.tolist()),
        changed,
        int(any_changed.sum()),
        examples,
        moves,
    )


def refuse_shrinking(difference: Difference, most: float, source: str) -> None:
    """
    Refuse an import that would take too many of the present copies away.

    Raises
    ------
    HoldingsError
        More than the share `most` of them would go.
    """
    if difference.shrinks > most:
        raise HoldingsError(
            f"{source}: would remove {len(difference.removed):,} of the present {difference.present:,} copies "
            f"({difference.shrinks:.0%}); is it the whole catalogue? Nothing was written; --allow-shrink lets it"
        )


def replace_holdings(path: str | Path, new: Holdings) -> Path | None:
    """
    Write holdings, and keep the file they replace beside them, its name ending in ``.former``.

    Returns
    -------
    Path or None
        The former file, or None where there was none.

    Raises
    ------
    HoldingsError
        Something cannot be written; the present file is then untouched.
    """
    file = Path(path)
    former: Path | None = None
    if file.exists():
        former = file.with_name(file.name + FORMER)
        temp = file.with_name(f".{former.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            try:
                os.link(file, temp)
            except OSError:  # a file system without links
                shutil.copy2(file, temp)
            temp.replace(former)
        except OSError as e:
            raise HoldingsError(f"{former}: cannot be written ({e.strerror or e})") from None
        finally:
            temp.unlink(missing_ok=True)
    write_holdings(file, new)
    return former


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
