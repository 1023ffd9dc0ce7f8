"""HF (ISO 15693) libraries: ours against the midpoint of first and last read, centroids and a constant guess.

Books of 0.8 to 5 cm (median 2.3) on five levels, a loop of 0.3 by 0.2 m before each level, 5 cm from the spines, a
reader for each loop, 0.1 m/s, two passes, a pose that wanders by 1 cm and a clock that is 0.1 s late are ``ordinary``;
``easy`` and ``harsh`` have half and twice of each trouble.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from localization import localize
from localization.calibration import Calibration
from localization.evaluate import Evaluation, evaluate, pool
from localization.faces import Frames
from localization.hf_rounds import before_face
from localization.observations import Mounts
from localization.positions import Positions
from recording import Recording, read_recording
from sim.hf_presets import HF_PRESETS, HfParameters
from sim.hf_record import hf_library, hf_mounts, record_hf
from sim.library import make_library
from sim.robot import RobotDescription
from stacks.plan import Plan, read_plan

Floats = npt.NDArray[np.float64]
OURS = "Nightstack"
WIDTH = 142


@dataclass(frozen=True, slots=True)
class World:
    """A simulated HF library and its scan.

    Attributes
    ----------
    parameters : HfParameters
    trouble : float
        Factor on the pose's drift and the clock's error; 1 is ``ordinary``.
    books, passes : int
    seeds : tuple of int
        A library and scan for each.
    heights_m : tuple of float
        Antenna heights; empty: one before each level.
    """

    parameters: HfParameters
    trouble: float = 1.0
    books: int = 600
    passes: int = 2
    seeds: tuple[int, ...] = (7, 8, 9)
    heights_m: tuple[float, ...] = ()


ORDINARY: Final = HF_PRESETS["ordinary"]
WORLDS: Final[Mapping[str, World]] = {
    "easy": World(HF_PRESETS["easy"], 0.5),
    "ordinary": World(ORDINARY),
    "harsh": World(HF_PRESETS["harsh"], 2.0),
    "ordinary, one pass": World(ORDINARY, passes=1),
    "ordinary, all loops on one reader": World(replace(ORDINARY, readers=1)),
    "ordinary, three tall loops for five levels": World(
        replace(ORDINARY, height_m=0.5), heights_m=(0.39, 0.91, 1.42)
    ),
    "ordinary, figure-eight loops": World(replace(ORDINARY, figure_eight=True)),
}


def scan(world: World, seed: int, folder: Path) -> tuple[Recording, Plan]:
    """Make a library and its scan; the reader's stamps are late and the estimator is not told."""
    drift_m = 0.01 * world.trouble
    robot = RobotDescription(sigma_xy_m=drift_m, sigma_yaw_rad=drift_m / 2, pose_lag_s=0.0)
    library = hf_library(make_library(world.books, seed=seed, robot=robot))
    mounts = hf_mounts(library, world.parameters)
    if world.heights_m:
        mounts = tuple(
            replace(mount, position_m=(*mount.position_m[:2], z))
            for mount, z in zip(mounts, world.heights_m, strict=False)
        )
    out = record_hf(
        library, folder, passes=world.passes, parameters=world.parameters, seed=seed + 1000, mounts=mounts
    )
    recording = read_recording(out)
    late = round(0.1 * world.trouble * 1e9)
    activity = recording.activity
    assert activity is not None
    recording = replace(
        recording,
        readings=replace(recording.readings, t=recording.readings.t + late),
        activity=replace(activity, t_start=activity.t_start + late, t_end=activity.t_end + late),
    )
    return recording, read_plan(out / "plan.json")


def main(console: Console | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    console = console or Console(width=WIDTH)
    console.print(
        "|error| along the face in cm, less med.: less each face's median, mean; adjacent tags in right order, all and"
        " by true gap;\nright shelf; share of errors inside the 90 % interval, as they are and local.",
        soft_wrap=True,
    )
    figures: dict[str, Any] = {}
    for name, world in WORLDS.items():
        found: dict[str, list[Evaluation]] = {}
        reads: list[float] = []
        for seed in world.seeds:
            with tempfile.TemporaryDirectory() as folder:
                recording, plan = scan(world, seed, Path(folder) / "scan")
            assert recording.truth is not None
            reads.append(float(np.median(np.bincount(recording.readings.tag))))
            for method, locate in METHODS.items():
                positions = locate(replace(recording, truth=None), plan)
                label = f"{method} {seed}"
                found.setdefault(method, []).append(evaluate(positions, recording.truth, plan, label=label))
        pooled = {method: pool(parts, label=method) for method, parts in found.items()}
        title = (
            f"HF library, {name}: {len(world.seeds)} of {world.books} books, {np.mean(reads):.0f} reads a tag"
        )
        console.print(_table(title, pooled))
        figures[name] = {method: e.to_json() for method, e in pooled.items()}
    return figures


def _ours(recording: Recording, plan: Plan) -> Positions:
    return localize(recording, plan).positions


def _by(offset: Callable[[Floats, Floats], float]) -> Callable[[Recording, Plan], Positions]:
    """Return a method that places each tag by the antenna it answered most, from that antenna's places and RSSI.

    The places of each pass are put together on their own and then averaged, as the published method does.
    """

    def locate(recording: Recording, plan: Plan) -> Positions:
        readings, frames = recording.readings, Frames.of_plan(plan)
        mounts = Mounts.of(recording.info, Calibration(), 70.0)
        where, look = mounts.place(recording.poses.at(readings.t), readings.antenna)
        face, along = before_face(where, look, frames)
        rows = Positions.empty(len(readings.tags))
        rows.epc[:] = readings.tags
        order = np.argsort(readings.tag, kind="stable")
        starts = np.searchsorted(readings.tag[order], np.arange(len(readings.tags) + 1))
        for tag in range(len(readings.tags)):
            mine = order[starts[tag] : starts[tag + 1]]
            mine = mine[face[mine] >= 0]
            if not len(mine):
                continue
            f = int(np.bincount(face[mine]).argmax())
            antenna = int(np.bincount(readings.antenna[mine]).argmax())
            best = mine[(readings.antenna[mine] == antenna) & (face[mine] == f)]
            if not len(best):
                continue
            passes = np.cumsum(np.diff(readings.t[best], prepend=readings.t[best[0]]) > 8_000_000_000)
            power = 10.0 ** (readings.rssi_dbm[best].astype(np.float64) / 10.0)
            each = [offset(along[best[passes == n]], power[passes == n]) for n in np.unique(passes)]
            here = plan.faces[f]
            at = np.array([float(np.mean(each))])
            rows.x_m[tag], rows.y_m[tag] = (float(v[0]) for v in here.to_map(at, here.tag_depth_m))
            height = float(where[best[0], 2])
            rows.z_m[tag], rows.offset_m[tag], rows.face_id[tag] = height, at[0], here.id
            shelf = int(here.shelf_at(np.clip(at, 0.02, here.length_m - 0.02), np.array([height]))[0])
            rows.shelf_id[tag] = here.shelves[shelf].id if shelf >= 0 else None
        return rows

    return locate


def _middle(recording: Recording, plan: Plan) -> Positions:
    rows = _by(lambda along, _: float(along.mean()))(recording, plan)
    for tag in np.flatnonzero(rows.placed).tolist():
        face = plan.face(str(rows.face_id[tag]))
        at = np.array([face.length_m / 2])
        rows.x_m[tag], rows.y_m[tag] = (float(v[0]) for v in face.to_map(at, face.tag_depth_m))
    return rows


METHODS: Final[Mapping[str, Callable[[Recording, Plan], Positions]]] = {
    "constant guess": _middle,
    "RSSI centroid": _by(lambda along, power: float((along * power).sum() / power.sum())),
    "hit centroid": _by(lambda along, _: float(along.mean())),
    "midpoint of reads (BookBot)": _by(lambda along, _: 0.5 * float(along.min() + along.max())),
    OURS: _ours,
}
"""BookBot: Ehrenberg, A library-scanning robot, MIT 2009; the others as its simplest rivals."""


def _table(title: str, found: Mapping[str, Evaluation]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for column in (
        "mean", "median", "p90", "p99", "less med.", "order", "<1.5 cm", "1.5-3", ">3 cm", "shelf", "in 90 %", "local",
        "placed",
    ):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    for method, e in found.items():
        gaps = [f"{o.right / o.pairs:.3f}" if o.pairs else "" for o in (e.order, *e.order_by_gap.values())]
        row = [e.error.mean_cm, e.error.median_cm, e.error.p90_cm, e.error.p99_cm, e.local_error.mean_cm]
        shares = [e.shelf_accuracy, e.coverage_along, e.coverage_local]
        table.add_row(
            method,
            *[f"{v:.2f}" for v in row],
            *gaps,
            *["" if math.isnan(v) else f"{100 * v:.1f}" for v in shares],
            f"{e.placed}/{e.present}",
            style="bold" if method == OURS else None,
        )
    return table
