"""How Nightstack's error grows when measured scans are spoiled in the ways that scans are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.measured import measured_folder, measured_sets, why_absent, wrongly_surveyed
from localization import localize
from localization.evaluate import evaluate, pool
from recording import Recording, read_recording, read_truth
from stacks.plan import read_plan

Spoil = Callable[[Recording], Recording]
SEED = 11
EVERY = 4  # of a group's recordings, so that the eleven spoilings take minutes rather than an hour
TWO_PI = np.float32(2 * np.pi)


def _keep(recording: Recording, mask: npt.NDArray[np.bool_]) -> Recording:
    return replace(recording, readings=recording.readings.select(mask))


def every_third_stop(recording: Recording) -> Recording:
    """Keep the readings of every third 2 cm of way."""
    at = recording.poses.at(recording.readings.t)
    steps = np.hypot(np.diff(at.x_m, prepend=at.x_m[:1]), np.diff(at.y_m, prepend=at.y_m[:1]))
    return _keep(recording, np.floor(np.cumsum(steps) / 0.02 + 0.5) % 3 == 0)


def thinned(recording: Recording, readings: int = 20) -> Recording:
    """Keep at most that many readings of each tag."""
    tag = recording.readings.tag
    order = np.random.default_rng(SEED).permutation(len(tag))
    order = order[np.argsort(tag[order], kind="stable")]
    starts = np.searchsorted(tag[order], tag[order])
    mask = np.zeros(len(tag), np.bool_)
    mask[order[np.arange(len(tag)) - starts < readings]] = True
    return _keep(recording, mask)


def _with_phase(recording: Recording, phase: npt.NDArray[np.float32]) -> Recording:
    return replace(recording, readings=replace(recording.readings, phase_rad=phase))


def noisy(recording: Recording, sigma_rad: float = 0.3) -> Recording:
    """Add Gaussian noise to every phase."""
    phase = recording.readings.phase_rad
    noise = np.random.default_rng(SEED).normal(0.0, sigma_rad, len(phase))
    turned = np.mod(phase + noise, 2 * np.pi).astype(np.float32)
    return _with_phase(recording, np.where(turned >= TWO_PI, np.float32(0.0), turned))


def flipped(recording: Recording) -> Recording:
    """Flip every phase by pi at random."""
    phase = recording.readings.phase_rad
    flips = np.random.default_rng(SEED).integers(0, 2, len(phase)) * np.pi
    turned = np.mod(phase + flips, 2 * np.pi).astype(np.float32)
    return _with_phase(recording, np.where(turned >= TWO_PI, np.float32(0.0), turned))


def half_without_phase(recording: Recording) -> Recording:
    """Drop every second phase."""
    gone = np.random.default_rng(SEED).random(len(recording.readings)) < 0.5
    return _with_phase(recording, np.where(gone, np.float32(np.nan), recording.readings.phase_rad))


def no_phase(recording: Recording) -> Recording:
    """Drop every phase."""
    return _with_phase(recording, np.full(len(recording.readings), np.nan, np.float32))


def one_channel(recording: Recording) -> Recording:
    """Keep the most used frequency."""
    khz, count = np.unique(recording.readings.frequency_khz, return_counts=True)
    return _keep(recording, recording.readings.frequency_khz == khz[np.argmax(count)])


def hopping(recording: Recording) -> Recording:
    """Keep one frequency at a time: another one of the recording's every 0.4 s of the clock (10 s on a slide)."""
    r = recording.readings
    khz, number = np.unique(r.frequency_khz, return_inverse=True)
    slot = (r.t - r.t[0]) // (10_000_000_000 if recording.info.robot_id == "rail" else 400_000_000)
    order = np.random.default_rng(SEED).integers(0, len(khz), int(slot.max()) + 1)
    return _keep(recording, number == order[slot])


def without_first_antenna(recording: Recording) -> Recording:
    """Drop the first of several antennas, and its mount."""
    mounts = recording.info.antennas
    if len(mounts) < 2:
        return recording
    kept = replace(recording, info=replace(recording.info, antennas=mounts[1:]))
    return _keep(kept, recording.readings.antenna != mounts[0].id)


def late_poses(recording: Recording, late_s: float = 0.3) -> Recording:
    """Shift the poses' clock, as an unsynchronised base does."""
    poses = recording.poses
    return replace(recording, poses=replace(poses, t=poses.t + int(late_s * 1e9)))


def rough_poses(recording: Recording) -> Recording:
    """Add 3 mm and 0.5 degrees of independent noise to every pose."""
    rng, poses = np.random.default_rng(SEED), recording.poses
    n = len(poses)
    return replace(
        recording,
        poses=replace(
            poses,
            x_m=poses.x_m + rng.normal(0, 0.003, n),
            y_m=poses.y_m + rng.normal(0, 0.003, n),
            yaw_rad=poses.yaw_rad + rng.normal(0, 0.009, n),
        ),
    )


SPOILS: Mapping[str, Spoil] = {
    "as measured": lambda recording: recording,
    "every third stop": every_third_stop,
    "20 readings a tag": thinned,
    "0.3 rad more noise": noisy,
    "flipped by pi": flipped,
    "half the phases": half_without_phase,
    "no phase at all": no_phase,
    "one channel": one_channel,
    "hopping": hopping,
    "one antenna less": without_first_antenna,
    "poses 0.3 s late": late_poses,
    "rough poses": rough_poses,
}


def main(console: Console | None = None) -> dict[str, Any]:
    """Print one table and return the figures."""
    console = console or wide_console()
    folder = measured_folder()
    if folder is None:
        console.print(f"robustness: {why_absent()}")
        return {}
    groups = {name: paths[::EVERY] for name, paths in measured_sets(folder).items()}
    table = Table(
        title="mean |error| in cm, order, share inside the 90 % interval",
        title_justify="left",
        box=box.SIMPLE,
    )
    for column in ("spoiled", *groups):
        table.add_column(column, no_wrap=True)
    figures: dict[str, Any] = {}
    for name, spoil in SPOILS.items():
        row = [name]
        figures[name] = {}
        for group, paths in groups.items():
            found = []
            for path in paths:
                truth, plan = read_truth(path), read_plan(path / "plan.json")
                positions = localize(spoil(read_recording(path, truth=False)), plan).positions
                found.append(evaluate(positions, truth, plan, wrongly_surveyed(truth), label=path.name))
            e = pool(found)
            figures[name][group] = e.to_json()
            row.append(
                f"{e.error.mean_cm:5.2f}  {e.order.right}/{e.order.pairs}  {100 * e.coverage_along:3.0f} %"
            )
        table.add_row(*row)
    console.print(table)
    return figures
