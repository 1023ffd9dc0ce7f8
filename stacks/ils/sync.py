"""Brings ``holdings.csv`` up to what the library system says, without ever losing what only we know."""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stacks.holdings import COLUMNS, Holding, Holdings, read_holdings, write_holdings
from stacks.ils.base import Ils
from stacks.ils.errors import IlsError
from stacks.ils.items import IlsItem
from stacks.ils.reading import instant

FORMAT = "nightstack-ils-sync/1"
OVERLAP = timedelta(minutes=10)
"""How far before the last change seen the next pull begins: what was being saved then was not to be seen yet."""
FULL_EVERY = timedelta(days=7)
"""How often everything is pulled: a change list does not tell what was deleted."""
MOST_LOSS = 0.05
_FEW = 20

Tell = Callable[[int], None]


@dataclass(frozen=True)
class SyncReport:
    """
    What a sync did, or would do.

    Attributes
    ----------
    full : bool
        Everything was pulled, not only changes.
    pulled : int
        Items the system told.
    added, removed : tuple of str
        Barcodes.
    changed : mapping
        Column to how many rows of it changed.
    rows : int
        Rows of the new file.
    kept_epcs : int
        Rows whose EPC only the old file knew.
    notes : tuple of str
        What was left out, and why; one sentence each.
    examples : tuple of str
        Some changes, a line each.
    written : bool
        The file was written; False: a dry run, or nothing had changed.
    """

    full: bool
    pulled: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, int]
    rows: int
    kept_epcs: int
    notes: tuple[str, ...]
    examples: tuple[str, ...]
    written: bool


@dataclass(frozen=True)
class _State:
    kind: str = ""
    since: datetime | None = None
    full_at: datetime | None = None


@dataclass
class _Merge:
    """The rows to be, and what is different about them."""

    rows: dict[str, Holding]
    added: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    changed: Counter[str] = field(default_factory=Counter[str])
    examples: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    kept_epcs: int = 0


def sync(
    ils: Ils,
    holdings: str | Path,
    *,
    state: str | Path | None = None,
    full: bool = False,
    dry_run: bool = False,
    keep: Collection[str] = (),
    most_loss: float = MOST_LOSS,
    progress: Tell | None = None,
) -> SyncReport:
    """
    Pull everything, or what changed since the last time, into ``holdings.csv``.

    The file is written only when the whole pull has worked, and the time of the pull is noted after it: a pull
    that is stopped anywhere leaves the old file, and the next one begins where the last good one did.

    Parameters
    ----------
    ils : Ils
        The system. One that cannot list items (SIP2) is asked about each copy that the file has.
    holdings : path
        The file; it need not be there yet.
    state : path, optional
        Where the time of the last pull is kept; default: beside the file, ``.NAME.sync.json``.
    full : bool
        Pull everything, whatever the state says.
    dry_run : bool
        Write nothing.
    keep : collection of str
        Columns that stay as the old file has them, where it has something: ``home_location`` of a library that
        keeps shelf ids the system does not know.
    most_loss : float
        The share of the old rows that a full pull may lose; more is taken for a fault of the system.
    progress : callable, optional
        Told how many items there are so far.

    Raises
    ------
    IlsError
        The pull failed, it would lose too many rows, or there is neither a file nor any item.
    HoldingsError
        The file cannot be read or written.
    """
    file = Path(holdings)
    state_file = Path(state) if state is not None else file.with_name(f".{file.name}.sync.json")
    unknown = sorted(set(keep) - {*COLUMNS})
    if unknown:
        raise IlsError(f"{unknown[0]}: no column that can be kept; there are {', '.join(COLUMNS)}")
    old = read_holdings(file) if file.exists() else Holdings(())
    known = _read_state(state_file, ils.kind)
    started = ils.clock.now()
    everything = full or not old.rows or known.since is None or known.full_at is None
    everything = everything or started - (known.full_at or started) >= FULL_EVERY or not ils.lists
    if not ils.lists and not file.exists():
        raise IlsError(
            f"{file}: is missing, and {ils.kind} cannot list items: import a file first (nightstack stacks import)"
        )
    pulled, newest = _pull(ils, old, None if everything else known.since, progress)
    if not pulled and everything and (old.rows or not file.exists()):
        raise IlsError(f"{file}: the library system told no item at all; nothing was written")
    merge = _merged(ils, old, pulled, everything and ils.lists, frozenset(keep))
    lost = len(merge.removed)
    if lost > max(_FEW, most_loss * len(old)):
        raise IlsError(
            f"{file}: the pull knows {lost} of {len(old)} copies no more, over {most_loss:.0%}: nothing was written; "
            "if they are really gone, allow it with --allow-loss"
        )
    made = Holdings.of(merge.rows.values())
    different = bool(merge.added or merge.removed or merge.changed) or not file.exists()
    if not dry_run:
        if different:
            write_holdings(file, made)
        # Not past the pull's own beginning: what changed while it ran was perhaps read before it changed.
        begins = min(newest or started, started) - OVERLAP
        since = begins if everything or known.since is None else max(begins, known.since)
        _write_state(state_file, ils.kind, since, started if everything else known.full_at)
    return SyncReport(
        full=everything,
        pulled=len(pulled),
        added=tuple(merge.added),
        removed=tuple(merge.removed),
        changed=dict(merge.changed),
        rows=len(made),
        kept_epcs=merge.kept_epcs,
        notes=(*ils.notes, *merge.notes, *made.notes),
        examples=tuple(merge.examples),
        written=different and not dry_run,
    )


def _pull(
    ils: Ils, old: Holdings, since: datetime | None, progress: Tell | None
) -> tuple[dict[str, IlsItem], datetime | None]:
    """Return the items by the system's own id, and the time of the last change among them."""
    pages: Iterator[list[IlsItem]]
    pages = ils.items(since) if ils.lists else ils.items_of(dict.fromkeys(row.barcode for row in old))
    pulled: dict[str, IlsItem] = {}
    newest: datetime | None = None
    for page in pages:
        for item in page:
            pulled[item.item_id or item.barcode] = item  # told twice, as things move: the later word counts
            if item.updated_at is not None and (newest is None or item.updated_at > newest):
                newest = item.updated_at
        if progress is not None:
            progress(len(pulled))
    return pulled, newest


def _merged(ils: Ils, old: Holdings, pulled: dict[str, IlsItem], drop: bool, keep: frozenset[str]) -> _Merge:
    by_id = {row.extra.get("item_id", ""): row for row in old}
    by_barcode: dict[str, Holding] = dict(old.by_barcode)
    told: dict[str, list[IlsItem]] = {}
    for item in pulled.values():
        told.setdefault(item.barcode, []).append(item)
    merge = _Merge({})
    seen: set[int] = set()
    fresh: dict[str, Holding] = {}
    for item_id, item in pulled.items():
        same = by_id.get(item_id) if item_id else None
        if same is None:
            same = by_barcode.get(item.barcode)
            if same is not None and same.extra.get("item_id", "") not in ("", item_id):
                same = None if len(told[item.barcode]) > 1 else same
        if same is not None and id(same) in seen:  # two items of one barcode: the second is a row of its own
            same = None
        row = _row(item, same, ils, keep)
        if same is None:
            merge.added.append(row.barcode)
            fresh[item_id] = row
            _example(merge, f"new: {row.barcode} {row.call_number}")
        else:
            seen.add(id(same))
            _compare(merge, same, row)
            merge.kept_epcs += bool(row.epc and not item.epc)
            merge.rows[f"{id(same)}"] = row
    ordered: dict[str, Holding] = {}
    for row in old:
        key = f"{id(row)}"
        if id(row) in seen:
            ordered[key] = merge.rows[key]
        elif not drop or row.barcode in ils.unread:
            ordered[key] = row
        else:
            merge.removed.append(row.barcode)
            _example(merge, f"gone: {row.barcode} {row.call_number}")
    merge.rows = {**ordered, **{f"new {item_id}": row for item_id, row in fresh.items()}}
    if not ils.lists and len(pulled) < len(old):
        merge.notes.append(
            f"{len(old) - len(pulled)} copies of the file are unknown to the system and stay as they are"
        )
    return merge


def _row(item: IlsItem, old: Holding | None, ils: Ils, keep: frozenset[str]) -> Holding:
    extra = dict(old.extra) if old is not None else {}
    extra.update(item.extra)
    extra["requests"] = str(item.requests)
    if item.loans is not None:
        extra["loans"] = str(item.loans)
    if item.last_activity is not None:
        extra["last_activity"] = (
            item.last_activity.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        )
    if item.item_id:
        extra["item_id"] = item.item_id
    told = Holding(
        barcode=item.barcode,
        epc=item.epc or (old.epc if old is not None else ""),
        call_number=item.call_number,
        scheme=item.scheme or "local",
        title=item.title,
        home_location=item.home_location,
        status=item.status,
        extra=extra,
    )
    if old is None:
        return told
    untold = [c for c in COLUMNS if c not in ils.tells and c not in ("barcode", "epc")]
    ours = {c: getattr(old, c) for c in COLUMNS if c in untold or (c in keep and getattr(old, c))}
    # A system without call numbers or titles (SIP2) does not empty ours.
    ours |= {c: getattr(old, c) for c in ("call_number", "title", "home_location") if not getattr(told, c)}
    return replace(told, **ours)


def _compare(merge: _Merge, old: Holding, new: Holding) -> None:
    different = [c for c in COLUMNS if getattr(old, c) != getattr(new, c)]
    different += [name for name in new.extra if old.extra.get(name, "") != new.extra[name]]
    merge.changed.update(different)
    shown = [c for c in different if c in COLUMNS]
    if shown:
        what = ", ".join(f"{c} {getattr(old, c)!r} -> {getattr(new, c)!r}" for c in shown[:3])
        _example(merge, f"changed: {old.barcode}: {what}")


def _example(merge: _Merge, line: str) -> None:
    if len(merge.examples) < _FEW:
        merge.examples.append(line)


def _read_state(file: Path, kind: str) -> _State:
    """Return the state; nothing, where there is none or it is another system's: then everything is pulled."""
    try:
        value: Any = json.loads(file.read_text(encoding="utf-8"))
        if value.get("format") != FORMAT or value.get("kind") != kind:
            return _State()
        return _State(kind, instant(value.get("since")), instant(value.get("full_at")))
    except (OSError, ValueError, AttributeError, TypeError):
        return _State()


def _write_state(file: Path, kind: str, since: datetime | None, full_at: datetime | None) -> None:
    value = {
        "format": FORMAT,
        "kind": kind,
        "since": None if since is None else since.isoformat(),
        "full_at": None if full_at is None else full_at.isoformat(),
    }
    temp = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with temp.open("w", encoding="utf-8") as out:
            json.dump(value, out, indent=2)
            out.flush()
            os.fsync(out.fileno())
        temp.replace(file)
    except OSError as error:
        temp.unlink(missing_ok=True)
        raise IlsError(f"{file}: cannot be written ({error.strerror or error})") from None
