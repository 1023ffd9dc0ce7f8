"""Speed, memory and size of a recording folder: ``python -m tests.recording.folder_rate [READINGS]``.

Readings of many tags are written row group by row group, as a service does that cannot hold a run in memory, and read
back, checked, each in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recording import AntennaMount, Poses, Readings, RecordingWriter, RunInfo, read_recording

TAGS, GROUP = 100_000, 100_000
START_NS = 1_790_000_000_000_000_000


def write(folder: Path, readings: int) -> None:
    """Write a recording of four antennas, 300 readings a second."""
    rng = np.random.default_rng(1)
    tags = tuple(f"{n:024X}" for n in rng.permutation(1 << 24)[:TAGS])
    mounts = tuple(AntennaMount(n, "uhf", n, "gen2", (0.0, 0.0, 0.4 * n), (-90.0, 0.0)) for n in range(1, 5))
    info = RunInfo("rate", "site", datetime.fromtimestamp(START_NS // 10**9, UTC), "robot-1", mounts)
    writer = RecordingWriter(folder, info)
    for begin in range(0, readings, GROUP):
        n = min(GROUP, readings - begin)
        writer.readings(
            Readings(
                t=START_NS + np.arange(begin, begin + n) * 3_333_333 + rng.integers(0, 3_000_000, n),
                tag=rng.integers(0, TAGS, n).astype(np.uint32),
                tags=tags,
                antenna=rng.integers(1, 5, n).astype(np.uint8),
                frequency_khz=(920_625 + 250 * rng.integers(0, 16, n)).astype(np.uint32),
                rssi_dbm=(rng.integers(-140, -80, n) / 2).astype(np.float32),
                phase_rad=(rng.integers(0, 4096, n) * (2 * np.pi / 4096)).astype(np.float32),
            )
        )
    t = np.arange(START_NS, START_NS + readings * 3_333_333, 10**9, dtype=np.int64)
    writer.poses(Poses(t=t, x_m=np.zeros(len(t)), y_m=np.zeros(len(t)), yaw_rad=np.zeros(len(t))))
    writer.close()


def read(folder: Path, readings: int) -> None:
    """Read it, and see that nothing is lost."""
    assert len(read_recording(folder).readings) == readings


def main() -> None:
    """Print seconds, peak memory and bytes a reading."""
    readings = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "recording"
        for step in (write, read):
            seconds, peak_gb = _apart(step, folder, readings)
            print(
                f"{step.__name__:6} {readings} readings of {TAGS} tags: {seconds:.1f} s, at most {peak_gb:.2f} GB"
            )
        print(f"{(folder / 'readings.parquet').stat().st_size / readings:.1f} bytes a reading")


def _apart(step: Callable[[Path, int], None], folder: Path, readings: int) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(step, folder, readings, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def _measured(step: Callable[[Path, int], None], folder: Path, readings: int, pipe) -> None:
    begin = time.perf_counter()
    step(folder, readings)
    seconds = time.perf_counter() - begin
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))


if __name__ == "__main__":
    main()
