"""Lying books, books behind the row, second tags, tags that move: kernels, evidence and a simulated night."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from localization import localize, read_positions, write_positions
from localization.oddities import KINDS, SURE, find_oddities, posterior
from localization.oddity_evidence import learn_scatter, learn_usual, lying_evidence
from localization.oddity_kernels import free_fit, scan_piles
from localization.oddity_moving import moving_evidence
from localization.oddity_reference import free_fit as free_fit_reference
from localization.oddity_reference import scan_piles as scan_piles_reference
from localization.oddity_reference import twist
from localization.oddity_traits import Traits, foreign_tags
from localization.positions import Positions
from recording import read_recording
from sim.library import make_library
from sim.oddities import OddityRates
from sim.record import record

OPEN = np.array([np.inf, 0.2, 0.12, 1.0])


def passing(rng, n=60, truth=(1.0, 0.0, 0.3, 0.0), noise=0.05):
    """Return what three antennas on a passing robot hear of one tag."""
    u = rng.uniform(0.2, 1.8, n)
    group = np.sort(rng.integers(0, 3, n))
    z = np.array([0.4, 0.95, 1.5])[group]
    h = np.full(n, 0.5)
    k = np.full(n, 38.6)
    way = np.stack([truth[0] - u, h + truth[1], truth[2] - z], axis=1)
    d = np.linalg.norm(way, axis=1)
    phase = k * d + truth[3] * 2.0 * twist(*(way / d[:, None]).T) + np.array([0.3, 2.0, 4.5])[group]
    phase = np.mod(phase + noise * rng.standard_normal(n), 2 * np.pi)
    return u, h, z, k, phase, rng.uniform(0.2, 1.0, n), group


def fitted(seen, begin):
    out, covariance = np.zeros((1, 7)), np.zeros((1, 4, 4))
    start = np.array([0, len(seen[0])])
    begin = np.array([begin], np.float64)
    centre = begin * np.array([1.0, 0.0, 1.0, 0.0])
    free_fit(start, *seen, np.ones(len(seen[0])), begin, centre, OPEN, out, covariance)
    return out[0], covariance[0]


@pytest.mark.parametrize("truth", [(1.0, 0.0, 0.3, 0.0), (1.0, 0.1, 0.75, 1.0), (1.02, -0.03, 1.1, -1.0)])
def test_the_free_fit_finds_depth_height_and_turn(truth):
    seen = passing(np.random.default_rng(3), truth=truth)
    found, covariance = fitted(seen, (truth[0] + 0.01, truth[1], truth[2] + 0.02, 0.0))
    error = found[:4] - np.array(truth)
    assert np.all(np.abs(error) < 5.0 * np.sqrt(np.diag(covariance)) + 1e-3)
    assert abs(error[3]) < 0.3


def test_the_free_fit_equals_its_reference():
    rng = np.random.default_rng(8)
    for noise in (0.05, 0.5):
        seen = passing(rng, truth=(1.0, 0.05, 0.6, 0.5), noise=noise)
        begin = np.array([1.01, 0.0, 0.62, 0.0])
        found, covariance = fitted(seen, begin)
        wanted, spread = free_fit_reference(
            *seen, np.ones(len(seen[0])), begin, begin * np.array([1.0, 0.0, 1.0, 0.0]), OPEN
        )
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-8)
        assert covariance == pytest.approx(spread, rel=1e-5, abs=1e-9)


def test_the_search_for_piles_equals_its_reference():
    rng = np.random.default_rng(5)
    sizes = (1, 2, 17, 40)
    start = np.concatenate([[0], np.cumsum(sizes)])
    x = np.concatenate([np.sort(rng.uniform(0.0, 0.85, n)) for n in sizes])
    sigma, evidence = rng.uniform(0.03, 0.06, len(x)), rng.normal(0.5, 2.0, (2, len(x)))
    members = np.array([0.9, 0.2])
    odds, total = np.full(len(x), np.nan), np.full(len(sizes), np.nan)
    scan_piles(start, x, sigma, evidence, members, 0.7, 0.23, 0.3, 0.02, -7.0, odds, total)
    assert odds[0] == total[0] == 0.0
    for s in range(1, len(sizes)):
        part = slice(start[s], start[s + 1])
        wanted, whole = scan_piles_reference(
            x[part], sigma[part], evidence[:, part], members, 0.7, 0.23, 0.3, 0.02, -7.0
        )
        assert odds[part] == pytest.approx(wanted, rel=1e-6)
        assert total[s] == pytest.approx(whole, rel=1e-9)
    assert odds.max() > 1.0


def usual_traits(n=400, seed=1, turn=0.3):
    """Return the traits of tags that stand in their rows, 2.3 cm apart, 40 a shelf."""
    rng = np.random.default_rng(seed)
    covariance = np.tile(np.diag([0.03, 0.02, 0.3, 0.25]) ** 2, (n, 1, 1))
    fit = rng.standard_normal((n, 4)) * np.array([0.05, 0.04, turn, 0.15])
    fit[:, 1] += 0.12
    return Traits(
        tag=np.arange(n),
        face=np.zeros(n, np.int64),
        shelf=np.arange(n) // 40,
        level=np.ones(n, np.int64),
        offset_m=0.023 * (np.arange(n) % 40) + 0.9 * (np.arange(n) // 40),
        sigma_m=np.full(n, 0.01),
        height_m=np.full(n, 0.12),
        nominal_m=np.full(n, 0.12),
        strength_db=rng.normal(-64.0, 3.0, n),
        fit=fit,
        covariance=covariance,
        scale_rad=rng.normal(0.45, 0.12, n).clip(0.05),
        spread_m=np.exp(rng.normal(np.log(0.33), 0.25, n)),
        alike=rng.normal(0.0, 0.05, n),
        stretches=np.full(n, 30.0),
        foreign=np.zeros(n, np.bool_),
        first=np.zeros(0, np.int64),
        second=np.zeros(0, np.int64),
        apart_m=np.zeros(0),
        apart_variance=np.zeros(0),
    )


def test_ordinary_tags_raise_no_alarm():
    p = np.concatenate([posterior(usual_traits(seed=seed)) for seed in range(5)], axis=1)
    assert (p >= SURE).sum() == 0
    assert p.sum(axis=1).max() < 0.02 * p.shape[1]


def test_a_pile_is_told_by_its_tags_turn_whichever_way_the_antennas_turn():
    for hand in (1.0, -1.0):
        traits = usual_traits(turn=0.2)
        pile = np.arange(90, 98)
        traits.offset_m[pile] = 0.9 * 2 + 0.32 + 0.01 * np.arange(8)
        traits.fit[pile, 2:] += np.array([hand, 0.4])
        p = posterior(traits)[KINDS.index("lying")]
        assert np.all(p[pile] > 0.8)
        assert np.delete(p, pile).max() < SURE
        evidence = lying_evidence(learn_usual(traits), hand)
        assert evidence[0, pile].mean() > 1.0
        assert lying_evidence(learn_usual(traits), -hand)[0, pile].mean() < 0.0


def test_neighbours_that_err_alike_are_worth_fewer_witnesses():
    said = []
    for alike in (0.0, 0.9):
        traits = usual_traits(turn=0.2)
        common = np.repeat(np.random.default_rng(6).standard_normal(80), 5)
        own = np.random.default_rng(7).standard_normal(400)
        traits.fit[:, 2] = 0.35 * (np.sqrt(alike) * common + np.sqrt(1.0 - alike) * own)
        pile = np.arange(90, 98)
        traits.offset_m[pile] = 0.9 * 2 + 0.32 + 0.01 * np.arange(8)
        traits.fit[pile, 2:] = (1.0, 0.4)
        said.append(posterior(traits)[0, pile].mean())
    assert said[1] < said[0]


def test_one_turned_tag_in_a_row_is_no_pile():
    traits = usual_traits()
    traits.fit[100, 2:] = (1.0, 0.4)
    assert posterior(traits)[0, 100] < SURE


def test_a_run_of_wilder_phases_says_less_of_the_same_tag():
    said = []
    for turn in (0.1, 0.9):
        traits = usual_traits(turn=turn)
        pile = np.arange(90, 98)
        traits.offset_m[pile] = 0.9 * 2 + 0.32 + 0.01 * np.arange(8)
        traits.fit[pile, 2:] = (1.0, 0.4)
        said.append(posterior(traits)[0, pile].mean())
    assert said[0] > 0.9
    assert said[1] < 0.8 * said[0]


def test_behind_the_row_is_told_only_where_depths_are_known_well():
    told = []
    for sigma in (0.01, 0.05):
        traits = usual_traits()
        traits.covariance[:, 0, 0] = 0.01**2
        traits.fit[:, 0] = sigma * np.random.default_rng(2).standard_normal(len(traits))
        traits.fit[7, 0] = 0.12
        told.append(posterior(traits)[KINDS.index("pushed_back"), 7])
    assert told[0] > 0.5
    assert told[1] < 0.1


def test_a_second_tag_must_be_foreign_and_near():
    traits = usual_traits()
    first, second = np.array([20, 50, 80]), np.array([21, 51, 81])
    traits = dataclasses.replace(
        traits,
        first=first,
        second=second,
        apart_m=np.array([0.002, 0.025, 0.001]),
        apart_variance=np.full(3, 0.004**2),
    )
    traits.foreign[[20, 50]] = True
    p = posterior(traits)[KINDS.index("double")]
    assert p[20] > SURE
    assert p[50] < 0.1
    assert p[21] == p[80] == p[81] == 0.0


def test_what_moves_or_rides_is_heard_far_and_wide():
    traits = usual_traits()
    traits.spread_m[3], traits.scale_rad[3] = 2.0, 1.1
    traits.spread_m[4], traits.alike[4], traits.scale_rad[4] = 6.0, 0.97, 1.1
    traits.spread_m[5] = 0.6
    p = posterior(traits)[KINDS.index("moving")]
    assert p[3] > 0.8
    assert p[4] > 0.95
    assert p[5] < 0.2
    assert moving_evidence(traits)[3] > 5.0


def test_where_all_tags_are_heard_far_and_wide_none_is_said_to_move():
    traits = usual_traits()
    traits = dataclasses.replace(traits, spread_m=4.0 * traits.spread_m)
    assert posterior(traits)[KINDS.index("moving")].max() < SURE


def test_tails_are_learnt():
    rng = np.random.default_rng(0)
    assert learn_scatter(rng.standard_t(2.0, 20_000), 0.01).nu == pytest.approx(2.0, rel=0.2)
    assert learn_scatter(rng.standard_normal(20_000), 0.01).nu == pytest.approx(10.0)
    few = learn_scatter(np.array([1.0, np.nan]), 0.3)
    assert (few.centre, few.scale) == (1.0, 0.6)


def test_foreign_tags_are_those_of_hardly_used_numberings():
    own = tuple(f"3085{n:020X}" for n in range(95))
    strange = tuple(f"E280{n:020X}" for n in range(3))
    assert foreign_tags(own + strange).tolist() == [False] * 95 + [True] * 3
    assert not foreign_tags(tuple(f"{n % 7:04X}{n:020X}" for n in range(70))).any()
    assert foreign_tags(()).tolist() == []


def test_the_columns_are_optional_in_the_file(tmp_path):
    positions = Positions.empty(2)
    positions.epc[:] = ["AA", "BB"]
    positions.oddity[0], positions.p_oddity[0] = "lying", 0.75
    path = tmp_path / "positions.parquet"
    write_positions(path, positions)
    stored = pq.read_table(path)
    assert str(stored.schema.field("p_oddity").type) == "float"
    again = read_positions(path)
    assert again.oddity.tolist() == ["lying", None]
    assert again.p_oddity[0] == 0.75
    assert np.isnan(again.p_oddity[1])
    pq.write_table(stored.drop_columns(["oddity", "p_oddity"]), path)
    old = read_positions(path)
    assert old.oddity.tolist() == [None, None]
    assert np.isnan(old.p_oddity).all()


def test_no_traits_leave_positions_as_they_are():
    positions = Positions.empty(1)
    same, notes = find_oddities(positions, [], np.zeros(1, np.int64))
    assert same is positions
    assert notes == []


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    rates = OddityRates(lying=0.05, trolleys=1, trolley_books=8, on_robot=2)
    library = make_library(600, seed=12, radio="easy", oddities=rates)
    recording = read_recording(record(library, folder / "run", passes=3, speed_mps=0.15, seed=5))
    return library, localize(recording, library.plan)


def test_a_night_with_oddities_tells_most_of_them_and_little_else(night):
    library, found = night
    p = found.positions
    truth = {one.epc: one for one in library.planted if one.kind in KINDS}
    row = {epc: n for n, epc in enumerate(p.epc.tolist())}
    sure = p.p_oddity >= SURE
    said = {epc: p.oddity[n] for epc, n in row.items() if sure[n]}
    lying = {epc for epc, kind in said.items() if kind == "lying"}
    true_lying = {epc for epc, one in truth.items() if one.kind == "lying" and "in the row" in one.detail}
    assert len(lying & true_lying) >= 0.5 * len(true_lying)
    wrong = [epc for epc, kind in said.items() if epc not in truth or truth[epc].kind != kind]
    assert len(wrong) <= 0.2 * len(said)


def test_tags_on_the_robot_have_no_place_and_are_noted(night):
    library, found = night
    p = found.positions
    riding = [one.epc for one in library.planted if one.kind == "moving" and "robot" in one.detail]
    assert len(riding) == 2
    for epc in riding:
        n = p.epc.tolist().index(epc)
        assert p.oddity[n] == "moving"
        assert p.p_oddity[n] > 0.8
        assert p.shelf_id[n] is None
        assert p.rank[n] == 0
        assert np.isnan([p.x_m[n], p.sigma_along_m[n], p.p_shelf[n]]).all()
    assert any("robot" in note and "not placed" in note for note in found.notes)
