"""Koha's records, and what they are in Nightstack's words (api/v1/swagger/definitions/item.yaml, hold.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stacks.ils.items import IlsItem
from stacks.ils.koha.settings import KohaSettings
from stacks.ils.reading import Record, instant, latest, record


class Biblio(Record):
    """The part of an embedded ``biblio`` that is used."""

    title: str | None = None
    subtitle: str | None = None


class Item(Record):
    """The part of an item that is used."""

    item_id: int
    biblio_id: int
    external_id: str | None = None
    callnumber: str | None = None
    call_number_source: str | None = None
    home_library_id: str | None = None
    holding_library_id: str | None = None
    location: str | None = None
    permanent_location: str | None = None
    lost_status: int = 0
    withdrawn: int = 0
    not_for_loan_status: int = 0
    checked_out_date: str | None = None
    last_seen_date: str | None = None
    last_checkout_date: str | None = None
    checkouts_count: int | None = None
    timestamp: str | None = None
    extended_subfields: str | None = None
    biblio: Biblio | None = None


class Hold(Record):
    """The part of a hold that is used; who waits is never kept."""

    hold_id: int
    biblio_id: int | None = None
    item_id: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Holds counted: by title, by item, and where a held item is."""

    titles: Mapping[int, int]
    items: Mapping[int, int]
    places: Mapping[int, str]


NOBODY = Waiting({}, {}, {})
#: A hold's status, from Koha's reserves.found: W waits at the desk, T is in transit, P is being processed.
HOLD_PLACES = {"W": "on_hold", "T": "in_transit", "P": "on_hold"}


def item_of(
    value: Any, settings: KohaSettings, waiting: Waiting = NOBODY, ours: Mapping[str, datetime] | None = None
) -> IlsItem | None:
    """
    Return an item in our words; None: it has no barcode.

    Parameters
    ----------
    value : object
        The JSON of one item.
    settings : KohaSettings
        The mapping tables.
    waiting : Waiting
        Holds, where they were asked for.
    ours : mapping, optional
        The last inventory date that we wrote to each barcode: it is no reader's doing.

    Raises
    ------
    IlsError
        It cannot be read.
    """
    raw = record(Item, value, "koha: an item")
    barcode = (raw.external_id or "").strip()
    if not barcode:
        return None
    status, why = _status(raw, settings, waiting)
    location = raw.permanent_location or raw.location or ""
    seen = instant(raw.last_seen_date, f"{barcode}: last_seen_date")
    if seen is not None and ours is not None and seen == ours.get(barcode):
        seen = None
    title = "" if raw.biblio is None else " ".join(filter(None, (raw.biblio.title, raw.biblio.subtitle)))
    source = (raw.call_number_source or "").lower()
    return IlsItem(
        barcode=barcode,
        item_id=str(raw.item_id),
        call_number=" ".join((raw.callnumber or "").split()),
        scheme=settings.sources.get(source, settings.scheme),
        title=" ".join(title.split()),
        home_location=settings.locations.get(location, location or raw.home_library_id or ""),
        status=status,
        raw_status=why,
        last_activity=latest(seen, instant(raw.last_checkout_date, f"{barcode}: last_checkout_date")),
        requests=waiting.items.get(raw.item_id, 0) + waiting.titles.get(raw.biblio_id, 0),
        loans=raw.checkouts_count,
        updated_at=instant(raw.timestamp, f"{barcode}: timestamp"),
        extra={"library": raw.home_library_id} if raw.home_library_id else {},
    )


def _status(raw: Item, settings: KohaSettings, waiting: Waiting) -> tuple[str, str]:
    """Return our word for where an item is, and Koha's: the first trouble that keeps it off the shelf."""
    if raw.withdrawn:
        return "withdrawn", f"withdrawn={raw.withdrawn}"
    if raw.lost_status:
        return settings.lost.get(str(raw.lost_status), "lost"), f"lost_status={raw.lost_status}"
    if raw.checked_out_date:
        return "loaned", f"checked_out_date={raw.checked_out_date}"
    place = waiting.places.get(raw.item_id)
    if place is not None:
        return HOLD_PLACES.get(place, "on_hold"), f"hold={place}"
    if raw.not_for_loan_status and str(raw.not_for_loan_status) in settings.not_for_loan:
        return settings.not_for_loan[
            str(raw.not_for_loan_status)
        ], f"not_for_loan_status={raw.not_for_loan_status}"
    if (raw.location or "") in settings.location_status:
        return settings.location_status[raw.location or ""], f"location={raw.location}"
    return "available", f"not_for_loan_status={raw.not_for_loan_status}" if raw.not_for_loan_status else ""
