"""The agent in the simulated library: a reader over TCP, a base with odometry error, virtual time, a real broker."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recording import RunInfo, read_truth
from sim.library import load_library, make_library, save_library
from sim.readers.mercury import MercuryEmulator
from sim.world import World, serve
from tests.robot.simulated_night import calling, drive, served_world


def serve_mercury(folder: str) -> None:
    """Serve the library's world with a Mercury reader; a program of its own runs this."""

    async def work() -> None:
        world = World(load_library(folder))
        m6e = partial(MercuryEmulator, model="m6e")
        async with serve(world, reader=m6e) as addresses:
            print(addresses.line(), flush=True)
            await world.ended.wait()

    asyncio.run(work())


SERVED = {"llrp": ["-m", "nightstack", "sim", "world"], "mercury": calling(serve_mercury)}
OPTIONS = {"llrp": "", "mercury": "?region=CN&temperature=0"}


@pytest.fixture(params=sorted(SERVED))
def world(tmp_path: Path, request: pytest.FixtureRequest):
    library = make_library(150, 3)
    save_library(library, tmp_path / "library")
    with served_world(SERVED[request.param], tmp_path / "library") as line:
        assert line.startswith("listening "), line
        listening = dict(word.split("=", 1) for word in line.split()[1:])
        # Readers that do not speak LLRP are named by their whole URL.
        url = listening["reader"] if "://" in listening["reader"] else f"llrp://{listening['reader']}"
        yield library, listening["base"], url + OPTIONS[request.param]


def test_a_night_in_the_simulated_library(tmp_path: Path, world):
    library, base, url = world
    mounts = [replace(mount, reader="uhf") for mount in library.robot.mounts]
    seen, run_id = drive(tmp_path, base, {"uhf": url}, mounts, 0.4)
    assert len(RunInfo.from_json(seen.runs[run_id]).antennas) == len(library.robot.mounts)
    readings = seen.readings(run_id)
    truth = read_truth(tmp_path / "library" / "truth.parquet")
    assert truth.present is not None
    there = set(truth.epc[truth.present].tolist())
    heard = set(readings.tags)
    assert heard <= there
    assert len(heard) > 0.7 * len(there)
    # All of it in order in virtual time: every reading lies within the poses' span, almost all within the activity.
    poses = [batch.data for batch in seen.batches(run_id, "poses")]
    assert poses[0].t[0] - 10**9 < readings.t.min()
    assert readings.t.max() < poses[-1].t[-1] + 10**9
    spans = [batch.data for batch in seen.batches(run_id, "activity")]
    start, end = np.concatenate([s.t_start for s in spans]), np.concatenate([s.t_end for s in spans])
    mount = np.concatenate([s.antenna for s in spans])
    for one in np.unique(readings.antenna):
        t = readings.t[readings.antenna == one]
        a, b = np.sort(start[mount == one]), np.sort(end[mount == one])
        at = np.searchsorted(a, t, side="right") - 1
        assert np.mean((at >= 0) & (t < b[at])) > 0.95
    reasons = [kind for _, kind, _ in seen.events(run_id)]
    assert "reader_gone" not in reasons
    assert "base_gone" not in reasons
