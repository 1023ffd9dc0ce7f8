"""When somebody's mail is due."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_ingest import Schedule, ServeError
from cloud_ingest.mail_days import DAYS, Span, due, read_span, wants_mail

BERLIN = ZoneInfo("Europe/Berlin")
MORNING = time(7, 0)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def when(now, schedule=None, quiet=(), last=None):
    return due(schedule, tuple(map(read_span, quiet)), at(now), last and at(last), MORNING)


WEEKDAYS = Schedule(("mon", "tue", "wed", "thu", "fri"), time(6, 30))
MONDAYS = Schedule(("mon",), time(6, 30))


# 2 March 2026 is a Monday.
@pytest.mark.parametrize(
    ("now", "schedule", "quiet", "last", "expected"),
    [
        ("2026-03-02T04:00", None, (), None, "2026-03-02T04:00"),
        ("2026-03-02T04:00", WEEKDAYS, (), None, "2026-03-02T06:30"),
        # Late: it goes out at once, but only one mail a day.
        ("2026-03-02T06:31", WEEKDAYS, (), "2026-02-27T06:30", "2026-03-02T06:31"),
        ("2026-03-02T09:00", WEEKDAYS, (), "2026-03-02T06:30", "2026-03-03T06:30"),
        ("2026-03-02T23:00", WEEKDAYS, (), "2026-02-27T06:30", "2026-03-03T06:30"),
        # Weekends wait, and so do days that are quiet.
        ("2026-03-06T23:00", WEEKDAYS, (), None, "2026-03-09T06:30"),
        ("2026-03-06T23:00", WEEKDAYS, ("2026-03-09..2026-03-11",), None, "2026-03-12T06:30"),
        ("2026-03-02T04:00", None, ("2026-03-02",), None, "2026-03-03T07:00"),
        ("2026-03-03T04:00", MONDAYS, (), None, "2026-03-09T06:30"),
        # The night on which the clocks change: the hour is the library's.
        ("2026-03-28T23:00", Schedule(hour=time(7, 0)), (), None, "2026-03-29T07:00"),
    ],
)
def test_a_mail_is_due_at_its_hour_on_the_next_of_its_days(now, schedule, quiet, last, expected):
    assert when(now, schedule, quiet, last) == at(expected)


days = st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True).map(tuple)
hours = st.times().map(lambda t: t.replace(microsecond=0))
schedules = st.none() | st.builds(Schedule, days, hours)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))
spans = st.lists(
    st.builds(
        lambda first, length: Span(first, first + timedelta(days=length)),
        st.dates(date(2026, 1, 1), date(2027, 1, 1)),
        st.integers(0, 20),
    ),
    max_size=4,
).map(tuple)


@given(moments, schedules, spans)
def test_a_mail_is_never_due_in_the_past_on_a_quiet_day_or_on_a_day_that_is_not_its_own(now, schedule, quiet):
    now = now.replace(tzinfo=BERLIN)
    found = due(schedule, quiet, now, None, MORNING)
    assert found >= now
    assert wants_mail(schedule, quiet, found.date())
    assert found - now < timedelta(days=8 + sum((s.last - s.first).days + 1 for s in quiet) * 7 + 7)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "..2026-03-02", "2026-03-05..2026-03-02"])
def test_a_day_that_is_none_is_refused_in_one_line(text):
    with pytest.raises(ServeError, match="quiet_days") as caught:
        read_span(text)
    assert "\n" not in str(caught.value)


def test_schedules_name_days():
    with pytest.raises(ServeError, match="'monday' is no day"):
        Schedule(("monday",))
    with pytest.raises(ServeError, match="names no day"):
        Schedule(())
