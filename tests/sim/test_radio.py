from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.air import Listening, Reads, RobotPose
from sim.errors import SimError
from sim.gen2 import link_timing
from sim.library import Library
from sim.presets import PRESETS
from sim.propagation import SPEED_OF_LIGHT_MPS, channel, memory, pattern_exponent
from sim.propagation_reference import channel_reference
from sim.radio import Radio
from sim.record import heading_along
from sim.shading import shadows

START = 1_772_402_400_000_000_000


def _beside(library: Library, offset_m: float, face: int = 0, standoff_m: float = 0.75) -> RobotPose:
    owner = library.faces()[face]
    x, y = owner.to_map(np.array([offset_m]), -standoff_m)
    return RobotPose(float(x[0]), float(y[0]), heading_along(owner))


def _listen(radio: Radio, pose: RobotPose, seconds: float, listening: Listening | None = None) -> Reads:
    parts = [
        radio.read(START + n * 50_000_000, START + (n + 1) * 50_000_000, pose, pose, listening)
        for n in range(round(seconds / 0.05))
    ]
    return Reads(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("t_ns", "tag", "port", "channel", "rssi_dbm", "phase_rad")
        ),
        heard=tuple(span for p in parts for span in p.heard),
    )


def test_the_kernel_equals_its_reference(library: Library) -> None:
    radio = Radio(library, seed=1)
    tags = np.arange(len(library.tags), dtype=np.int32)
    shadow = np.random.default_rng(2).uniform(0.1, 1.0, tags.size)
    kept = memory(radio.scene)
    for port, offset in ((1, 0.1), (2, 0.9), (3, 1.7)):
        place, boresight = radio.antenna_place(port, _beside(library, offset))
        pattern = radio.pattern(port)
        fast = channel(tags, 19.3, place, boresight, pattern.array(), *radio.scene.arrays(), shadow, *kept)
        plain = channel_reference(radio.scene, tags, 19.3, place, boresight, pattern, shadow)
        assert np.allclose(fast, plain, rtol=1e-10, atol=1e-13)


def test_without_metal_the_phase_is_that_of_the_distance_both_ways(library: Library) -> None:
    bare = replace(
        library.radio, end_scatterer=(0.0, 0.0), weak_scatterer=(0.0, 0.0), coupling=0.0, floor_reflection=0.0,
        phase_centre_sd_m=0.0,
    )  # fmt: skip
    radio = Radio(library, seed=1, parameters=bare)
    pose = _beside(library, 0.6)
    tags = np.flatnonzero((library.tags.face == 0) & ~library.tags.label).astype(np.int32)
    h = radio.channel(2, 922_375, pose, tags)
    place, _ = radio.antenna_place(2, pose)
    d = np.linalg.norm(library.tags.place_m[tags] - place, axis=1)
    k = 4 * np.pi * 922_375e3 / SPEED_OF_LIGHT_MPS
    assert np.allclose(np.angle(h**2 * np.exp(1j * k * d)), 0.0, atol=1e-6)
    assert np.all(np.abs(h) < 1 / d)


def test_metal_and_neighbours_bend_the_phase_more_from_preset_to_preset(library: Library) -> None:
    tags = np.flatnonzero((library.tags.face == 0) & ~library.tags.label).astype(np.int32)
    spread: list[float] = []
    for name in ("easy", "ordinary", "harsh"):
        radio = Radio(library, seed=1, parameters=PRESETS[name])
        errors: list[np.ndarray] = []
        for offset in np.arange(0.2, 1.6, 0.05):
            pose = _beside(library, float(offset))
            place, _ = radio.antenna_place(2, pose)
            away = library.tags.place_m[tags] - place
            d = np.linalg.norm(away, axis=1)
            k = 4 * np.pi * 922_375e3 / SPEED_OF_LIGHT_MPS
            turn = radio.channel(2, 922_375, pose, tags) ** 2 * np.exp(1j * k * d)
            near = np.hypot(away[:, 0], away[:, 2]) < 0.6
            errors.append(np.where(near, turn / np.abs(turn), np.nan))
        table = np.array(errors)
        table = table[:, np.sum(np.isfinite(table), axis=0) > 8]
        mean = np.nanmean(table, axis=0)
        spread.append(float(np.sqrt(np.nanmean(np.angle(table * np.conj(mean / np.abs(mean))) ** 2))))
    easy, ordinary, harsh = spread
    assert 0.05 < easy < 0.7 * ordinary
    assert 0.2 < ordinary < 0.6
    assert 1.4 * ordinary < harsh < 1.5


def test_the_reader_reads_two_hundred_to_three_hundred_and_fifty_tags_a_second(library: Library) -> None:
    radio = Radio(library, seed=3)
    reads = _listen(radio, _beside(library, 0.9), 6.0)
    assert 200 <= len(reads) / 6.0 <= 350
    assert np.all(np.diff(reads.t_ns) >= 0)
    share = np.bincount(reads.port, minlength=4)[1:] / len(reads)
    assert np.all(share > 0.15)
    assert sum(b - a for a, b, _, _ in reads.heard) == 6_000_000_000


def test_tags_share_the_air(library: Library) -> None:
    few = Radio(library, seed=3)
    pose = _beside(library, 0.9)
    weak = Listening(power_dbm=(16.0, 16.0, 16.0))
    alone, crowd = _listen(few, pose, 5.0, weak), _listen(Radio(library, seed=3), pose, 5.0)
    each = [len(r) / len(np.unique(r.tag)) for r in (alone, crowd)]
    assert len(np.unique(alone.tag)) < 0.4 * len(np.unique(crowd.tag))
    assert each[0] > 1.5 * each[1]


def test_single_target_reads_each_tag_once_while_powered(library: Library) -> None:
    radio = Radio(library, seed=3)
    once = _listen(radio, _beside(library, 0.9), 6.0, Listening(session=2, search="single", ports=(2,)))
    late = once.t_ns > START + 4_000_000_000
    assert np.mean(late) < 0.15
    dual = _listen(
        Radio(library, seed=3), _beside(library, 0.9), 6.0, Listening(session=2, search="dual", ports=(2,))
    )
    assert len(dual) > 3 * len(once)


def test_channels_hop_and_fixed_channels_stay(library: Library) -> None:
    reads = _listen(Radio(library, seed=3), _beside(library, 0.9), 8.0)
    assert set(reads.channel.tolist()) == set(range(1, 17))
    changes = np.count_nonzero(np.diff(reads.channel))
    assert 15 <= changes <= 21
    fixed = _listen(Radio(library, seed=3), _beside(library, 0.9), 2.0, Listening(channels=(3, 9)))
    assert set(fixed.channel.tolist()) == {3, 9}


def test_noise_follows_the_measured_law(library: Library) -> None:
    still = replace(library.radio, pi_flips=False, frequencies_khz=(922_375,))
    radio = Radio(library, seed=4, parameters=still)
    reads = _listen(radio, _beside(library, 0.9), 40.0, Listening(ports=(2,), session=0))
    checked = 0
    for tag in np.unique(reads.tag):
        mine = reads.tag == tag
        if mine.sum() < 40:
            continue
        turn = np.exp(1j * reads.phase_rad[mine])
        spread = float(np.std(np.angle(turn * np.conj(turn.mean()))))
        level = float(reads.rssi_dbm[mine].mean())
        law = np.hypot(0.010, 0.056 * 10 ** (-(level + 62.5) / 20))
        assert 0.6 * law < spread < 1.5 * law
        checked += 1
    assert checked > 20


def test_pi_flips_come_in_a_third_of_the_reads_and_in_runs(library: Library) -> None:
    radio = Radio(library, seed=4, parameters=replace(library.radio, frequencies_khz=(922_375,)))
    reads = _listen(radio, _beside(library, 0.9), 40.0, Listening(ports=(2,), session=0))
    shares, repeats = [], []
    for tag in np.unique(reads.tag):
        mine = reads.tag == tag
        if mine.sum() < 60:
            continue
        turn = np.exp(1j * reads.phase_rad[mine])
        # Two clusters half a turn apart: the doubled phase shows where they are.
        axis = np.sqrt(np.mean(turn**2))
        flipped = np.real(turn * np.conj(axis)) < 0
        share = float(min(flipped.mean(), 1 - flipped.mean()))
        shares.append(share)
        repeats.append(float(np.mean(flipped[1:] == flipped[:-1])) - (share**2 + (1 - share) ** 2))
    assert len(shares) > 15
    assert 0.22 < np.median(shares) < 0.42
    assert np.median(repeats) > 0.1


def test_the_cable_is_a_straight_line_over_the_channels(library: Library) -> None:
    radio = Radio(library, seed=4, parameters=replace(library.radio, pi_flips=False))
    lines = radio._line_phase[2]
    k = 4 * np.pi * np.array(radio.frequencies_khz) * 1e3 / SPEED_OF_LIGHT_MPS
    length, offset = np.polyfit(k - k.mean(), lines, 1)
    assert 6.0 < length < 12.0
    assert np.std(lines - length * (k - k.mean()) - offset) < 0.02


def test_weak_tags_fade_and_the_other_side_is_weaker(library: Library) -> None:
    radio = Radio(library, seed=5)
    reads = _listen(radio, _beside(library, 0.9), 20.0)
    face = library.tags.face[reads.tag]
    front, behind = reads.rssi_dbm[face == 0], reads.rssi_dbm[face == 1]
    assert len(behind) > 20, "tags are heard through the bookcase"
    assert len(front) > 3 * len(behind)
    assert np.median(front) > np.median(behind) + 6.0
    assert -62 < np.median(front) < -48


def test_walls_shade_what_stands_behind_them() -> None:
    tag_m = np.array([[0.0, 1.0, 1.0], [0.0, -1.0, 1.0], [5.0, 1.0, 1.0]])
    walls = np.array([[-1.0, 0.5, 1.0, 0.5], [-1.0, 0.7, 1.0, 0.7]])
    shadow = np.ones(3)
    shadows(np.arange(3, dtype=np.int32), np.array([0.0, 0.0, 1.0]), tag_m, walls, 0.5, shadow)
    assert shadow.tolist() == [0.25, 1.0, 1.0]


def test_the_same_seed_hears_the_same(library: Library) -> None:
    pose = _beside(library, 0.9)
    a, b, c = (_listen(Radio(library, seed=s), pose, 1.0) for s in (9, 9, 10))
    assert np.array_equal(a.t_ns, b.t_ns)
    assert np.array_equal(a.phase_rad, b.phase_rad)
    assert not np.array_equal(a.t_ns, c.t_ns)


def test_link_timing_and_pattern() -> None:
    fast, slow = link_timing(0), link_timing(3)
    assert fast.success_s < 0.3 * slow.success_s
    for mode in (0, 1, 2, 3, 4, 1000):
        t = link_timing(mode)
        assert t.empty_s < t.collision_s < t.success_s
    half = np.radians(35.0)
    assert np.cos(half) ** pattern_exponent(70.0) == pytest.approx(np.sqrt(0.5))


def test_ports_and_channels_that_are_not_there_are_refused(library: Library) -> None:
    radio, pose = Radio(library, seed=1), _beside(library, 0.9)
    for listening in (Listening(ports=(1, 7)), Listening(channels=(17,))):
        with pytest.raises(SimError, match="there are ports"):
            radio.read(START, START + 50_000_000, pose, pose, listening)
    with pytest.raises(SimError, match="at least one antenna"):
        Radio(library, mounts=())
