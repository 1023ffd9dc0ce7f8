"""A night of a robot with three makes of reader: LLRP and Mercury for UHF tags, FEIG for HF tags."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recording import RunInfo, read_truth
from reports.tag_contents import contents_of
from sim.hf_presets import hf_preset
from sim.hf_radio import is_uid
from sim.hf_record import hf_library, hf_mounts
from sim.library import load_library, make_library
from sim.readers.mercury import MercuryEmulator
from sim.world import World, serve
from stacks.tag_data import SecurityPolicy
from tests.robot.simulated_night import calling, drive, served_world

HF = replace(hf_preset("ordinary"), readers=1)


def mounts_of(library):
    """UHF antennas in turn on a reader of either make, and all HF antennas on one."""
    makes = ("llrp", "mercury")
    uhf = tuple(
        replace(mount, reader=makes[n % 2], port=n // 2 + 1) for n, mount in enumerate(library.robot.mounts)
    )
    return (*uhf, *hf_mounts(library, HF))


def serve_it(folder):
    """Serve the library's world with the three readers; a program of its own runs this."""

    async def work():
        library = load_library(folder)
        world = World(library, mounts_of(library), hf=HF)
        mercury = {"mercury": lambda source, listen: MercuryEmulator(source, listen, model="m6e")}
        async with serve(world, readers=mercury) as addresses:
            print(json.dumps({"base": addresses.base, **addresses.urls}), flush=True)
            await world.ended.wait()

    asyncio.run(work())


@pytest.fixture
def world(tmp_path):
    library = hf_library(make_library(150, 3), 0.5)
    library.save(tmp_path / "library")
    with served_world(calling(serve_it), tmp_path / "library") as line:
        yield library, json.loads(line)


def test_a_mixed_robot_completes_a_night(tmp_path: Path, world):
    library, urls = world
    mounts = mounts_of(library)
    options = {"mercury": "?region=CN&temperature=0", "hf1": "&memory=1"}
    names = dict.fromkeys(mount.reader for mount in mounts)
    readers = {name: urls[name] + options.get(name, "") for name in names}
    seen, run_id = drive(tmp_path, urls["base"], readers, mounts, 0.1)
    air = {mount.id: mount.air for mount in RunInfo.from_json(seen.runs[run_id]).antennas}
    assert sorted(set(air.values())) == ["gen2", "iso15693"]

    readings = seen.readings(run_id)
    of_reader = {m.id: m.reader for m in mounts}
    counts = dict.fromkeys(("llrp", "mercury", "hf1"), 0)
    for antenna, n in zip(*np.unique(readings.antenna, return_counts=True), strict=True):
        counts[of_reader[int(antenna)]] += int(n)
    assert min(counts.values()) > 200, counts
    hf = np.array([is_uid(tag) for tag in readings.tags])[readings.tag]
    assert np.all(hf == np.isin(readings.antenna, [m.id for m in mounts if m.air == "iso15693"]))
    # LLRP and HF: no phase or a whole one; the module's is half a turn.
    module = np.isin(readings.antenna, [m.id for m in mounts if m.reader == "mercury"])
    assert np.isnan(readings.phase_rad[hf]).all() and readings.phase_rad[module].max() < np.pi + 0.01

    truth = read_truth(tmp_path / "library" / "truth.parquet")
    there = set(truth.epc[truth.present].tolist())
    heard = set(readings.tags)
    assert heard <= there
    for kind in (True, False):
        of_kind = {epc for epc in there if is_uid(epc) == kind}
        assert len(heard & of_kind) > 0.6 * len(of_kind)

    # What was read of HF tags came along, and says which books they are.
    (memories, *more) = [batch.data for batch in seen.batches(run_id, "tags")]
    said = {
        epc: c.item_id for part in (memories, *more) for epc, c in contents_of(part, SecurityPolicy()).items()
    }
    barcode = {h.epc: h.barcode for h in library.holdings}
    assert len(said) > 20 and all(said[epc] == barcode[epc] for epc in said)
