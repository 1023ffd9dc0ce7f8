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

from stacks.difference import Difference, compare
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
    difference : Difference
        The new rows against the old ones.
    rows : int
        Rows of the new file.
    kept_epcs : int
        Rows whose EPC only the old file knew.
    notes : tuple of str
        What was left out, and why; one sentence each.
    written : bool
        The file was written; False: a dry run, or nothing had changed.
    """

    full: bool
    pulled: int
    difference: Difference
    rows: int
    kept_epcs: int
    notes: tuple[str, ...]
    written: bool


@dataclass(frozen=True)
class _State:
    kind: str = ""
    since: datetime | None = None
    full_at: datetime | None = None


@dataclass
class _Merge:
    """The rows to be, and where each of them comes from."""

    rows: list[Holding] = field(default_factory=list[Holding])
    origin: list[int] = field(default_factory=list[int])  # the old file's row each of them was; -1: none
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
    made = Holdings.of(merge.rows)
    difference = compare(old, made, merge.origin)
    lost = len(difference.removed)
    if lost > max(_FEW, most_loss * len(old)):
        raise IlsError(
            f"{file}: the pull knows {lost} of {len(old)} copies no more, over {most_loss:.0%}: nothing was written; "
            "if they are really gone, allow it with --allow-loss"
        )
    different = bool(difference.added or lost or difference.changed) or not file.exists()
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
        difference=difference,
        rows=len(made),
        kept_epcs=merge.kept_epcs,
        notes=(*ils.notes, *_unasked(ils, old, pulled), *made.notes),
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
    """Find each item's row in the old file: by the system's own id, else by the barcode."""
    by_id = {row.extra.get("item_id", ""): i for i, row in enumerate(old)}
    by_barcode = old.index_of_barcode
    often = Counter(item.barcode for item in pulled.values())
    merge = _Merge()
    now: dict[int, Holding] = {}
    fresh: list[Holding] = []
    for item_id, item in pulled.items():
        at = by_id.get(item_id) if item_id else None
        if at is None:
            at = by_barcode.get(item.barcode)
            if at is not None and old.row(at).extra.get("item_id", "") not in ("", item_id):
                at = None if often[item.barcode] > 1 else at
        if at is None or at in now:  # two items of one barcode: the second is a row of its own
            fresh.append(_row(item, None, ils, keep))
        else:
            now[at] = _row(item, old.row(at), ils, keep)
            merge.kept_epcs += bool(now[at].epc and not item.epc)
    for at, row in enumerate(old):
        if at in now or not drop or row.barcode in ils.unread:
            merge.rows.append(now.get(at, row))
            merge.origin.append(at)
    merge.rows += fresh
    merge.origin += [-1] * len(fresh)
    return merge


def _unasked(ils: Ils, old: Holdings, pulled: dict[str, IlsItem]) -> list[str]:
    unknown = 0 if ils.lists else len(old) - len(pulled)
    return (
        [f"{unknown} copies of the file are unknown to the system and stay as they are"]
        if unknown > 0
        else []
    )


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
