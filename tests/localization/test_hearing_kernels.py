"""What is read off power and listening in one compiled pass, against plain numpy."""

from types import SimpleNamespace

import numpy as np
import pytest

from localization import kernels_reference, strength
from localization.faces import Candidates
from localization.listening import BINS, Listening, ReadRate, expected_readings
from localization.loudness import FEW, loudest_db, power_centre
from localization.signal_model import FADING_DB, RANGE_M
from localization.sorting import loudest, mark_antennas, sorted_by_tag
from localization.strength import CLIP_DB, rssi_likelihood
from recording import Readings


def readings(seed, n=400, tags=7):
    rng = np.random.default_rng(seed)
    return Readings(
        t=np.sort(rng.integers(0, 10**9, n)), tag=rng.integers(0, tags, n).astype(np.uint32),
        tags=tuple(f"{i:02X}" for i in range(tags)), antenna=rng.integers(1, 4, n).astype(np.uint8),
        frequency_khz=np.full(n, 920_625, np.uint32),
        # Of whole decibels several are equally loud.
        rssi_dbm=np.round(rng.uniform(-80, -40, n) / 4).astype(np.float32) * 4,
        phase_rad=rng.uniform(0, 6.28, n).astype(np.float32),
    )  # fmt: skip


def test_the_loudest_reading_of_each_tag_over_several_chunks():
    every = readings(1)
    t, antenna, level = np.full(7, -1), np.full(7, -1), np.full(7, -np.inf)
    for part in (slice(0, 100), slice(100, 400)):
        rows = sorted_by_tag(every.select(part))
        loudest(rows.first, rows.tag, rows.t, rows.antenna, rows.rssi_dbm, t, antenna, level)
    expected = kernels_reference.loudest(every.tag, every.t, every.antenna, every.rssi_dbm, 7)
    for found, should in zip((t, antenna, level), expected, strict=True):
        assert np.array_equal(found, should)


def test_the_antennas_that_heard_each_tag():
    every = readings(2, n=12)
    rows = sorted_by_tag(every)
    marks = np.zeros((7, 256), np.bool_)
    mark_antennas(rows.first, rows.tag, rows.antenna, marks)
    expected = np.zeros((7, 256), np.bool_)
    expected[every.tag, every.antenna] = True
    assert np.array_equal(marks, expected)
    assert 0 < marks.sum() < 21


def candidates(seed, sizes=(30, 1, 12)):
    """Three tags before one face; two groups each where there is room."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    start = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(n) - np.repeat(start[:-1], sizes)
    size = np.repeat(sizes, sizes)
    yaw = rng.normal(0, 0.3, n)
    made = Candidates(
        tag=np.arange(len(sizes)), face=np.zeros(len(sizes), np.int64), start=start, observation=rng.permutation(n),
        u=rng.uniform(4.0, 5.0, n), h=rng.uniform(0.4, 0.6, n), z=rng.choice([0.4, 1.2], n),
        look=np.stack([np.sin(yaw), -np.cos(yaw), np.zeros(n)], axis=1), group=(place > size // 2).astype(np.int64),
        cell=place // 4, density=rng.uniform(1.0, 3.0, n),
    )  # fmt: skip
    observations = SimpleNamespace(
        rssi_dbm=rng.uniform(-75.0, -45.0, n), antenna=np.where(rng.random(n) > 0.5, 1, 2)
    )
    return observations, made


def test_loudness_and_its_centre_equal_their_references():
    observations, made = candidates(3)
    rssi = observations.rssi_dbm[made.observation]
    level, centre = loudest_db(observations, made), power_centre(observations, made)
    for c, (a, b) in enumerate(zip(made.start[:-1], made.start[1:], strict=True)):
        rows = slice(a, b)
        assert level[c] == pytest.approx(
            kernels_reference.loudest_db(rssi[rows], made.group[rows], made.cell[rows], FEW)
        )
        expected = kernels_reference.power_centre(
            made.u[rows], made.h[rows], made.look[rows], rssi[rows], made.density[rows]
        )
        assert centre[c] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_what_rssi_says_equals_its_reference(share):
    observations, made = candidates(4)
    rng = np.random.default_rng(4)
    start = np.array([0, 3, 4, 6])
    fits = SimpleNamespace(
        offset_m=rng.uniform(4.0, 5.0, 6), depth_m=rng.normal(0, 0.03, 6), height_m=rng.uniform(0.2, 1.6, 6)
    )
    bias, beam = np.zeros(256), np.full(256, 70.0)
    bias[1], beam[2] = 1.5, 90.0
    found = rssi_likelihood(
        observations,
        made,
        SimpleNamespace(start=start),
        fits,
        SimpleNamespace(beamwidth_deg=beam),
        share,
        bias,
    )
    antenna = observations.antenna[made.observation]
    for y in range(6):
        c = int(np.searchsorted(start, y, side="right")) - 1
        rows = slice(made.start[c], made.start[c + 1])
        where = np.stack([made.u[rows], made.h[rows] + fits.depth_m[y], made.z[rows]], axis=1)
        expected = kernels_reference.rssi_likelihood(
            np.array([fits.offset_m[y], 0.0, fits.height_m[y]]), where, made.look[rows],
            (observations.rssi_dbm[made.observation] - bias[antenna])[rows], beam[antenna[rows]],
            strength.WITNESS / made.density[rows], share, CLIP_DB, FADING_DB,
        )  # fmt: skip
        assert (found[0][y], found[1][y]) == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("height", [0.7, np.nan])
def test_expected_readings_equal_their_reference(height):
    rng = np.random.default_rng(5)
    n, far = 500, 120.0
    # Far from the map's origin, where single precision of a coordinate would be short.
    u = np.sort(rng.uniform(-3.0, 12.0, n))
    where = np.stack([far + u, np.full(n, far - 0.6), rng.choice([0.5, 1.3], n)], axis=1)
    yaw = rng.normal(0, 0.3, n)
    look = np.stack([np.sin(yaw), np.cos(yaw), np.zeros(n)], axis=1)
    column, seconds = rng.integers(0, 2, n), rng.uniform(0.1, 0.4, n)
    beam = np.where(column == 0, 70.0, 90.0)
    step = rng.permutation(n)
    at = np.argsort(u[step], kind="stable")
    listening = Listening(
        where, look, column, beam, seconds, np.ones((1, n), np.bool_), np.array([1, 2]),
        np.array([0, n]), step[at], u[step[at]],
    )  # fmt: skip
    frames = SimpleNamespace(
        origin_m=np.array([[far, far]]), direction=np.array([[1.0, 0.0]]), normal=np.array([[0.0, -1.0]]),
        tag_depth_m=np.array([0.05]),
    )  # fmt: skip
    rate = ReadRate(np.linspace(0.0, 8.0, BINS) ** 2, 0.5)
    offset = rng.uniform(0.0, 9.0, 20)
    found = expected_readings(
        listening, frames, rate, np.zeros(20, np.int64), offset, np.full(20, height), jobs=2
    )
    for i in range(20):
        place = np.array([far + offset[i], far + 0.05, height])
        expected = kernels_reference.exposure(
            place, listening.where_m, look, column, beam, seconds, 2, 0.5, RANGE_M
        )
        # Single precision may take a link at a bin's edge for one of the next bin.
        np.testing.assert_allclose(found[i], expected @ rate.per_second, rtol=5e-3)
    assert np.ptp(found) > 10.0
