"""Several nights as one, on positions made up to order: what is shared, what comes back, what moved and what went."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from localization.night_coverage import join_coverage
from localization.nights import Night, NightsError, combine
from localization.positions import HF_AIR, UHF_AIR, Coverage, Positions, read_positions, write_positions
from recording import AntennaMount, RunInfo
from tests.localization.conftest import START, plan_of

LENGTH = 2.0
PLAN = plan_of(LENGTH)
MOUNT = AntennaMount(
    id=1, reader="r", port=1, air="gen2", position_m=(0.0, 0.0, 1.0), boresight_deg=(-90.0, 0.0)
)
SIGMA, SHARED = 0.01, 0.02


def info(number, site="test"):
    started = datetime.fromtimestamp(START // 10**9, UTC) + timedelta(days=number)
    return RunInfo(run_id=f"night-{number}", site=site, started_at=started, robot_id="r", antennas=(MOUNT,))


def epcs(count):
    return np.array([f"3000{n:020X}" for n in range(count)], object)


def placed(where, shelf, *, readings=40):
    """Return positions at offsets on shelves of face A, as an estimator would tell them."""
    n = len(where)
    face = PLAN.face("A")
    x, y = face.to_map(where)
    return replace(
        Positions.empty(n), epc=epcs(n), x_m=x, y_m=y, z_m=np.full(n, 0.5), sigma_local_m=np.full(n, SIGMA),
        sigma_along_m=np.full(n, np.hypot(SIGMA, SHARED)), readings=np.full(n, readings), antennas=np.ones(n, np.int64),
        quality=np.full(n, 0.8), face_id=np.full(n, "A", object), shelf_id=shelf, offset_m=np.array(where, float),
        p_shelf=np.full(n, 0.999), heard_from=np.full(n, START), heard_to=np.full(n, START + 1),
    )  # fmt: skip


def covered(readings=60.0, *, size=2.0, upto=LENGTH):
    """Return the coverage of face A, of which the part beyond ``upto`` was not driven past."""
    edges = np.round(np.arange(0.0, LENGTH - 1e-9, 0.1), 4)
    rows = [(level, edge) for level in (1, 2, 3) for edge in edges]
    expected = np.array([readings if edge + 0.05 < upto else 0.0 for _, edge in rows])
    return Coverage(
        np.full(len(rows), "A", object), np.array([level for level, _ in rows]),
        np.array([f"A-{level}" for level, _ in rows], object), np.array([edge for _, edge in rows]),
        np.array([edge + 0.1 for _, edge in rows]), expected,
        0.995 * (1.0 - (1.0 + expected / size) ** -size),
    )  # fmt: skip


class Shelves:
    """Tags on the boards of face A, seen on several nights."""

    def __init__(self, count=90, *, back=0.8, seed=3):
        self.rng = np.random.default_rng(seed)
        self.true = np.sort(self.rng.uniform(0.05, LENGTH - 0.05, count))
        self.shelf = np.array([f"A-{1 + n % 3}" for n in range(count)], object)
        # What comes back every night has this share of the variance.
        self.back = back
        self.mine = np.sqrt(back) * SIGMA * self.rng.standard_normal(count)

    def night(self, number, *, shift=0.0, true=None, shelf=None, coverage=None, without=()):
        true = self.true if true is None else true
        new = np.sqrt(1.0 - self.back) * SIGMA * self.rng.standard_normal(len(true))
        seen = placed(true + self.mine + new + shift, self.shelf if shelf is None else shelf)
        keep = np.setdiff1d(np.arange(len(true)), without)
        return Night(info(number), seen.select(keep), covered() if coverage is None else coverage)


def rows_of(positions, tags):
    index = {epc: n for n, epc in enumerate(positions.epc.tolist())}
    return np.array([index[epc] for epc in epcs(max(tags) + 1)[list(tags)]])


def test_one_night_is_left_as_it_is():
    night = Shelves().night(0, shift=0.01)
    found = combine([night], PLAN).positions
    order = np.argsort(night.positions.epc)
    np.testing.assert_allclose(found.offset_m, night.positions.offset_m[order])
    np.testing.assert_allclose(found.sigma_local_m, SIGMA, rtol=1e-6)
    np.testing.assert_allclose(found.sigma_along_m, night.positions.sigma_along_m, rtol=1e-6)
    assert (found.shelf_id == night.positions.shelf_id[order]).all()
    assert (found.p_present > 0.99).all() and (found.p_moved < 0.01).all()


def test_what_a_night_shares_is_taken_out_whoever_was_heard_on_it():
    shelves = Shelves()
    left = np.arange(30)
    # Tags 0..29 are heard on the first night only, which is 4 cm off against the others.
    nights = [shelves.night(0, shift=0.04)] + [shelves.night(n, without=left) for n in (1, 2)]
    nights = [replace(night, coverage=covered(0.0)) for night in nights]
    found = combine(nights, PLAN)
    error = found.positions.offset_m - shelves.true
    assert abs(np.median(error[:30]) - np.median(error[30:])) < 0.006
    assert found.shifts.spread_m == pytest.approx(0.04 / np.sqrt(3), abs=0.004)


@pytest.mark.parametrize("back", [0.1, 0.5, 0.9])
def test_bars_narrow_by_what_is_new_every_night_and_by_no_more(back):
    shelves = Shelves(300, back=back)
    found = combine([shelves.night(n) for n in range(4)], PLAN)
    error = found.positions.offset_m - shelves.true
    inside = np.mean(np.abs(error) <= 1.645 * found.positions.sigma_local_m)
    assert 0.85 <= inside <= (0.97 if back >= 0.5 else 0.99)
    # At least half of a bar is taken to come back, whatever nights say.
    expected = SIGMA * np.sqrt(max(back, 0.5) + (1.0 - back) / 4)
    assert np.median(found.positions.sigma_local_m) == pytest.approx(expected, rel=0.12)
    assert found.errors.own_share == pytest.approx(1.0 - back, abs=0.12)


def test_what_nights_share_is_known_better_by_what_differs_between_them():
    shelves = Shelves(300)
    steady = combine([shelves.night(n) for n in range(3)], PLAN).positions
    restless = combine([shelves.night(n, shift=s) for n, s in enumerate((-0.02, 0.0, 0.02))], PLAN).positions
    shared = [np.median(np.sqrt(p.sigma_along_m**2 - p.sigma_local_m**2)) for p in (steady, restless)]
    assert shared[0] == pytest.approx(SHARED, rel=0.05), "nights that agree may all be off"
    assert 0.6 * SHARED < shared[1] < 0.95 * SHARED


def test_a_book_that_was_moved_stands_where_it_was_last_seen():
    shelves = Shelves()
    true, shelf = shelves.true.copy(), shelves.shelf.copy()
    true[10], shelf[10] = 1.71, "A-3" if shelf[10] != "A-3" else "A-1"
    true[20] = true[20] + 0.5 if true[20] < 1.0 else true[20] - 0.5
    nights = [shelves.night(0), shelves.night(1)]
    nights += [shelves.night(n, true=true, shelf=shelf) for n in (2, 3)]
    found = combine(nights, PLAN)
    assert {move.epc for move in found.moves} == set(epcs(21)[[10, 20]])
    assert {(move.kind, move.last_there, move.first_here) for move in found.moves} == {
        ("moved", "night-1", "night-2")
    }
    error = found.positions.offset_m[[10, 20]] - true[[10, 20]]
    assert (np.abs(error) < 0.04).all(), "the old place has no part in the new one"
    assert found.positions.shelf_id[10] == shelf[10]
    others = np.setdiff1d(np.arange(90), [10, 20])
    assert (found.positions.p_moved[others] < 0.3).all()


def test_a_night_that_put_a_tag_on_a_shelf_it_doubted_itself_has_not_moved_it():
    shelves = Shelves()
    odd = shelves.night(1)
    p = odd.positions
    name, other = p.shelf_id[5], "A-3" if p.shelf_id[5] != "A-3" else "A-1"
    for column, value in (("shelf_id", other), ("p_shelf", 0.6), ("alt_shelf_id", name), ("p_alt", 0.39)):
        getattr(p, column)[5] = value
    p.alt_offset_m[5] = p.offset_m[5] + 0.01
    found = combine([shelves.night(0), odd, shelves.night(2)], PLAN)
    assert not found.moves
    assert found.positions.shelf_id[5] == name
    assert found.positions.p_shelf[5] < found.positions.p_shelf[6]


def test_silence_tells_a_book_is_gone_only_where_it_would_have_been_heard():
    shelves = Shelves()
    near, far = (int(np.argmin(np.abs(shelves.true - at))) for at in (0.5, 1.5))
    half = covered(upto=1.0)
    nights = [shelves.night(0), shelves.night(1, without=[near, far], coverage=half)]
    nights.append(shelves.night(2, without=[near, far], coverage=half))
    found = combine(nights, PLAN)
    assert found.positions.p_present[near] < 0.1
    assert found.positions.p_present[far] > 0.9
    assert [(move.kind, move.epc) for move in found.moves] == [("gone", epcs(near + 1)[near])]
    assert found.positions.rank[near] == 0 < found.positions.rank[far], (
        "what is gone stands between no others"
    )
    back = combine([*nights, shelves.night(3)], PLAN).positions
    assert back.p_present[near] > 0.99


def test_a_weak_tag_is_not_gone_because_one_night_missed_it():
    shelves = Shelves()
    nights = [shelves.night(0), shelves.night(1), shelves.night(2, without=[7, 8])]
    for night in nights[:2]:
        # One or two readings where sixty are usual: such a tag is easily missed.
        night.positions.readings[7] = 2
    found = combine(nights, PLAN).positions
    assert found.p_present[7] > 0.5 > found.p_present[8]


def test_coverage_of_nights_adds_up_readings_not_chances():
    one = covered(2.0, size=0.5)
    both = join_coverage([one, replace(one, readings=one.readings.copy())])
    assert len(both) == len(one)
    single, independent = one.p_heard[0], 1.0 - (1.0 - one.p_heard[0]) ** 2
    assert single < both.p_heard[0] < independent
    np.testing.assert_allclose(both.readings, 4.0)
    apart = join_coverage([covered(upto=1.0), covered(upto=LENGTH)])
    assert (apart.p_heard >= covered(upto=LENGTH).p_heard - 1e-9).all()


def test_ranks_are_of_all_nights_together():
    shelves, unknown = Shelves(30, back=0.2), covered(0.0)
    nights = [shelves.night(n, shift=0.03 * n, without=range(n, 30, 3), coverage=unknown) for n in range(3)]
    found = combine(nights, PLAN).positions
    found = found.select(np.argsort(found.epc))
    for name in ("A-1", "A-2", "A-3"):
        rows = np.flatnonzero(found.shelf_id == name)
        assert sorted(found.rank[rows].tolist()) == list(range(1, len(rows) + 1))
        by_rank = rows[np.argsort(found.rank[rows])]
        assert (np.diff(found.offset_m[by_rank]) >= 0).all()
        assert np.isnan(found.p_order[by_rank[0]]) and (found.p_order[by_rank[1:]] >= 0.5).all()


def test_nights_without_a_tag_in_common_are_asked_about():
    ours, theirs = Shelves().night(0), Shelves().night(1)
    asked = "are they nights of one library?"
    assert not any(asked in note for note in combine([ours, theirs], PLAN).notes)
    theirs.positions.epc[:] = [f"{n:024X}" for n in range(0xA000, 0xA000 + len(theirs.positions))]
    assert any(asked in note for note in combine([ours, theirs], PLAN).notes)


def test_only_combined_positions_have_the_columns_of_several_nights(tmp_path):
    night = Shelves().night(0)
    write_positions(tmp_path / "one.parquet", night.positions)
    assert np.isnan(read_positions(tmp_path / "one.parquet").p_present).all()
    combined = combine([night, Shelves().night(1)], PLAN).positions
    write_positions(tmp_path / "two.parquet", combined)
    np.testing.assert_array_equal(read_positions(tmp_path / "two.parquet").p_present, combined.p_present)
    import pyarrow.parquet as pq

    assert "p_present" not in pq.read_schema(tmp_path / "one.parquet").names


@pytest.mark.parametrize(
    ("nights", "word"),
    [
        ([], "no night"),
        ([(0, "test"), (0, "test")], "named twice"),
        ([(0, "test"), (1, "elsewhere")], "different sites"),
    ],
)
def test_nights_that_do_not_belong_together_are_refused(nights, word):
    made = [Night(info(n, site), Positions.empty(), Coverage.empty()) for n, site in nights]
    with pytest.raises(NightsError, match=word):
        combine(made, PLAN)


def test_positions_of_another_plan_are_refused():
    night = Shelves().night(0)
    night.positions.shelf_id[3] = "Z-9"
    with pytest.raises(NightsError, match=r"Z-9.*localize that night again"):
        combine([night], PLAN)


def test_nights_that_heard_nothing_are_combined_to_nothing():
    empty = [Night(info(n), Positions.empty(), Coverage.empty()) for n in range(2)]
    found = combine(empty, PLAN)
    assert len(found.positions) == 0 and len(found.coverage) == 0 and not found.moves


def test_nights_add_up_for_the_tags_of_each_air():
    uhf, hf = covered(60.0).of_air(UHF_AIR), covered(4.0).of_air(HF_AIR)
    both = join_coverage([uhf.joined(hf), uhf])
    n = len(uhf)
    assert len(both) == 2 * n
    assert both.readings[both.air == UHF_AIR] == pytest.approx(np.full(n, 120.0))
    assert both.readings[both.air == HF_AIR] == pytest.approx(np.full(n, 4.0))
    # A night of an older version does not tell, and is taken for UHF's.
    assert (join_coverage([uhf.joined(hf), covered(60.0)]).air == UHF_AIR).sum() == n


def test_a_dead_hf_reader_makes_no_hf_book_gone_in_many_nights():
    shelves = Shelves()
    uhf, hf = covered(60.0).of_air(UHF_AIR), covered(60.0).of_air(HF_AIR)
    first = 30  # tags from here on are HF
    nights = []
    for n, coverage in enumerate((uhf.joined(hf), uhf.joined(hf), uhf)):
        night = shelves.night(n, coverage=coverage, without=np.arange(first, 90) if n == 2 else ())
        number = [int(epc[4:], 16) for epc in night.positions.epc]
        epc = [f"E0{k:014X}" if k >= first else e for k, e in zip(number, night.positions.epc, strict=True)]
        nights.append(replace(night, positions=replace(night.positions, epc=np.array(epc, object))))
    found = combine(nights, PLAN).positions
    is_hf = np.array([epc.startswith("E0") for epc in found.epc])
    assert is_hf.sum() == 60
    assert found.p_present[is_hf].min() > 0.9
