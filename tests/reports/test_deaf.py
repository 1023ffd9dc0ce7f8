"""Scans that miss a share of every shelf and do not know it: who is still called missing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from reports import Policy
from reports.deaf import chance_deaf


def silence(world, share, seed=3):
    rng = np.random.default_rng(seed)
    silent = {epc for epc in sorted(world.stands) if rng.random() < share}
    for epc in silent:
        del world.stands[epc]
    return silent


@pytest.mark.parametrize("share", [0.3, 0.4, 0.5])
def test_a_run_deaf_to_a_share_of_every_shelf_calls_no_book_missing_and_says_so(library, share):
    silent = silence(library, share)
    found = library.findings()
    assert {f.kind for f in found} == {"zone_not_scanned"}
    told = sum(int(f.evidence.split(": ")[1].split(" of ")[0]) for f in found)
    assert told == len(silent)
    assert len(found) < 12, "shelves side by side are one zone"


@pytest.mark.parametrize("share", [0.01, 0.03, 0.06])
def test_a_usual_share_of_missing_books_is_called_missing(library, share):
    gone = silence(library, share)
    assert gone
    found = library.findings()
    assert {f.epc for f in found if f.kind == "missing"} == gone
    assert {f.kind for f in found} == {"missing"}


def test_a_deaf_shelf_does_not_silence_the_others(library):
    order = library.on("A-02-2")
    for epc in order[::2]:  # exactly half
        del library.stands[epc]
    gone = library.on("A-03-4")[5]
    del library.stands[gone]
    found = library.findings()
    assert [f.epc for f in found if f.kind == "missing"] == [gone]
    assert [f.shelf_id for f in found if f.kind == "zone_not_scanned"] == ["A-02-2"]


def test_more_silence_makes_each_missing_book_less_sure(build):
    def confidence(others):
        world = build(per_shelf=30)
        order = world.on("A-02-2")
        for epc in order[3 : 3 + 4 * (others + 1) : 4]:
            del world.stands[epc]
        found = world.findings()
        assert len(found) == others + 1
        return next(f.confidence for f in found if f.epc == order[3])

    # The run's own share of missing books rises with them; the doubt of the shelf outweighs that.
    assert confidence(6) < confidence(2) - 0.01


def test_a_library_known_to_miss_much_may_say_so(library):
    gone = silence(library, 0.22)
    assert [f for f in library.findings() if f.kind == "missing"] == []
    told = [f for f in library.findings(policy=Policy(missing_share=0.2)) if f.kind == "missing"]
    assert len(told) > 0.8 * len(gone)
    assert {f.epc for f in told} <= gone


@pytest.mark.parametrize(
    ("silent", "due", "spread"), [(0, 12, 1.0), (4, 12, 2.0), (60, 300, 1.0), (9, 30, 2.0)]
)
def test_the_chance_is_bayes_rule_on_beta_binomial_laws(silent, due, spread):
    usual = 0.02
    gone = 0.98 * betabinom.pmf(silent, due, 1.0 / spread, (1.0 / usual - 1.0) / spread)
    deaf = 0.02 * betabinom.pmf(silent, due, 1.0, 1.0)
    chance = chance_deaf(np.array([float(silent)]), np.array([float(due)]), usual, spread=spread)
    assert chance[0] == pytest.approx(deaf / (deaf + gone), rel=1e-9)


def test_nothing_due_says_nothing():
    assert chance_deaf(np.zeros(1), np.zeros(1), 0.02)[0] == pytest.approx(0.02)
