"""On which days, and from which hour on, somebody wants mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from cloud_ingest.errors import ServeError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LATE = timedelta(hours=12)  # a report that misses its hour by less is still sent the same day
_FURTHEST = 3660  # days; beyond that nobody waits for a mail


@dataclass(frozen=True, slots=True)
class Schedule:
    """When somebody's mail is due.

    Attributes
    ----------
    days
        Days of the week, of `DAYS`.
    hour
        Time of day, in the site's time zone.
    """

    days: tuple[str, ...] = DAYS
    hour: time = time(7, 0)

    def __post_init__(self) -> None:
        wrong = [day for day in self.days if day not in DAYS]
        if wrong or not self.days:
            said = f"'{wrong[0]}' is no day" if wrong else "it names no day"
            raise ServeError(f"schedule: days: {said}; write some of {', '.join(DAYS)}")
        if self.hour.tzinfo is not None:
            raise ServeError(
                "schedule: hour: it has a zone of its own; write the hour alone, it is meant in time_zone"
            )


@dataclass(frozen=True, slots=True)
class Span:
    """Days from the first to the last, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def read_span(value: date | str) -> Span:
    """Read one entry of ``quiet_days``: a date, or ``first..last``.

    Raises
    ------
    ServeError
        It is neither, or it ends before it begins.
    """
    if isinstance(value, datetime):
        raise ServeError(f"quiet_days: {value} has a time of day; write the date alone")
    if isinstance(value, date):
        return Span(value, value)
    first, _, last = value.partition("..")
    try:
        span = Span(date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip()))
    except ValueError:
        raise ServeError(
            f"quiet_days: '{value}' is no day; write 2026-12-24, or 2026-12-24..2027-01-01"
        ) from None
    if span.last < span.first:
        raise ServeError(f"quiet_days: '{value}' ends before it begins; turn it round")
    return span


def wants_mail(schedule: Schedule | None, quiet: tuple[Span, ...], day: date) -> bool:
    """Whether a day is one of somebody's mail days."""
    if any(day in span for span in quiet):
        return False
    return schedule is None or DAYS[day.weekday()] in schedule.days


def due(
    schedule: Schedule | None,
    quiet: tuple[Span, ...],
    now: datetime,
    last: datetime | None,
    morning: time,
) -> datetime:
    """Return when the mail of a report that is done now is due.

    Parameters
    ----------
    schedule
        None: as soon as the report is done.
    quiet
        Days without mail; what would be due then is due at the next mail day's hour.
    now
        In the site's time zone; so is what is returned.
    last
        When this recipient had the last mail with a report; None: never.
    morning
        The hour at which what waited for the end of quiet days goes out, where there is no schedule.
    """
    if schedule is None and wants_mail(None, quiet, now.date()):
        return now
    hour = morning if schedule is None else schedule.hour
    # Times of one zone are compared by the clock on the wall, which runs through an hour twice when it goes back.
    at, missed = now.astimezone(UTC), _instant(now.date(), hour, now.tzinfo)
    if wants_mail(schedule, quiet, now.date()):
        if missed > at:
            return missed.astimezone(now.tzinfo)
        # Late for today: better an hour after its time than the next week. One mail a day all the same.
        if at < missed + _LATE and (last is None or last.astimezone(UTC) < missed):
            return now
    for ahead in range(1, _FURTHEST):
        day = now.date() + timedelta(days=ahead)
        if wants_mail(schedule, quiet, day):
            return _instant(day, hour, now.tzinfo).astimezone(now.tzinfo)
    return _instant(now.date() + timedelta(days=_FURTHEST), hour, now.tzinfo).astimezone(now.tzinfo)


def _instant(day: date, hour: time, zone: tzinfo | None) -> datetime:
    """Return a day's hour, UTC.

    Where the clocks go back and the hour comes twice it is the first one; where they go forward and leave it out it is
    as long after midnight as it would have been (RFC 5545, section 3.3.5).
    """
    return datetime.combine(day, hour, zone).astimezone(UTC)
