"""Stamps that begin anew with every cycle, a drifting clock and delays: host times hold 5 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers.mercury.cycle_clock import CycleClock

T0 = 1_750_000_000_000_000_000


@dataclass
class Run:
    """What a module sent: frames in order, and when each was truly meant."""

    true_s: np.ndarray
    stamp_ns: np.ndarray
    arrival_ns: np.ndarray
    keepalive: np.ndarray

    def errors_ms(self) -> np.ndarray:
        """Map frame by frame, or those that arrive within 2 ms together; NaN at keep-alives."""
        clock, at, n = CycleClock(), 0, len(self.true_s)
        out = np.empty(n, np.int64)
        while at < n:
            end = at + 1
            while end < n and self.arrival_ns[end] - self.arrival_ns[at] < 2_000_000:
                end += 1
            piece = slice(at, end)
            out[piece] = clock.map(self.stamp_ns[piece], self.arrival_ns[piece], self.keepalive[piece])
            at = end
        assert (out <= self.arrival_ns).all()
        return np.where(self.keepalive, np.nan, (out - T0) / 1e6 - self.true_s * 1e3)


def make(
    seed: int,
    *,
    rate: float = 100,
    drift_ppm: float = 214,
    delay_ms: float = 5,
    cycle_s: float | None = 1.0,
    told: str = "each",
    batch_s: float = 0.0,
    seconds: float = 120,
    uneven_s: float = 0.0,
) -> Run:
    rng = np.random.default_rng(seed)
    true = np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))
    own = true * (1 + drift_ppm * 1e-6)
    lengths = (cycle_s or 1e9) + rng.uniform(0, uneven_s, int(seconds / (cycle_s or 1e9)) + 3)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    cycle = np.searchsorted(begins, own, side="right") - 1
    stamp = ((own - begins[cycle]) * 1000).astype(np.int64) * 1_000_000
    tells = [
        k
        for k in range(1, len(begins))
        if begins[k] < own[-1] and (told == "each" or (told == "empty" and k - 1 not in cycle))
    ]
    when = np.concatenate([true, begins[tells] / (1 + drift_ppm * 1e-6)])
    order = np.argsort(when, kind="stable")
    arrival = np.maximum.accumulate(when[order] + rng.exponential(delay_ms / 1e3, len(when)))
    if batch_s:
        # A USB adapter hands over what came within its latency time.
        arrival = np.ceil(arrival / batch_s) * batch_s
    return Run(
        when[order],
        np.concatenate([stamp, np.zeros(len(tells), np.int64)])[order],
        T0 + np.rint(arrival * 1e9).astype(np.int64),
        np.concatenate([np.zeros(len(true), np.bool_), np.ones(len(tells), np.bool_)])[order],
    )


@pytest.mark.parametrize("drift_ppm", [214.0, -214.0, 0.0])
@pytest.mark.parametrize("told", ["each", "empty", "never"])
def test_cycles_of_a_drifting_clock_with_delays_hold_five_milliseconds(drift_ppm: float, told: str) -> None:
    for seed, rate in ((1, 100), (2, 200), (3, 10)):
        run = make(seed, rate=rate, drift_ppm=drift_ppm, told=told)
        error = np.abs(run.errors_ms())
        assert np.nanquantile(error, 0.995) < 5
        assert np.nanquantile(error[run.true_s > 10], 0.95) < 2
        late = (run.arrival_ns - T0) / 1e6 - run.true_s * 1e3
        assert np.quantile(late, 0.99) > 15, "arrivals alone would not do"


@pytest.mark.parametrize("drift_ppm", [214.0, -214.0])
def test_stamps_that_never_begin_anew_hold_them_too(drift_ppm: float) -> None:
    assert np.nanmax(np.abs(make(4, drift_ppm=drift_ppm, cycle_s=None, seconds=600).errors_ms())[200:]) < 5


def test_keepalives_that_do_not_begin_a_cycle_are_no_harm() -> None:
    run = make(5, cycle_s=None)
    n = len(run.true_s)
    # A keep-alive after every hundredth read, and stamps that go on all the same.
    places = np.arange(100, n, 100)
    told = Run(
        np.insert(run.true_s, places, run.true_s[places - 1]),
        np.insert(run.stamp_ns, places, 0),
        np.insert(run.arrival_ns, places, run.arrival_ns[places - 1]),
        np.insert(run.keepalive, places, True),
    )
    assert np.nanquantile(np.abs(told.errors_ms()), 0.99) < 5


def test_an_adapter_that_hands_over_every_16_ms() -> None:
    run = make(6, batch_s=0.016)
    # The least delay cannot be told from the clocks' difference: a constant is no error of the mapping.
    error = run.errors_ms()
    assert np.nanquantile(np.abs(error), 0.99) < 5


def test_few_reads_between_long_silences() -> None:
    for seed, told in ((7, "empty"), (8, "never")):
        error = np.abs(make(seed, rate=0.5, told=told, seconds=400).errors_ms())
        # Alone in its cycle a read is known by its arrival, and by the cycles before: never by a stamp of another one.
        assert np.nanmax(error) < 60


def test_uneven_cycles_are_not_foretold() -> None:
    error = make(9, uneven_s=0.03).errors_ms()
    assert np.nanquantile(np.abs(error), 0.95) < 5


def test_a_new_search_begins_anew() -> None:
    clock = CycleClock()
    nothing = np.zeros(1, np.bool_)
    first = clock.map(np.array([500_000_000]), np.array([T0]), nothing)
    clock.restart()
    second = clock.map(np.array([900_000_000]), np.array([T0 + 10_000_000_000]), nothing)
    assert (first[0], second[0]) == (T0, T0 + 10_000_000_000)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1), st.integers(-(10**12), 10**12), st.booleans(), st.integers(1, 4)
        ),
        max_size=30,
    )
)
def test_no_stamps_make_it_fail_or_come_from_the_future(frames: list[tuple[int, int, bool, int]]) -> None:
    clock = CycleClock()
    for stamp, arrival, keepalive, count in frames:
        arrivals = np.full(count, T0 + arrival)
        told = np.array([keepalive] + [False] * (count - 1))
        stamps = np.where(told, 0, stamp * 1_000_000 + np.arange(count))
        assert (clock.map(stamps, arrivals, told) <= arrivals).all()


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 * 1_000_000), st.integers(0, 10**9), st.booleans()),
        min_size=1,
        max_size=120,
    ),
    st.integers(1, 40),
)
def test_stamps_that_cannot_be_raise_nothing_and_no_time_lies_behind_its_arrival(frames, piece):
    clock, now = CycleClock(), 1_795_000_000 * 10**9
    for at in range(0, len(frames), piece):
        part = frames[at : at + piece]
        arrival = now + np.cumsum([gap for _, gap, _ in part]).astype(np.int64)
        now = int(arrival[-1])
        stamps = np.array([0 if keepalive else stamp for stamp, _, keepalive in part], np.int64)
        out = clock.map(stamps, arrival, np.array([keepalive for _, _, keepalive in part]))
        assert np.all(out <= arrival)


@pytest.mark.parametrize("cycle_s", [0.25, 1.0])
@pytest.mark.parametrize("told", ["each", "never"])
@pytest.mark.parametrize("piece", [10_000, 40])
def test_what_a_line_held_back_is_stamped_as_it_was_read(cycle_s: float, told: str, piece: int) -> None:
    """A device server without its network for five seconds hands over all it has, at once or piece by piece."""
    for rate in (100, 300):
        run = make(11, cycle_s=cycle_s, told=told, rate=rate, seconds=70)
        arrived_s = (run.arrival_ns - T0) / 1e9
        held = np.flatnonzero((arrived_s >= 40) & (arrived_s < 45))
        run.arrival_ns[held] = T0 + 45_000_000_000 + np.arange(len(held)) // piece * 5_000_000
        run.arrival_ns = np.maximum.accumulate(run.arrival_ns)
        error = np.abs(run.errors_ms())
        assert np.nanmax(error[held]) < 5
        assert np.nanquantile(error, 0.99) < 5


@pytest.mark.parametrize("told", ["each", "never"])
def test_a_module_that_paused_is_no_line_that_held_back(told: str) -> None:
    run = make(12, told=told)
    paused_s = 3.0
    after = np.arange(len(run.true_s)) >= np.searchsorted(run.true_s, 40.0)
    run.true_s[after] += paused_s
    run.arrival_ns[after] += round(paused_s * 1e9)
    error = np.abs(run.errors_ms())
    # The cycle that it paused in is not known to go on; the next one is.
    later = run.true_s > 40.0 + paused_s + 2.5
    assert np.nanquantile(error[~after | later], 0.99) < 5
    assert np.nanmax(error) < 1e3 * paused_s
