"""The single-tag path: its kernels against their references, and what it makes of the small world."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from localization import (
    Localizer,
    cells,
    cells_reference,
    choice_reference,
    estimator,
    fast_run,
    kernels_reference,
)
from localization.ambiguity import find_ambiguity
from localization.calibration import Calibration
from localization.cells import CELL_M, Track, gather_cells
from localization.choice import HAND_M, Boards, choose
from localization.faces import Frames
from localization.hearing import Hearing
from localization.observations import Mounts, driven_m
from localization.peaks import find_peaks
from localization.signal_model import BEAMWIDTH_DEG, wavenumber
from localization.sorting import blocks_of, part_of, sorted_by_tag, tally
from localization.source import InMemory, readings_of
from localization.spill import Spill
from recording import Readings, RecordingStream, StreamError, read_recording, write_recording, writer


def books(number, seed=0, levels=3):
    rng = np.random.default_rng(seed)
    return [
        ("A", 0.15 + 1.7 * i / number + rng.normal(0, 0.002), 0.22 + 0.4 * level)
        for level in range(levels)
        for i in range(number)
    ]


def test_sorted_by_tag_is_a_stable_sort(world):
    readings = world.make(books(6)).readings
    some = np.random.default_rng(1).random(len(readings)) > 0.3
    some &= readings.tag != 4
    rows = sorted_by_tag(readings, some)
    order = np.argsort(readings.tag[some], kind="stable")
    expected = readings.select(some).select(order)
    assert np.array_equal(rows.t, expected.t)
    assert np.array_equal(rows.phase_rad, expected.phase_rad)
    assert np.array_equal(np.repeat(rows.tag, np.diff(rows.first)), expected.tag)
    number, antennas, begin, end = tally(rows, len(readings.tags))
    for tag in range(len(readings.tags)):
        mine = expected.tag == tag
        assert number[tag] == mine.sum()
        assert antennas[tag] == len(np.unique(expected.antenna[mine]))
        if mine.any():
            assert (begin[tag], end[tag]) == (expected.t[mine].min(), expected.t[mine].max())
    ranges = blocks_of(rows, 500)
    assert [a for a, _ in ranges[1:]] == [b for _, b in ranges[:-1]]
    assert sum(len(part_of(rows, *r)) for r in ranges) == len(rows)


def by_name(rows, names):
    """Times and phases of each tag."""
    parts = zip(rows.tag, rows.first[:-1], rows.first[1:], strict=True)
    return {names[tag]: (rows.t[a:b].tolist(), rows.phase_rad[a:b].tolist()) for tag, a, b in parts}


def test_files_give_what_memory_gives(world):
    recording = world.make(books(6))
    readings, every = recording.readings, {"tags": [1, 4, 9, 17], "step": [1, 3, 7, 100]}
    hearing = [Hearing.of_run(recording.poses, np.array([1, 2]), 0) for _ in range(2)]
    memory = InMemory(readings, None, hearing[0], 500)
    with Spill(hearing[1], len(readings), 500) as files:
        for rows in np.array_split(np.arange(len(readings)), 7):
            files.add(readings.select(rows).compact(), None)
        # Chunks number tags as they come.
        number = np.array([files.tags.index(name) for name in readings.tags])
        order = np.argsort(number[every["tags"]])
        tags, step = np.array(every["tags"]), np.array(every["step"])
        asked = [
            (memory.taken(tags, step), files.taken(number[tags][order], step[order])),
            (memory.of(tags), files.of(number[tags][order])),
            (memory.rows(0, 18), files.rows(0, 18)),
        ]
        for expected, found in asked:
            assert by_name(found, files.tags) == by_name(expected, readings.tags)
            assert len(found) > 20
        told = zip((*memory.tally(), *memory.loudest()), (*files.tally(), *files.loudest()), strict=True)
        for expected, found in told:
            assert np.array_equal(expected, found[number])


def test_readings_counted_by_the_reader_are_tallied():
    readings = Readings(
        t=np.array([3, 1, 2]), tag=np.array([1, 0, 1], np.uint32), tags=("AA", "BB"),
        antenna=np.array([1, 1, 2], np.uint8), frequency_khz=np.full(3, 920_625, np.uint32),
        rssi_dbm=np.full(3, -50, np.float32), phase_rad=np.zeros(3, np.float32),
        seen_count=np.array([4, 0, 2], np.uint32),
    )  # fmt: skip
    number, antennas, begin, end = tally(sorted_by_tag(readings), 2)
    assert number.tolist() == [1, 6]
    assert antennas.tolist() == [1, 2]
    assert (begin.tolist(), end.tolist()) == ([1, 2], [1, 3])


@pytest.mark.parametrize("flips", [False, True])
def test_cells_equal_their_reference(world, flips):
    recording = world.make(books(3), flips=flips, rate=30.0)
    frames = Frames.of_plan(world.plan())
    mounts = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG)
    way = driven_m(recording.poses)
    doubled = find_ambiguity(recording.info, recording.readings, recording.poses).doubled
    assert doubled[[1, 2]].all() == flips
    delay = np.zeros(256)
    delay[[1, 2]] = 8.0, 9.0
    rows = sorted_by_tag(recording.readings)
    reference = float(wavenumber(922_625))
    track = Track.of(recording.poses, way, mounts, frames)
    observations, candidates = gather_cells(rows, track, frames, doubled, delay, 0, reference)
    assert set(candidates.face.tolist()) == {0}
    for tag in range(len(rows.tag)):
        expected = cells_reference.cells_of(
            part_of(rows, tag, tag + 1),
            recording.poses,
            way,
            mounts,
            frames,
            0,
            doubled,
            delay,
            reference,
            CELL_M,
        )
        part = slice(candidates.start[tag], candidates.start[tag + 1])
        found = {"u": candidates.u, "h": candidates.h, "z": candidates.z, "rssi": observations.rssi_dbm,
                 "heard": observations.heard, "group": candidates.group, "variance": observations.variance,
                 "density": candidates.density}  # fmt: skip
        for name, column in found.items():
            np.testing.assert_allclose(column[part], expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
        turned = np.angle(np.exp(1j * (observations.phase_rad[part] - expected["phase"])))
        assert np.abs(turned).max() < 1e-4


def test_readings_at_the_first_and_the_last_pose_are_like_any(world, monkeypatch):
    recording = world.make(books(1), rate=20.0)
    readings = recording.readings
    readings = readings.select(readings.tag == 0)
    # Poses begin and end at a reading.
    t = readings.t[[5, -6]]
    inner = (recording.poses.t > t[0]) & (recording.poses.t < t[1])
    poses = recording.poses.at(np.concatenate([t[:1], recording.poses.t[inner], t[1:]]))
    readings = readings.select((readings.t >= t[0]) & (readings.t <= t[1]))
    frames = Frames.of_plan(world.plan())
    mounts = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG)
    rows, way = sorted_by_tag(readings), driven_m(poses)
    track, doubled, none = Track.of(poses, way, mounts, frames), np.zeros(256, np.bool_), np.zeros(256)
    reference = float(wavenumber(922_625))
    made = []
    for kernel in (cells.gather, cells.gather.py_func):
        # Interpreted, it refuses to look beyond the poses.
        monkeypatch.setattr(cells, "gather", kernel)
        made.append(gather_cells(rows, track, frames, doubled, none, 0, reference))
    expected = cells_reference.cells_of(rows, poses, way, mounts, frames, 0, doubled, none, reference, CELL_M)
    for observations, candidates in made:
        np.testing.assert_allclose(candidates.u, expected["u"], atol=1e-6)
        turned = np.angle(np.exp(1j * (observations.phase_rad - expected["phase"])))
        assert np.abs(turned).max() < 1e-4
    assert len(expected["u"]) > 10


def test_a_reading_of_an_antenna_without_a_mount_spoils_no_other(world):
    recording = world.make(books(1), rate=20.0)
    frames = Frames.of_plan(world.plan())
    mounts = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG)
    track = Track.of(recording.poses, driven_m(recording.poses), mounts, frames)
    doubled, none, reference = np.zeros(256, np.bool_), np.zeros(256), float(wavenumber(922_625))
    rows = sorted_by_tag(recording.readings)
    strange = replace(rows, antenna=rows.antenna.copy())
    strange.antenna[::9] = 77
    kept = sorted_by_tag(recording.readings.select(np.ones(len(rows), np.bool_)))
    kept = sorted_by_tag(readings_of(recording.readings.tags, kept), strange.antenna != 77)
    found, expected = (
        gather_cells(part, track, frames, doubled, none, 0, reference)[0] for part in (strange, kept)
    )
    np.testing.assert_allclose(found.phase_rad, expected.phase_rad)
    assert np.isfinite(found.phase_rad).all()


@pytest.mark.parametrize("read", [False, True])
def test_peaks_equal_their_reference(read):
    rng = np.random.default_rng(5)
    n, m, hypotheses = 120, 27, 3
    x = 0.3 + 0.01 * np.arange(n)
    image = (8.0 * rng.random((hypotheses, n)) ** 3).astype(np.float32)
    coarse = rng.normal(-20.0, 4.0, (hypotheses, m))
    usual = np.array([10.0, 0.4])
    arguments = (0.5, -3.0, 0.18, -8.0)
    none = np.zeros(0, np.int64)
    out = np.zeros((hypotheses, 4))
    find_peaks(
        np.array([0, image.size]), np.array([n]), np.array([0.3]), 0.01, image.ravel(), np.array([0, hypotheses]),
        np.array([11.0]), np.array([2]), np.array([0.8]), np.array([m]) if read else none,
        np.array([0, coarse.size]) if read else none, coarse.ravel() if read else np.zeros(0), 0.05, usual,
        *arguments, out,
    )  # fmt: skip
    between = np.stack([np.interp(np.arange(n) * 0.2, np.arange(m), row) for row in coarse]) if read else None
    expected = kernels_reference.find_peaks(
        image.astype(np.float64), x, 11.0, 2, 0.8, between, usual, *arguments
    )
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-9)


def test_boards_at_offsets_and_how_surely(world):
    plan = world.plan()
    boards = Boards.of(Frames.of_plan(plan))
    rng = np.random.default_rng(3)
    face, level = rng.integers(0, 2, 300), rng.integers(0, 4, 300)
    offset, sigma = rng.uniform(-0.3, 2.3, 300), rng.uniform(0.01, 0.2, 300)
    found = boards.at(face, level, offset)
    for f, number, x, at in zip(face, level, offset, found, strict=True):
        shelves = plan.faces[f].shelves
        gaps = [
            max(s.from_m - x, x - s.to_m, 0.0) if s.level == number else np.inf for s in shelves
        ]  # fmt: skip
        assert at == (int(np.argmin(gaps)) if np.isfinite(min(gaps)) else -1)
    # As if other bays stood beside some of them.
    boards = replace(
        boards, left=np.arange(len(boards.level)) % 2 == 0, right=np.arange(len(boards.level)) < 3
    )
    some = np.flatnonzero(found >= 0)
    sure = boards.inside(face[some], found[some], offset[some], sigma[some])
    for row, chance in zip(some, sure, strict=True):
        b = int(boards.start[face[row]]) + int(found[row])
        spread, expected = sigma[row] * math.sqrt(2.0), 1.0
        if boards.left[b]:
            expected -= 0.5 * math.erfc((offset[row] - boards.from_m[b]) / spread)
        if boards.right[b]:
            expected -= 0.5 * math.erfc((boards.to_m[b] - offset[row]) / spread)
        assert chance == pytest.approx(max(expected, 0.0), abs=1e-9)
    assert 0.0 <= sure.min() < 0.6
    assert sure.max() == 1.0


def test_choices_equal_their_reference(world):
    rng = np.random.default_rng(2)
    frames = Frames.of_plan(world.plan())
    boards = Boards.of(frames)
    sizes = rng.integers(1, 9, 200)
    start = np.concatenate([[0], np.cumsum(sizes)])
    n = int(start[-1])
    log_p, face = rng.normal(0, 3, n), rng.integers(0, 2, n)
    level = rng.integers(0, 4, n)
    offset = rng.choice([-0.05, 0.5, 0.52, 1.4, 2.05], n) + rng.normal(0, 0.01, n)
    depth, height, spread = rng.normal(0, 0.02, n), rng.normal(1, 0.3, n), rng.uniform(0.01, 0.2, n)
    found, index = np.zeros((200, 7)), np.zeros((200, 4), np.int64)
    choose(
        start, log_p, face, level, offset, depth, height, spread, boards.start, boards.level, boards.from_m,
        boards.to_m, boards.left, boards.right, HAND_M, found, index,
    )  # fmt: skip
    for i in range(200):
        part = slice(start[i], start[i + 1])
        floats, ints = choice_reference.choose(
            frames,
            log_p[part],
            face[part],
            level[part],
            offset[part],
            depth[part],
            height[part],
            spread[part],
        )
        ints[0] += start[i]
        assert index[i].tolist() == ints
        np.testing.assert_allclose(found[i], floats, rtol=1e-9)


@pytest.mark.parametrize("flips", [False, True])
def test_it_places_the_small_world_as_well(world, flips):
    tags = books(20)
    recording = world.make(tags, flips=flips, noise=0.3)
    errors = {}
    for fast in (False, True):
        found = Localizer(world.plan(), fast=fast).fit(recording).localization_
        number = np.array([int(epc[6:], 16) for epc in found.positions.epc])
        errors[fast] = np.abs(found.positions.offset_m - np.array([tag[1] for tag in tags])[number])
        shelf = np.array([f"A-{1 + n // 20}" for n in number])
        assert (found.positions.shelf_id == shelf).mean() >= 0.95
        assert found.positions.placed.all()
        assert len(found.coverage)
        inside = errors[fast] <= 1.645 * found.positions.sigma_along_m
        assert inside.mean() > 0.9
    assert errors[True].mean() < 1.3 * errors[False].mean() + 0.001


def test_threads_change_nothing(world):
    recording = world.make(books(12))
    one, two = (Localizer(world.plan(), fast=True, jobs=jobs).fit(recording).localization_ for jobs in (1, 3))
    for name in ("offset_m", "sigma_along_m", "p_shelf", "readings", "heard_from"):
        assert np.array_equal(getattr(one.positions, name), getattr(two.positions, name)), name
    assert np.array_equal(one.coverage.readings, two.coverage.readings)


def test_without_a_plan_the_whole_estimator_is_used(world):
    recording = world.make(books(4))
    fast, whole = (Localizer(fast=fast).fit(recording).localization_ for fast in (True, False))
    assert np.array_equal(fast.positions.x_m, whole.positions.x_m)


def test_readings_outside_the_poses_are_not_placed(world):
    recording = world.make(books(4))
    late = int(recording.readings.t[len(recording.readings) // 30])
    poses = recording.poses.select(recording.poses.t <= late)
    found = Localizer(world.plan(), fast=True).fit(replace(recording, poses=poses)).localization_
    assert any("outside the poses' time" in note for note in found.notes)
    whole = Localizer(world.plan(), fast=True).fit(recording).localization_.positions
    assert np.array_equal(found.positions.readings, whole.readings)
    assert found.positions.placed.sum() < len(whole)


@pytest.mark.parametrize("fast", [False, True])
def test_a_stream_says_what_memory_says(world, tmp_path, monkeypatch, fast):
    """Pieces of 1,500 rows, blocks of 4,000 readings: many tags are in several of each."""
    recording = world.make(books(14), rate=12.0)
    monkeypatch.setattr(writer, "ROW_GROUP", 700)
    monkeypatch.setattr(estimator, "STREAM_ROWS", 1_500)
    monkeypatch.setattr(estimator, "BLOCK_READINGS", 4_000)
    monkeypatch.setattr(fast_run, "BLOCK_READINGS", 4_000)
    folder = write_recording(tmp_path / "run", recording)
    whole = Localizer(world.plan(), fast=fast).fit(read_recording(folder))
    stream = RecordingStream(folder)
    assert stream.rows == len(recording.readings) > 4 * 1_500
    pieces = Localizer(world.plan(), fast=fast, jobs=2).fit_stream(stream)
    one, two = whole.localization_, pieces.localization_
    for name in (field.name for field in fields(one.positions)):
        a, b = getattr(one.positions, name), getattr(two.positions, name)
        if a.dtype == object:
            assert a.tolist() == b.tolist(), name
        else:
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), name
    np.testing.assert_array_equal(one.coverage.readings, two.coverage.readings)
    assert set(one.notes) == set(two.notes)


def test_a_stream_that_cannot_be_judged_in_pieces_says_so(world, tmp_path, monkeypatch):
    recording = world.make(books(6))
    monkeypatch.setattr(writer, "ROW_GROUP", 300)
    order = np.roll(np.arange(len(recording.readings)), 1_000)
    folder = write_recording(tmp_path / "run", replace(recording, readings=recording.readings.select(order)))
    monkeypatch.setattr(estimator, "STREAM_ROWS", 300)
    with pytest.raises(StreamError, match="out of order; it must be read whole"):
        Localizer(world.plan(), fast=True).fit_stream(RecordingStream(folder))
    assert Localizer(world.plan(), fast=True).fit(read_recording(folder)).localization_.positions.placed.all()


def test_a_row_heard_twice_over_the_border_of_pieces_is_noticed(world, tmp_path, monkeypatch):
    recording = world.make(books(4))
    readings = recording.readings
    again = readings.select(np.sort(np.append(np.arange(len(readings)), 299)))
    monkeypatch.setattr(writer, "ROW_GROUP", 300)
    monkeypatch.setattr(estimator, "STREAM_ROWS", 300)
    folder = write_recording(tmp_path / "run", replace(recording, readings=again))
    with pytest.raises(StreamError):
        Localizer(world.plan(), fast=True).fit_stream(RecordingStream(folder))
