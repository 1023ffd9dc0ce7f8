"""The connection to Alma."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, ClassVar

from stacks.ils.alma.records import Item, Member, item_of, status_of
from stacks.ils.alma.settings import AlmaSettings
from stacks.ils.base import Ils
from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError
from stacks.ils.http import Answer, Http
from stacks.ils.items import IlsItem
from stacks.ils.reading import Reader, as_instant, record, rows, whole
from stacks.ils.settings import reveal

_API = "almaws/v1"
#: Alma's error codes of "no items found for this barcode" and of a barcode that is none.
_NO_SUCH = frozenset({"401689", "401690"})


class Alma(Ils):
    """
    Alma by its REST interface.

    Alma lists no items by themselves: a pull goes through the members of a set, one request an item, and
    every institution has so many requests a day. Large libraries pull by an export file instead.
    """

    kind: ClassVar[str] = "alma"
    can_write: ClassVar[frozenset[str]] = frozenset({"inventory_date"})

    def __init__(self, settings: AlmaSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._settings = settings
        self._http = Http(settings, clock, headers={"Authorization": f"apikey {reveal(settings.api_key)}"})

    def items(self, since: datetime | None = None) -> Iterator[list[IlsItem]]:  # noqa: ARG002 (Alma cannot tell)
        """List the items of the set, page by page; Alma cannot tell what changed, so that it is always all of them."""
        self._begin_pull()
        if self._settings.set_id is None:
            raise IlsError(
                "alma: lists no items by itself; name a set of physical items in set_id, or import a file"
            )
        reader = Reader()
        for members in self._members(self._settings.set_id):
            found = [self._get(member.link) for member in members]
            yield reader.page(found, lambda v: item_of(v, self._settings), _barcode)
        self.notes.extend(reader.notes)
        self.unread |= reader.unread
        self._judge_spoiled(reader.spoiled, reader.read, reader.first_trouble)

    def item(self, barcode: str) -> IlsItem | None:
        """Return one item as it is now; see `Ils.item`."""
        found = self._find(barcode)
        return None if found is None else item_of(found, self._settings)

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _find(self, barcode: str) -> Any | None:
        value, answer = self._http.get_json(f"{_API}/items", {"item_barcode": barcode}, missing_ok=True)
        if answer.status >= 400:
            if _NO_SUCH & _codes(answer, self._http):
                return None
            raise self._http.refusal(answer)
        self._count(answer)
        if _barcode(value) != barcode:
            raise IlsError(
                f"{self._http.name}: asked for {barcode}, it answered with {str(_barcode(value))[:40]}"
            )
        return value

    def _members(self, set_id: str) -> Iterator[list[Member]]:
        seen: set[str] = set()
        offset = 0
        while True:
            value, _ = self._http.get_json(
                f"{_API}/conf/sets/{set_id}/members", {"limit": self._settings.page_size, "offset": offset}
            )
            if not isinstance(value, dict) or "total_record_count" not in value:
                raise IlsError(f"{self._http.name}: the answer about set {set_id} has no total_record_count")
            total: Any = value["total_record_count"]
            page = [
                record(Member, m, "alma: a member of the set")
                for m in rows(value.get("member", []), self._http.name)
            ]
            new = [m for m in page if m.id not in seen]
            if page and not new:
                raise IlsError(
                    f"{self._http.name}: the page of set {set_id} from {offset} repeats; it does not follow offset"
                )
            seen.update(m.id for m in new)
            if new:
                yield new
            offset += len(page)
            if not page or not isinstance(total, int) or offset >= total:
                if isinstance(total, int) and offset < total:
                    raise IlsError(
                        f"{self._http.name}: set {set_id} ends after {offset} of {total} members",
                        temporary=True,
                    )
                return

    def _get(self, link: str) -> Any:
        if not link.startswith(self._http.base):
            raise IlsError(
                f"{self._http.name}: names an item on another server ({link[:80]}); set url to it if it is right"
            )
        value, answer = self._http.get_json(link)
        self._count(answer)
        return value

    def _count(self, answer: Answer) -> None:
        """Stop before the day's requests are used up: those who lend and return need them."""
        left = whole(answer.headers.get("x-exl-api-remaining"))
        if left is not None and left < self._settings.calls_kept:
            raise IlsError(
                f"{self._http.name}: only {left} requests are left today, fewer than calls_kept; go on tomorrow",
                temporary=True,
            )

    def _send_inventory(self, barcode: str, when: date | datetime) -> str:
        value = self._find(barcode)
        if value is None:
            raise IlsError(f"{barcode}: Alma has no such barcode")
        raw = record(Item, value, "alma: an item")
        if status_of(raw.item_data, self._settings) == "loaned":
            raise IlsError(
                f"{barcode}: is on loan ({raw.item_data.process_type.value}); no inventory date was written"
            )
        day = f"{as_instant(when):%Y-%m-%d}Z"
        # The whole item goes back: Alma empties what a PUT does not name.
        changed = {**value, "item_data": {**value["item_data"], "inventory_date": day}}
        path = f"{_API}/bibs/{raw.bib_data.mms_id}/holdings/{raw.holding_data.holding_id}/items/{raw.item_data.pid}"
        answer = self._http.send("PUT", path, changed)
        try:
            kept = record(Item, self._http.json(answer), "alma: the changed item").item_data.inventory_date
        except IlsError as error:
            raise IlsError(f"{error}", maybe_done=True) from None
        if (kept or "")[:10] != day[:10]:
            raise IlsError(f"{barcode}: Alma took it but inventory_date is {kept}", maybe_done=True)
        return f"inventory_date is {kept}"


def _barcode(value: Any) -> Any:
    data: Any = value.get("item_data") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]
    return data.get("barcode") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _codes(answer: Answer, http: Http) -> set[str]:
    """Return the error codes of an answer."""
    try:
        value = http.json(answer)
        return {str(error["errorCode"]) for error in value["errorList"]["error"]}
    except (IlsError, KeyError, TypeError):
        return set()
