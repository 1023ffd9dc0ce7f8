"""Worlds small enough to scan many of them, each with something about it that error bars must notice by themselves.

Around ``simulated.World``'s ordinary library one thing at a time is another: how much metal, coupling, noise and
scatter, how many antennas, how fast, how often and how late, how the poses wander and what they say of it, how long
the shelves are. And slide rows, of the measured pitches and of others, in the laboratory as it was fitted to the
measured rows and in others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.simulated import END_METAL, WEAK_METAL, World, library_of, mounts_of, night
from recording import Poses, read_recording, write_recording
from sim.layout import LayoutSettings
from sim.library import make_library
from sim.presets import preset
from sim.robot import RobotDescription
from sim.slide import SLIDE, SlideParameters, slide, three_lines, to_recording

BOOKS: Final = 220


@dataclass(frozen=True, slots=True)
class Kind:
    """Libraries of one kind.

    Attributes
    ----------
    world : World
        Its seed and number of books are replaced.
    radio : mapping of str to value
        Of the radio's parameters those that are others than the world's.
    usual : str
        The simulator's preset whose radio the library has instead of the world's; none by default.
    layout : LayoutSettings
    stated : float or None
        What poses say they err by, over what they do; None: they say nothing.
    standoff_m : float
        From the robot to the faces it passes.
    size : float
        Books, over those of other kinds.
    """

    world: World = field(default_factory=World)
    radio: Mapping[str, Any] = field(default_factory=dict[str, Any])
    usual: str = ""
    layout: LayoutSettings = field(default_factory=LayoutSettings)
    stated: float | None = 1.0
    standoff_m: float = 0.75
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Slide rows of one kind, 0.45 to 0.9 m away.

    Attributes
    ----------
    pitch_m : float
    tags : int or None
        Of a row; None: as measured at that pitch.
    laboratory : SlideParameters or None
        None: as measured at that pitch.
    lines : bool
        Twenty tags on three lines.
    """

    pitch_m: float
    tags: int | None = None
    laboratory: SlideParameters | None = None
    lines: bool = False


STRONG: Final[Mapping[str, Any]] = {"end_scatterer": END_METAL, "weak_scatterer": WEAK_METAL}
LIBRARIES: Final[Mapping[str, Kind]] = {
    "easy": Kind(World(trouble=0.5)),
    "ordinary": Kind(),
    "harsh": Kind(World(trouble=2.0)),
    "two antennas": Kind(World(antennas=2)),
    "four antennas": Kind(World(antennas=4)),
    "easy, two antennas": Kind(World(trouble=0.5, antennas=2)),
    "easy, four antennas": Kind(World(trouble=0.5, antennas=4)),
    "harsh, two antennas": Kind(World(trouble=2.0, antennas=2)),
    "harsh, four antennas": Kind(World(trouble=2.0, antennas=4)),
    "phases flip by pi": Kind(radio={"pi_flips": True}),
    "slow, two passes": Kind(World(speed_mps=0.1, passes=2)),
    "fast": Kind(World(speed_mps=0.4)),
    "one pass": Kind(World(passes=1)),
    "twelve passes": Kind(World(passes=12)),
    "exact poses": Kind(World(drift_m=0.0)),
    "drift 3 cm": Kind(World(drift_m=0.03)),
    "drift 2 cm, 0.5 stated": Kind(World(drift_m=0.02), stated=0.25),
    "drift 1 cm, 3 stated": Kind(stated=3.0),
    "drift unstated": Kind(stated=None),
    "clock exact": Kind(World(latency_s=0.0)),
    "clock 0.25 s late": Kind(World(latency_s=0.25)),
    "metal, no coupling": Kind(radio={"end_scatterer": (0.25, 0.5), "coupling": 0.05}),
    "coupling, no metal": Kind(radio={"end_scatterer": (0.02, 0.05), "coupling": 0.9, "coupling_most": 0.25}),
    "clutter": Kind(radio={"end_scatterer": (0.1, 0.25), "weak_scatterer": (0.04, 0.12), "weak_count": (4, 8)}),
    "bare": Kind(radio={"end_scatterer": (0.01, 0.03), "coupling": 0.05, "floor_reflection": 0.0}),
    "noise": Kind(radio={"noise_scale": 5.0}),
    "tags off centre": Kind(radio={"phase_centre_sd_m": 0.012}),
    "uprights farther out": Kind(radio={"end_beyond_m": (0.02, 0.09)}),
    "longer shelves": Kind(layout=LayoutSettings(levels=4, bay_m=1.2, upright_m=0.05, level_pitch_m=0.4, clear_m=0.36)),
    "preset ordinary": Kind(World(speed_mps=0.1, passes=2), usual="ordinary"),
    "preset harsh": Kind(World(speed_mps=0.1, passes=2, trouble=1.0), usual="harsh"),
    "preset, strong metal": Kind(usual="ordinary", radio=STRONG, size=1.8),
    "large": Kind(size=7.0),
    "large, preset ordinary": Kind(World(speed_mps=0.1, passes=3), usual="ordinary", size=9.0),
    "far aisle": Kind(layout=LayoutSettings(aisle_m=2.4), standoff_m=1.5),
    "far aisle, easy": Kind(World(trouble=0.5), layout=LayoutSettings(aisle_m=2.4), standoff_m=1.5),
    "back and forth": Kind(World(back_and_forth=True)),
    "back and forth, clock exact": Kind(World(back_and_forth=True, latency_s=0.0)),
}  # fmt: skip
"""The libraries by name."""

FAR_METAL: Final = replace(SLIDE, end_metal=(0.2, 0.6), end_beyond_m=(0.2, 0.8))
#: End metal where, and as strong as, `SLIDE` had it formerly; all else is as it is now.
NEAR_METAL: Final = replace(SLIDE, end_metal=(0.5, 0.86), end_beyond_m=(0.04, 0.45), tag_answer_rad=-0.8)
NOISY: Final = replace(SLIDE, noise_scale=4.0, channel_phase_sd_rad=0.05)
WEAK_TAGS: Final = replace(SLIDE, tag_answer=(0.4, 0.8), tag_answer_sd_rad=0.6, tag_centre_sd_m=0.004)
ROWS: Final[Mapping[str, Rows]] = {
    "slide, 20 cm": Rows(0.20),
    "slide, 10 cm": Rows(0.10),
    "slide, 8 cm": Rows(0.08),
    "slide, 6 cm": Rows(0.06),
    "slide, 4 cm": Rows(0.04),
    "slide, 4 cm, 3 lines": Rows(0.04, lines=True),
    "slide, 5 cm, 16 tags": Rows(0.05, 16),
    "slide, 12 cm, 8 tags": Rows(0.12, 8),
    "slide, 8 cm, metal far out": Rows(0.08, 10, FAR_METAL),
    "slide, 6 cm, metal near": Rows(0.06, 8, NEAR_METAL),
    "slide, 8 cm, noise": Rows(0.08, 10, NOISY),
    "slide, 6 cm, weaker tags": Rows(0.06, 8, WEAK_TAGS),
}
"""The slide rows by name."""
DEPTHS_M: Final = (0.45, 0.9)


def record_library(kind: Kind, seed: int, folder: Path, *, books: int = BOOKS) -> Path:
    """Scan a library of a kind and return its recording's folder."""
    world = replace(kind.world, seed=seed, books=round(kind.size * books))
    exact = RobotDescription(
        mounts=mounts_of(world.antennas), sigma_xy_m=1e-9, sigma_yaw_rad=1e-9, pose_lag_s=0.0,
        standoff_m=kind.standoff_m,
    )  # fmt: skip
    made = make_library(world.books, seed=world.seed, robot=exact, layout=kind.layout)
    usual = preset(kind.usual) if kind.usual else library_of(world).radio
    path = night(world, replace(made, radio=replace(usual, **kind.radio)), 0, folder)
    if kind.stated != 1.0:
        recording = read_recording(path)
        stated = replace(recording, poses=_stating(recording.poses, kind.stated))
        path = write_recording(
            folder / "stated", stated, plan=recording.plan_path, holdings=recording.holdings_path
        )
    return path


def _stating(poses: Poses, share: float | None) -> Poses:
    if share is None:
        return replace(poses, sigma_xy_m=None, sigma_yaw_rad=None)
    assert poses.sigma_xy_m is not None and poses.sigma_yaw_rad is not None
    return replace(
        poses,
        sigma_xy_m=(poses.sigma_xy_m * share).astype(np.float32),
        sigma_yaw_rad=(poses.sigma_yaw_rad * share).astype(np.float32),
    )


def record_rows(rows: Rows, count: int, seed: int, folder: Path) -> tuple[Path, ...]:
    """Simulate ``count`` rows of a kind and return their recordings' folders."""
    depths = np.linspace(*DEPTHS_M, count).tolist()
    return tuple(_record_row(rows, depth, seed + n, folder / str(n)) for n, depth in enumerate(depths))


def _record_row(rows: Rows, depth_m: float, seed: int, folder: Path) -> Path:
    scan = (
        three_lines(min(depth_m, 0.77), seed, rows.laboratory or SLIDE, rows.pitch_m)
        if rows.lines
        else slide(rows.pitch_m, depth_m, seed, rows.laboratory, rows.tags)
    )
    recording, plan = to_recording(scan, folder.name, one_face=rows.lines)
    return write_recording(folder, recording, plan=plan.to_json())
