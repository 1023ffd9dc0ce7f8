"""What of a ledger and of a memory is put away after years: never what is open, taught, quieted or known to be dead."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.case import BY_SCAN, BY_STAFF, RESOLUTIONS, Case, Step
from reports.feedback import learn
from reports.findings import KINDS, Finding
from reports.ledger import act, mailed, took
from reports.ledger_archive import part
from reports.ledger_book import Ledger
from reports.memory import COLUMNS, Memory
from reports.outcomes import outcomes
from tests.reports.nights import Months, found

YEARS = timedelta(days=730)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
kinds = st.sampled_from([kind for kind in KINDS if kind != "zone_not_scanned"])


@st.composite
def cases(draw):
    """Cases of every age and end."""
    made = {}
    for n in range(draw(st.integers(0, 12))):
        kind, age = draw(kinds), timedelta(days=draw(st.integers(0, 2000)))
        finding = Finding(kind, f"f{n}", barcode=f"b{n}", epc=f"{n:024X}", confidence=0.9)
        opened = NOW - age - timedelta(days=30)
        history = [Step(opened, "scan", "opened", "", kind, 0.9)]
        how = draw(st.sampled_from(RESOLUTIONS))
        if draw(st.booleans()):  # somebody once settled it, and it came back
            history += [Step(opened, "anna", draw(st.sampled_from(BY_STAFF)), "", kind, 0.9)]
            history += [Step(opened, "scan", "reopened", "", kind, 0.9)]
        if how:
            history.append(Step(NOW - age, "scan" if how in BY_SCAN else "anna", how, "", kind, 0.9))
        made[f"f{n}"] = Case(
            finding, "resolved" if how else "open", opened, "r", opened, "r", resolution=how,
            history=tuple(history), dead_tag=draw(st.booleans()), looked_at=NOW,
        )  # fmt: skip
    return Ledger(made, "site", ("r",))


@given(cases())
def test_what_is_put_away_was_resolved_long_ago_and_nothing_needs_it(ledger):
    kept, old = part(ledger, NOW, YEARS)
    assert {**kept.cases, **{c.id: c for c in old}} == ledger.cases, (
        "each case is in one of the two, as it was"
    )
    assert (kept.site, kept.runs) == (ledger.site, ledger.runs)
    assert [c.id for c in kept.open] == [c.id for c in ledger.open]
    assert kept.retag == ledger.retag
    assert kept.false_alarms == ledger.false_alarms
    assert sorted(map(str, outcomes(kept.cases.values()))) == sorted(
        map(str, outcomes(ledger.cases.values()))
    )
    assert (
        learn(outcomes(kept.cases.values())).mail_from() == learn(outcomes(ledger.cases.values())).mail_from()
    )
    for case in old:
        assert case.history[-1].at < NOW - YEARS
        assert case.resolution != "marked_missing"
    again, none = part(kept, NOW, YEARS)
    assert (again, none) == (kept, [])
    for case in ledger.cases.values():  # and nothing else stays
        plain = case.resolution in BY_SCAN and not case.dead_tag and not outcomes([case])
        assert (case in old) == (plain and case.history[-1].at < NOW - YEARS)


def test_a_book_whose_case_was_put_away_begins_a_new_one():
    m = Months()
    m.night(found("wrong_shelf", 1, "A-02-1"))
    for _ in range(3):
        m.night()
    (case,) = m.ledger.cases.values()
    assert case.resolution == "seen_right"
    m.day += 800
    m.ledger, old = part(m.ledger, m.now, YEARS)
    assert [c.id for c in old] == [case.id]
    assert len(m.ledger) == 0
    m.night(found("wrong_shelf", 1, "A-02-1"))
    (fresh,) = m.ledger.cases.values()
    assert (fresh.id, fresh.state, len(fresh.history)) == (case.id, "open", 1)


def test_a_false_alarm_of_long_ago_and_an_open_case_stay():
    m = Months()
    m.night(found("wrong_shelf", 1, "A-02-1"), found("wrong_shelf", 2, "A-02-1"))
    m.ledger = act(
        m.ledger, found("wrong_shelf", 1, "A-02-1").finding_id, "false_alarm", who="anna", at=m.now
    )
    m.day += 800
    kept, old = part(m.ledger, m.now, YEARS)
    assert (len(kept), old) == (2, [])


def test_keeping_everything_is_possible_and_a_time_that_is_none_is_refused():
    ledger = Ledger({}, "site")
    assert part(ledger, NOW, None) == (ledger, [])
    with pytest.raises(ValueError, match="above 0"):
        part(ledger, NOW, timedelta(0))


def memory_of(rows):
    n = len(rows)
    blank = {name: np.zeros(n, np.float32) for name in COLUMNS}
    texts = {"barcode": [r[0] for r in rows], "epc": [r[1] for r in rows], "heard_shelf": [""] * n}
    at = np.array([int((NOW - timedelta(days=r[2])).timestamp()) * 10**9 for r in rows], np.int64)
    return Memory(
        **{
            **blank,
            **{k: np.array(v, object) for k, v in texts.items()},
            "at": at,
            "heard_at": np.zeros(n, np.int64),
        }
    )


def test_memory_forgets_copies_that_left_the_catalogue_long_ago_and_no_others():
    memory = memory_of(
        [("b1", "AA", 900), ("b2", "BB", 900), ("b2", "CC", 3), ("b3", "DD", 10), ("b4", "EE", 731)]
    )
    catalogue = np.array(["b1", "b2"], object), np.array(["AA", "CC"], object)
    kept = memory.without(*catalogue, before=NOW - YEARS)
    # b1 is in the catalogue, however long nobody looked; b2 has a new tag; b3 left it ten days ago.
    assert list(zip(kept.barcode, kept.epc, strict=True)) == [("b1", "AA"), ("b2", "CC"), ("b3", "DD")]
    assert memory.without(*catalogue, before=NOW - timedelta(days=1000)) is memory


def test_the_lines_of_a_morning_whose_minutes_were_told_stay():
    m = Months()
    m.night(found("wrong_shelf", 1), found("wrong_shelf", 2))
    m.ledger = mailed(m.ledger, [m.case(1).id], m.now)
    m.ledger = took(m.ledger, 12, who="anna", at=m.now + timedelta(hours=3))
    for _ in range(4):
        m.night()
    assert {m.case(n).resolution for n in (1, 2)} == {"seen_right"}
    kept, old = part(m.ledger, NOW, YEARS)
    assert [c.finding.barcode for c in kept.cases.values()] == ["b1"]
    assert [c.finding.barcode for c in old] == ["b2"]
