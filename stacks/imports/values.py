"""Single values as other systems write them, into our form; None where they cannot be read."""

from __future__ import annotations

import datetime as dt
import re

SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+|\d[.,]\d+[eE]\d+")
"""A long number as a spreadsheet shows it: 3.1001E+13."""
_WRAPPED = re.compile(r'="(.*)"')
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?")
_NO = frozenset(("no", "n", "false", "0", "nein", "否", "无", "不"))
_YES = frozenset(("yes", "y", "true", "1", "ja", "j", "是", "有", ""))


def tidy(text: str) -> str:
    """Return a text in one line, without what spreadsheets put round a number to keep it (``="0012"``)."""
    text = text.strip()
    if text.startswith("=") and (found := _WRAPPED.fullmatch(text)):
        text = found[1].strip()
    return (
        text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())
    )


def epc(text: str) -> str | None:
    """Return an EPC in capitals, blanks and hyphens taken out; None where it is no hexadecimal of whole bytes."""
    bare = re.sub(r"[\s:\-]", "", text)
    bare = bare[2:] if bare[:2] in ("0x", "0X") else bare
    if len(bare) % 2 or bare.strip("0123456789abcdefABCDEF"):
        return None
    return bare.upper()


def count(text: str) -> str | None:
    """Return a whole number of 0 or more; a spreadsheet's ``3.0`` is 3."""
    found = re.fullmatch(r"(\d{1,9})(?:[.,]0+)?", text)
    return str(int(found[1])) if found else None


def moment(text: str) -> str | None:
    """
    Return a day or a time as ISO 8601 in UTC.

    Only forms in which day and month cannot be taken for one another are read: the year first, or the German form
    with points. A time without a zone is taken as UTC.
    """
    day = _DAY.match(text)
    if day is None:
        return None
    y, m, d = _parts(day)
    rest = text[day.end() :]
    clock = _TIME.fullmatch(rest)
    if rest and clock is None:
        return None
    try:
        if clock is None:
            return dt.date(int(y), int(m), int(d)).isoformat() + "T00:00:00Z"
        zone = clock[4]
        at = dt.datetime(
            int(y), int(m), int(d), int(clock[1]), int(clock[2]), int(clock[3] or 0), tzinfo=dt.UTC
        )
        if zone and zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[-2:])
            off = dt.timedelta(hours=hours, minutes=minutes)
            at = at - off if zone[0] == "+" else at + off
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return None


def day(text: str) -> dt.date | None:
    """Return the day that a text names as it stands there, whatever the zone of its time; forms as of `moment`."""
    found = _DAY.match(text)
    return None if found is None or moment(text) is None else dt.date(*map(int, _parts(found)))


def _parts(day: re.Match[str]) -> tuple[str, str, str]:
    """Return year, month and day of a match."""
    if day[1]:
        return day[1], day[2], day[3]
    return (day[6], day[5], day[4]) if day[6] else (day[7], day[8], day[9])


def tagged(text: str) -> str | None:
    """Return ``no`` for a copy without a tag, an empty text for any other."""
    word = text.strip().casefold()
    return "no" if word in _NO else "" if word in _YES else None
