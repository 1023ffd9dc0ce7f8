"""The pace that is learnt from what staff recorded: lists take as long as planned, whoever works them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reports.ledger import Ledger, LedgerError, act, mailed, took
from reports.pace import HANDLING_S, ByHand, Pace
from reports.pace_learning import learn_pace, study_pace
from reports.worklist import make_worklist, planned_s
from tests.reports.staff import DID, FIRST, PLACES, PLAN, Staff


def worked(factor, mornings=5, seed=1, **how):
    morning = {k: how.pop(k) for k in list(how) if k in ("bulk", "breaks", "tell", "press")}
    staff = Staff(factor, seed, **how)
    for _ in range(mornings):
        staff.morning(**morning)
    return staff


def minutes_of(ledger, staff, by_hand=None):
    """Return the planned minutes of one and the same long list at the pace that a ledger teaches."""
    cases = [c for c in staff.ledger.cases.values() if c.finding.kind in DID][:80]
    return planned_s(cases, PLACES, learn_pace(ledger, PLAN, by_hand)) / 60.0


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.5])
def test_after_five_mornings_a_list_takes_what_is_planned(factor, seed):
    staff = worked(factor, seed=seed)
    listed = staff.list()
    assert listed.minutes == pytest.approx(staff.really_takes(listed), rel=0.1)
    assert listed.minutes == pytest.approx(90.0, abs=3.0), "and it fills the minutes there are"


def test_without_learning_the_same_lists_would_be_far_off():
    staff = worked(0.5)
    listed = staff.list(pace=Pace())
    assert listed.minutes > 1.7 * staff.really_takes(listed)


def test_where_nobody_recorded_anything_the_pace_is_the_assumed_one():
    assert learn_pace(Ledger(), PLAN) == Pace()
    staff = Staff()
    staff.list()
    assert study_pace(staff.ledger, PLAN).pace == Pace()


def test_acts_entered_in_bulk_change_nothing():
    staff = worked(0.6, mornings=3, bulk=0.0)
    before = staff.learnt
    staff.open_cases(80)
    some = [c.id for c in staff.ledger.open][-80:]
    ledger = mailed(staff.ledger, some, FIRST + timedelta(days=2))
    for apart, first, when in ((0.0, 0, 11), (1.5, 20, 12), (4.0, 40, 13), (9.0, 60, 34)):
        for i, name in enumerate(some[first : first + 20]):  # one command; a scanner; a page; typed by hand
            at = FIRST + timedelta(days=2, hours=when, seconds=apart * i)
            did = DID.get(ledger.cases[name].finding.kind, "found")
            ledger = act(ledger, name, did, who="Desk", at=at)
    after = study_pace(ledger, PLAN)
    assert after.pace == before.pace
    assert after.times == before.times and after.together >= before.together + 4 * 19


def test_breaks_and_a_desk_afterwards_do_not_slow_the_pace():
    level = worked(1.0, breaks=0, bulk=0.0).learnt.level
    rested = worked(1.0, breaks=6, bulk=0.5)
    assert rested.learnt.level == pytest.approx(level, rel=0.07)
    assert rested.learnt.breaks > 10


@pytest.mark.parametrize("odd", [0.3, 0.6, 0.75, 1.4, 2.0, 4.0])
@pytest.mark.parametrize("before", [0, 5])
def test_one_odd_morning_moves_the_pace_by_less_than_15_percent(before, odd):
    staff = worked(0.8, mornings=before, seed=5)
    usual = staff.ledger
    staff.factor *= odd
    staff.morning(breaks=0)
    assert minutes_of(staff.ledger, staff) / minutes_of(usual, staff) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("minutes", [5.0, 300.0])
def test_one_odd_report_moves_the_pace_by_less_than_15_percent(minutes):
    staff = worked(0.8, mornings=1, seed=5, press=False)
    told = took(staff.ledger, minutes, who="Desk", at=FIRST + timedelta(hours=5))
    assert minutes_of(told, staff) / minutes_of(Ledger(), staff) == pytest.approx(1.0, abs=0.15)


def test_two_mornings_that_agree_move_it_much_further_than_one():
    one, two = (worked(0.5, mornings=n).learnt.level for n in (1, 2))
    assert one > 0.85 and two < 0.75


def test_each_kind_has_a_pace_of_its_own():
    staff = worked(1.0, mornings=10, of={"wrong_order": 0.5, "on_shelf_loaned": 2.0}, seed=4)
    learnt = staff.learnt
    at = {kind: learnt.pace.handling(kind) / HANDLING_S[kind] for kind in HANDLING_S}
    assert at["wrong_order"] < 0.7 < 1.5 < at["on_shelf_loaned"]
    listed = staff.list()
    assert listed.minutes == pytest.approx(staff.really_takes(listed), rel=0.1)


def test_what_nobody_has_seen_follows_only_where_several_kinds_agree():
    at = {}
    for kinds in (("wrong_order",), ("wrong_order", "missing", "on_shelf_loaned", "unknown_tag")):
        pace = worked(0.5, mornings=8, kinds=kinds, seed=2).learnt.pace
        assert pace.handling("wrong_order") < 0.6 * HANDLING_S["wrong_order"]
        at[len(kinds)] = pace.handling("lying") / HANDLING_S["lying"]
    assert at[1] > 0.66 > at[4] > 0.5


def test_a_slow_walk_is_told_from_slow_hands():
    staff = worked(1.0, mornings=10, of={"walk": 3.0}, seed=6, cases=60, kinds=("lying", "wrong_order"))
    pace = staff.learnt.pace
    assert pace.walk_mps < 0.6 * Pace().walk_mps
    assert pace.handling("wrong_order") < 1.6 * HANDLING_S["wrong_order"]


def test_what_is_set_by_hand_stays_and_the_rest_is_learnt():
    by_hand = ByHand({"wrong_order": 12.0}, walk_mps=1.1)
    learnt = study_pace(worked(0.5).ledger, PLAN, by_hand)
    assert learnt.pace.handling("wrong_order") == 12.0 and learnt.pace.walk_mps == 1.1
    assert learnt.pace.handling("missing") < 0.7 * HANDLING_S["missing"]
    assert "wrong_order" not in learnt.by_kind and learnt.by_hand == {"wrong_order", "walk_mps"}
    still = study_pace(worked(0.5).ledger, PLAN, replace(by_hand, learn=False))
    assert still.pace == by_hand.over(Pace())


@pytest.mark.parametrize(
    "given", [{"handling_s": {"foo": 3.0}}, {"walk_mps": 0.0}, {"handling_s": {"missing": -1.0}}]
)
def test_a_wrong_setting_is_refused_by_name(given):
    with pytest.raises(ValueError, match=r"pace: .*(foo|walk_mps|missing)"):
        ByHand(**given)


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_staff_who_press_nothing_may_say_how_long_it_took(factor):
    staff = worked(factor, press=False, tell=True)
    assert staff.learnt.said == 5 and staff.learnt.times == 0
    listed = staff.list()
    assert listed.minutes == pytest.approx(staff.really_takes(listed), rel=0.1)


def test_minutes_said_hold_what_acts_do_not_show():
    """Books put away at the end, by people who are slow at that: no act tells of it."""
    silent, telling = (
        worked(0.8, mornings=6, at_the_end=True, tell=tell, seed=3, away=2.0) for tell in (False, True)
    )
    off = []
    for staff in (silent, telling):
        listed = staff.list()
        off.append(abs(listed.minutes / staff.really_takes(listed) - 1.0))
    assert off[1] < 0.1 < off[0]


@pytest.mark.parametrize("press", [True, False])
def test_minutes_said_in_the_evening_are_about_the_morning(press):
    at_noon, at_night = (Staff(0.8, 3, at_the_end=True, away=2.0) for _ in range(2))
    for staff, hours in ((at_noon, 3), (at_night, 9)):
        for _ in range(5):
            day, spent = staff.day, staff.morning(press=press)
            at = FIRST + timedelta(days=day, hours=hours)
            staff.ledger = took(staff.ledger, spent / 60.0, who="Desk", at=at)
    assert at_night.learnt.mornings == 5 == at_night.learnt.said
    assert at_night.learnt == at_noon.learnt


def test_a_report_of_lines_that_are_gone_says_nothing():
    staff = worked(1.0, mornings=4, tell=True, press=False)
    (first, *rest) = staff.ledger.mornings
    gone = first.lines[::2]
    left = replace(staff.ledger, cases={i: c for i, c in staff.ledger.cases.items() if i not in gone})
    assert study_pace(left, PLAN) == study_pace(replace(left, mornings=tuple(rest)), PLAN)


def test_two_people_in_one_morning_are_not_taken_for_one():
    """Their acts lie between each other's: each has a pace, the clock of both together has none."""
    alone = worked(0.7, mornings=4, bulk=0.0, breaks=0).ledger
    twice = {}
    for i, c in enumerate(alone.cases.values()):
        who = "Anna" if i % 2 else "Boris"
        twice[c.id] = replace(c, history=tuple(replace(s, who=who) for s in c.history))
    both = study_pace(replace(alone, cases=twice), PLAN)
    assert both.times > 100
    one = study_pace(alone, PLAN)
    # Half of the lines in the whole clock: what one person's list is planned to take, over what each one's half is.
    whole, half = 0.0, 0.0
    for mail in {c.mailed_at for c in alone.cases.values() if c.mailed_at}:
        listed = [c for c in twice.values() if c.mailed_at == mail and c.history]
        whole += planned_s(listed, PLACES, Pace())
        for who in ("Anna", "Boris"):
            half += 0.5 * planned_s([c for c in listed if c.history[-1].who == who], PLACES, Pace())
    assert one.level == pytest.approx(0.7, rel=0.05)
    assert both.level == pytest.approx(0.7 * whole / half, rel=0.1)


def test_a_morning_said_is_kept_and_said_again_replaces_it():
    staff = worked(1.0, mornings=1)
    ledger = staff.ledger
    lines = [c.id for c in ledger.cases.values() if c.mailed_at]
    at = FIRST + timedelta(hours=4)
    ledger = took(ledger, 80, who=" Desk ", at=at)
    ledger = took(ledger, 70, who="Desk", at=at + timedelta(minutes=1))
    (told,) = ledger.mornings
    assert (told.who, told.minutes, set(told.lines)) == ("Desk", 70.0, set(lines))
    assert Ledger.from_json(ledger.to_json()) == ledger
    first = ledger.cases[lines[0]].history[-1]
    ledger = act(staff.ledger, lines[0], "reopen", who="Anna", at=first.at)
    ledger = act(mailed(ledger, lines, FIRST), lines[0], "found", who="Anna", at=at)
    (told,) = took(ledger, 3, who="Anna", at=at, recorded=True).mornings
    assert told.lines == (lines[0],)


@pytest.mark.parametrize(
    ("minutes", "more"),
    [(0, {}), (float("nan"), {}), (2000, {}), (50, {"who": " "}), (50, {"at": FIRST + timedelta(days=9)}),
     (50, {"at": FIRST.replace(tzinfo=None)}), (50, {"who": "Nobody", "recorded": True})],
)  # fmt: skip
def test_a_morning_that_cannot_be_is_refused(minutes, more):
    staff = worked(1.0, mornings=1)
    with pytest.raises(LedgerError, match="took: "):
        took(staff.ledger, minutes, **{"who": "Desk", "at": FIRST + timedelta(hours=4), **more})


def test_a_ledger_without_a_plan_still_teaches_something():
    staff = worked(0.5)
    pace = learn_pace(staff.ledger, None)
    assert pace.handling("missing") < 0.8 * HANDLING_S["missing"]
    assert make_worklist(staff.ledger.open, None, None, minutes=20, pace=pace).findings
