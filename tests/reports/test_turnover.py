"""The rates of use, return and loss that a library's own nights tell."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from reports.memory import Memory
from reports.policy import Policy
from reports.turnover import fit_turnover

DAY = 86_400 * 10**9


def nights_of(books, nights, *, used, back, lost, seed=0):
    """Return what is remembered after nights in which it was always clear whether a book is away or gone."""
    rng = np.random.default_rng(seed)
    n = books
    columns = {f.name: np.zeros(n, np.float32) for f in fields(Memory)}
    columns |= {"barcode": np.array([f"b{i}" for i in range(n)], object), "epc": np.array(["E"] * n, object)}
    columns |= {"heard_shelf": np.array([""] * n, object), "at": np.full(n, (1 + nights) * DAY)}
    columns["heard_at"] = columns["at"].copy()
    columns["heard"] += 1.0
    state = np.zeros(n, np.int8)  # 0 here, 1 away, 2 gone
    for _ in range(nights):
        coming = (state == 1) & (rng.random(n) < back)
        columns["returns"][coming] += 1.0
        columns["away"][coming] += columns["silent"][coming]
        going = (state == 0) & (rng.random(n) < used * back)
        stolen = (state == 0) & ~going & (rng.random(n) < lost)
        state[coming], state[going], state[stolen] = 0, 1, 2
        columns["silent"] = np.where(state == 0, 0.0, columns["silent"] + 1.0).astype(np.float32)
        columns["heard"] += state == 0
    for k, name in enumerate(("p_here", "p_away", "p_gone")):
        columns[name] = (state == k).astype(np.float32)
    return Memory(**columns)


@pytest.mark.parametrize(
    ("used", "back", "lost"), [(0.002, 0.9, 0.0003), (0.004, 0.4, 0.0001), (0.0003, 0.7, 0.001)]
)
def test_the_rates_are_found(used, back, lost):
    memory = nights_of(5000, 25, used=used, back=back, lost=lost)
    told = fit_turnover(memory, 27 * DAY, Policy())
    assert told.back_per_day == pytest.approx(back, abs=0.1)
    entering = -np.log1p(-told.back_per_day) * told.used_share
    assert entering == pytest.approx(used * back, rel=0.3)
    assert told.lost_per_day == pytest.approx(lost, rel=0.35)


def test_nothing_is_learnt_from_nothing():
    policy = Policy()
    assert fit_turnover(Memory.empty(), DAY, policy) == policy
    first = nights_of(300, 0, used=0.01, back=0.5, lost=0.01)
    told = fit_turnover(first, 2 * DAY, policy)
    assert told.back_per_day == pytest.approx(policy.back_per_day)
    assert told.used_share == pytest.approx(policy.used_share, rel=0.01)
    assert told.lost_per_day == pytest.approx(policy.lost_per_day, rel=0.01)


def test_one_absence_moves_the_rates_little():
    memory = nights_of(300, 3, used=0.0, back=0.5, lost=0.0)
    memory.returns[0], memory.away[0] = 1.0, 5.0
    told = fit_turnover(memory, 5 * DAY, Policy())
    assert 0.4 < told.back_per_day < 0.8


def test_weeks_between_nights_are_days_not_nights():
    memory = nights_of(2000, 20, used=0.004, back=0.9, lost=0.0002)
    daily = fit_turnover(memory, 22 * DAY, Policy())
    weekly = fit_turnover(memory, 28 * DAY, Policy())
    assert weekly.lost_per_day < 0.5 * daily.lost_per_day
