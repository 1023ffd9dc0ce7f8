"""Libraries with lying books, books behind the row, second tags, trolleys and tags on the robot."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from recording import read_recording
from sim.air import RobotPose
from sim.errors import SimError
from sim.library import load_library, make_library, save_library
from sim.oddities import KINDS, OddityRates
from sim.propagation import SPEED_OF_LIGHT_MPS, Pattern
from sim.propagation_reference import channel_reference
from sim.radio import Radio
from sim.record import record

RATES = OddityRates(lying=0.06, pushed_back=0.02, double=0.02, trolleys=2, trolley_books=6, on_robot=2)


@pytest.fixture(scope="module")
def plain():
    return make_library(600, seed=4)


@pytest.fixture(scope="module")
def odd():
    return make_library(600, seed=4, oddities=RATES)


def planted(library, kind):
    return [one for one in library.planted if one.kind == kind]


def places(library):
    return dict(zip(library.tags.epc, library.tags.place_m, strict=True))


def test_none_is_the_library_as_it_was(plain):
    same = make_library(600, seed=4, oddities=OddityRates())
    assert same.tags.epc == plain.tags.epc
    assert np.array_equal(same.tags.place_m, plain.tags.place_m)
    assert same.planted == plain.planted
    assert not same.odd.odd.any()
    assert same.movers == ()


def test_all_else_is_the_library_without_them(plain, odd):
    assert [p for p in odd.planted if p.kind not in KINDS] == list(plain.planted)
    changed = {p.epc for p in odd.planted if p.kind in KINDS}
    before, after = places(plain), places(odd)
    shelves = {p.shelf for p in planted(odd, "lying")}
    names = [shelf.id for _, shelf in odd.shelves()]
    for epc, s in zip(odd.tags.epc, odd.tags.shelf.tolist(), strict=True):
        if epc not in changed and names[s] not in shelves:
            assert np.array_equal(before[epc], after[epc])


def test_piles_rise_by_thickness_at_one_place(odd):
    where = places(odd)
    boards = {shelf.id: shelf for _, shelf in odd.shelves()}
    piles = {}
    for one in planted(odd, "lying"):
        piles.setdefault(one.shelf, []).append(where[one.epc])
    assert sum(map(len, piles.values())) >= 0.06 * 500
    for shelf, tags in piles.items():
        tags = np.array(tags)
        assert len(tags) >= 2
        assert np.all(np.diff(tags[:, 2]) > 0.0)
        assert np.all(np.diff(tags[:, 2]) < 0.06)
        assert np.ptp(tags[:, :2], axis=0).max() < 0.22
        z = tags[:, 2] - boards[shelf].board_z_m
        assert z.min() > 0.0
        assert z.max() < boards[shelf].clear_m + 0.01


def test_books_behind_and_second_tags_are_where_they_are_said_to_be(plain, odd):
    before, after = places(plain), places(odd)
    normals = {}
    for f, face in enumerate(odd.faces()):
        normals[f] = np.array([np.cos(np.radians(face.normal_deg)), np.sin(np.radians(face.normal_deg))])
    face_of = dict(zip(odd.tags.epc, odd.tags.face.tolist(), strict=True))
    untouched = {p.shelf for p in planted(odd, "lying")}
    behind = [p for p in planted(odd, "pushed_back") if p.shelf not in untouched]
    assert behind
    for one in behind:
        moved = (before[one.epc] - after[one.epc])[:2] @ normals[face_of[one.epc]]
        assert 0.08 <= moved <= 0.15
    known = {row.epc for row in odd.holdings}
    seconds = planted(odd, "double")
    assert seconds
    for one in seconds:
        other = one.detail.split()[-1]
        assert one.epc not in known
        assert other in known
        gap = after[one.epc] - after[other]
        along = gap[:2] @ np.array([-normals[face_of[other]][1], normals[face_of[other]][0]])
        assert 0.0009 <= abs(along) <= 0.0101
    assert len({p.epc[:4] for p in seconds}) == 2


def test_a_library_with_them_is_saved_and_read_again(odd, tmp_path):
    save_library(odd, tmp_path)
    again = load_library(tmp_path)
    assert again.tags.epc == odd.tags.epc
    for name in ("twist", "pile_m", "behind_m", "loss_db"):
        assert np.array_equal(getattr(again.odd, name), getattr(odd.odd, name))
    assert [m.epc for m in again.movers] == [m.epc for m in odd.movers]
    assert again.movers[0].at(10**12) == odd.movers[0].at(10**12)
    assert again.movers[-1].is_robot
    assert again.planted == odd.planted


@pytest.mark.parametrize(
    "spoil",
    [
        lambda o: o | {"format": "other/1"},
        lambda o: o | {"tags": {"AB": {"twist": 1.0, "pile_m": 0.0, "behind_m": 0.0, "loss_db": 0.0}}},
        lambda o: o | {"tags": {next(iter(o["tags"])): {"twist": 1.0}}},
        lambda o: o | {"movers": [o["movers"][0] | {"x_m": [1.0]}]},
        lambda o: o | {"movers": [o["movers"][0] | {"place_m": [[0.0, float("nan"), 1.0]] * 6}]},
        lambda o: [o],
    ],
)
def test_a_spoiled_file_is_refused(odd, tmp_path, spoil):
    save_library(odd, tmp_path)
    path = tmp_path / "oddities.json"
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(SimError, match=r"oddities\.json"):
        load_library(tmp_path)


@pytest.mark.parametrize("wrong", [{"lying": 0.4}, {"double": -0.1}, {"trolleys": 51}, {"on_robot": -1}])
def test_impossible_rates_are_refused(wrong):
    with pytest.raises(SimError, match=next(iter(wrong))):
        OddityRates(**wrong)


def test_a_lying_tag_is_seen_turned_and_off_its_axis_weaker(odd):
    radio = Radio(odd, seed=1)
    tags = np.flatnonzero(odd.odd.twist != 0.0).astype(np.int32)[:4]
    face = odd.faces()[int(odd.tags.face[tags[0]])]
    offset = float(odd.tags.offset_m[tags[0]]) + 0.4
    x, y = face.to_map(np.array([offset]), -0.75)
    pose = RobotPose(float(x[0]), float(y[0]), np.radians(face.normal_deg) - np.pi / 2)
    place, boresight = radio.antenna_place(3, pose)
    k = 2 * np.pi * 922e6 / SPEED_OF_LIGHT_MPS
    heard = radio.channel(3, 922e3, pose, tags)
    wanted = channel_reference(radio.scene, tags, k, place, boresight, radio.pattern(3), radio._shadow)
    assert np.allclose(heard, wanted, rtol=1e-9)
    free = radio.scene
    turned = free.tag_normal.copy()
    turned[:, 2] = 0.0
    alone = Pattern(1.0, 0.0, 0.5, 0.0)
    nothing = {"group_rho": np.zeros_like(free.group_rho), "kappa": np.zeros_like(free.kappa)}
    shadow = np.ones(len(free.tag_m))
    upright = channel_reference(
        replace(free, tag_normal=turned, **nothing), tags[:1], k, place, boresight, alone, shadow
    )
    lying = channel_reference(replace(free, **nothing), tags[:1], k, place, boresight, alone, shadow)
    assert abs(np.angle(lying[0] / upright[0])) > 0.1


def test_movers_are_heard_where_they_are(odd, tmp_path):
    recording = read_recording(record(odd, tmp_path / "run", passes=2, speed_mps=0.25, seed=3))
    r = recording.readings
    index = {epc: n for n, epc in enumerate(r.tags)}
    riding = [p.epc for p in planted(odd, "moving") if "robot" in p.detail and p.epc in index]
    assert riding
    for epc in riding:
        rows = r.tag == index[epc]
        assert rows.sum() > 20
        at = recording.poses.at(r.t[rows])
        assert np.hypot(np.ptp(at.x_m), np.ptp(at.y_m)) > 2.0
        # The robot takes it along: at one antenna and channel its phase stays, up to pi, wherever the robot is.
        line = r.antenna[rows].astype(np.int64) * 10_000_000 + r.frequency_khz[rows]
        turn = np.exp(2j * r.phase_rad[rows])
        means = [abs(turn[line == one].mean()) for one in np.unique(line) if (line == one).sum() >= 4]
        assert means
        assert np.mean(means) > 0.9
    carried = [p.epc for p in planted(odd, "moving") if "trolley" in p.detail]
    assert len(carried) == 12
    assert any(epc in index for epc in carried)
    truth = recording.truth
    assert truth is not None
    present = dict(zip(truth.epc.tolist(), truth.present.tolist(), strict=True))
    assert not any(present[epc] for epc in carried)
    half = {row.epc: row.status for row in odd.holdings}
    assert {half[epc] for epc in carried} == {"loaned", "available"}


def test_the_same_seed_hears_the_same(odd, tmp_path):
    face = (odd.faces()[0].id,)
    first, second = (
        read_recording(record(odd, tmp_path / name, speed_mps=0.3, seed=3, faces=face)) for name in "ab"
    )
    assert first.readings.same_as(second.readings)
