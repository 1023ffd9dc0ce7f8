"""The HF world: its fields against closed forms, its inventories against the standard, its recordings from outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recording import read_recording
from sim.errors import SimError
from sim.hf_field import field, flux, loop_wires, mutual, response
from sim.hf_presets import HF_PRESETS, hf_preset
from sim.hf_radio import EMPTY_S, OCCUPIED_S, REQUEST_S, HfRadio
from sim.hf_record import hf_library, hf_mounts, record_hf
from sim.library import Library, make_library


@pytest.fixture(scope="module")
def library() -> Library:
    return hf_library(make_library(120, seed=5))


@pytest.fixture(scope="module")
def scan(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_hf(library, tmp_path_factory.mktemp("hf") / "scan", seed=2)


def test_field_on_the_axis_is_the_closed_form() -> None:
    a, b, z = 0.15, 0.10, np.array([0.0, 0.05, 0.2, 0.5])
    points = np.column_stack([np.zeros(4), np.zeros(4), z])
    found = field(loop_wires(2 * a, 2 * b), points)
    # Rectangular loop on its axis, e.g. Balanis, Antenna Theory, problem set of chapter 5.
    r = np.sqrt(a * a + b * b + z * z)
    exact = a * b / (np.pi * r) * (1 / (a * a + z * z) + 1 / (b * b + z * z))
    np.testing.assert_allclose(np.abs(found[:, 2]), exact, rtol=1e-9)
    np.testing.assert_allclose(found[:, :2], 0.0, atol=1e-12)


def test_far_off_the_field_falls_with_the_cube() -> None:
    wires = loop_wires(0.3, 0.2)
    near, far = (np.linalg.norm(field(wires, np.array([[0.2 * k, 0.1 * k, 1.0 * k]]))) for k in (2, 4))
    assert near / far == pytest.approx(8.0, rel=0.02)


def test_a_book_tag_is_blind_before_the_middle_of_a_loop_and_not_of_a_figure_eight() -> None:
    along = np.array([[1.0, 0.0, 0.0]])
    middle, edge = np.array([[0.0, 0.0, 0.08]]), np.array([[0.15, 0.0, 0.08]])
    plain, eight = loop_wires(0.3, 0.2), loop_wires(0.3, 0.2, figure_eight=True)
    assert abs(flux(plain, middle, along, 0.045)[0]) < 1e-9
    assert abs(flux(plain, edge, along, 0.045)[0]) > 0.3
    assert abs(flux(eight, middle, along, 0.045)[0]) > abs(flux(eight, edge, along, 0.045)[0])


def test_tags_close_together_detune_each_other() -> None:
    def taken(apart_m: float, up_m: float = 0.0) -> float:
        place = np.array([[0.0, 0.0, 0.0], [apart_m, 0.0, up_m]])
        k = mutual(place, 0.028, 0.35)
        return float(np.abs(response(k, np.zeros(2), 8.0) @ np.ones(2))[0])

    assert taken(0.003) < 0.5 < taken(0.03) < taken(0.5)
    assert taken(0.5) == pytest.approx(1.0, abs=0.01)
    assert taken(0.003, up_m=0.06) > 0.9  # staggered tags do not


def test_an_inventory_takes_the_standards_time_and_hears_all(library: Library) -> None:
    parameters = replace(hf_preset("easy"), host_s=0.0, miss=0.0)
    radio = HfRadio(library, parameters, hf_mounts(library, parameters))
    strong, still = np.full(1, 50.0), np.zeros(1)
    one = radio.inventory(np.random.default_rng(1), np.array([3]), strong, still)
    assert one.tag.tolist() == [3]
    assert one.seconds == pytest.approx(REQUEST_S + OCCUPIED_S + 15 * EMPTY_S)
    tags = np.arange(30)
    all_of_them = radio.inventory(np.random.default_rng(1), tags, np.full(30, 50.0), np.zeros(30))
    assert sorted(all_of_them.tag.tolist()) == tags.tolist()
    assert np.all(np.diff(all_of_them.at_s) > 0)
    assert 60 < 30 / all_of_them.seconds < 140
    nobody = radio.inventory(np.random.default_rng(1), tags, np.full(30, -90.0), np.zeros(30))
    assert len(nobody.tag) == 0


def test_a_scan_is_a_recording_without_complaints(library: Library, scan: Path) -> None:
    night = read_recording(scan)
    assert night.notes == () and night.not_scanned == ()
    assert {m.air for m in night.info.antennas} == {"iso15693"}
    assert np.isnan(night.readings.phase_rad).all()
    assert set(night.readings.tags) <= set(library.tags.epc)
    assert len(night.readings.tags) > 0.95 * len(library.tags)
    assert all(len(epc) == 16 and epc.startswith("E0") for epc in night.readings.tags)
    assert len(np.unique(night.readings.rssi_dbm)) <= 8
    assert set(np.unique(night.readings.frequency_khz)) == {13_560}


def test_activity_says_when_each_antenna_listened(scan: Path) -> None:
    night = read_recording(scan)
    activity = night.activity
    assert activity is not None
    assert set(activity.antenna.tolist()) == {m.id for m in night.info.antennas}
    assert np.all(activity.rounds > 0) and np.all(activity.t_end > activity.t_start)
    for m in night.info.antennas:
        mine = activity.antenna == m.id
        t = night.readings.t[night.readings.antenna == m.id]
        row = np.searchsorted(activity.t_start[mine], t, side="right") - 1
        assert np.all(row >= 0) and np.all(t <= activity.t_end[mine][row])
        per_tag = np.bincount(night.readings.tag[night.readings.antenna == m.id])
        assert per_tag.max(initial=0) <= activity.rounds[mine].sum()


def test_tags_are_read_before_their_own_level_and_not_far_off(library: Library, scan: Path) -> None:
    night = read_recording(scan)
    truth = night.truth
    assert truth is not None
    row = {epc: n for n, epc in enumerate(truth.epc.tolist())}
    at = np.array([row[epc] for epc in night.readings.epc])
    height = {m.id: m.position_m[2] for m in night.info.antennas}
    above = np.abs(truth.z_m[at] - np.array([height[a] for a in night.readings.antenna.tolist()]))
    assert np.mean(above < 0.17) > 0.97
    base = night.poses.at(night.readings.t)
    away = np.abs(base.x_m - truth.x_m[at])
    assert np.quantile(away, 0.98) < 0.40
    # The blind middle of the loop: fewer reads there than at its sides.
    assert np.mean(away < 0.03) < 0.6 * np.mean((away > 0.10) & (away < 0.13))


def test_readers_that_share_antennas_hear_less(library: Library, tmp_path: Path) -> None:
    shared = record_hf(library, tmp_path / "a", parameters=replace(hf_preset("ordinary"), readers=1), seed=2)
    own = record_hf(library, tmp_path / "b", parameters=hf_preset("ordinary"), seed=2)
    assert len(read_recording(shared).readings) < 0.5 * len(read_recording(own).readings)


def test_the_same_seed_writes_the_same_bits(library: Library, scan: Path, tmp_path: Path) -> None:
    again = record_hf(library, tmp_path / "again", seed=2)
    for name in ("readings.parquet", "activity.parquet", "poses.parquet"):
        assert (again / name).read_bytes() == (scan / name).read_bytes()
    other = record_hf(library, tmp_path / "other", seed=3)
    assert (other / "readings.parquet").read_bytes() != (scan / "readings.parquet").read_bytes()


def test_catalogue_and_truth_follow_the_tags(library: Library) -> None:
    plain = make_library(120, seed=5)
    assert len(set(library.tags.epc)) == len(plain.tags)
    assert {h.epc for h in library.holdings} >= set(library.tags.epc) - {p.epc for p in library.planted}
    half = hf_library(plain, 0.5)
    assert 0.3 < np.mean([len(epc) == 16 for epc in half.tags.epc]) < 0.7


def test_presets_and_arguments_are_checked(library: Library, tmp_path: Path) -> None:
    assert set(HF_PRESETS) == {"easy", "ordinary", "harsh"}
    with pytest.raises(SimError, match="no HF preset"):
        hf_preset("calm")
    with pytest.raises(SimError, match="make no scan"):
        record_hf(library, tmp_path / "x", passes=0)
    with pytest.raises(SimError, match="no HF antenna"):
        record_hf(library, tmp_path / "x", parameters=replace(hf_preset("easy"), levels=0))
