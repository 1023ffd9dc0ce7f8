"""A long synthetic recording, made fast: what the speed benchmark is run on.

The simulator (``sim``) traces every link and is far too slow for millions of readings. Here every tag gets its
readings by closed formulas, vectorized over all tags of a face: aisles with a face on either side, bays of five
boards, a tag every 2.3 cm on each, one robot with three antennas on its right that drives up the aisle and down again.
Phases are those of the distance and of what the metal at both ends of a tag's board scatters (as strong as in the
simulated libraries of usual trouble), a constant of the tag at each antenna, the cable, an error that is alike over
some 10 cm of track, and the receiver's noise; RSSI falls with 40 log d and the pattern, and fades.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from localization.signal_model import LIGHT_MPS, pattern_db
from recording import AntennaMount, Poses, Readings, RecordingWriter, RunInfo, Truth

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PITCH_M: Final = 0.023
LEVELS: Final = 5
BOARD_M, CLEAR_M = 0.35, 0.30
FACE_M, BAY_M, AISLE_M, CASE_M = 24.0, 0.9, 1.6, 0.6
HEIGHTS_M: Final = (0.40, 0.95, 1.50)
CHANNELS_KHZ: Final = (865_700, 866_300, 866_900, 867_500)
HOP_S: Final = 0.5
CABLES_M: Final = (7.0, 8.5, 6.2)
SPEED_MPS: Final = 0.05
TAG_DEPTH_M: Final = 0.10
BESIDE_M: Final = 0.10  # antennas sit this far to the robot's right
RESIDUAL_RAD, CORRELATION_M, NOISE_RAD = 0.35, 0.10, 0.08
#: Strength of the metal at a board's ends, how far beyond them and behind the tags it stands, and the field's pattern.
METAL, METAL_BEYOND_M, METAL_BEHIND_M, PATTERN_POWER = (0.19, 0.44), 0.02, 0.03, 1.74
LOBE_M: Final = 0.42
LEAD_M: Final = 1.5
POSE_HZ: Final = 20
START_NS: Final = 1_760_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class LongRun:
    """A recording made, and what is in it."""

    path: Path
    tags: int
    readings: int
    faces: int
    metres: float


def make_long_run(path: Path, tags: int, *, readings_per_tag: int = 200, seed: int = 1) -> LongRun:
    """Write a recording folder with plan and truth; about so many tags (whole boards of bays).

    Parameters
    ----------
    path : Path
        The folder to be.
    tags : int
    readings_per_tag : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    per_metre = LEVELS / PITCH_M
    metres = tags / per_metre
    faces = max(1, math.ceil(metres / FACE_M - 1e-9))
    lengths = [min(FACE_M, metres - number * FACE_M) for number in range(faces)]
    info = RunInfo(
        run_id="long", site="long", started_at=datetime.fromtimestamp(START_NS / 1e9, UTC), robot_id="r1",
        antennas=tuple(
            AntennaMount(
                id=number + 1, reader="r", port=number + 1, air="gen2", position_m=(0.0, -BESIDE_M, height),
                boresight_deg=(-90.0, 0.0), phase_ambiguity="none", beamwidth_deg=70.0,
            )
            for number, height in enumerate(HEIGHTS_M)
        ),
    )  # fmt: skip
    written, heard, start_ns = 0, 0, START_NS
    truths: list[dict[str, Any]] = []
    plan: list[dict[str, Any]] = []
    with RecordingWriter(path, info) as writer:
        for number, length in enumerate(lengths):
            face = _face(number, length)
            plan.append(face)
            made = _Face(face, start_ns, written, rng)
            readings = made.readings(readings_per_tag)
            # A row group holds a few metres of the way, as it would from a robot: the readings are by time.
            writer.readings(readings)
            writer.poses(made.poses())
            truths.append(made.truth())
            written, heard = written + made.tags, heard + len(readings)
            start_ns = made.end_ns + 5_000_000_000
        writer.truth(Truth(**{name: np.concatenate([t[name] for t in truths]) for name in truths[0]}))
        writer.plan(
            {
                "format": "nightstack-plan/1", "site": "long", "version": 1,
                "floors": [{"id": "0", "faces": plan}],
            }
        )  # fmt: skip
    return LongRun(path, written, heard, faces, metres)


def _face(number: int, length_m: float) -> dict[str, Any]:
    """Return a face of the plan: two an aisle, which look at each other."""
    aisle, far = divmod(number, 2)
    y = aisle * (AISLE_M + CASE_M) + (AISLE_M if far else 0.0)
    # Seen from the aisle the offset grows to the right: westwards on the near side, eastwards on the far one.
    normal = -90.0 if far else 90.0
    origin = [0.0, y] if far else [length_m, y]
    bays = max(1, round(length_m / BAY_M))
    edges = np.linspace(0.0, length_m, bays + 1)
    shelves = [
        {
            "id": f"F{number}-B{bay}-L{level}", "bay": str(bay), "level": level, "from_m": float(edges[bay]),
            "to_m": float(edges[bay + 1]), "board_z_m": round(0.1 + BOARD_M * (level - 1), 3), "clear_m": CLEAR_M,
        }
        for bay in range(bays)
        for level in range(1, LEVELS + 1)
    ]  # fmt: skip
    return {
        "id": f"F{number}", "origin_m": origin, "direction_deg": normal + 90.0, "normal_deg": normal,
        "length_m": length_m, "tag_depth_m": TAG_DEPTH_M, "shelves": shelves,
    }  # fmt: skip


class _Face:
    """One face driven along once."""

    def __init__(self, face: dict[str, Any], start_ns: int, first_tag: int, rng: np.random.Generator) -> None:
        self.face, self.start_ns, self.first_tag, self.rng = face, start_ns, first_tag, rng
        length = float(face["length_m"])
        each = int(length / PITCH_M)
        self.tags = each * LEVELS
        self.level = np.repeat(np.arange(LEVELS), each)
        pitch = length / each
        placed = np.tile(pitch * (np.arange(each) + 0.5), LEVELS) + rng.normal(0.0, 0.002, self.tags)
        self.offset: Floats = np.clip(placed, 0.002, length - 0.002)
        board = 0.1 + BOARD_M * self.level
        self.height = board + 0.12 + rng.normal(0.0, 0.02, self.tags)
        self.depth = rng.normal(0.0, 0.008, self.tags)
        self.way = length + 2 * LEAD_M
        self.end_ns = start_ns + round(self.way / SPEED_MPS * 1e9)

    def _map(self, offset: Floats, out: Floats) -> tuple[Floats, Floats]:
        direction, normal = (math.radians(self.face[name]) for name in ("direction_deg", "normal_deg"))
        x0, y0 = self.face["origin_m"]
        return (
            x0 + offset * math.cos(direction) + out * math.cos(normal),
            y0 + offset * math.sin(direction) + out * math.sin(normal),
        )

    def poses(self) -> Poses:
        """Return the robot's track in the middle of the aisle."""
        t = np.arange(self.start_ns, self.end_ns + 1, 1_000_000_000 // POSE_HZ)
        # With a face at its right the robot drives towards smaller offsets.
        offset = float(self.face["length_m"]) + LEAD_M - (t - self.start_ns) * 1e-9 * SPEED_MPS
        heading = math.radians(self.face["normal_deg"] - 90.0)
        x, y = self._map(np.asarray(offset, np.float64), np.full(len(t), 0.5 * AISLE_M))
        return Poses(
            t=t, x_m=x, y_m=y, yaw_rad=np.full(len(t), heading),
            sigma_xy_m=np.full(len(t), 0.005, np.float32), sigma_yaw_rad=np.full(len(t), 0.003, np.float32),
        )  # fmt: skip

    def truth(self) -> dict[str, Any]:
        """Return the columns of the truth."""
        x, y = self._map(self.offset, -(TAG_DEPTH_M + self.depth))
        bays = {s["id"]: s for s in self.face["shelves"]}
        edges = np.unique([s["from_m"] for s in bays.values()])
        bay = np.clip(np.searchsorted(edges, self.offset, side="right") - 1, 0, len(edges) - 1)
        shelf = [f"{self.face['id']}-B{b}-L{n + 1}" for b, n in zip(bay, self.level, strict=True)]
        return {
            "epc": np.array(self._epcs(), object), "x_m": x, "y_m": y, "z_m": self.height,
            "shelf_id": np.array(shelf, object), "offset_m": self.offset,
            "face": np.full(self.tags, self.face["id"], object),
        }  # fmt: skip

    def _epcs(self) -> list[str]:
        return [f"E28011606000{number:012X}" for number in range(self.first_tag, self.first_tag + self.tags)]

    def readings(self, each: int) -> Readings:
        """Return every tag's readings, by time."""
        rng, n = self.rng, self.tags * each
        tag = np.repeat(np.arange(self.tags), each)
        # Which antenna reads a tag: the nearer in height, the oftener.
        away = (self.height[:, None] - np.array(HEIGHTS_M)) ** 2
        chance = np.cumsum(np.exp(-away / (2 * 0.45**2)), axis=1)
        chance /= chance[:, -1:]
        antenna = (rng.random(n)[:, None] > chance[tag]).sum(axis=1)
        u = self.offset[tag] + rng.normal(0.0, LOBE_M, n)
        u = np.clip(u, -LEAD_M + 0.01, float(self.face["length_m"]) + LEAD_M - 0.01)
        out = 0.5 * AISLE_M - BESIDE_M + TAG_DEPTH_M + self.depth[tag]
        rise = self.height[tag] - np.array(HEIGHTS_M)[antenna]
        d = np.sqrt((u - self.offset[tag]) ** 2 + out**2 + rise**2)
        driven = float(self.face["length_m"]) + LEAD_M - u
        t = self.start_ns + np.round(driven / SPEED_MPS * 1e9).astype(np.int64)
        by_time = np.argsort(t, kind="stable")
        tag, antenna, t = tag[by_time], antenna[by_time].astype(np.int64), t[by_time]
        u, d, out = u[by_time], d[by_time], out[by_time]
        frequency = np.array(CHANNELS_KHZ)[rng.integers(0, len(CHANNELS_KHZ), 4096)][
            ((t - START_NS) // round(HOP_S * 1e9)) % 4096
        ]
        k = 4 * math.pi * frequency * 1e3 / LIGHT_MPS
        own = rng.uniform(0.0, 2 * math.pi, (self.tags, len(HEIGHTS_M)))
        phase = k * (d + np.array(CABLES_M)[antenna]) + own[tag, antenna]
        phase += self._scattered(tag, antenna, u, out, 0.5 * k, d)
        phase += self._reflected(tag, antenna, u) + rng.normal(0.0, NOISE_RAD, n)
        strength = rng.normal(-45.0, 3.0, self.tags)
        loss = 40.0 * np.log10(d) - 2.0 * pattern_db(out / d, 70.0) * 0.7
        rssi = strength[tag] - loss + rng.normal(0.0, 3.0, n)
        return Readings(
            t=t, tag=tag.astype(np.uint32), tags=tuple(self._epcs()), antenna=(antenna + 1).astype(np.uint8),
            frequency_khz=frequency.astype(np.uint32),
            rssi_dbm=np.clip(np.round(rssi * 2) / 2, -90.0, -10.0).astype(np.float32),
            phase_rad=_in_range(phase),
        )  # fmt: skip

    def _scattered(self, tag: Ints, antenna: Ints, u: Floats, out: Floats, k: Floats, d: Floats) -> Floats:
        """Return what the metal at both ends of the tags' boards turns their phases by."""
        edges = np.unique([shelf["from_m"] for shelf in self.face["shelves"]])
        edges = np.append(edges, float(self.face["length_m"]))
        rho = self.rng.uniform(*METAL, (len(edges), LEVELS)) * np.exp(
            2j * math.pi * self.rng.random((len(edges), LEVELS))
        )
        bay = np.clip(np.searchsorted(edges, self.offset, side="right") - 1, 0, len(edges) - 2)
        heights = 0.1 + BOARD_M * np.arange(LEVELS) + 0.12
        share = np.ones(len(tag), np.complex128)
        for side, beyond in ((0, -METAL_BEYOND_M), (1, METAL_BEYOND_M)):
            along = edges[bay + side] + beyond
            high = heights[self.level]
            way = np.sqrt(
                (along - self.offset) ** 2 + (METAL_BEHIND_M - self.depth) ** 2 + (high - self.height) ** 2
            )
            across = 0.5 * AISLE_M - BESIDE_M + TAG_DEPTH_M + METAL_BEHIND_M
            rise = high[tag] - np.array(HEIGHTS_M)[antenna]
            far = np.sqrt((along[tag] - u) ** 2 + across**2 + rise**2)
            field = (across / far / (out / d)) ** PATTERN_POWER * d / far
            share += rho[bay + side, self.level][tag] * field * np.exp(-1j * k * (way[tag] + far - d))
        return -2.0 * np.angle(share)

    def _reflected(self, tag: Ints, antenna: Ints, u: Floats) -> Floats:
        """Return a phase error alike over some 10 cm of track, and alike for tags that stand close."""
        cell = u / CORRELATION_M
        low = np.floor(cell).astype(np.int64)
        share = cell - low
        cells = int(low.max() - low.min()) + 2
        low -= low.min()
        # Half of it shared by neighbours within 10 cm of a board, half the tag's own: knots in a table and a hash.
        stretch = (self.offset / 0.10).astype(np.int64)
        common = self.rng.normal(0.0, 1.0, (LEVELS, len(HEIGHTS_M), 64, cells)).astype(np.float32)
        own = self.rng.normal(0.0, 1.0, (1 << 16,)).astype(np.float32)
        lane = self.level[tag], antenna, stretch[tag] % 64
        spot = (tag * 3 + antenna) * 7919
        left = common[(*lane, low)] + own[(spot + low) & 0xFFFF]
        right = common[(*lane, low + 1)] + own[(spot + low + 1) & 0xFFFF]
        mixed = (left * (1 - share) + right * share) / np.sqrt((1 - share) ** 2 + share**2)
        return RESIDUAL_RAD * mixed / math.sqrt(2.0)


def _in_range(phase: Floats) -> npt.NDArray[np.float32]:
    """Return phases in [0, 2 pi) that stay there in single precision."""
    turned = np.mod(phase, 2 * math.pi).astype(np.float32)
    return np.where(turned >= np.float32(2 * math.pi), np.float32(0.0), turned)
