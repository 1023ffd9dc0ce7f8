"""Cases live: they open, change their kind, close, and come back with all their history."""

import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.findings import Finding, finding_id
from reports.ledger import ACTS, Ledger, LedgerError, act, confirmed, due, mailed, waiting
from reports.phrases import Said, say
from tests.reports.nights import Months, epc_of, found


def staff(m: Months, n: int, did: str, **more):
    m.ledger = act(m.ledger, m.case(n).id, did, who="desk", at=m.now + timedelta(hours=7), **more)


def test_a_misplaced_book_opens_is_kept_and_closes_when_a_scan_sees_it_right():
    m = Months()
    m.night(found("wrong_shelf", 1))
    m.night(found("wrong_shelf", 1))
    case = m.case(1)
    assert (case.state, case.nights, case.opened_run, case.seen_run) == ("open", 2, "run1", "run2")
    m.night()
    case = m.case(1)
    assert (case.state, case.resolution) == ("resolved", "seen_right")
    assert m.did(1) == ["opened", "seen_right"]
    assert "run3" in case.history[-1].why and case.history[-1].who == "scan"


def test_not_listed_is_not_seen_right():
    m = Months()
    m.night(found("wrong_shelf", 1))
    for _ in range(5):
        m.night(b1=("not_looked",), scanned=("A-01-1",))
    assert m.case(1).state == "open"
    m.night(b1=("unsure", 0.6))
    assert m.case(1).state == "open"


def test_two_nights_agree_more_than_one_but_much_less_than_two_strangers_would():
    m = Months()
    m.night(found("wrong_order", 1, p=0.85))
    first = m.case(1).confidence
    m.night(found("wrong_order", 1, p=0.85))
    second = m.case(1).confidence
    assert first == pytest.approx(0.85)
    assert 0.85 < second < 0.93  # independent looks would give over .98


def test_kinds_of_one_book_are_one_story():
    m = Months()
    m.night(found("missing", 1, p=0.9))
    name = m.case(1).id
    m.night(found("wrong_shelf", 1))
    m.night(found("wrong_order", 1, shelf="A-01-1"))
    assert len(m.ledger.cases) == 1
    case = m.case(1)
    assert case.id == name and case.finding.kind == "wrong_order"
    assert m.did(1) == ["opened", "became", "became"]
    for kind in ("missing", "wrong_shelf", "wrong_order"):
        assert m.ledger.find(finding_id(kind, "b1")) is case


def test_a_doubt_is_quiet_until_it_is_a_claim():
    m = Months()
    m.night(found("low_confidence", 1, p=0.6))
    assert m.case(1).quiet
    m.night(found("wrong_shelf", 1, p=0.9))
    assert not m.case(1).quiet and m.case(1).state == "open"
    m.night(found("low_confidence", 1, p=0.6), b1=("unsure", 0.6, "A-02-1"))
    case = m.case(1)
    assert (case.finding.kind, case.state) == ("wrong_shelf", "open")  # neither acquitted nor accused anew


def test_a_book_heard_before_is_confirmed_missing_by_nights_and_chance():
    m = Months()
    m.night()
    m.night(found("missing", 1, shelf="A-01-1", p=0.97))
    assert waiting(m.case(1)) and not due(m.case(1)) and not confirmed(m.case(1))
    m.night(found("missing", 1, shelf="A-01-1", p=0.99))
    assert confirmed(m.case(1)) and due(m.case(1)) and not waiting(m.case(1))


def test_a_tag_never_heard_is_due_for_a_look_and_confirmed_by_it():
    """A tag never heard is dead or its book is gone: no radio confirms that, and waiting for it would have no end."""
    m = Months()
    told = []
    for p in (0.85, 0.87, 0.87):
        m.night(found("missing", 1, "A-01-1", p=p), found("missing", 2, "A-01-1", p=0.6))
        told.append((due(m.case(1)), due(m.case(2))))
    assert told == [(False, False), (False, False), (True, False)]
    for _ in range(2):
        m.night(found("missing", 2, "A-01-1", p=0.6))
    assert due(m.case(2)) and not confirmed(m.case(1)) and not confirmed(m.case(2))
    m.ledger = act(m.ledger, m.case(1).id, "marked_missing", who="Desk", at=m.now)
    assert confirmed(m.case(1))


def test_a_silent_book_of_a_zone_not_scanned_is_left_alone():
    m = Months()
    m.night(found("missing", 1, shelf="A-01-1", p=0.97))
    before = m.case(1)
    m.night(b1=("not_looked",), scanned=())
    assert m.case(1).state == "open" and m.case(1).nights == before.nights


def test_a_misplaced_book_is_not_missing_because_its_shelf_was_left_out_tonight():
    m = Months()
    m.night(found("wrong_shelf", 1, shelf="B-09-1"))
    m.night(found("missing", 1, shelf="A-01-1"), scanned=("A-01-1",))
    assert m.case(1).finding.kind == "wrong_shelf" and m.case(1).finding.shelf_id == "B-09-1"
    m.night(found("missing", 1, shelf="A-01-1"), scanned=("A-01-1", "B-09-1"))
    assert m.case(1).finding.kind == "missing"


def test_a_book_lent_since_is_no_longer_expected_and_comes_back():
    m = Months()
    m.night(found("missing", 1, shelf="A-01-1"))
    m.set_status(1, "loaned")
    m.night()
    assert m.case(1).resolution == "no_longer_expected" and "on loan" in m.case(1).history[-1].why
    m.set_status(1, "available")
    m.night(found("missing", 1, shelf="A-01-1"))
    assert m.case(1).state == "open" and m.case(1).nights == 1
    assert m.did(1) == ["opened", "no_longer_expected", "reopened"]


def test_what_was_lent_after_the_list_was_frozen_is_not_opened():
    m = Months()
    m.set_status(1, "loaned")
    m.night(found("missing", 1, shelf="A-01-1"))
    assert m.case(1) is None


def test_a_dead_tag_is_shown_once_and_then_waits_in_the_summary():
    m = Months()
    m.night(found("missing", 1, shelf="A-01-1"))
    staff(m, 1, "found")
    assert m.ledger.retag == {"b1"} and m.case(1).resolved
    m.night(found("dead_tag", 1, shelf="A-01-1"))
    case = m.case(1)
    assert (case.state, case.finding.kind, case.quiet) == ("open", "dead_tag", False)
    m.ledger = mailed(m.ledger, [case.id], m.now)
    m.night(found("dead_tag", 1, shelf="A-01-1"))
    assert m.case(1).quiet and m.ledger.retag == {"b1"}
    m.retag(1, epc_of(900))
    m.night()
    assert m.case(1).resolution == "retagged" and m.ledger.retag == frozenset()
    assert len(m.ledger.cases) == 1


def test_a_dead_tag_that_is_heard_is_not_dead():
    m = Months()
    m.night(found("missing", 1, shelf="A-01-1"))
    staff(m, 1, "found")
    m.night()
    assert m.ledger.retag == frozenset()


def test_not_found_confirms_missing_until_it_is_heard():
    m = Months()
    m.night(found("missing", 1, shelf="A-01-1"))
    staff(m, 1, "marked_missing", why="searched the bay")
    for _ in range(4):
        m.night(found("missing", 1, shelf="A-01-1", p=0.99))
    assert m.case(1).resolution == "marked_missing"
    m.set_status(1, "missing")
    m.night(found("found", 1))
    case = m.case(1)
    assert case.state == "open" and case.finding.kind == "found"
    assert "marked missing" in case.history[-1].why


def test_a_false_alarm_stays_quiet_at_its_place_and_speaks_elsewhere():
    m = Months()
    m.night(found("wrong_order", 1, shelf="A-01-1", at=1.0))
    staff(m, 1, "false_alarm")
    for _ in range(10):
        m.night(found("wrong_order", 1, shelf="A-01-1", at=1.05, p=0.99))
        assert m.case(1).resolution == "false_alarm"
    assert m.ledger.false_alarms == [m.case(1)]
    m.night(found("wrong_shelf", 1, shelf="A-02-1"))
    assert m.case(1).state == "open" and m.did(1) == ["opened", "false_alarm", "reopened"]


def test_a_false_alarm_expires():
    m = Months()
    m.night(found("unknown_tag", 1))
    staff(m, 1, "false_alarm")
    m.night(found("unknown_tag", 1))
    assert m.case(1).resolved
    m.day += 70
    m.night(found("unknown_tag", 1))
    assert m.case(1).state == "open"


def test_a_scan_older_than_the_hand_does_not_contradict_it():
    m = Months()
    m.night(found("wrong_shelf", 1))
    m.ledger = act(m.ledger, m.case(1).id, "reshelved", who="desk", at=m.now + timedelta(days=3))
    m.night(found("wrong_shelf", 1, p=0.999))
    assert m.case(1).resolved
    m.day += 5
    m.night(found("wrong_shelf", 1, p=0.999))
    assert m.case(1).state == "open" and m.did(1) == ["opened", "reshelved", "reopened"]


def test_the_same_night_twice_changes_nothing():
    m = Months()
    m.night(found("wrong_shelf", 1), run="same")
    before = m.ledger
    assert m.night(found("wrong_shelf", 1), run="same") is before


def test_an_unknown_tag_goes_when_two_scans_do_not_hear_it():
    m = Months()
    stranger = Finding("unknown_tag", "fx", epc="AA" * 12, shelf_id="A-02-1", offset_m=0.4, confidence=0.9)
    m.night(stranger)
    m.night()
    assert m.ledger.cases["fx"].state == "open"
    m.night(scanned=("A-01-1",))
    assert m.ledger.cases["fx"].state == "open"
    m.night()
    assert m.ledger.cases["fx"].resolution == "no_longer_expected"


def test_a_zone_has_no_case():
    m = Months()
    m.night(Finding("zone_not_scanned", "fz", shelf_id="A-03-1", confidence=0.99))
    assert not m.ledger.cases


def test_assigned_stays_assigned_and_acts_are_remembered():
    m = Months()
    m.night(found("wrong_shelf", 1))
    staff(m, 1, "assign", why="this morning")
    m.night(found("wrong_shelf", 1))
    case = m.case(1)
    assert (case.state, case.assigned_to) == ("assigned", "desk") and case in m.ledger.open
    step = case.history[-1]
    assert (step.who, step.did, step.why, step.kind) == ("desk", "assigned", "this morning", "wrong_shelf")


def test_acts_that_make_no_sense_are_refused_in_a_line():
    m = Months()
    m.night(found("wrong_shelf", 1))
    name = m.case(1).id
    for args, words in (
        ((name, "eat"), "nothing that can be done"),
        (("f0", "found"), "no case 'f0'"),
        ((name, "reopen"), "is open already"),
    ):
        with pytest.raises(LedgerError, match=words) as caught:
            act(m.ledger, *args, who="desk", at=m.now)
        assert "\n" not in str(caught.value)
    with pytest.raises(LedgerError, match="nobody"):
        act(m.ledger, name, "found", who=" ", at=m.now)
    with pytest.raises(LedgerError, match="time zone"):
        act(m.ledger, name, "found", who="desk", at=m.now.replace(tzinfo=None))


@pytest.mark.parametrize("centre", [0.2, 0.5, 0.8])
def test_nothing_flaps_under_noise(centre):
    """Two hundred nights of chances that scatter round a threshold: a plain list would come and go all the time."""
    rng = np.random.default_rng(4)
    plain = turns = 0
    for _ in range(5):
        m, was_listed, was_open = Months(2), False, False
        noise = 0.0
        for _ in range(200):
            noise = 0.7 * noise + rng.normal(0.0, 0.8)
            p = 1 / (1 + np.exp(-(np.log(centre / (1 - centre)) + noise)))
            listed = p >= 0.8
            look = ("wrong" if listed else "unsure" if p >= 0.5 else "right", p, "A-01-1")
            kinds = [found("wrong_order", 1, "A-01-1", p=p)] if listed else []
            if 0.5 <= p < 0.8:
                kinds = [found("low_confidence", 1, "A-01-1", p=p)]
            m.night(*kinds, b1=look)
            case = m.case(1)
            is_open = case is not None and not case.resolved and not case.quiet
            plain += listed != was_listed
            turns += is_open != was_open
            was_listed, was_open = listed, is_open
    assert turns <= 5 * 8, (turns, plain)
    if centre == 0.8:
        assert plain > 10 * turns


KINDS = ("wrong_shelf", "wrong_order", "missing", "low_confidence", "unknown_tag", "on_shelf_loaned", "lying")
texts = st.text(max_size=8)
sentences = st.one_of(texts, st.builds(lambda v: "x" + say("Stands at {where}.", where=v), texts))
nightly = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(KINDS), st.sampled_from(("A-01-1", "A-02-1")), st.floats(0.5, 1)
    ),
    max_size=4,
    unique_by=lambda f: f[0],
)
deeds = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(ACTS)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(nightly, deeds, sentences), max_size=6))
def test_whatever_happens_no_case_and_no_step_is_lost_and_json_keeps_all(life):
    m = Months()
    names: set[str] = set()
    for listed, done, said in life:
        before = {i: c.history for i, c in m.ledger.cases.items()}
        m.night(*(found(kind, n, shelf, p=p, belongs=said) for n, kind, shelf, p in listed))
        for at, did in done:
            if at < len(m.ledger.cases):
                name = list(m.ledger.cases)[at]
                try:
                    m.ledger = act(
                        m.ledger, name, did, who="desk", why="因为", at=m.now + timedelta(hours=at)
                    )
                except LedgerError as e:
                    assert did == "reopen", e
        names |= set(m.ledger.cases)
        assert names == set(m.ledger.cases)
        for i, history in before.items():
            assert m.ledger.cases[i].history[: len(history)] == history
        for i, case in m.ledger.cases.items():
            assert case.id == i
            assert (case.resolution != "") == (case.state == "resolved")
        again = Ledger.from_json(json.loads(json.dumps(m.ledger.to_json())))
        assert again == m.ledger
        for a, b in zip(again.cases.values(), m.ledger.cases.values(), strict=True):
            assert isinstance(a.finding.belongs, Said) == isinstance(b.finding.belongs, Said)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: o | {"format": "x"}, "format is 'x'"),
        (lambda o: o | {"cases": 3}, "cases: is no JSON list"),
        (lambda o: o["cases"][0].pop("state") and o, "cases\\[0\\]: state is missing"),
        (lambda o: o["cases"][0].update(seen_at="soon") or o, "seen_at is 'soon'"),
        (lambda o: o["cases"][0]["finding"].update(kind="x") or o, "kind 'x'"),
        (lambda o: o["cases"].append(o["cases"][0]) or o, "is there twice"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_refused_in_a_line(change, words):
    m = Months()
    m.night(found("wrong_shelf", 1))
    with pytest.raises(LedgerError, match=words) as caught:
        Ledger.from_json(change(m.ledger.to_json()), "x.json")
    assert str(caught.value).startswith("x.json") and "\n" not in str(caught.value)
