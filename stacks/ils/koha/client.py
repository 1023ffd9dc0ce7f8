"""The connection to Koha."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import httpx

from stacks.ils.base import Ils
from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError
from stacks.ils.http import Http
from stacks.ils.items import IlsItem
from stacks.ils.koha.records import NOBODY, Hold, Item, Waiting, item_of
from stacks.ils.koha.settings import KohaSettings
from stacks.ils.koha.sign_in import ClientCredentials
from stacks.ils.reading import Reader, as_instant, instant, record, rows, whole
from stacks.ils.settings import reveal

#: The database compares times without a zone; this far east of UTC does its clock stand at most.
_FARTHEST_ZONE = timedelta(hours=14)
_EMBED = {"x-koha-embed": "biblio,+strings"}


class Koha(Ils):
    """
    Koha by its REST interface (``/api/v1``).

    Pages are taken by the item's own number (``item_id`` greater than the last one), so that items which
    come and go during a pull move no page.
    """

    kind: ClassVar[str] = "koha"
    can_write: ClassVar[frozenset[str]] = frozenset({"inventory_date", "missing"})

    def __init__(self, settings: KohaSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._settings = settings
        auth: httpx.Auth
        if settings.client_id is not None:
            token_url = f"{settings.url.rstrip('/')}/api/v1/oauth/token"
            auth = ClientCredentials(token_url, settings.client_id, reveal(settings.client_secret), clock)
        else:
            auth = httpx.BasicAuth(settings.user or "", reveal(settings.password))
        self._http = Http(settings, clock, auth=auth)

    def items(self, since: datetime | None = None) -> Iterator[list[IlsItem]]:
        """List items page by page; see `Ils.items`."""
        self._begin_pull()
        waiting = self._waiting() if self._settings.holds else NOBODY
        ours = self._ours()
        where: dict[str, Any] = {} if since is None else {"timestamp": {">=": _local(since)}}
        reader = Reader()
        for found in self._pages("api/v1/items", "item_id", where, _EMBED):
            yield reader.page(found, lambda v: item_of(v, self._settings, waiting, ours), _barcode)
        self.notes.extend(reader.notes)
        self.unread |= reader.unread
        self._judge_spoiled(reader.spoiled, reader.read, reader.first_trouble)

    def item(self, barcode: str) -> IlsItem | None:
        """Return one item as it is now; see `Ils.item`."""
        found = self._find(barcode)
        if found is None:
            return None
        waiting = self._waiting(found) if self._settings.holds else NOBODY
        return item_of(found, self._settings, waiting, self._ours(barcode))

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _ours(self, barcode: str | None = None) -> dict[str, datetime]:
        """Return the inventory dates that we wrote: Koha has them where it has readers' uses."""
        values = self.journal.last_values("inventory_date", barcode)
        return {
            b: as_instant(date.fromisoformat(v) if len(v) == 10 else datetime.fromisoformat(v))
            for b, v in values.items()
        }

    def _find(self, barcode: str) -> Any | None:
        value, _ = self._http.get_json("api/v1/items", {"external_id": barcode, "_match": "exact"}, _EMBED)
        # Koha compares as its database does: without case, and older ones without _match by the beginning.
        same = [v for v in rows(value, self._http.name) if _barcode(v) == barcode]
        if len(same) > 1:
            raise IlsError(f"{barcode}: Koha has {len(same)} items with this barcode")
        return same[0] if same else None

    def _pages(
        self, path: str, key: str, where: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Iterator[list[Any]]:
        last = 0
        while True:
            query = {**where, key: {">": last}}
            params = {
                "q": json.dumps(query, separators=(",", ":")),
                "_order_by": key,
                "_page": 1,
                "_per_page": self._settings.page_size,
            }
            value, answer = self._http.get_json(path, params, headers)
            found = rows(value, self._http.name)
            if not found:
                return
            keys = [v.get(key) if isinstance(v, dict) else None for v in found]  # pyright: ignore[reportUnknownVariableType]
            known = [k for k in keys if isinstance(k, int)]
            if len(known) != len(keys) or min(known) <= last or known != sorted(set(known)):
                raise IlsError(
                    f"{self._http.name}: the page after {key} {last} repeats or mixes items; q is not followed"
                )
            last = known[-1]
            yield found
            if whole(answer.headers.get("x-total-count")) == len(found):
                return

    def _waiting(self, of: Any = None) -> Waiting:
        """Count the holds: all, or those of one item's title."""
        titles: Counter[int] = Counter()
        items: Counter[int] = Counter()
        places: dict[int, str] = {}
        where = {} if of is None else {"biblio_id": record(Item, of, "koha: an item").biblio_id}
        for found in self._pages("api/v1/holds", "hold_id", where):
            for value in found:
                hold = record(Hold, value, "koha: a hold")
                if hold.item_id is None:
                    titles[hold.biblio_id or 0] += 1
                else:
                    items[hold.item_id] += 1
                    if hold.status:
                        places[hold.item_id] = hold.status
        return Waiting(titles, items, places)

    def _send_inventory(self, barcode: str, when: date | datetime) -> str:
        if self._settings.inventory_file is not None:
            return self._to_file(barcode)
        stamp = as_instant(when)
        known = self._find(barcode)
        seen = None if known is None else instant(record(Item, known, "koha: an item").last_seen_date)
        if seen is not None and seen > stamp:  # somebody has had it in their hands since: that stays
            return f"left as it is: last_seen_date is later, {seen.isoformat()}"
        made = self._change(barcode, {"last_seen_date": _rfc3339(stamp)})
        kept = instant(made.last_seen_date)
        if kept is None or abs((kept - stamp).total_seconds()) >= 86_400:
            raise IlsError(
                f"{barcode}: Koha took the date but now has {made.last_seen_date}", maybe_done=True
            )
        return f"last_seen_date is {made.last_seen_date}"

    def _send_missing(self, barcode: str, note: str) -> str:
        made = self._change(barcode, {"lost_status": self._settings.missing_value})
        if made.lost_status != self._settings.missing_value:
            raise IlsError(f"{barcode}: Koha took it but lost_status is {made.lost_status}", maybe_done=True)
        return f"lost_status is {made.lost_status}{f'; {note}' if note else ''}"

    def _change(self, barcode: str, fields: dict[str, Any]) -> Item:
        found = self._find(barcode)
        if found is None:
            raise IlsError(f"{barcode}: Koha has no such barcode")
        old = record(Item, found, "koha: an item")
        if old.extended_subfields and not self._settings.clear_extended_subfields:
            raise IlsError(
                f"{barcode}: has extended subfields, which Koha clears with every PUT; nothing was written "
                "(use inventory_file, or clear_extended_subfields = true if they may go)"
            )
        if "lost_status" in fields:
            if old.checked_out_date:
                raise IlsError(
                    f"{barcode}: is on loan since {old.checked_out_date}; it was not marked missing"
                )
            if old.lost_status or old.withdrawn:
                raise IlsError(
                    f"{barcode}: has lost_status {old.lost_status}, withdrawn {old.withdrawn} already; left as it is"
                )
        # Only what changes: Koha keeps the fields that a PUT does not name, and what others changed since stays.
        answer = self._http.send("PUT", f"api/v1/biblios/{old.biblio_id}/items/{old.item_id}", fields)
        try:
            return record(Item, self._http.json(answer), "koha: the changed item")
        except IlsError as error:
            raise IlsError(f"{error}", maybe_done=True) from None

    def _to_file(self, barcode: str) -> str:
        file = self._settings.inventory_file
        assert file is not None
        try:
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{barcode}\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise IlsError(f"{file}: cannot be written ({error.strerror or error})") from None
        return f"put into {file.name}, for Tools > Inventory"


def _barcode(value: Any) -> Any:
    return value.get("external_id") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _local(since: datetime) -> str:
    """Return a time that is not after `since` on any server's clock: a little more is told, never less."""
    return f"{since.astimezone(UTC) - _FARTHEST_ZONE:%Y-%m-%d %H:%M:%S}"


def _rfc3339(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
