"""The service's settings file: TOML and the environment into `cloud_ingest.ServeSettings`, every value checked."""

from __future__ import annotations

import tomllib
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from reports.pace import ByHand

if TYPE_CHECKING:
    from cloud_ingest.settings import ServeSettings
    from cloud_ingest.sites import Recipient


class SettingsError(ValueError):
    """A settings file that cannot be used: which file, which setting, what to do."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleTable(_Table):
    """``schedule = { days = ["mon", "thu"], hour = 06:30:00 }``: when a recipient's mail is due."""

    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    hour: time = time(7, 0)


class RecipientTable(_Table):
    """``[[recipients]]`` or ``[[site.NAME.recipients]]``."""

    address: str
    language: str = "en"
    floors: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    minutes: float | None = None
    schedule: ScheduleTable | None = None
    quiet_days: tuple[date | str, ...] = ()


class SmtpTable(_Table):
    """``[smtp]``: the mail server."""

    host: str
    port: int = Field(default=25, ge=1, le=65535)
    security: Literal["plain", "starttls", "tls"] = "plain"
    user: str | None = None
    password: SecretStr | None = None
    timeout_s: float = Field(default=30.0, gt=0)
    ca_file: Path | None = None


class SiteTable(_Table):
    """``[site.NAME]``: one library."""

    recipients: tuple[RecipientTable, ...] = ()
    plan: Path | None = None
    holdings: Path | None = None
    calibration: Path | None = None
    time_zone: str | None = None
    ils: dict[str, Any] | None = None  # checked by stacks.ils when it is opened
    policy: dict[str, float] = Field(default_factory=dict[str, float])
    pace: ByHand = Field(default_factory=ByHand)  # it checks itself
    language: str = ""
    tags: dict[str, Any] = Field(default_factory=dict[str, Any])  # checked by cloud_ingest.tag_settings


class ServeFile(BaseSettings):
    """``serve.toml``; each setting may also come from the environment (``NIGHTSTACK_SMTP__PASSWORD`` ...)."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="NIGHTSTACK_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    data: Path | None = None
    broker: str | None = None
    broker_listen: str | None = None
    broker_ca: Path | None = None
    client_id: str | None = None
    http: str | None = None
    database: SecretStr | None = None
    base_url: str | None = None
    sender: str | None = None
    morning: time | None = None
    time_zone: str | None = None
    language: str | None = None
    silence_s: float | None = None
    offline_s: float | None = None
    segment_rows: int | None = None
    group_messages: int | None = None
    ack_s: float | None = None
    jobs: int | None = None
    parallel_jobs: int | None = None
    job_attempts: int | None = None
    lease_s: float | None = None
    job_timeout_s: float | None = None
    quarantine_files: int | None = None
    quarantine_bytes: int | None = None
    bounces: Path | None = None
    bounce_address: str | None = None
    keep_cases_days: float | None = None
    attachment_bytes: int | None = None
    compose_timeout_s: float | None = None
    recheck_s: float | None = None
    writes_per_minute: float | None = None
    mail_attempts: int | None = None
    mail_retry_s: float | None = None
    recipients: tuple[RecipientTable, ...] = ()
    smtp: SmtpTable | None = None
    site: dict[str, SiteTable] = Field(default_factory=dict[str, SiteTable])
    staff: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (pydantic calls it with all of these)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (as above)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (as above)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file: secrets need not stand in it."""
        return env_settings, init_settings


def read_serve_settings(file: Path | None, **overrides: Any) -> ServeSettings:
    """Read the service's settings.

    Parameters
    ----------
    file
        ``serve.toml``; None: the environment and the defaults alone. Relative paths in it are meant from its folder.
    **overrides
        Values of the command line; None means not given.

    Returns
    -------
    ServeSettings
        Checked settings.

    Raises
    ------
    SettingsError
        A file that is no TOML, an unknown setting, a value of the wrong type: one line naming file and setting.
    """
    from cloud_ingest.settings import ServeSettings
    from cloud_ingest.sites import SiteSettings
    from reports import SmtpSettings

    read = _read_file(file)
    folder = file.parent if file is not None else Path()
    given = {key: value for key, value in overrides.items() if value is not None}
    plain = read.model_dump(exclude={"recipients", "smtp", "site", "staff", "database"}, exclude_none=True)
    for key in ("data", "broker_ca", "bounces"):
        if key in plain:
            plain[key] = folder / plain[key]
    if read.database is not None:
        plain["database"] = read.database.get_secret_value()
    values: dict[str, Any] = {"data": Path("nightstack-data"), **plain, **given}
    if read.smtp is not None:
        smtp = read.smtp.model_dump(exclude={"password", "ca_file"})
        password, ca_file = read.smtp.password, _from(folder, read.smtp.ca_file)
        if ca_file is not None and not ca_file.is_file():
            raise SettingsError(
                f"{file or 'environment'}: smtp.ca_file: {ca_file} is not there; name a PEM file"
            )
        values["smtp"] = SmtpSettings(
            **smtp,
            password=password.get_secret_value() if password else None,
            ca_file=None if ca_file is None else str(ca_file),
        )
    values["staff"] = {name: key.get_secret_value() for name, key in read.staff.items()}
    values["recipients"] = tuple(_recipient(who) for who in read.recipients)
    with_ils = sum(bool(site.ils) for site in read.site.values())
    values["sites"] = tuple(
        SiteSettings(
            name,
            tuple(_recipient(who) for who in site.recipients),
            _from(folder, site.plan),
            _from(folder, site.holdings),
            _from(folder, site.calibration),
            site.time_zone,
            _ils(name, site.ils, folder, alone=with_ils == 1) if site.ils else {},
            site.policy,
            site.pace,
            site.language,
            site.tags,
        )
        for name, site in read.site.items()
    )
    return ServeSettings(**values)


def _ils(site: str, table: dict[str, Any], folder: Path, *, alone: bool) -> dict[str, Any]:
    """Return the settings of a site's library system; what is wrong with them is said now and not at the first mail."""
    from importlib import import_module

    from stacks.ils import KINDS, IlsSettingsError
    from stacks.ils.settings import check
    from stacks.ils.settings_file import anchored

    kind = str(table.get("kind"))
    try:
        given = anchored(table, folder, site, alone=alone)
        if kind not in KINDS:
            raise IlsSettingsError(
                f"ils.kind: {kind[:40]!r} is none of {', '.join(KINDS)}; docs/ils.md lists the settings"
            )
        check(getattr(import_module(f"stacks.ils.{kind}"), f"{kind.capitalize()}Settings"), given)
    except IlsSettingsError as error:
        raise SettingsError(f"site.{site}.{error}") from None
    return given


def _recipient(table: RecipientTable) -> Recipient:
    from cloud_ingest.errors import ServeError
    from cloud_ingest.mail_days import Schedule, read_span
    from cloud_ingest.sites import Recipient

    try:
        when = table.schedule
        return Recipient(
            table.address,
            table.language,
            table.floors,
            table.kinds,
            table.minutes,
            None if when is None else Schedule(when.days, when.hour),
            tuple(read_span(day) for day in table.quiet_days),
        )
    except ServeError as error:
        line = str(error)
        named = line if table.address in line else f"recipients: {table.address}: {line}"
        raise ServeError(named) from None


def _from(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path


def _read_file(file: Path | None) -> ServeFile:
    source = file if file is not None else "environment"
    content: dict[str, Any] = {}
    if file is not None:
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingsError(f"{file}: no such settings file; docs/cloud_ingest.md shows one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file}: cannot be read: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{file}: is no TOML: {error}") from None
    try:
        return ServeFile(**content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        what = "no such setting" if unknown else first["msg"].removeprefix("Value error, ")
        what = what.removeprefix(f"{first['loc'][-1]}: ") if first["loc"] else what
        raise SettingsError(f"{source}: {where}: {what}; docs/cloud_ingest.md lists the settings") from None
