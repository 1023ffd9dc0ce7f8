"""A small world with exact answers: one or two straight faces, a robot that drives along, direct paths only."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recording import AntennaMount, Poses, Readings, Recording, RunInfo
from stacks.plan import Plan

LIGHT = 299_792_458.0
START = 1_772_402_400_000_000_000


def shelves(face, length, levels=3):
    return [
        {"id": f"{face}-{level}", "bay": f"{face}1", "level": level, "from_m": 0.0, "to_m": length,
         "board_z_m": 0.1 + 0.4 * (level - 1), "clear_m": 0.35}
        for level in range(1, levels + 1)
    ]  # fmt: skip


def plan_of(length=2.0, levels=3):
    """Face A along x at y = 0 looking north, and face B behind it looking south."""
    faces = [
        {"id": "A", "origin_m": [length, 0.0], "direction_deg": 180, "normal_deg": 90},
        {"id": "B", "origin_m": [0.0, -0.5], "direction_deg": 0, "normal_deg": 270},
    ]
    for face in faces:
        face |= {"length_m": length, "tag_depth_m": 0.03}
        face["shelves"] = shelves(face["id"], length, levels) if levels else []
    return Plan.from_json(
        {
            "format": "nightstack-plan/1",
            "site": "test",
            "version": 1,
            "floors": [{"id": "1", "faces": faces}],
        },
        "test",
    )


def mounts(heights=(0.3, 1.0), ambiguity="unknown"):
    return tuple(
        AntennaMount(
            id=i + 1, reader="r", port=i + 1, air="gen2", position_m=(0.0, -0.25, z), boresight_deg=(-90.0, 0.0),
            phase_ambiguity=ambiguity, beamwidth_deg=70.0,
        )
        for i, z in enumerate(heights)
    )  # fmt: skip


def make(
    tags,
    *,
    seed=0,
    flips=True,
    noise=0.3,
    speed=0.1,
    heights=(0.3, 1.0),
    rate=8.0,
    channels=(920_625, 922_625, 924_125),
    length=2.0,
    sigma_xy=0.01,
    through_db=16.0,
):
    """Record a drive past face A (south of the robot): ``tags`` is (face, offset, z) each; face B is heard through.

    The robot drives east along y = 0.75 with its right side to face A.
    """
    rng = np.random.default_rng(seed)
    seconds = (length + 1.0) / speed
    t = np.arange(0.0, seconds, 0.05)
    x = -0.5 + speed * t
    poses = Poses(
        t=START + (t * 1e9).astype(np.int64), x_m=x, y_m=np.full(len(t), 0.75), yaw_rad=np.zeros(len(t)),
        sigma_xy_m=np.full(len(t), sigma_xy, np.float32), sigma_yaw_rad=None, mast_z_m=None, floor_id=None,
    )  # fmt: skip
    cable = rng.uniform(8, 10, len(heights))
    rows = []
    for number, (face, offset, z) in enumerate(tags):
        px, py = (length - offset, -0.03) if face == "A" else (offset, -0.47)
        own = rng.uniform(0, 2 * np.pi)
        when = rng.uniform(0, seconds, rng.poisson(rate * seconds))
        which = rng.integers(0, len(heights), len(when))
        ax = -0.5 + speed * when
        gap = np.stack([px - ax, np.full(len(when), py - 0.5), z - np.array(heights)[which]], 1)
        d = np.sqrt((gap**2).sum(1))
        angle = np.degrees(np.arccos(-gap[:, 1] / d))
        rssi = -52 - 40 * np.log10(d) - 2 * np.minimum(12 * (angle / 70) ** 2, 20) + rng.normal(0, 2, len(d))
        rssi -= through_db if face == "B" else 0.0
        heard = rssi > -68 + rng.normal(0, 1, len(d))
        channel = np.array(channels)[rng.integers(0, len(channels), len(when))]
        k = 4 * np.pi * channel * 1e3 / LIGHT
        phase = k * (d + cable[which]) + own + rng.normal(0, noise, len(d))
        if flips:
            phase = phase + np.pi * rng.integers(0, 2, len(d))
        rows += [
            (START + int(a * 1e9), f"E28000{number:06X}", int(b) + 1, int(c), r, p)
            for a, b, c, r, p in zip(
                when[heard],
                which[heard],
                channel[heard],
                rssi[heard],
                np.mod(phase[heard], 2 * np.pi),
                strict=True,
            )
        ]
    rows.sort()
    readings = Readings.from_epc(
        [row[1] for row in rows],
        t=np.array([row[0] for row in rows], np.int64),
        antenna=np.array([row[2] for row in rows], np.uint8),
        frequency_khz=np.array([row[3] for row in rows], np.uint32),
        rssi_dbm=np.array([row[4] for row in rows], np.float32),
        phase_rad=np.array([row[5] for row in rows], np.float32),
    )
    info = RunInfo(
        run_id="test", site="test", started_at=datetime(2026, 3, 1, 22, tzinfo=UTC), robot_id="r",
        antennas=mounts(heights),
    )  # fmt: skip
    return Recording(info=info, readings=readings, poses=poses, activity=None, events=None, truth=None)


class World:
    """What the tests need of the small world."""

    plan = staticmethod(plan_of)
    make = staticmethod(make)
    mounts = staticmethod(mounts)

    @staticmethod
    def row(localization, number):
        """Row of tag ``number``."""
        return list(localization.positions.epc).index(f"E28000{number:06X}")


@pytest.fixture
def world():
    return World
