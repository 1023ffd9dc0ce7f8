"""Answers of systems that are not ours, checked before they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stacks.ils.errors import IlsError
from stacks.ils.items import IlsItem


class Record(BaseModel):
    """A record of an answer: types are checked as they are, fields we do not use may be anything."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


RecordT = TypeVar("RecordT", bound=Record)


def record(model: type[RecordT], value: Any, where: str) -> RecordT:
    """Return a checked record; raises IlsError naming the field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise IlsError(
            f"{where}: answered with a record that cannot be used ({field}: {first['msg']})"
        ) from None


def rows(value: Any, where: str) -> list[Any]:
    """Return a list that should be one; raises IlsError."""
    if not isinstance(value, list):
        raise IlsError(f"{where}: answered with {type(value).__name__} where a list of items should be")
    return value  # pyright: ignore[reportUnknownVariableType]


def instant(text: str | None, where: str = "a date") -> datetime | None:
    """
    Return a time of an answer, UTC; a day is its beginning, a time without a zone is UTC.

    Raises
    ------
    IlsError
        It is no ISO 8601.
    """
    if not text:
        return None
    try:
        # Alma writes days with a zone: 2026-11-20Z
        plain = text[:-1] if len(text) == 11 and text.endswith("Z") else text
        made = datetime.fromisoformat(plain)
        return made.replace(tzinfo=UTC) if made.tzinfo is None else made.astimezone(UTC)
    except (ValueError, OverflowError):
        raise IlsError(f"{where}: {text[:40]!r} is no date") from None


def latest(*times: datetime | None) -> datetime | None:
    """Return the last of some times; None where there is none."""
    return max((t for t in times if t is not None), default=None)


def whole(text: str | None) -> int | None:
    """Return a whole number of 0 or more that stands in a text; None where there is none, or one that cannot be."""
    plain = (text or "").strip()
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) <= 18 else None


def as_instant(when: date | datetime) -> datetime:
    """Return a day or time as a time, UTC: a day as its noon, so that it is that day in nearly every zone."""
    if isinstance(when, datetime):
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return datetime(when.year, when.month, when.day, 12, tzinfo=UTC)


class Reader:
    """
    Makes items of a pull's records: a record that cannot be read is counted, not fatal.

    Attributes
    ----------
    read, spoiled, nameless : int
        Items made, records that could not be read, items without a barcode.
    """

    def __init__(self) -> None:
        self.read = self.spoiled = self.nameless = 0
        self.first_trouble = ""
        self.unread: set[str] = set()

    def page(
        self, found: Iterable[Any], make: Callable[[Any], IlsItem | None], barcode_of: Callable[[Any], Any]
    ) -> list[IlsItem]:
        """Return the items of one page; `make` gives None for an item without a barcode."""
        made: list[IlsItem] = []
        for value in found:
            try:
                item = make(value)
            except IlsError as error:
                self.spoiled += 1
                self.first_trouble = self.first_trouble or str(error)
                barcode = barcode_of(value)
                if isinstance(barcode, str) and barcode:
                    self.unread.add(barcode.strip())
                continue
            if item is None:
                self.nameless += 1
            else:
                made.append(item)
        self.read += len(made)
        return made

    @property
    def notes(self) -> list[str]:
        """What was left out, a sentence each."""
        said: list[str] = []
        if self.nameless:
            said.append(f"{self.nameless} items without a barcode left out")
        if self.spoiled:
            said.append(
                f"{self.spoiled} records could not be read and were left out; the first: {self.first_trouble}"
            )
        return said
