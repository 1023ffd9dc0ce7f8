"""Settings of the connections: every key known, every value checked, secrets never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from stacks.holdings import SCHEMES, STATUSES
from stacks.ils.errors import IlsSettingsError

ENVIRONMENT = "NIGHTSTACK_ILS_"
"""What the names of environment variables with secrets begin with."""
WRITES = ("inventory_date", "missing")
"""What may be written back where a site turns it on."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Write = Literal["inventory_date", "missing"]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseModel):
    """What all connections have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    secrets: ClassVar[tuple[str, ...]] = ()

    kind: Any  # each connection's own word
    writes: tuple[Write, ...] = ()
    journal: Path = Path("ils-journal.sqlite")
    timeout_s: Seconds = 30.0
    retries: int = Field(default=4, ge=0, le=20)
    backoff_s: Seconds = 1.0
    longest_wait_s: Seconds = 120.0
    ca_file: Path | None = None
    scheme: str = "lcc"
    locations: dict[str, str] = Field(default_factory=dict[str, str])

    @field_validator("scheme")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        return _one_of(value, SCHEMES)


class HttpSettings(Settings):
    """What connections over HTTP have in common."""

    url: str
    allow_http: bool = False
    page_size: int = Field(default=500, ge=1, le=10_000)

    @model_validator(mode="after")
    def _checked_url(self) -> HttpSettings:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url must be such as https://library.example.org")
        if parts.username or parts.password:
            raise ValueError("url must not hold a name or password; there are settings for them")
        if parts.scheme == "http" and not self.allow_http and parts.hostname not in _LOOPBACK:
            raise ValueError(
                "url is http, which shows passwords to everyone on the way; use https, or allow_http = true"
            )
        return self


def checked_statuses(table: Mapping[Any, str]) -> dict[str, str]:
    """Return a mapping table whose right sides are known statuses; its keys as text."""
    return {str(key): _one_of(value, STATUSES) for key, value in table.items()}


def checked_schemes(table: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping table whose right sides are known schemes; its keys in small letters."""
    return {key.lower(): _one_of(value, SCHEMES) for key, value in table.items()}


def _one_of(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value[:40]!r} is none of {', '.join(known)}")
    return value


SettingsT = TypeVar("SettingsT", bound=Settings)


def check(
    model: type[SettingsT], given: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> SettingsT:
    """
    Return the checked settings of one connection.

    A secret stands in the settings, in the file that ``NAME_file`` names, or in the environment
    (``NIGHTSTACK_ILS_NAME``), and the first of these counts.

    Raises
    ------
    IlsSettingsError
        One line naming the setting; never the value of a secret.
    """
    values = dict(given)
    where = os.environ if environment is None else environment
    for name in model.secrets:
        file = values.pop(f"{name}_file", None)
        if values.get(name) is None and file is not None:
            values[name] = _from_file(file, f"{name}_file")
        if values.get(name) is None and where.get(f"{ENVIRONMENT}{name.upper()}"):
            values[name] = where[f"{ENVIRONMENT}{name.upper()}"]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise IlsSettingsError(
            f"ils.{name or given.get('kind')}: {_plainly(first, model)}; docs/ils.md lists the settings"
        ) from None


def _plainly(error: Mapping[str, Any], model: type[Settings]) -> str:
    if error["type"] == "extra_forbidden":
        return "no such setting"
    if error["type"] == "missing":
        name = str(error["loc"][0])
        how = (
            f", or set {ENVIRONMENT}{name.upper()}, or name a file in {name}_file"
            if name in model.secrets
            else ""
        )
        return f"is needed{how}"
    return str(error["msg"]).removeprefix("Value error, ")


def _from_file(file: object, name: str) -> str:
    try:
        text = Path(str(file)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8"
        raise IlsSettingsError(f"ils.{name}: {file}: cannot be read ({reason})") from None
    if not text:
        raise IlsSettingsError(f"ils.{name}: {file}: is empty; write the secret on its first line")
    return text


def reveal(secret: SecretStr | None) -> str:
    """Return a secret as text, for the one line that sends it."""
    return secret.get_secret_value() if secret is not None else ""
