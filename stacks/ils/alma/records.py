"""Alma's records, and what they are in Nightstack's words (rest_item.xsd)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from stacks.ils.alma.settings import PROCESSES, AlmaSettings
from stacks.ils.items import IlsItem
from stacks.ils.reading import Record, instant, record


class Coded(Record):
    """A value of a code table."""

    value: str | None = None
    desc: str | None = None


class Bib(Record):
    """``bib_data``."""

    mms_id: str
    title: str | None = None


class Holding(Record):
    """``holding_data``."""

    holding_id: str
    call_number: str | None = None
    call_number_type: Coded = Field(default_factory=Coded)
    in_temp_location: bool | None = None


class ItemData(Record):
    """``item_data``."""

    pid: str
    barcode: str | None = None
    base_status: Coded = Field(default_factory=Coded)
    process_type: Coded = Field(default_factory=Coded)
    library: Coded = Field(default_factory=Coded)
    location: Coded = Field(default_factory=Coded)
    alternative_call_number: str | None = None
    alternative_call_number_type: Coded = Field(default_factory=Coded)
    description: str | None = None
    inventory_date: str | None = None
    modification_date: str | None = None
    requested: bool | None = None


class Item(Record):
    """An item as it is read and sent back whole."""

    bib_data: Bib
    holding_data: Holding
    item_data: ItemData


class Member(Record):
    """A member of a set."""

    id: str
    link: str


def status_of(data: ItemData, settings: AlmaSettings) -> str:
    """Return our word for where an item is: its process, else whether it is in place."""
    process = data.process_type.value or ""
    if process:
        return (settings.processes or PROCESSES).get(process, "in_process")
    return "available" if data.base_status.value in ("1", None) else "in_process"


def item_of(value: Any, settings: AlmaSettings) -> IlsItem | None:
    """Return an item in our words; None: it has no barcode. Raises IlsError if it cannot be read."""
    raw = record(Item, value, "alma: an item")
    data = raw.item_data
    barcode = (data.barcode or "").strip()
    if not barcode:
        return None
    own = (data.alternative_call_number or "").strip()
    number = f"{own or raw.holding_data.call_number or ''} {data.description or ''}"
    kind = data.alternative_call_number_type if own else raw.holding_data.call_number_type
    location = data.location.value or ""
    return IlsItem(
        barcode=barcode,
        item_id=data.pid,
        call_number=" ".join(number.split()),
        scheme=settings.call_number_types.get(kind.value or "", settings.scheme),
        title=" ".join((raw.bib_data.title or "").split()),
        home_location=settings.locations.get(location, location),
        status=status_of(data, settings),
        raw_status=data.process_type.value or f"base_status={data.base_status.value}",
        # Alma tells that somebody waits, not how many.
        requests=1 if data.requested else 0,
        updated_at=instant(data.modification_date, f"{barcode}: modification_date"),
        extra={"library": data.library.value} if data.library.value else {},
    )
