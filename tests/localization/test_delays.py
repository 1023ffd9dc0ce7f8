"""Cables found from readings on several channels, however the reader shares its time among ports and channels."""

import dataclasses

import numpy as np
import pytest

from localization.delays import find_delays
from recording import Poses, Readings

LIGHT_MPS = 299_792_458.0
SPEED_MPS, HOP_S, PORT_S, AWAY_M = 0.2, 0.4, 0.1, 0.55
CABLES_M = {1: 9.3, 2: 8.1, 3: 0.4, 4: 14.7}
START = 1_700_000_000_000_000_000
KHZ = 920_625 + 250 * np.array([7, 2, 12, 0, 9, 14, 5, 10, 3, 15, 1, 8, 13, 6, 11, 4])


def drive(antennas, *, noise_rad=0.3, flips=False, seed=3):
    """Tags beside a straight way, each read ten times a second by whichever port has the reader."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(0.0, 30.0, 0.02)
    poses = Poses(
        t=START + (seconds * 1e9).astype(np.int64),
        x_m=SPEED_MPS * seconds,
        y_m=np.zeros(len(seconds)),
        yaw_rad=np.zeros(len(seconds)),
    )
    at = np.sort(rng.uniform(0.0, 30.0, 30_000))
    tag = rng.integers(0, 120, len(at))
    stands = rng.uniform(0.3, 5.7, 120)
    x = SPEED_MPS * at
    near = np.abs(x - stands[tag]) < 0.8
    at, tag, x = at[near], tag[near], x[near]
    port = 1 + (at / PORT_S).astype(np.int64) % antennas
    khz = KHZ[(at / HOP_S).astype(np.int64) % len(KHZ)]
    way = np.hypot(x - stands[tag], AWAY_M)
    cable = np.array([0.0, *CABLES_M.values()])[port]
    own = rng.uniform(0, 2 * np.pi, 120)
    phase = (
        4 * np.pi * khz * 1e3 / LIGHT_MPS * (way + cable)
        + own[tag]
        + noise_rad * rng.standard_normal(len(at))
    )
    if flips:
        phase += np.pi * rng.integers(0, 2, len(at))
    phase = np.mod(phase, 2 * np.pi).astype(np.float32)
    phase[phase >= np.float32(2 * np.pi)] = 0.0
    readings = Readings(
        t=START + (at * 1e9).astype(np.int64),
        tag=tag.astype(np.uint32),
        tags=tuple(f"{n:024X}" for n in range(120)),
        antenna=port.astype(np.uint8),
        frequency_khz=khz.astype(np.uint32),
        rssi_dbm=(-45.0 - 40.0 * np.log10(way / AWAY_M) + rng.normal(0, 2, len(at))).astype(np.float32),
        phase_rad=phase,
    )
    return readings, poses


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("antennas", [1, 3, 4])
def test_cables_are_found_whether_or_not_ports_and_channels_turn_together(antennas, flips):
    """Four ports of 0.1 s take as long as a channel: an antenna's next channel comes 8 cm later, never sooner."""
    readings, poses = drive(antennas, flips=flips)
    found = find_delays(readings, poses, np.full(256, flips))
    for port in range(1, antennas + 1):
        assert found[port] == pytest.approx(CABLES_M[port], abs=0.6)
    assert not found[antennas + 1 :].any()


def test_one_channel_tells_no_cable():
    readings, poses = drive(3)
    one = dataclasses.replace(readings, frequency_khz=np.full(len(readings), 920_625, np.uint32))
    assert not find_delays(one, poses, np.zeros(256, np.bool_)).any()


def test_phases_that_mean_nothing_tell_no_cable():
    readings, poses = drive(3, noise_rad=9.0)
    assert not find_delays(readings, poses, np.zeros(256, np.bool_)).any()
