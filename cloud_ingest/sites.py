"""A library's own settings, and who reads for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cloud_ingest.errors import ServeError
from cloud_ingest.mail_days import Schedule, Span
from cloud_ingest.tag_settings import tag_rules
from cloud_ingest.zones import check_zone
from reports import KINDS, AddressError, check_address
from reports.pace import ByHand

if TYPE_CHECKING:
    from reports import Policy


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who gets the mail of a site.

    Attributes
    ----------
    address
        Mail address.
    language
        Language of the mail and its documents, as an IETF tag (``en``, ``zh`` ...).
    floors
        Floors of the plan this recipient walks; empty: all.
    kinds
        Kinds of findings this recipient deals with; empty: all.
    minutes
        How long there is for the list of a morning; None: everything is listed.
    schedule
        Days and hour of the mail; None: as soon as the report is done.
    quiet_days
        Days without mail; what is found then is in the next one.
    """

    address: str
    language: str = "en"
    floors: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    minutes: float | None = None
    schedule: Schedule | None = None
    quiet_days: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        check_mail_address("recipients", self.address)
        if "<" in self.address:
            raise ServeError(
                f"recipients: '{self.address}' has a name beside it; write the address alone, name@host"
            )
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise ServeError(
                f"recipients: {self.address}: kinds: '{unknown[0]}' is no kind; write some of {', '.join(KINDS)}"
            )
        if self.minutes is not None and not (0 < self.minutes < math.inf):
            raise ServeError(
                f"recipients: {self.address}: minutes: {self.minutes} must be more than 0; leave it out for all"
            )
        check_language(f"recipients: {self.address}", self.language)


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """One library.

    Attributes
    ----------
    site
        Its name in topics and in ``run.json``.
    recipients
        Who gets its mail; empty: those of `ServeSettings.recipients`.
    plan, holdings
        Where its plan and holdings are; None: ``DATA/sites/<site>/plan.json`` and ``holdings.csv``.
    calibration
        A calibration file for its robots; None: calibrated from each recording itself.
    time_zone
        IANA zone of its mornings; None: `ServeSettings.time_zone`.
    ils
        How to reach its library system, as `stacks.ils.open_ils` takes it; empty: it is not asked.
    policy
        Thresholds of the findings that differ from the usual ones, by their names in `reports.Policy`.
    pace
        How fast its people work, as far as that is set and not to be learnt.
    language
        Language of its pages; empty: the one its recipients share, else English.
    tags
        Whose its tags are and how its books are secured, by the names of `cloud_ingest.tag_settings.TagRules`.
    """

    site: str
    recipients: tuple[Recipient, ...] = ()
    plan: Path | None = None
    holdings: Path | None = None
    calibration: Path | None = None
    time_zone: str | None = None
    ils: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # may hold a password
    policy: Mapping[str, float] = field(default_factory=dict[str, float])
    pace: ByHand = field(default_factory=ByHand)
    language: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.time_zone is not None:
            check_zone(f"site {self.site}: time_zone", self.time_zone)
        make_policy(self.site, self.policy)
        tag_rules(self.tags, self.site)
        if self.language:
            check_language(f"site {self.site}", self.language)
        addresses = [who.address for who in self.recipients]
        if len(set(addresses)) != len(addresses):
            raise ServeError(f"site {self.site}: recipients: an address stands there twice; name it once")

    @property
    def spoken(self) -> str:
        """The language of its pages."""
        return self.language or shared_language(self.recipients)

    @property
    def zone(self) -> ZoneInfo:
        """The zone its mornings are in."""
        return ZoneInfo(self.time_zone or "UTC")


def make_policy(site: str, values: Mapping[str, float]) -> Policy:
    """Return the thresholds of a site, or a `ServeError` that names the wrong one."""
    from reports import Policy

    unknown = [name for name in values if name not in Policy.__dataclass_fields__]
    if unknown:
        raise ServeError(
            f"site {site}: policy: no such threshold as '{unknown[0]}'; "
            f"there are {', '.join(Policy.__dataclass_fields__)}"
        )
    try:
        return Policy(**values)
    except (ValueError, TypeError) as err:
        raise ServeError(f"site {site}: {' '.join(str(err).split())}") from err


def check_mail_address(setting: str, text: str) -> None:
    """Refuse now what would fail only when the night's first mail is built."""
    try:
        address = check_address(setting, text)
    except AddressError as err:
        raise ServeError(str(err)) from err
    if not address.addr_spec.isascii():
        raise ServeError(f"{setting}: '{text}' has letters beyond ASCII, which many mail servers refuse")


def shared_language(recipients: Sequence[Recipient]) -> str:
    """Return the language that all recipients share; English where they have none in common."""
    spoken = {who.language for who in recipients}
    return spoken.pop() if len(spoken) == 1 else "en"


def check_language(where: str, language: str) -> None:
    """Refuse what cannot be a language's name."""
    parts = language.replace("_", "-").split("-")
    if not (parts[0].isascii() and parts[0].isalpha() and 2 <= len(parts[0]) <= 8):
        raise ServeError(f"{where}: language: '{language}' is no language tag; write e.g. en or zh")
