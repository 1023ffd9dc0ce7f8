"""What staff find teaches how sure to be."""

from datetime import timedelta

import numpy as np
import pytest

from reports.feedback import Feedback, brier, learn, reliability, wilson
from reports.ledger import act
from reports.outcomes import Outcome, outcomes
from reports.policy import Policy
from tests.reports.nights import Months, found


def lines(n, share, kind="wrong_order", seed=0, low=0.8):
    """Lines said with .8 to 1, true in `share` of the odds they claim."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(low, 0.995, n)
    return [Outcome(kind, float(q), bool(t)) for q, t in zip(p, rng.random(n) < p * share, strict=True)]


def test_nothing_is_learnt_from_nothing():
    taught = learn([])
    assert taught.calibrated("wrong_shelf", 0.9) == pytest.approx(0.9)
    assert taught.policy() == Policy() and taught.mail_from() == {}


def test_ten_outcomes_change_little_and_hundreds_much():
    few = learn([Outcome("wrong_order", 0.9, i % 2 == 0) for i in range(10)])
    many = learn([Outcome("wrong_order", 0.9, i % 2 == 0) for i in range(600)])
    assert 0.75 < few.calibrated("wrong_order", 0.9) < 0.9
    assert many.calibrated("wrong_order", 0.9) == pytest.approx(0.5, abs=0.06)
    assert many.calibrated("wrong_shelf", 0.9) == pytest.approx(0.9)  # other kinds are not touched


def test_honest_chances_stay_as_they_are():
    taught = learn(lines(800, 1.0))
    for p in (0.8, 0.9, 0.97):
        assert taught.calibrated("wrong_order", p) == pytest.approx(p, abs=0.04)


def test_a_correction_makes_the_brier_score_of_other_lines_better():
    taught = learn(lines(400, 0.7))
    other = lines(400, 0.7, seed=1)
    true = [o.true for o in other]
    before = brier([o.confidence for o in other], true)
    after = brier([taught.calibrated(o.kind, o.confidence) for o in other], true)
    assert after < before - 0.03


def test_the_threshold_holds_the_precision_of_what_is_mailed():
    """Below .95 half of the lines are wrong, above all are right: the threshold goes where they are right."""
    rng = np.random.default_rng(3)
    p = rng.uniform(0.8, 0.999, 3000)
    z = np.log(p / (1 - p))
    real = 1 / (1 + np.exp(-(1.5 * z - 2.5)))
    true = rng.random(3000) < real
    taught = learn(
        [Outcome("wrong_shelf", float(q), bool(t)) for q, t in zip(p[:1500], true[:1500], strict=True)]
    )
    least = taught.mail_from(0.95)["wrong_shelf"]
    assert 0.8 < least < 0.99
    held = true[1500:][p[1500:] >= least]
    assert held.mean() > 0.93 and len(held) > 200
    assert true[1500:].mean() < 0.9
    policy = taught.policy(Policy(), 0.95)
    assert policy.accuse_from == pytest.approx(least) and policy.missing_from == Policy().missing_from


@pytest.mark.parametrize("true", [True, False])
@pytest.mark.parametrize(("kind", "p"), [("missing", 0.74), ("missing", 0.87), ("wrong_shelf", 0.85)])
def test_one_verdict_hides_no_other_line(kind, p, true):
    """Whoever looked at one of four books that are missing with .74 still gets the other three."""
    taught = learn([Outcome(kind, p, true)])
    assert taught.mail_from()[kind] <= p - 0.02
    policy = taught.policy()
    assert policy.missing_from < 0.55 and policy.accuse_from < 0.83


def test_lines_as_often_true_as_they_say_stay_on_the_list():
    rng = np.random.default_rng(5)
    p = rng.uniform(0.6, 0.95, 500)
    taught = learn(
        [Outcome("missing", float(q), bool(t)) for q, t in zip(p, rng.random(500) < p, strict=True)]
    )
    assert taught.policy().missing_from < 0.6


def test_a_kind_that_is_always_wrong_is_hardly_mailed_but_not_switched_off():
    taught = learn([Outcome("missing", 0.97, False) for _ in range(300)])
    assert taught.mail_from()["missing"] == pytest.approx(0.995)
    assert taught.policy().missing_from <= 0.99


def test_outcomes_are_what_people_said_not_what_scans_saw():
    m = Months()
    m.set_status(4, "missing")
    m.night(
        found("wrong_shelf", 1, p=0.9),
        found("missing", 2, "A-01-1"),
        found("wrong_order", 3),
        found("found", 4),
    )

    def say(n, did):
        m.ledger = act(m.ledger, m.case(n).id, did, who="desk", at=m.now + timedelta(hours=6))

    say(1, "reshelved")
    say(2, "found")
    say(4, "checked_in")
    m.night()
    assert m.case(3).resolution == "seen_right"
    told = {o.kind: (o.true, o.confidence) for o in outcomes(m.ledger.cases.values())}
    assert told == {"wrong_shelf": (True, 0.9), "missing": (False, 0.95), "found": (True, 0.95)}


def test_the_last_word_counts():
    m = Months()
    m.night(found("wrong_shelf", 1))
    for hour, did in enumerate(("false_alarm", "reopen", "reshelved")):
        m.ledger = act(m.ledger, m.case(1).id, did, who="desk", at=m.now + timedelta(hours=6 + hour))
    (only,) = outcomes(m.ledger.cases.values())
    assert only.true and only.confidence == pytest.approx(0.95)


def test_brier_and_reliability():
    assert brier([1.0, 0.0], [True, False]) == 0.0
    assert brier([0.5, 0.5], [True, False]) == 0.25
    assert np.isnan(brier([], []))
    table = reliability([0.82, 0.85, 0.97, 1.0], [True, False, True, True])
    assert [(b.low, b.n, b.true) for b in table] == [(0.8, 2, 0.5), (0.95, 1, 1.0), (0.99, 1, 1.0)]
    assert sum(b.n for b in table) == 4
    low, high = wilson(50, 100)
    assert 0.41 < low < 0.43 and 0.57 < high < 0.59
    assert wilson(0, 0) == (0.0, 1.0)
    assert isinstance(learn([]), Feedback)
