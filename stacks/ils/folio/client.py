"""The connection to FOLIO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from stacks.ils.base import Ils
from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError
from stacks.ils.folio.records import MISSING_FROM, Item, Request, item_of
from stacks.ils.folio.settings import FolioSettings
from stacks.ils.folio.sign_in import FolioSignIn
from stacks.ils.http import Http
from stacks.ils.items import IlsItem
from stacks.ils.reading import Reader, as_instant, record, rows

_NOTE = "Nightstack inventory"


class Folio(Ils):
    """FOLIO by its inventory interface; pages are taken by the item's id, as folioclient does."""

    kind: ClassVar[str] = "folio"
    can_write: ClassVar[frozenset[str]] = frozenset({"inventory_date", "missing"})

    def __init__(self, settings: FolioSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._settings = settings
        self._sign_in = FolioSignIn(settings)
        self._http = Http(settings, clock, auth=self._sign_in, headers={"x-okapi-tenant": settings.tenant})

    def items(self, since: datetime | None = None) -> Iterator[list[IlsItem]]:
        """List items page by page; see `Ils.items`."""
        self._begin_pull()
        waiting = self._waiting() if self._settings.requests else {}
        where = "cql.allRecords=1"
        if since is not None:
            where = f'metadata.updatedDate>="{since.astimezone(UTC).isoformat(timespec="milliseconds")}"'
        reader = Reader()
        for found in self._pages("inventory/items", "items", where):
            yield reader.page(found, lambda v: item_of(v, self._settings, waiting), _barcode)
        self.notes.extend(reader.notes)
        self.unread |= reader.unread
        self._judge_spoiled(reader.spoiled, reader.read, reader.first_trouble)

    def item(self, barcode: str) -> IlsItem | None:
        """Return one item as it is now; see `Ils.item`."""
        found = self._find(barcode)
        if found is None:
            return None
        waiting = self._waiting(str(found.get("id"))) if self._settings.requests else {}
        return item_of(found, self._settings, waiting)

    def close(self) -> None:
        """Sign out and end the connection."""
        self._sign_in.close()
        self._http.close()

    def _find(self, barcode: str) -> dict[str, Any] | None:
        value, _ = self._http.get_json(
            "inventory/items", {"query": f'barcode=="{_quoted(barcode)}"', "limit": 2}
        )
        same = [v for v in self._listed(value, "items") if _barcode(v) == barcode]
        if len(same) > 1:
            raise IlsError(f"{barcode}: FOLIO has {len(same)} items with this barcode")
        return same[0] if same else None

    def _pages(self, path: str, key: str, where: str) -> Iterator[list[Any]]:
        last = ""
        while True:
            after = f' and id>"{last}"' if last else ""
            value, _ = self._http.get_json(
                path, {"query": f"{where}{after} sortBy id", "limit": self._settings.page_size}
            )
            found = self._listed(value, key)
            if not found:
                return
            ids = [v.get("id") if isinstance(v, dict) else None for v in found]  # pyright: ignore[reportUnknownVariableType]
            known = [i for i in ids if isinstance(i, str)]
            if len(known) != len(ids) or known[0] <= last or known != sorted(set(known)):
                raise IlsError(
                    f"{self._http.name}: the page after id {last or 'none'} repeats or mixes items, against the query"
                )
            last = known[-1]
            yield found

    def _listed(self, value: Any, key: str) -> list[Any]:
        if not isinstance(value, dict) or key not in value:
            raise IlsError(f"{self._http.name}: answered without {key}")
        return rows(value[key], self._http.name)

    def _waiting(self, item_id: str | None = None) -> Counter[str]:
        """Count the open requests of each item."""
        counted: Counter[str] = Counter()
        where = 'status=="Open*"' + (f' and itemId=="{_quoted(item_id)}"' if item_id else "")
        for found in self._pages("request-storage/requests", "requests", where):
            asked = (record(Request, value, "folio: a request").item_id for value in found)
            counted.update(item for item in asked if item)
        return counted

    def _send_missing(self, barcode: str, note: str) -> str:
        raw = record(Item, self._known(barcode), "folio: an item")
        if raw.status.name not in MISSING_FROM:
            raise IlsError(
                f"{barcode}: is {raw.status.name}, from which FOLIO marks nothing missing; left as it is"
            )
        answer = self._http.send("POST", f"inventory/items/{raw.id}/mark-missing", {})
        if answer.body.strip():
            try:
                now = record(Item, self._http.json(answer), "folio: the marked item").status.name
            except IlsError as error:
                raise IlsError(f"{error}", maybe_done=True) from None
            if now != "Missing":
                raise IlsError(f"{barcode}: FOLIO took it but the status is {now}", maybe_done=True)
        return f"status is Missing (was {raw.status.name}){f'; {note}' if note else ''}"

    def _send_inventory(self, barcode: str, when: date | datetime) -> str:
        note_type = self._settings.inventory_note_type
        text = f"{_NOTE}: {as_instant(when):%Y-%m-%d}"
        for attempt in (1, 2):
            item = self._known(barcode)
            notes = [n for n in rows(item.get("notes", []), self._http.name) if not _is_ours(n, note_type)]
            changed = {
                **item,
                "notes": [*notes, {"itemNoteTypeId": note_type, "note": text, "staffOnly": True}],
            }
            try:
                self._http.send("PUT", f"inventory/items/{item['id']}", changed)
            except IlsError as error:
                # Its _version was stale: somebody changed it between our reading and writing. Once more.
                if attempt == 1 and error.temporary and not error.maybe_done:
                    continue
                raise
            return f"note {text!r}"
        raise AssertionError("the loop returns or raises")

    def _known(self, barcode: str) -> dict[str, Any]:
        found = self._find(barcode)
        if found is None:
            raise IlsError(f"{barcode}: FOLIO has no such barcode")
        return found


def _is_ours(note: Any, note_type: str | None) -> bool:
    return (
        isinstance(note, dict)
        and note.get("itemNoteTypeId") == note_type  # pyright: ignore[reportUnknownMemberType]
        and str(note.get("note", "")).startswith(_NOTE)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    )


def _barcode(value: Any) -> Any:
    return value.get("barcode") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _quoted(text: str) -> str:
    """Return a text for a CQL string, where backslash, quote, star, question mark and caret have a meaning."""
    return "".join(f"\\{c}" if c in '\\"*?^' else c for c in text)
