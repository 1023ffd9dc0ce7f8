"""Settings of a connection to Alma."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from stacks.ils.settings import HttpSettings, checked_schemes, checked_statuses

#: Alma's code table PROCESSTYPE. Requested stands on its shelf until somebody fetches it.
PROCESSES = {
    "ACQ": "in_process",
    "CLAIM_RETURNED_LOAN": "claimed_returned",
    "HOLDSHELF": "on_hold",
    "ILL": "loaned",
    "LOAN": "loaned",
    "LOST_ILL": "lost",
    "LOST_LOAN": "lost",
    "LOST_LOAN_AND_PAID": "lost",
    "MISSING": "missing",
    "REQUESTED": "on_hold",
    "TECHNICAL": "in_process",
    "TRANSIT": "in_transit",
    "TRANSIT_TO_REMOTE_STORAGE": "in_transit",
    "WORK_ORDER_DEPARTMENT": "in_process",
}
#: Alma's code table CallNumberType, which is MARC 852's first indicator.
CALL_NUMBER_TYPES = {"0": "lcc", "1": "ddc", "2": "nlm", "3": "sudoc", "8": "local"}


class AlmaSettings(HttpSettings):
    """``kind = "alma"``: see docs/ils.md."""

    secrets: ClassVar[tuple[str, ...]] = ("api_key",)

    kind: Literal["alma"]
    api_key: SecretStr
    set_id: str | None = Field(default=None, pattern=r"^[0-9]+$")
    page_size: int = Field(default=100, ge=1, le=100)
    calls_kept: int = Field(default=5000, ge=0)
    processes: dict[str, str] = Field(default_factory=dict[str, str])
    call_number_types: dict[str, str] = Field(default_factory=lambda: dict(CALL_NUMBER_TYPES))

    @field_validator("processes")
    @classmethod
    def _statuses(cls, table: dict[str, str]) -> dict[str, str]:
        return {**PROCESSES, **checked_statuses(table)}

    @field_validator("call_number_types")
    @classmethod
    def _schemes(cls, table: dict[str, str]) -> dict[str, str]:
        return checked_schemes(table)
