"""FOLIO's records, and what they are in Nightstack's words (mod-inventory, ramls/item.json)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from stacks.ils.folio.settings import STATUSES, FolioSettings
from stacks.ils.items import IlsItem
from stacks.ils.reading import Record, instant, latest, record

#: From these, mod-inventory lets an item be marked missing; never from a loan or a declared loss.
MISSING_FROM = frozenset(
    {
        "Available",
        "Awaiting delivery",
        "Awaiting pickup",
        "In process",
        "In process (non-requestable)",
        "In transit",
        "Intellectual item",
        "Long missing",
        "Paged",
        "Restricted",
        "Unavailable",
        "Unknown",
        "Withdrawn",
    }
)
#: A status that FOLIO may add one day: in the staff's hands, so that nothing is called missing for it.
_UNHEARD_OF = "in_process"


class Status(Record):
    """``status``."""

    name: str
    date: str | None = None


class Place(Record):
    """``effectiveLocation``."""

    id: str | None = None
    name: str | None = None


class CallNumber(Record):
    """``effectiveCallNumberComponents``."""

    call_number: str | None = Field(default=None, alias="callNumber")
    prefix: str | None = None
    suffix: str | None = None
    type_id: str | None = Field(default=None, alias="typeId")


class CheckIn(Record):
    """``lastCheckIn``."""

    at: str | None = Field(default=None, alias="dateTime")


class Metadata(Record):
    """``metadata``."""

    updated: str | None = Field(default=None, alias="updatedDate")


class Item(Record):
    """The part of an item that is used."""

    id: str
    status: Status
    version: int | None = Field(default=None, alias="_version")
    barcode: str | None = None
    title: str | None = None
    call_number: str | None = Field(default=None, alias="callNumber")
    components: CallNumber = Field(default_factory=CallNumber, alias="effectiveCallNumberComponents")
    volume: str | None = None
    enumeration: str | None = None
    chronology: str | None = None
    copy_number: str | None = Field(default=None, alias="copyNumber")
    location: Place = Field(default_factory=Place, alias="effectiveLocation")
    check_in: CheckIn = Field(default_factory=CheckIn, alias="lastCheckIn")
    metadata: Metadata = Field(default_factory=Metadata)


class Request(Record):
    """The part of a request that is used; who asks is never kept."""

    id: str
    item_id: str | None = Field(default=None, alias="itemId")


def item_of(value: Any, settings: FolioSettings, waiting: Mapping[str, int]) -> IlsItem | None:
    """Return an item in our words; None: it has no barcode. Raises IlsError if it cannot be read."""
    raw = record(Item, value, "folio: an item")
    barcode = (raw.barcode or "").strip()
    if not barcode:
        return None
    place = raw.location.name or raw.location.id or ""
    statuses = settings.statuses or STATUSES
    return IlsItem(
        barcode=barcode,
        item_id=raw.id,
        call_number=_label(raw),
        scheme=settings.call_number_types.get((raw.components.type_id or "").lower(), settings.scheme),
        title=" ".join((raw.title or "").split()),
        home_location=settings.locations.get(place, settings.locations.get(raw.location.id or "", place)),
        status=statuses.get(raw.status.name, _UNHEARD_OF),
        raw_status=raw.status.name,
        last_activity=latest(
            instant(raw.check_in.at, f"{barcode}: lastCheckIn"),
            instant(raw.status.date, f"{barcode}: status.date"),
        ),
        requests=waiting.get(raw.id, 0),
        updated_at=instant(raw.metadata.updated, f"{barcode}: metadata.updatedDate"),
    )


def _label(raw: Item) -> str:
    """Return the call number as the label has it: prefix, number, suffix, then which volume and copy."""
    parts = (
        raw.components.prefix,
        raw.components.call_number or raw.call_number,
        raw.components.suffix,
        raw.volume,
        raw.enumeration,
        raw.chronology,
        raw.copy_number,
    )
    return " ".join(" ".join(filter(None, parts)).split())
