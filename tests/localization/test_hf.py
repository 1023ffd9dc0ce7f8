"""HF tags placed by hits and misses, judged on simulated libraries of seeds not looked at while building."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from localization import localize
from localization.evaluate import Evaluation, evaluate
from localization.hf_footprint import CLASSES, REACH_M
from localization.hf_kernels import hf_posterior
from localization.hf_reference import hf_posterior as hf_posterior_reference
from localization.hf_rounds import round_starts
from recording import Activity, Readings, Recording, Truth, read_recording
from sim.hf_presets import hf_preset
from sim.hf_record import hf_library, record_hf
from sim.library import make_library
from stacks.plan import Plan, read_plan


def scanned(folder: Path, preset: str, seed: int, *, share=1.0, uhf=False, books=240, passes=2):
    library = hf_library(make_library(books, seed=seed), share)
    out = record_hf(
        library, folder / "scan", passes=passes, parameters=hf_preset(preset), seed=seed + 1, uhf=uhf
    )
    return read_recording(out), read_plan(out / "plan.json")


def judged(recording: Recording, plan: Plan | None) -> Evaluation:
    assert recording.truth is not None
    return evaluate(localize(replace(recording, truth=None), plan).positions, recording.truth, plan)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Plan]:
    return scanned(tmp_path_factory.mktemp("hf"), "ordinary", 911)


@pytest.mark.parametrize(
    ("preset", "seed", "median_cm", "mean_cm", "order"),
    [("easy", 921, 1.5, 1.4, 0.92), ("ordinary", 922, 1.7, 2.0, 0.82), ("harsh", 923, 2.6, 3.5, 0.66)],
)
def test_libraries_not_seen_before(tmp_path: Path, preset, seed, median_cm, mean_cm, order) -> None:
    recording, plan = scanned(tmp_path, preset, seed)
    found = judged(recording, plan)
    assert found.placed > 0.95 * found.present
    assert found.error.median_cm < median_cm
    assert found.local_error.mean_cm < mean_cm
    assert found.order.right / found.order.pairs > order
    assert found.shelf_accuracy > 0.98
    assert found.face_accuracy == 1.0
    assert found.coverage_along > 0.85
    assert 0.72 <= found.coverage_local <= 0.96


def test_intervals_hold_over_several_libraries(tmp_path: Path) -> None:
    """Libraries whose readers' clocks are off by up to 0.2 s, as clocks are: nobody tells the estimator."""
    inside: list[np.ndarray] = []
    for seed, preset, late_s in ((931, "ordinary", 0.2), (932, "harsh", 0.1), (933, "ordinary", -0.1)):
        recording, plan = scanned(tmp_path / str(seed), preset, seed, books=200)
        activity, late = recording.activity, round(late_s * 1e9)
        assert activity is not None
        recording = replace(
            recording,
            readings=replace(recording.readings, t=recording.readings.t + late),
            activity=replace(activity, t_start=activity.t_start + late, t_end=activity.t_end + late),
        )
        tags = judged(recording, plan).tags
        inside.append((np.abs(tags.error_m) < 1.645 * tags.sigma_along_m)[tags.placed])
    # All tags of a run share clock and drift: three libraries are three draws of these, not six hundred.
    assert 0.85 <= float(np.concatenate(inside).mean()) <= 0.97


def test_misses_beat_the_midpoint_of_reads(ordinary: tuple[Recording, Plan]) -> None:
    """The footprint must do better than first and last read alone, on the same tags."""
    recording, plan = ordinary
    found = judged(recording, plan)
    truth = recording.truth
    assert truth is not None and truth.offset_m is not None
    at = recording.poses.at(recording.readings.t)
    errors = []
    for tag, epc in enumerate(recording.readings.tags):
        mine = recording.readings.tag == tag
        row = int(np.flatnonzero(truth.epc == epc)[0])
        face = plan.face(str(truth.face[row])) if truth.face is not None else plan.faces[0]
        along, _ = face.to_face(at.x_m[mine], at.y_m[mine])
        errors.append(0.5 * (along.min() + along.max()) - truth.offset_m[row])
    midpoint_cm = 100 * float(np.mean(np.abs(errors - np.median(errors))))
    assert found.local_error.mean_cm < midpoint_cm


def test_what_positions_and_coverage_say(ordinary: tuple[Recording, Plan]) -> None:
    recording, plan = ordinary
    found = localize(recording, plan)
    p = found.positions
    assert p.placed.all()
    assert np.all(p.sigma_along_m >= p.sigma_local_m)
    assert np.all((p.p_shelf >= 0) & (p.p_shelf <= 1)) and np.median(p.p_shelf) > 0.95
    assert np.all((p.quality > 0) & (p.quality <= 1))
    assert np.isfinite(p.p_order[p.rank > 1]).all()
    sure = p.p_order[p.rank > 1] > 0.95
    assert 0.0 < sure.mean() < 0.8  # books of 2 cm: HF knows that it often cannot tell
    alternatives = np.array([s is not None for s in p.alt_shelf_id])
    assert all(a != b for a, b in zip(p.shelf_id[alternatives], p.alt_shelf_id[alternatives], strict=True))
    c = found.coverage
    cell = {
        (shelf, round(start / 0.1)): n
        for shelf, start, n in zip(c.shelf_id, c.from_m, c.readings, strict=True)
    }
    expected = [
        cell[shelf, int(x / 0.1)]
        for shelf, x in zip(p.shelf_id, p.offset_m, strict=True)
        if (shelf, int(x / 0.1)) in cell
    ]
    assert len(expected) > 0.9 * len(p)
    assert np.mean(expected) == pytest.approx(np.mean(p.readings), rel=0.2)
    assert np.all((c.p_heard >= 0) & (c.p_heard < 1))
    assert np.median(c.p_heard) > 0.95
    assert any("HF" in note for note in found.notes)


def test_stated_order_is_honest(ordinary: tuple[Recording, Plan]) -> None:
    recording, plan = ordinary
    truth = recording.truth
    assert truth is not None and truth.offset_m is not None
    p = localize(recording, plan).positions
    true = dict(zip(truth.epc.tolist(), truth.offset_m.tolist(), strict=True))
    rows = np.lexsort((p.rank, p.shelf_id.astype(str)))
    right, said = [], []
    for a, b in pairwise(rows):
        if p.shelf_id[a] == p.shelf_id[b]:
            right.append(true[p.epc[b]] > true[p.epc[a]])
            said.append(p.p_order[b])
    assert float(np.mean(said)) == pytest.approx(float(np.mean(right)), abs=0.08)


def test_few_rounds_give_wide_bars(ordinary: tuple[Recording, Plan]) -> None:
    """A tenth of the rounds: the same tags' bars grow, and still hold."""
    recording, plan = ordinary
    span = 250_000_000
    kept = (recording.readings.t // span) % 10 == 0
    t = recording.readings.t[kept]
    activity = recording.activity
    assert activity is not None
    windows = np.unique(t // span)
    n = len(windows)
    antennas = np.unique(recording.readings.antenna)
    sparse = Activity(
        t_start=np.repeat(windows * span, len(antennas)),
        t_end=np.repeat(windows * span + span, len(antennas)),
        antenna=np.tile(antennas, n).astype(np.uint8),
        power_dbm=np.full(n * len(antennas), np.nan, np.float32),
        session=np.zeros(n * len(antennas), np.uint8),
        rounds=np.full(n * len(antennas), 2, np.uint32),
    )
    thin = replace(recording, readings=recording.readings.select(kept).compact(), activity=sparse)
    full = localize(replace(recording, truth=None), plan).positions
    found = localize(replace(thin, truth=None), plan).positions
    assert np.median(found.sigma_local_m) > 1.5 * np.median(full.sigma_local_m)
    assert np.median(found.quality) < np.median(full.quality)
    assert judged(thin, plan).coverage_along > 0.85


def test_a_pass_that_ends_beside_a_tag_gives_wide_bars(ordinary: tuple[Recording, Plan]) -> None:
    recording, plan = ordinary
    face = plan.faces[0]
    along, depth = face.to_face(recording.poses.x_m, recording.poses.y_m)
    before = (np.abs(depth) < 1.5) & (depth < 0)
    # The robot drives against the growing offset and stops listening half-way.
    stop = face.length_m / 2
    listening = (~before | (along > stop)) & before
    edges = np.flatnonzero(np.diff(np.concatenate([[0], listening.astype(int), [0]])))
    spans = [
        (int(recording.poses.t[a]), int(recording.poses.t[b - 1]))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    inside = np.zeros(len(recording.readings), np.bool_)
    kept_activity = np.zeros(len(recording.activity.t_start), np.bool_)
    for a, b in spans:
        inside |= (recording.readings.t >= a) & (recording.readings.t <= b)
        kept_activity |= (recording.activity.t_start >= a) & (recording.activity.t_end <= b)
    half = replace(
        recording,
        readings=recording.readings.select(inside).compact(),
        activity=recording.activity.select(kept_activity),
    )
    truth = half.truth
    assert truth is not None and truth.offset_m is not None
    p = localize(replace(half, truth=None), plan).positions
    true = dict(zip(truth.epc.tolist(), truth.offset_m.tolist(), strict=True))
    there = np.array([true[epc] for epc in p.epc])
    error = np.abs(p.offset_m - there)
    beside = there < stop + 0.05
    well_inside = there > stop + 0.3
    assert beside.sum() > 5 and well_inside.sum() > 5
    assert np.median(p.sigma_local_m[beside]) > 1.25 * np.median(p.sigma_local_m[well_inside])
    assert float((error < 1.645 * p.sigma_along_m)[beside].mean()) > 0.75


def test_a_tag_heard_far_from_its_place_costs_no_other_tag_its_own(ordinary: tuple[Recording, Plan]) -> None:
    """A book carried past the antennas answers a few rounds farther from its place than any footprint reaches."""
    recording, plan = ordinary
    truth = recording.truth
    assert truth is not None and truth.offset_m is not None and truth.shelf_id is not None
    face = plan.faces[0]
    # Of one board, before which one antenna passes.
    along = {
        epc: x
        for epc, x, on in zip(
            truth.epc.tolist(), truth.offset_m.tolist(), truth.shelf_id.tolist(), strict=True
        )
        if on == face.shelves[0].id and epc in recording.readings.tags
    }
    ends = min(along, key=lambda epc: along[epc]), max(along, key=lambda epc: along[epc])
    assert along[ends[1]] - along[ends[0]] > REACH_M + 0.1
    r = recording.readings
    number = [r.tags.index(epc) for epc in ends]
    before = localize(replace(recording, truth=None), plan).positions
    other = {epc: x for epc, x in zip(before.epc.tolist(), before.offset_m, strict=True) if epc not in ends}
    for carried, passed in ((1, 0), (0, 1)):
        # Four rounds that a tag at the board's other end answered: the carried one answered them, too.
        mine = np.flatnonzero(r.tag == number[passed])
        at = recording.poses.at(r.t[mine])
        farthest = np.argsort(-np.abs(face.to_face(at.x_m, at.y_m)[0] - along[ends[carried]]))
        heard = r.select(np.sort(mine[farthest[:4]]))
        also = replace(heard, t=heard.t + 1000, tag=np.full(4, number[carried], r.tag.dtype))
        p = localize(
            replace(recording, readings=Readings.concat([r, also]).sorted(), truth=None), plan
        ).positions
        found = dict(zip(p.epc.tolist(), p.offset_m, strict=True))
        assert abs(found[ends[carried]] - along[ends[carried]]) < 0.1
        assert np.median([abs(found[epc] - x) for epc, x in other.items()]) < 0.003


def test_without_activity_rounds_are_counted_from_readings(ordinary: tuple[Recording, Plan]) -> None:
    recording, plan = ordinary
    found = judged(replace(recording, activity=None), plan)
    full = judged(recording, plan)
    assert found.local_error.mean_cm < 1.3 * full.local_error.mean_cm
    assert found.coverage_local > 0.8
    notes = localize(replace(recording, activity=None), plan).notes
    assert any("judged by the readings" in note for note in notes)


def test_without_a_plan_tags_get_map_places(ordinary: tuple[Recording, Plan]) -> None:
    recording, _ = ordinary
    truth = recording.truth
    assert truth is not None
    p = localize(replace(recording, truth=None), None).positions
    x = dict(zip(truth.epc.tolist(), truth.x_m.tolist(), strict=True))
    assert np.median(np.abs(p.x_m - [x[epc] for epc in p.epc])) < 0.03
    assert all(shelf is None for shelf in p.shelf_id)


def test_recordings_with_nothing_in_them(ordinary: tuple[Recording, Plan]) -> None:
    recording, plan = ordinary
    silent = replace(recording, readings=Readings.empty())
    assert len(localize(silent, plan).positions) == 0
    lost = replace(recording, poses=recording.poses.select(slice(0, 0)))
    assert not localize(lost, plan).positions.placed.any()
    late = replace(recording.readings, t=recording.readings.t + 10**15)
    for known in (plan, None):
        found = localize(replace(recording, readings=late), known)
        assert not found.positions.placed.any()
        assert any("poses" in note for note in found.notes)
    one = localize(
        replace(recording, readings=recording.readings.select(slice(0, 1)).compact()), plan
    ).positions
    assert len(one) == 1
    assert not one.placed[0] or one.sigma_along_m[0] > 0.05


def test_a_robot_with_both_kinds_of_antennas(tmp_path: Path) -> None:
    recording, plan = scanned(tmp_path, "ordinary", 941, share=0.5, uhf=True, books=160)
    truth = recording.truth
    assert truth is not None
    p = localize(replace(recording, truth=None), plan).positions
    hf = np.array([len(epc) == 16 for epc in p.epc])
    assert 0.3 < hf.mean() < 0.7

    def part(keep) -> Truth:
        return truth.select(np.array([(len(epc) == 16) == keep for epc in truth.epc]))

    assert evaluate(p, part(True), plan).error.median_cm < 2.0
    # What UHF antennas heard comes out as if the others had not been there.
    uhf_ids = [m.id for m in recording.info.antennas if m.air == "gen2"]
    alone = replace(
        recording,
        info=replace(recording.info, antennas=tuple(m for m in recording.info.antennas if m.air == "gen2")),
        readings=recording.readings.select(np.isin(recording.readings.antenna, uhf_ids)).compact(),
        activity=recording.activity.select(np.isin(recording.activity.antenna, uhf_ids)),
    )
    other = localize(replace(alone, truth=None), plan).positions
    where = {epc: row for row, epc in enumerate(p.epc.tolist())}
    rows = np.array([where[epc] for epc in other.epc])
    np.testing.assert_array_equal(p.offset_m[rows], other.offset_m)
    np.testing.assert_array_equal(p.sigma_along_m[rows], other.sigma_along_m)


def test_rounds_are_found_from_repetitions() -> None:
    tag = np.array([1, 2, 3, 1, 2, 1, 3, 2, 1])
    starts = round_starts(np.arange(9) * 10, tag)
    assert starts.tolist() == [0, 30, 50, 80]
    assert len(round_starts(np.zeros(0, np.int64), np.zeros(0, np.int64))) == 0


def test_kernel_equals_its_reference() -> None:
    rng = np.random.default_rng(5)
    tags, faces, most, channels, reach, curves = 40, 2, 3, 4, 30, 6
    lattice = np.array([0, 150, 350])
    size = rng.integers(1, 9, tags)
    start = np.concatenate([[0], np.cumsum(size)])
    face = rng.integers(0, faces, tags)
    bins = rng.integers(0, 150, start[-1])
    channel = rng.integers(0, channels, start[-1])
    levels = np.array([3, 2])
    curve = rng.integers(0, curves, (faces, most, channels))
    first, last = np.array([20, 20]), np.array([120, 170])
    gain = rng.normal(size=(curves, len(CLASSES), reach + 1))
    silence = -rng.exponential(size=(most, len(CLASSES), 350))
    log_class = np.log(rng.dirichlet(np.ones(len(CLASSES))))
    given = (start, bins, channel, face, levels, curve, lattice, first, last, gain, silence, log_class)
    out = [np.full((tags, most), np.nan) for _ in range(4)]
    hf_posterior(*given, *out)
    for ours, reference in zip(out, hf_posterior_reference(*given), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-9, atol=1e-9)
