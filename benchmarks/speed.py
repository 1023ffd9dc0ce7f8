"""Tags a second from Parquet in to Parquet out on two cores, peak memory, where the time goes, and a scipy peer.

Runs on ``benchmarks.long_run`` at 200 readings a tag. Each measurement is a process of its own, held to two cores,
warmed by a small recording first so that neither imports nor loading compiled code count (both are told beside it).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.long_run import make_long_run
from benchmarks.speed_peer import Peer, scipy_peer

CORES: Final = 2
READINGS_PER_TAG: Final = 200
WARM_TAGS: Final = 400
#: Tags of each path's two run lengths.
LENGTHS: Final = {"fast": (20_000, 80_000), "joint": (10_000, 80_000), "whole": (2_000,)}
#: The best of so many runs is told: on a machine that others use as well, the others' share is not ours.
ATTEMPTS: Final = {"whole": 1, "joint": 2, "fast": 3}
TARGETS: Final = {"whole": 1_000, "joint": 1_000, "fast": 10_000}
MOST_GB: Final = 2.0
#: Floating-point operations of one (observation, hypothesis, offset) of ``kernels.profile_grid``: counted in its loop.
FLOPS: Final = 33


@dataclass(frozen=True, slots=True)
class Measured:
    """One path over one run."""

    path: str
    tags: int
    readings: int
    seconds: float
    start_s: float
    peak_gb: float
    cpu_s: float
    mean_cm: float
    p90_cm: float
    order: float
    shelf: float
    stages: dict[str, float]
    evaluations: dict[str, float]

    @property
    def tags_per_s(self) -> float:
        """Tags a second, Parquet to Parquet."""
        return self.tags / self.seconds

    @property
    def tags_per_s_of_cpu(self) -> float:
        """Tags a second if both cores were ours alone and never waited."""
        return CORES * self.tags / self.cpu_s


def main(console: Console | None = None) -> dict[str, Any]:
    """Print the tables and return the figures."""
    console = console or wide_console()
    figures: dict[str, Any] = {}
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make_long_run(root / "warm", WARM_TAGS, readings_per_tag=READINGS_PER_TAG, seed=9)
        for tags in sorted({tags for lengths in LENGTHS.values() for tags in lengths}):
            made = make_long_run(root / str(tags), tags, readings_per_tag=READINGS_PER_TAG)
            paths = [name for name, lengths in LENGTHS.items() if tags in lengths]
            measured.extend(best_of(made.path, path, root / "warm") for path in paths)
        smallest = root / str(min(LENGTHS["whole"]))
        peer = scipy_peer(smallest)
    console.print(_speeds(measured, peer))
    console.print(
        f"  scipy: one least squares a tag, told the face and the shelf, {peer.starts} starts, over {peer.tags} tags on"
        f" one core; its rate here is that times {CORES}. Mean error {peer.mean_cm:.2f} cm.\n",
        soft_wrap=True,
    )
    console.print(
        f"  The best of {ATTEMPTS['fast']} runs of the fast path, of {ATTEMPTS['joint']} of the joint one. By CPU: what"
        f" {CORES} cores would do that were never waited for, from the CPU seconds used.\n",
        soft_wrap=True,
    )
    peak = peak_flops()
    for path in LENGTHS:
        last = [m for m in measured if m.path == path][-1]
        console.print(_profile(last))
        console.print(_limit(last, peak), soft_wrap=True)
        figures[path] = [
            {name: getattr(m, name) for name in Measured.__slots__}
            | {"tags_per_s": m.tags_per_s, "tags_per_s_of_cpu": m.tags_per_s_of_cpu}
            for m in measured
            if m.path == path
        ]
    return figures | {
        "scipy": {name: getattr(peer, name) for name in Peer.__slots__},
        "peak_gflops_one_core": peak / 1e9,
    }


def best_of(folder: Path, path: str, warm: Path) -> Measured:
    """Return the fastest of a path's attempts."""
    return min((measure(folder, path, warm) for _ in range(ATTEMPTS[path])), key=lambda m: m.seconds)


def measure(folder: Path, path: str, warm: Path) -> Measured:
    """Localize a recording in a process of its own on two cores."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    code = f"import os; os.sched_setaffinity(0, {cores}); from benchmarks.speed_child import main; main()"
    environment = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parent.parent), *sys.path[1:]]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), path, str(warm), str(CORES)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"localizing {folder.name} by the {path} path failed: {done.stderr[-2000:]}")
    return Measured(path=path, **json.loads(done.stdout.splitlines()[-1]))


def _speeds(measured: list[Measured], peer: Peer) -> Table:
    table = Table(
        title=f"Parquet in to Parquet out, {CORES} cores, {READINGS_PER_TAG} readings a tag",
        title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0),
    )  # fmt: skip
    columns = (
        "path", "tags", "readings", "s", "tags/s", "by CPU", "aim", "x scipy", "peak GB", "start s",
        "mean cm", "p90 cm", "order", "shelf",
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    rate = CORES * peer.tags_per_s
    for m in measured:
        table.add_row(
            m.path, f"{m.tags:,}", f"{m.readings:,}", f"{m.seconds:.2f}", f"{m.tags_per_s:,.0f}",
            f"{m.tags_per_s_of_cpu:,.0f}", f"{TARGETS[m.path]:,}", f"{m.tags_per_s / rate:,.0f}",
            f"{m.peak_gb:.2f}", f"{m.start_s:.1f}",
            f"{m.mean_cm:.2f}", f"{m.p90_cm:.2f}", f"{100 * m.order:.1f}", f"{100 * m.shelf:.2f}",
        )  # fmt: skip
    table.add_row(
        "scipy", str(peer.tags), "", f"{peer.seconds:.2f}", f"{rate:,.1f}", "", "", "1", "", "",
        f"{peer.mean_cm:.2f}", "", "", "",
    )  # fmt: skip
    return table


def _profile(m: Measured) -> Table:
    table = Table(
        title=f"{m.path} path, {m.tags:,} tags: CPU seconds by stage, {m.cpu_s:.1f} in all over {CORES} cores",
        title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in ("stage", "CPU s", "us a tag", "share"):
        table.add_column(column, justify="right" if column != "stage" else "left", no_wrap=True)
    rest = m.cpu_s - sum(m.stages.values())
    for name, seconds in [*sorted(m.stages.items(), key=lambda item: -item[1]), ("the rest", rest)]:
        table.add_row(
            name, f"{seconds:.2f}", f"{1e6 * seconds / m.tags:.0f}", f"{100 * seconds / m.cpu_s:.1f} %"
        )
    return table


def _limit(m: Measured, peak: float) -> str:
    """Say how far the run is from the arithmetic of its grids alone."""
    grid = m.evaluations["phase grid"]
    operations = {"phase grid": grid * FLOPS} | {
        stage: count for stage, count in m.evaluations.items() if stage != "phase grid" and count
    }
    limit = sum(operations.values()) / peak
    lines = [
        f"{stage}: {count / 1e9:.0f} G operations, {count / peak:.2f} s at the limit, {m.stages[stage]:.2f} s taken"
        f" ({m.stages[stage] / max(count / peak, 1e-9):.1f} times)"
        for stage, count in operations.items()
    ]
    return (
        "  "
        + "; ".join(lines)
        + f". One core does {peak / 1e9:.0f} Gflop/s in single precision; all these together are {limit:.2f} s of it,"
        f" the run takes {m.cpu_s / max(limit, 1e-9):.1f} times that.\n"
    )


@nb.njit(cache=True, nogil=True, fastmath=True)
def _fused(values: npt.NDArray[np.float32], rounds: int) -> None:
    """Square and add in registers' reach: as many operations a second as the compiler gets out of one core."""
    n = len(values)
    for _ in range(rounds):
        for j in range(n):
            v = values[j]
            for _ in range(32):
                # A square cannot be folded with the next one, as a chain of factors can.
                v = v * v - np.float32(1.25)
            values[j] = v


def peak_flops() -> float:
    """Return the floating-point operations a second of one core in single precision, measured, best of five."""
    values = np.full(256, 0.3, np.float32)
    _fused(values, 1)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        _fused(values, 40_000)
        best = max(best, 40_000 * 256 * 64 / (time.perf_counter() - began))
    return best
