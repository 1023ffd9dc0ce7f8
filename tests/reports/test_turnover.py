"""The rates of use, return and loss that a library's own nights tell."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from reports.memory import Memory
from reports.policy import Policy
from reports.turnover import fit_turnover
from tests.reports.test_night import judge

DAY = 86_400 * 10**9


def nights_of(books, nights, *, used, back, lost, apart=1, seed=0):
    """Return what is remembered after nights, so many days apart, in which it was always clear where a book is."""
    rng = np.random.default_rng(seed)
    n = books
    columns = {f.name: np.zeros(n, np.float32) for f in fields(Memory)}
    columns |= {name: np.array([f"{name}{i}" for i in range(n)], object) for name in ("barcode", "epc")}
    columns |= {name: np.array([""] * n, object) for name in ("heard_shelf", "wrong_home")}
    columns |= {"at": np.full(n, DAY), "heard_at": np.full(n, DAY)}
    columns["heard"] += 1.0
    state, since = np.zeros(n, np.int8), np.zeros(n)  # 0 here, 1 away, 2 gone; days away when last looked for
    for _ in range(nights):
        for _ in range(apart):
            coming = (state == 1) & (rng.random(n) < back)
            going = (state == 0) & (rng.random(n) < used * back)
            stolen = (state == 0) & ~going & (rng.random(n) < lost)
            state[coming], state[going], state[stolen] = 0, 1, 2
        columns["at"] += apart * DAY
        columns["watched"] += apart
        ended = (state == 0) & (columns["silent"] > 0)
        columns["returns"][ended] += 1.0
        columns["away"][ended] += since[ended]
        columns["silent"] = np.where(state == 0, 0.0, columns["silent"] + 1.0).astype(np.float32)
        columns["heard_at"] = np.where(state == 0, columns["at"], columns["heard_at"])
        since = apart * columns["silent"]
        columns["heard"] += state == 0
    for k, name in enumerate(("p_here", "p_away", "p_gone")):
        columns[name] = (state == k).astype(np.float32)
    return Memory(**columns)


@pytest.mark.parametrize(
    ("used", "back", "lost"), [(0.002, 0.9, 0.0003), (0.004, 0.4, 0.0001), (0.0003, 0.7, 0.001)]
)
def test_the_rates_are_found(used, back, lost):
    told = fit_turnover(nights_of(5000, 25, used=used, back=back, lost=lost), Policy())
    assert told.back_per_day == pytest.approx(back, abs=0.1)
    entering = -np.log1p(-told.back_per_day) * told.used_share
    assert entering == pytest.approx(used * back, rel=0.3)
    assert told.lost_per_day == pytest.approx(lost, rel=0.35)


def test_nothing_is_learnt_from_nothing():
    policy = Policy()
    assert fit_turnover(Memory.empty(), policy) == policy
    told = fit_turnover(nights_of(300, 0, used=0.01, back=0.5, lost=0.01), policy)
    assert told.back_per_day == pytest.approx(policy.back_per_day)
    assert told.used_share == pytest.approx(policy.used_share, rel=0.01)
    assert told.lost_per_day == pytest.approx(policy.lost_per_day, rel=0.01)


def test_one_absence_moves_the_rates_little():
    memory = nights_of(300, 3, used=0.0, back=0.5, lost=0.0)
    memory.returns[0], memory.away[0] = 1.0, 5.0
    assert 0.4 < fit_turnover(memory, Policy()).back_per_day < 0.8


def test_weekly_nights_tell_the_same_losses_a_day():
    weekly = fit_turnover(nights_of(5000, 12, used=0.0005, back=0.5, lost=0.0003, apart=7), Policy())
    assert weekly.lost_per_day == pytest.approx(0.0003, rel=0.35)


def test_a_week_of_closed_doors_changes_no_rate(build):
    """A gap is a gap: what the nights before it told of rates a day still holds."""
    world = build(bays=12, faces=("A", "B"), per_shelf=10)
    epcs, memory, told = sorted(world.stands), None, []
    for day in [*range(12), 19]:
        away = world.stands.pop(epcs[day % 12])
        memory = judge(world, day, memory).memory
        world.stands[epcs[day % 12]] = away
        told.append(fit_turnover(memory, Policy()))
    assert told[-1].back_per_day == pytest.approx(told[-2].back_per_day, abs=0.2)
    assert told[-1].lost_per_day == pytest.approx(told[-2].lost_per_day, rel=0.5)


def test_books_found_after_a_long_time_are_no_proof_of_slow_readers(build):
    world = build(bays=12, faces=("A", "B"), per_shelf=10)
    memory = judge(world).memory
    lost = {epc: world.stands.pop(epc) for epc in sorted(world.stands)[:3]}
    for day in range(1, 32):
        memory = judge(world, day, memory).memory
    before = fit_turnover(memory, Policy()).back_per_day
    world.stands |= lost
    assert fit_turnover(judge(world, 32, memory).memory, Policy()).back_per_day == pytest.approx(
        before, abs=0.1
    )
