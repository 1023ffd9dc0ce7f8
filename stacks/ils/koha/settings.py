"""Settings of a connection to Koha."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from stacks.ils.settings import HttpSettings, checked_schemes, checked_statuses

#: The authorised values that Koha is installed with (LOST, NOT_LOAN); any other value of a library's own is
#: `lost` or `available`, which both accuse nobody.
LOST = {"1": "lost", "2": "lost", "3": "lost", "4": "missing"}
NOT_FOR_LOAN = {"-1": "in_process"}
LOCATIONS = {"PROC": "in_process", "CART": "in_transit"}
SOURCES = {"lcc": "lcc", "ddc": "ddc", "sudocs": "sudoc", "nlm": "nlm", "clc": "clc", "z": "local"}


class KohaSettings(HttpSettings):
    """``kind = "koha"``: see docs/ils.md."""

    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "password")

    kind: Literal["koha"]
    client_id: str | None = None
    client_secret: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None
    holds: bool = False
    lost: dict[str, str] = Field(default_factory=lambda: dict(LOST))
    not_for_loan: dict[str, str] = Field(default_factory=lambda: dict(NOT_FOR_LOAN))
    location_status: dict[str, str] = Field(default_factory=lambda: dict(LOCATIONS))
    sources: dict[str, str] = Field(default_factory=lambda: dict(SOURCES))
    missing_value: int = Field(default=4, ge=1)
    inventory_file: Path | None = None
    clear_extended_subfields: bool = False

    @field_validator("lost", "not_for_loan", "location_status")
    @classmethod
    def _statuses(cls, table: dict[str, str]) -> dict[str, str]:
        return checked_statuses(table)

    @field_validator("sources")
    @classmethod
    def _schemes(cls, table: dict[str, str]) -> dict[str, str]:
        return checked_schemes(table)

    @model_validator(mode="after")
    def _one_sign_in(self) -> KohaSettings:
        oauth = self.client_id is not None
        basic = self.user is not None
        if oauth == basic:
            raise ValueError(
                "needs either client_id and client_secret (OAuth2), or user and password (Basic)"
            )
        if oauth and self.client_secret is None:
            raise ValueError(
                "client_secret is needed (or NIGHTSTACK_ILS_CLIENT_SECRET, or client_secret_file)"
            )
        if basic and self.password is None:
            raise ValueError("password is needed (or NIGHTSTACK_ILS_PASSWORD, or password_file)")
        return self
