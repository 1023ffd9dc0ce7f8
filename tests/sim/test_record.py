from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recording import read_recording
from sim.errors import SimError
from sim.library import Library, make_library
from sim.record import record
from stacks.holdings import read_holdings
from stacks.plan import read_plan


@pytest.fixture(scope="module")
def scan(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    told: list[float] = []
    folder = record(
        library,
        tmp_path_factory.mktemp("scan") / "night",
        speed_mps=0.15,
        seed=2,
        progress=lambda share, _: told.append(share),
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    return folder


def test_a_scan_is_a_recording_without_complaints(library: Library, scan: Path) -> None:
    night = read_recording(scan)
    assert night.notes == ()
    assert night.not_scanned == ()
    assert night.activity is not None
    assert night.truth is not None
    assert night.truth.present is not None
    assert read_plan(scan) == library.plan
    assert len(read_holdings(scan / "holdings.csv")) == len(library.holdings)
    listened = float(np.sum(night.activity.t_end - night.activity.t_start)) / 1e9
    assert 200 <= len(night.readings) / listened <= 350
    known = set(library.tags.epc)
    assert set(night.readings.tags) <= known
    heard = len(night.readings.tags)
    assert heard > 0.99 * len(known)


def test_every_face_is_driven_along_with_overrun_at_standoff(library: Library, scan: Path) -> None:
    night = read_recording(scan)
    gaps = np.flatnonzero(np.diff(night.poses.t) > 1_000_000_000)
    legs = np.split(np.arange(len(night.poses)), gaps + 1)
    assert len(legs) == len(library.faces())
    for face, leg in zip(library.faces(), legs, strict=True):
        offset, depth = face.to_face(night.poses.x_m[leg], night.poses.y_m[leg])
        assert offset[0] > face.length_m + 0.3
        assert offset[-1] < -0.3
        assert depth == pytest.approx(-0.75, abs=0.07)
        speed = np.diff(offset) / (np.diff(night.poses.t[leg]) / 1e9)
        assert np.median(speed) == pytest.approx(-0.15, rel=0.05)


def test_tags_of_the_face_driven_along_are_strongest_beside_the_robot(library: Library, scan: Path) -> None:
    night = read_recording(scan)
    truth = night.truth
    assert truth is not None
    place = {epc: (x, y) for epc, x, y in zip(truth.epc, truth.x_m, truth.y_m, strict=True)}
    here = night.poses.at(night.readings.t)
    tags = np.array([place.get(epc, (np.nan, np.nan)) for epc in night.readings.tags])[night.readings.tag]
    apart = np.hypot(tags[:, 0] - here.x_m, tags[:, 1] - here.y_m)
    level = night.readings.rssi_dbm
    near, far = level[apart < 0.9], level[(apart > 1.4) & (apart < 2.0)]
    assert np.median(near) > np.median(far) + 8.0
    # 0.5 dB and 2 pi / 4096 are what a reader reports.
    assert np.all(np.mod(level * 2, 1) == 0)
    steps = night.readings.phase_rad * 4096 / (2 * np.pi)
    assert np.abs(steps - np.round(steps)).max() < 0.01


def test_poses_are_wrong_by_what_their_sigmas_say(tmp_path: Path) -> None:
    made = make_library(60, seed=3)
    errors = []
    for seed in range(12):
        night = read_recording(record(made, tmp_path / str(seed), speed_mps=0.3, seed=seed))
        face = made.faces()[0]
        leg = night.poses.t < night.poses.t[0] + 4_000_000_000
        _, depth = face.to_face(night.poses.x_m[leg], night.poses.y_m[leg])
        errors.append(depth + 0.75)
        jumps = np.diff(depth)
        assert np.abs(jumps).max() < 0.005, "the error wanders, it does not jump"
        assert night.poses.sigma_xy_m is not None
        assert night.poses.sigma_xy_m[0] == pytest.approx(0.01)
    assert 0.004 < np.std(np.concatenate(errors)) < 0.02


def test_the_same_seed_records_the_same_bits(library: Library, tmp_path: Path) -> None:
    nights = [
        read_recording(record(library, tmp_path / name, speed_mps=0.4, seed=seed, faces=("1-R01S",)))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    a, b, c = (night.readings for night in nights)
    for column in ("t", "tag", "antenna", "frequency_khz", "rssi_dbm", "phase_rad"):
        assert np.array_equal(getattr(a, column), getattr(b, column))
    assert a.tags == b.tags
    assert nights[0].poses.same_as(nights[1].poses)
    assert not np.array_equal(a.phase_rad[:100], c.phase_rad[:100])


def test_a_library_from_its_folder_sounds_as_the_one_in_memory(library: Library, tmp_path: Path) -> None:
    from sim.library import load_library

    library.save(tmp_path / "library")
    a = read_recording(record(library, tmp_path / "a", speed_mps=0.5, faces=("1-R01S",)))
    b = read_recording(
        record(load_library(tmp_path / "library"), tmp_path / "b", speed_mps=0.5, faces=("1-R01S",))
    )
    assert np.array_equal(a.readings.phase_rad, b.readings.phase_rad)
    assert a.readings.tags == b.readings.tags


def test_wrong_arguments_are_named(library: Library, tmp_path: Path) -> None:
    with pytest.raises(SimError, match="0 passes"):
        record(library, tmp_path / "x", passes=0)
    with pytest.raises(SimError, match=r"at 9 m/s"):
        record(library, tmp_path / "x", speed_mps=9)
    with pytest.raises(SimError, match="no face 'west'"):
        record(library, tmp_path / "x", faces=("west",))
    with pytest.raises(SimError, match="no radio preset"):
        record(library, tmp_path / "x", preset="loud")
    assert not (tmp_path / "x").exists()


def test_back_and_forth_every_second_pass_is_driven_backward(library, tmp_path):
    night = read_recording(
        record(library, tmp_path, passes=2, speed_mps=0.4, faces=("1-R01S",), back_and_forth=True)
    )
    poses = night.poses
    step = np.diff(poses.t) * 1e-9
    x, y = np.diff(poses.x_m) / step, np.diff(poses.y_m) / step
    ahead = x * np.cos(poses.yaw_rad[:-1]) + y * np.sin(poses.yaw_rad[:-1])
    moving = np.abs(ahead) > 0.2
    first = poses.t[:-1] < poses.t[0] + (poses.t[-1] - poses.t[0]) // 2
    assert np.median(ahead[moving & first]) == pytest.approx(0.4, rel=0.1)
    assert np.median(ahead[moving & ~first]) == pytest.approx(-0.4, rel=0.1)
    assert np.ptp(np.unwrap(poses.yaw_rad)) < 0.2
    # Where it is told to be lags behind where it is, whichever way it drives: tags are heard on both.
    heard = [
        set(night.readings.tag[(night.readings.t < poses.t[-1] // 2 + poses.t[0] // 2) == half].tolist())
        for half in (True, False)
    ]
    assert len(heard[0] & heard[1]) > 0.8 * len(heard[0] | heard[1])
