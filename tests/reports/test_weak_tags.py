"""Weak tags: told from what nights have taught, with chances that hold, and none among usual ones."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from reports.ledger import Ledger, update
from reports.memory import COLUMNS, Memory
from reports.night import judge_night
from reports.policy import Policy
from reports.weak_tags import weigh
from tests.reports.nights import FIRST


def memory_of(strength, heard, missed):
    n = len(strength)
    blank = Memory.empty()
    columns = {}
    for name in COLUMNS:
        kind = getattr(blank, name).dtype
        columns[name] = np.full(n, "", object) if kind.hasobject else np.zeros(n, kind)
    columns["barcode"] = np.array([f"B{i}" for i in range(n)], object)
    columns |= {"strength": strength, "heard": heard, "missed": missed}
    return Memory(**columns)


def drawn(rng, n, weak, nights):
    """Tags whose truth is that of the three laws the module knows; the first `weak` are weak."""
    strength = rng.normal(-0.03, 0.37, n)
    strength[:weak] = rng.uniform(-3.5, -0.7, weak)
    silent = np.full(n, 0.001)
    silent[:weak] = rng.beta(0.3, 3.0, weak)
    missed = rng.binomial(nights, silent).astype(float)
    return memory_of(strength, nights - missed, missed)


def test_chances_hold_and_usual_tags_are_left_alone():
    rng = np.random.default_rng(5)
    stated, true, false = [], [], 0
    for _ in range(20):
        w = weigh(drawn(rng, 1000, 10, 8), Policy())
        said = w.chance >= Policy().weak_from
        false += int(said[10:].sum())
        stated += w.chance[w.chance > 0.3].tolist()
        true += (np.flatnonzero(w.chance > 0.3) < 10).tolist()
    assert false <= 2, "of 19,800 usual tags"
    assert sum(true) > 100 and np.mean(true) >= np.mean(stated) - 0.05, "no surer than it is right"


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_chances_at_both_ends_are_as_stated_and_those_between_are_too_low(seed):
    rng = np.random.default_rng(seed)
    stated = np.concatenate([weigh(drawn(rng, 1000, 10, 8), Policy()).chance for _ in range(20)])
    weak = np.tile(np.arange(1000) < 10, 20)
    for low, high, below, above in ((0.0, 0.05, 0.001, 0.001), (0.05, 0.8, 0.0, 0.4), (0.8, 1.0, 0.02, 0.03)):
        here = (stated >= low) & (stated < high if high < 1.0 else stated <= 1.0)
        assert np.count_nonzero(here) > 50
        off = weak[here].mean() - stated[here].mean()
        assert -below <= off <= above, (
            f"{low} to {high}: {stated[here].mean():.3f} stated, {weak[here].mean():.3f} so"
        )
    assert 0.8 * weak.sum() <= stated.sum() <= weak.sum()


@pytest.mark.parametrize(("heard", "missed"), [(1.0, 0.0), (2.0, 0.0), (0.0, 5.0)])
def test_too_few_nights_say_nothing(heard, missed):
    rng = np.random.default_rng(1)
    memory = drawn(rng, 300, 0, 8)
    memory.strength[0], memory.heard[0], memory.missed[0] = -4.0, heard, missed
    assert weigh(memory, Policy()).chance[0] == 0.0


def test_a_tag_that_was_silent_on_nights_it_was_there_is_weak():
    memory = drawn(np.random.default_rng(1), 300, 0, 14)
    memory.strength[0], memory.heard[0], memory.missed[0] = -1.0, 9.0, 5.0
    w = weigh(memory, Policy())
    assert w.chance[0] > 0.95 and (w.heard[0], w.nights[0]) == (9.0, 14.0)


def test_an_empty_memory_and_a_small_one_are_no_trouble():
    assert len(weigh(Memory.empty(), Policy()).chance) == 0
    assert np.all(weigh(drawn(np.random.default_rng(1), 3, 0, 8), Policy()).chance < 0.8)


def test_the_line_says_where_and_how_weak_in_words(library):
    weak = library.book(20)
    library.readings[weak.epc] = 2
    memory, ledger = None, Ledger()
    for n in range(5):
        at = FIRST + timedelta(days=n)
        rng = np.random.default_rng(n)
        library.readings |= {h.epc: int(rng.poisson(30) + 1) for h in library.rows if h is not weak}
        night = judge_night(
            f"r{n}", at, library.positions(), library.coverage(), library.plan, library.holdings(), memory=memory
        )  # fmt: skip
        memory, ledger = night.memory, update(ledger, night, library.holdings())
        said = [f for f in night.findings if f.kind == "weak_tag"]
        assert len(said) == (n >= 2)
    (f,) = said
    assert f.barcode == weak.barcode and f.shelf_id == library.at(weak.epc)[0] and f.confidence >= 0.8
    assert "Heard on 5 of 5 nights, with one reading for every 1" in f.evidence
    assert [c.finding.kind for c in ledger.open] == ["weak_tag"]


@pytest.mark.slow
def test_simulated_tags_that_are_attenuated(tmp_path):
    """Six nights of 600 copies, 20 of whose tags hear and answer 10 to 14 dB worse."""
    from localization import localize
    from recording import read_recording
    from sim.library_life import LibraryLife
    from sim.record import record
    from stacks.plan import read_plan

    life = LibraryLife(600, 5)
    rng = np.random.default_rng(11)
    loss = dict(
        zip((life.epcs[c] for c in rng.choice(600, 20, replace=False)), rng.uniform(10, 14, 20), strict=True)
    )
    memory, said = None, {}
    for n in range(6):
        library = life.library()
        extra = np.array([loss.get(epc, 0.0) for epc in library.tags.epc])
        library = replace(library, odd=replace(library.odd, loss_db=library.odd.loss_db + extra))
        folder = tmp_path / str(n)
        record(library, folder, 3, 0.1, seed=n, started_ns=life.night_ns, back_and_forth=True, run_id=f"r{n}")
        plan = read_plan(folder / "plan.json")
        placed = localize(replace(read_recording(folder), truth=None), plan)
        night = judge_night(
            f"r{n}", life.evening, placed.positions, placed.coverage, plan, life.holdings(), memory=memory
        )
        memory = night.memory
        said |= {f.epc: f.confidence for f in night.findings if f.kind == "weak_tag"}
        life.pass_day()
    heard = dict(zip(memory.epc.tolist(), memory.heard.tolist(), strict=True))
    usual = [epc for epc, nights in heard.items() if nights >= 3 and epc not in loss]
    weak = [epc for epc in loss if heard.get(epc, 0.0) >= 3]
    assert len(usual) >= 480 and not set(usual) & set(said)
    found = sum(epc in said for epc in weak)
    assert len(weak) >= 4 and found >= 0.5 * len(weak)
