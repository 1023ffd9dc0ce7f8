"""Settings of a connection to FOLIO."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from stacks.ils.settings import HttpSettings, checked_schemes, checked_statuses

#: Every status name of FOLIO's item schema. `Paged` stands on its shelf until somebody fetches it; as on_hold it
#: is called missing by nobody.
STATUSES = {
    "Aged to lost": "lost",
    "Available": "available",
    "Awaiting pickup": "on_hold",
    "Awaiting delivery": "on_hold",
    "Checked out": "loaned",
    "Claimed returned": "claimed_returned",
    "Declared lost": "lost",
    "In process": "in_process",
    "In process (non-requestable)": "in_process",
    "In transit": "in_transit",
    "Intellectual item": "withdrawn",
    "Long missing": "missing",
    "Lost and paid": "lost",
    "Missing": "missing",
    "On order": "in_process",
    "Order closed": "withdrawn",
    "Paged": "on_hold",
    "Restricted": "available",
    "Unavailable": "in_process",
    "Unknown": "in_process",
    "Withdrawn": "withdrawn",
}
#: The call number types of FOLIO's reference data.
CALL_NUMBER_TYPES = {
    "95467209-6d7b-468b-94df-0f5d7ad2747d": "lcc",
    "03dd64d0-5626-4ecd-8ece-4531e0069f35": "ddc",
    "054d460d-d6b9-4469-9e37-7a78a2266655": "nlm",
    "fc388041-6cd0-4806-8a74-ebe3b9ab4c6e": "sudoc",
}


class FolioSettings(HttpSettings):
    """``kind = "folio"``: see docs/ils.md."""

    secrets: ClassVar[tuple[str, ...]] = ("password",)

    kind: Literal["folio"]
    tenant: str
    user: str
    password: SecretStr
    requests: bool = False
    statuses: dict[str, str] = Field(default_factory=dict[str, str])
    call_number_types: dict[str, str] = Field(default_factory=lambda: dict(CALL_NUMBER_TYPES))
    inventory_note_type: str | None = None

    @field_validator("statuses")
    @classmethod
    def _statuses(cls, table: dict[str, str]) -> dict[str, str]:
        return {**STATUSES, **checked_statuses(table)}

    @field_validator("call_number_types")
    @classmethod
    def _schemes(cls, table: dict[str, str]) -> dict[str, str]:
        return checked_schemes(table)

    @model_validator(mode="after")
    def _note_type(self) -> FolioSettings:
        if "inventory_date" in self.writes and self.inventory_note_type is None:
            raise ValueError(
                "inventory_note_type is needed to write inventory_date (the id of an item note type of your own): "
                "FOLIO's items have no field for it"
            )
        return self
