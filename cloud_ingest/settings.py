"""What the service needs to be told; the command line fills it from TOML and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cloud_ingest.errors import ServeError
from cloud_ingest.paths import site_folder
from cloud_ingest.sites import Recipient, SiteSettings, check_language, check_mail_address, shared_language
from cloud_ingest.zones import check_zone, doubt_about_zone

if TYPE_CHECKING:
    from reports import SmtpSettings

Role = Literal["all", "ingest", "jobs", "web"]
LOOPBACK = "127.0.0.1"
_LEAST_KEY = 16


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of the service.

    Attributes
    ----------
    data
        The folder everything is kept in; made if it is missing.
    role
        ``all`` in one process, or one of ``ingest``, ``jobs`` and ``web`` over the same data and database.
    broker
        ``mqtt://[user:password@]host[:1883]`` or ``mqtts://...[:8883]``; None: a broker of its own
        (amqtt, in the process) on `broker_listen`.
    broker_listen
        ``host:port`` of that broker; port 0 takes a free one.
    broker_ca
        PEM file of the certificate authority for ``mqtts://``; None: the system's.
    client_id
        Fixed MQTT client id. With it the broker keeps a session for this service while it is away
        (Mosquitto does; the broker of our own does not). None: a clean session each time.
    http
        ``host:port`` of API and pages; port 0 takes a free one.
    database
        SQLAlchemy URL; None: ``DATA/nightstack.db`` (SQLite). PostgreSQL: ``postgresql+psycopg://...``.
    sites
        The libraries that have settings of their own. A site that is not here is stored all the same.
    recipients
        Who gets the mail of a site that names nobody.
    smtp
        The mail server; None: mails are written and kept, not sent.
    sender
        From address.
    base_url
        What links to documents begin with; None: the address HTTP is bound to.
    morning, time_zone
        Hour by which every site gets a mail, and the IANA zone it is meant in where a site has none of its own.
    silence_s
        A run whose robot was silent for so long closes by itself.
    offline_s
        The same once the broker has said that the robot is gone (its last will).
    segment_rows
        Rows after which a Parquet segment is closed.
    group_messages
        Most messages stored in one transaction.
    ack_s
        How often watermarks of running runs are said again.
    jobs
        Worker processes of one localization.
    parallel_jobs
        Runs worked on at a time.
    job_attempts
        How often a run's job is tried before the run is called failed.
    lease_s
        A job whose worker has not renewed its lease for so long is taken over.
    job_timeout_s
        A job that takes longer is stopped and counts as a failed attempt.
    quarantine_files, quarantine_bytes
        Bounds of the quarantine; the oldest goes first.
    bounces
        A Maildir into which the mail server delivers what comes back; None: nobody looks.
    bounce_address
        Where mail that cannot be delivered comes back to (the envelope's sender), without its part after the plus sign:
        each mail has one of its own, ``name+token@host``. None: to `sender`.
    keep_cases_days
        How long a resolved case stays in the ledger, and what nights taught of a copy that left the catalogue.
    attachment_bytes
        Documents of a mail that are larger in all are linked instead of attached.
    compose_timeout_s
        Time to ask the library system and write the documents of the mails that are due together.
    recheck_s
        Of these, time for the library system.
    writes_per_minute
        Most writes to a library system a minute.
    staff
        Names and keys of those who may change staff's lists and say how mornings went through HTTP; none: nobody may.
    language
        Language of the pages of a site that sets none; empty: the one its recipients share, else English.
    mail_attempts, mail_retry_s
        Tries of one mail, and the first pause between them (doubled each time, at most a quarter of an hour). The
        default keeps trying for five days, as RFC 5321, section 4.5.4.1 asks.
    """

    data: Path
    role: Role = "all"
    broker: str | None = field(default=None, repr=False)  # may hold a password
    broker_listen: str = f"{LOOPBACK}:1883"
    broker_ca: Path | None = None
    client_id: str | None = None
    http: str = f"{LOOPBACK}:8080"
    database: str | None = field(default=None, repr=False)  # may hold a password
    sites: tuple[SiteSettings, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    smtp: SmtpSettings | None = None
    sender: str = "nightstack@localhost"
    base_url: str | None = None
    morning: time = time(7, 0)
    time_zone: str = "UTC"
    silence_s: float = 900.0
    offline_s: float = 180.0
    segment_rows: int = 100_000
    group_messages: int = 256
    ack_s: float = 5.0
    jobs: int = 1
    parallel_jobs: int = 1
    job_attempts: int = 3
    lease_s: float = 30.0
    job_timeout_s: float = 6 * 3600.0
    quarantine_files: int = 10_000
    quarantine_bytes: int = 256 << 20
    bounces: Path | None = None
    bounce_address: str | None = None
    keep_cases_days: float = 730.0
    attachment_bytes: int = 8_000_000
    compose_timeout_s: float = 600.0
    recheck_s: float = 120.0
    writes_per_minute: float = 120.0
    language: str = ""
    mail_attempts: int = 500
    mail_retry_s: float = 30.0
    staff: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)  # keys are secrets
    _sites: dict[str, SiteSettings] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [site.site for site in self.sites]
        addresses = [who.address for who in self.recipients]
        if len(set(addresses)) != len(addresses):
            raise ServeError("recipients: an address stands there twice; name it once")
        if len(set(names)) != len(names):
            raise ServeError(f"sites: {sorted(names)} names a site twice; keep one entry a site")
        object.__setattr__(self, "_sites", {site.site: site for site in self.sites})
        for name in (
            *("silence_s", "offline_s", "ack_s", "lease_s", "job_timeout_s", "mail_retry_s"),
            *("compose_timeout_s", "recheck_s"),
        ):
            if not getattr(self, name) > 0:
                raise ServeError(f"{name}: {getattr(self, name)} must be a number of seconds above 0")
        if not 0 < self.writes_per_minute <= 6000:
            raise ServeError(f"writes_per_minute: {self.writes_per_minute} must be above 0 and at most 6000")
        for name in (
            *("segment_rows", "group_messages", "jobs", "parallel_jobs", "job_attempts"),
            *("quarantine_files", "quarantine_bytes", "mail_attempts", "attachment_bytes"),
        ):
            if getattr(self, name) < 1:
                raise ServeError(f"{name}: {getattr(self, name)} must be 1 or more")
        if not 60 <= self.keep_cases_days <= 36_500:
            raise ServeError(
                f"keep_cases_days: {self.keep_cases_days:g} must be 60 to 36500: a false alarm counts for 60 days"
            )
        if self.role not in ("all", "ingest", "jobs", "web"):
            raise ServeError(f"role: '{self.role}' is none of all, ingest, jobs, web")
        for name, key in self.staff.items():
            if not name or ":" in name or len(key) < _LEAST_KEY:
                raise ServeError(
                    f"staff: {name[:40]!r} needs a name without a colon and a key of {_LEAST_KEY} characters and more"
                )
        check_zone("time_zone", self.time_zone)
        if self.language:
            check_language("serve settings", self.language)
        check_mail_address("sender", self.sender)
        if self.bounce_address is not None:
            check_mail_address("bounce_address", self.bounce_address)
        split_host_port(self.http, "http")
        split_host_port(self.broker_listen, "broker_listen")
        if self.broker is not None:
            BrokerAddress.from_url(self.broker)

    @property
    def database_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database or f"sqlite:///{(self.data / 'nightstack.db').absolute()}"

    @property
    def zone(self) -> ZoneInfo:
        """The zone the morning hour is meant in."""
        return ZoneInfo(self.time_zone)

    def of_pages(self, site: str | None) -> SiteSettings:
        """Return the settings that a page is written with: a site's, or what all sites have in common.

        Of a page about no site in particular, time zone and language are those of the sites there are settings for
        where these agree, else the service's own.
        """
        if site is not None:
            return self.site(site)
        every = [self.site(own.site) for own in self.sites]
        zones, spoken = {one.time_zone for one in every}, {one.spoken for one in every}
        usual = self.language or shared_language(self.recipients)
        return SiteSettings(
            "",
            time_zone=zones.pop() if len(zones) == 1 else self.time_zone,
            language=spoken.pop() if len(spoken) == 1 else usual,
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is taken as it stands and may not be meant so, one line each."""
        own = ((f"site {site.site}: time_zone", site.time_zone) for site in self.sites)
        named = (("time_zone", self.time_zone), *own)
        return tuple(said for where, zone in named if zone and (said := doubt_about_zone(where, zone)))

    def site(self, site: str) -> SiteSettings:
        """Return the settings of a site, with every default filled in; never fails for an unknown one."""
        own = self._sites.get(site, SiteSettings(site))
        folder = site_folder(self.data, site)
        return SiteSettings(
            site,
            own.recipients or self.recipients,
            own.plan or folder / "plan.json",
            own.holdings or folder / "holdings.csv",
            own.calibration,
            own.time_zone or self.time_zone,
            own.ils,
            own.policy,
            own.pace,
            own.language or self.language,
            own.tags,
        )


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker listens and how to log in."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> BrokerAddress:
        """Read ``mqtt://`` and ``mqtts://`` URLs; anything else is a `ServeError`."""
        parts = urlsplit(url)
        advice = "write mqtt://host:1883 or mqtts://host:8883"
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
            raise ServeError(f"broker: '{_without_password(url)}' is no broker URL; {advice}")
        try:
            port = parts.port
        except ValueError as err:
            raise ServeError(f"broker: '{_without_password(url)}' has no usable port; {advice}") from err
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, port or (8883 if tls else 1883), tls, parts.username, parts.password)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def split_host_port(text: str, setting: str) -> tuple[str, int]:
    """Split ``host:port`` (or ``[v6]:port``); a `ServeError` names the setting."""
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None or parts.path or parts.username:
        raise ServeError(f"{setting}: '{text}' is no host:port; write e.g. {LOOPBACK}:8080")
    return parts.hostname, port


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@") if parts.password else url
