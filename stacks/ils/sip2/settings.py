"""Settings of a SIP2 connection."""

from __future__ import annotations

import codecs
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from stacks.ils.settings import Settings, checked_statuses

#: SIP2's circulation status. `09`, waiting to be re-shelved, is on its way; `01`, other, says nothing: in neither
#: case is a book that is not there called missing.
STATUSES = {
    "01": "in_process",
    "02": "in_process",
    "03": "available",
    "04": "loaned",
    "05": "loaned",
    "06": "in_process",
    "07": "loaned",
    "08": "on_hold",
    "09": "in_transit",
    "10": "in_transit",
    "11": "claimed_returned",
    "12": "lost",
    "13": "missing",
}


class Sip2Settings(Settings):
    """``kind = "sip2"``: see docs/ils.md."""

    secrets: ClassVar[tuple[str, ...]] = ("password", "terminal_password")

    kind: Literal["sip2"]
    host: str
    port: int = Field(default=6001, ge=1, le=65535)
    tls: bool = False
    user: str | None = None
    password: SecretStr | None = None
    terminal_password: SecretStr | None = None
    location_code: str = ""
    institution: str = ""
    encoding: str = "utf-8"
    error_detection: bool = True
    inventory_property: str | None = None
    statuses: dict[str, str] = Field(default_factory=dict[str, str])

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            found = codecs.lookup(value).name
            if "A|\r".encode(found) != b"A|\r":
                raise LookupError
        except (LookupError, UnicodeError):
            raise ValueError(
                f"{value[:40]!r} is no encoding that SIP2 can have; utf-8, cp850, gb18030 ..."
            ) from None
        return found

    @field_validator("statuses")
    @classmethod
    def _statuses(cls, table: dict[str, str]) -> dict[str, str]:
        return {**STATUSES, **checked_statuses(table)}

    @field_validator("location_code", "institution", "inventory_property")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is not None and any(c in value for c in "|\r\n\0"):
            raise ValueError("must not have | or a line's end")
        return value

    @model_validator(mode="after")
    def _property(self) -> Sip2Settings:
        if "inventory_date" in self.writes and "{date}" not in (self.inventory_property or ""):
            raise ValueError(
                'inventory_property is needed to write inventory_date, such as "inventory={date}"'
            )
        return self
