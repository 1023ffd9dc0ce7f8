"""When mail is due where the clocks change: real time and the clock on the wall, held against each other by hand."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud_ingest import Schedule, ServeError, ServeSettings, SiteSettings
from cloud_ingest.mail_days import DAYS, Span, due, wants_mail

MORNING = time(7, 0)
ZONES = tuple(
    map(
        ZoneInfo,
        ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"),
    )
)
"""None, an hour at night, an hour on other days, half an hour, and an hour at midnight."""


def changes(zone, year=2026):
    """The moments of a year, UTC, at which a zone's clocks change."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(2 * 24 * 365)]
    offsets = [at.astimezone(zone).utcoffset() for at in hours]
    return [at for at, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


CHANGES = {zone: changes(zone) or [datetime(2026, 3, 29, 1, tzinfo=UTC)] for zone in ZONES}


@st.composite
def near_a_change(draw):
    """A moment within two days of the clocks' change, as the zone's people say it."""
    zone = draw(st.sampled_from(ZONES))
    at = draw(st.sampled_from(CHANGES[zone]))
    return (at + timedelta(seconds=draw(st.integers(-2 * 86400, 2 * 86400)))).astimezone(zone)


hours = st.times(max_value=time(4, 30)).map(lambda t: t.replace(second=0, microsecond=0)) | st.just(
    time(23, 30)
)
schedules = st.builds(Schedule, st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple), hours)
quiet_days = st.lists(
    st.builds(
        lambda first, more: Span(first, first + timedelta(days=more)),
        st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        st.integers(0, 3),
    ),
    max_size=3,
).map(tuple)


def real(moment):
    return moment.astimezone(UTC)


def hour_of(day, hour, zone):
    """The hour of a day as an instant: where the clocks leave it out, as long after midnight as it would have been."""
    return real(datetime.combine(day, hour, zone))


NIGHT = Schedule(hour=time(2, 30))
BERLIN, NEW_YORK, LORD_HOWE = ZONES[1], ZONES[2], ZONES[3]


def second(zone, text):
    """A time that comes twice, the second time."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # The clocks go back: half past two comes twice, and the mail went out the first time.
        (second(BERLIN, "2026-10-25T02:15"), "2026-10-26T02:30"),
        (second(NEW_YORK, "2026-11-01T01:15"), "2026-11-01T02:30"),
        # They go forward: there is no half past two; an hour later by the clock is as long after midnight.
        (datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN), "2026-03-29T03:30"),
        (datetime(2026, 3, 29, 3, 10, tzinfo=BERLIN), "2026-03-29T03:30"),
        (datetime(2026, 3, 8, 1, 0, tzinfo=NEW_YORK), "2026-03-08T03:30"),
    ],
)
def test_the_hour_that_comes_twice_or_not_at_all(now, expected):
    last = real(datetime.combine(now.date(), NIGHT.hour, now.tzinfo))
    found = due(NIGHT, (), now, last.astimezone(now.tzinfo) if last <= real(now) else None, MORNING)
    assert found.replace(tzinfo=None).isoformat(timespec="minutes") == expected
    assert real(found) > real(now)


@given(near_a_change(), schedules, quiet_days, st.none() | st.integers(0, 3 * 86400))
@example(second(BERLIN, "2026-10-25T02:15"), NIGHT, (), 2700)
@example(second(LORD_HOWE, "2026-04-05T01:40"), Schedule(hour=time(1, 45)), (), None)
@example(datetime(2026, 3, 29, 3, 10, tzinfo=BERLIN), NIGHT, (), None)
def test_a_mail_is_due_at_the_first_moment_that_its_days_its_hour_and_the_last_mail_allow(
    now, schedule, quiet, since_last
):
    zone = now.tzinfo
    last = None if since_last is None else real(now) - timedelta(seconds=since_last)
    found = due(schedule, quiet, now, last and last.astimezone(zone), MORNING)
    assert real(found) >= real(now)
    today = hour_of(now.date(), schedule.hour, zone)
    if real(found) == real(now) and today != real(now):
        # At once: late for an hour of today, by less than twelve, and nothing went out since.
        assert wants_mail(schedule, quiet, now.date())
        assert timedelta(0) <= real(now) - today < timedelta(hours=12)
        assert last is None or last < today
        return
    # Else at the hour of a mail day, the first one that is not over.
    assert wants_mail(schedule, quiet, found.date())
    assert real(found) == hour_of(found.date(), schedule.hour, zone)
    for ahead in range((found.date() - now.date()).days):
        day = now.date() + timedelta(days=ahead)
        over = hour_of(day, schedule.hour, zone) < real(now)
        too_late = over and (
            real(now) - hour_of(day, schedule.hour, zone) >= timedelta(hours=12)
            or (last is not None and last >= hour_of(day, schedule.hour, zone))
        )
        same = last is not None and last >= hour_of(day, schedule.hour, zone)
        assert not wants_mail(schedule, quiet, day) or too_late or same


@given(near_a_change(), schedules, st.lists(st.integers(600, 86400), min_size=1, max_size=12))
def test_reports_however_many_make_one_mail_a_day(now, schedule, pauses):
    zone, at, last, sent = now.tzinfo, real(now), None, []
    for pause in pauses:
        at += timedelta(seconds=pause)
        when = due(schedule, (), at.astimezone(zone), last, MORNING)
        if sent and real(when) <= sent[-1]:
            continue  # the mail that waits already tells of this one, too
        sent.append(real(when))
        if real(when) <= at + timedelta(seconds=1):
            last = when
        else:
            at, last = real(when), when
    days = [when.astimezone(zone).date() for when in sent]
    assert all(hour_of(day, schedule.hour, zone) <= when for day, when in zip(days, sent, strict=True))
    assert len(set(days)) == len(days), "two mails after one hour"


@given(near_a_change(), quiet_days)
def test_without_a_schedule_mail_goes_at_once_or_at_the_morning_after_the_quiet_days(now, quiet):
    found = due(None, quiet, now, None, MORNING)
    if wants_mail(None, quiet, now.date()):
        assert real(found) == real(now)
    else:
        assert real(found) == hour_of(found.date(), MORNING, now.tzinfo) > real(now)
        assert wants_mail(None, quiet, found.date())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CST", ("Asia/Shanghai", "America/Chicago")),
        ("IST", ("Asia/Kolkata", "Europe/Dublin")),
        ("BST", ("Europe/London",)),
        ("Beijing", ("Asia/Shanghai",)),
        ("+08:00", ("Asia/Shanghai",)),
        ("localtime", ("Asia/Shanghai",)),
        ("posixrules", ("Europe/Berlin",)),
        ("Factory", ("Europe/Berlin",)),
        ("right/Europe/Berlin", ("Europe/Berlin",)),
        ("", ("Europe/Berlin",)),
        ("../../etc/passwd", ("Europe/Berlin",)),
    ],
)
def test_a_short_name_of_several_zones_is_refused_with_those_to_write(tmp_path, name, meant):
    for make in (lambda: ServeSettings(tmp_path, time_zone=name), lambda: SiteSettings("s", time_zone=name)):
        with pytest.raises(ServeError, match="time_zone") as caught:
            make()
        said = str(caught.value)
        assert "\n" not in said and f"'{name}'" in said
        assert all(zone in said for zone in meant), said


@pytest.mark.parametrize(
    "name", ["UTC", "GMT", "Etc/GMT-8", "Asia/Shanghai", "America/Indiana/Knox", "Singapore"]
)
def test_names_that_mean_one_zone_are_taken(tmp_path, name):
    assert ServeSettings(tmp_path, time_zone=name).zone.key == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CET", "Europe/Berlin"),
        ("EST", "America/New_York"),
        ("EST5EDT", "America/New_York"),
        ("MST", "America/Denver"),
    ],
)
def test_short_names_that_the_zone_database_knows_are_taken_with_a_word_of_doubt(tmp_path, name, meant):
    """A service that was set so must start after an upgrade."""
    settings = ServeSettings(tmp_path, time_zone=name, sites=(SiteSettings("s", time_zone=name),))
    assert settings.zone.key == settings.site("s").zone.key == name
    own, sites = settings.doubts
    assert f"'{name}'" in own and meant in own and sites.startswith("site s: time_zone")
    assert ServeSettings(tmp_path, time_zone="Europe/Berlin").doubts == ()


def test_a_long_name_is_cut(tmp_path):
    with pytest.raises(ServeError) as caught:
        ServeSettings(tmp_path, time_zone="Mars/" * 5000)
    assert len(str(caught.value)) < 300
