"""Time zones as settings name them: one name, one zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cloud_ingest.errors import ServeError

_PLAIN = ("UTC", "GMT")  # short names that mean the same everywhere
_NO_PLACE = ("localtime", "posixrules", "Factory", "leapseconds")
_WRITE = "write region and city, such as Asia/Shanghai, America/New_York or Europe/Berlin"
_SHOWN = 40
_MOST = 4
# Of the many zones that share a short name, those that most people mean come first.
_FIRST = (
    *("Asia/Shanghai", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Athens", "Europe/Lisbon", "Asia/Kolkata"),
    *("Asia/Jerusalem", "Asia/Manila", "Australia/Sydney", "Africa/Johannesburg", "Pacific/Honolulu"),
    *("America/Havana", "Asia/Taipei", "Asia/Dhaka", "America/Panama", "Europe/Paris", "Asia/Tokyo"),
)


def check_zone(setting: str, name: str) -> None:
    """Refuse what is no IANA zone of a place: unknown names, and those that mean this machine's own clock or none.

    Raises
    ------
    ServeError
        One line that says which names to write.
    """
    said = repr(name[:_SHOWN])
    if name in _NO_PLACE or name.startswith(("right/", "posix/")):
        raise ServeError(f"{setting}: {said} is the zone of no place; {_WRITE}")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        meant = _zones_called(name)
        if meant:
            raise ServeError(
                f"{setting}: {said} is a short name of more than one zone; {_cities(meant)}"
            ) from None
        raise ServeError(f"{setting}: {said} is no IANA zone; {_WRITE}") from None


def doubt_about_zone(setting: str, name: str) -> str:
    """Return a sentence about a zone's name that many use for another one; "": there is no doubt."""
    if "/" in name or name in _PLAIN or not (meant := _zones_called(name)):
        return ""
    return f"{setting}: '{name}' is taken, but is a short name of more than one zone; {_cities(meant)}"


def _cities(meant: list[str]) -> str:
    return f"write the city's: {', '.join(meant[:_MOST])}{' ...' if len(meant) > _MOST else ''}"


def _zones_called(name: str) -> list[str]:
    """Return the zones of cities whose clocks show a short name in winter or in summer, the best known first."""
    wanted = set(_parts(name))
    if not wanted:
        return []
    now = datetime.now(UTC)
    regions = ("Africa/", "America/", "Asia/", "Australia/", "Europe/", "Pacific/")
    cities = sorted(key for key in available_timezones() if key.startswith(regions))
    order = {key: place for place, key in enumerate(_FIRST)}
    found: list[str] = []
    for key in sorted(cities, key=lambda key: (order.get(key, len(order)), key)):
        zone = ZoneInfo(key)
        shown = {(now + timedelta(days=days)).astimezone(zone).tzname() for days in (0, 91, 182, 273)}
        if wanted <= shown:
            found.append(key)
    return found


def _parts(name: str) -> tuple[str, ...]:
    """Return the short names in one: CST6CDT has two."""
    if not (name.isascii() and name.isupper() and name.isalnum()):
        return ()
    letters = "".join(c if c.isalpha() else " " for c in name).split()
    return tuple(letters) if all(3 <= len(part) <= 5 for part in letters) else ()
