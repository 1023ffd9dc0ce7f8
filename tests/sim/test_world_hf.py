"""A robot with HF and UHF antennas in a simulated world: two protocols, one virtual time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from localization import localize
from localization.evaluate import evaluate
from reader_drivers import ReaderBatch, open_reader
from recording import Activity, AntennaMount, Poses, Readings, Recording, RunInfo
from robot.base_link import PoseReport
from sim.errors import SimError
from sim.hf_presets import hf_preset
from sim.hf_radio import is_uid
from sim.hf_record import hf_library, hf_mounts
from sim.library import Library, make_library
from sim.library_folder import truth_of
from sim.record import START_NS
from sim.world import World, serve
from tests.sim.test_world import BaseClient


@pytest.fixture(scope="module")
def mixed() -> Library:
    return hf_library(make_library(60, seed=5), 0.6)


class Client:
    """One of our drivers in a thread, its clock the newest base report."""

    def __init__(self, url: str, clock: list[int]) -> None:
        self.reader = open_reader(url, clock=lambda: clock[0])
        self.batches: list[ReaderBatch] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.reader.connect()
        self.reader.start()
        self._thread.start()

    def _run(self) -> None:
        while not self._done.is_set():
            self.batches.append(self.reader.read(0.05))

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        self.reader.stop()
        self.batches.append(self.reader.read(0.0))
        self.reader.close()

    @property
    def readings(self) -> Readings:
        return Readings.concat([batch.readings for batch in self.batches])


async def along_the_first_face(
    world: World, options: dict[str, str], speed_mps: float
) -> tuple[dict[str, Client], list[PoseReport]]:
    clock = [0]
    async with serve(world) as addresses, BaseClient(addresses.base) as base:

        async def step(v_mps: float) -> None:
            clock[0] = (await base.next_report()).t_us * 1000
            base.answer(v_mps)

        await step(0.0)
        clients = {name: Client(url + options.get(name, ""), clock) for name, url in addresses.urls.items()}
        starting = [asyncio.create_task(asyncio.to_thread(client.start)) for client in clients.values()]
        while not all(task.done() for task in starting):
            await step(0.0)
        for task in starting:
            task.result()
        long_m = world.library.faces()[0].length_m + 1.2
        for _ in range(round(long_m / speed_mps / 0.05)):
            await step(speed_mps)
        stopping = [asyncio.create_task(asyncio.to_thread(client.stop)) for client in clients.values()]
        while not all(task.done() for task in stopping):
            await step(0.0)
    return clients, base.reports


async def test_a_mixed_robot_scans_a_face_in_virtual_time(mixed: Library) -> None:
    parameters = hf_preset("ordinary")
    near = hf_mounts(mixed, parameters)
    world = World(mixed, (*mixed.robot.mounts, *near), seed=3, hf=parameters)
    clients, reports = await along_the_first_face(world, {mount.reader: "?memory=1" for mount in near}, 0.2)
    hf = {name: client for name, client in clients.items() if name.startswith("hf")}
    assert len(hf) == len({mount.reader for mount in near})
    events = [event.kind for client in hf.values() for event in client.batches for event in event.events]
    assert events == []
    uhf = clients["uhf"].readings
    assert len(uhf) > 100 and not any(is_uid(tag) for tag in uhf.tags)

    parts: list[Readings] = []
    spans: list[Activity] = []
    for name, client in hf.items():
        mount = next(m.id for m in near if m.reader == name)
        readings = client.readings
        assert all(is_uid(tag) for tag in readings.tags)
        parts.append(replace(readings, antenna=np.full(len(readings), mount, np.uint8)))
        spans += [
            replace(batch.activity, antenna=np.full(len(batch.activity), mount, np.uint8))
            for batch in client.batches
            if batch.activity is not None
        ]
    readings = Readings.concat(parts).sorted()
    activity = Activity(
        **{name: np.concatenate([getattr(span, name) for span in spans]) for name, _ in spans[0].columns()}
    )
    assert activity.rounds.sum() > 100
    # Every reading lies in a poll of its antenna.
    for antenna in np.unique(readings.antenna):
        mine = activity.antenna == antenna
        order = np.argsort(activity.t_start[mine])
        begin, end = activity.t_start[mine][order], activity.t_end[mine][order]
        t = readings.t[readings.antenna == antenna]
        row = np.searchsorted(begin, t, side="right") - 1
        assert np.all((row >= 0) & (t <= end[row]))

    memories = [data for client in hf.values() for batch in client.batches for data in batch.tags]
    barcode = {h.epc: h.barcode for h in mixed.holdings}
    names, often = np.unique(readings.epc, return_counts=True)
    assert {data.epc for data in memories} >= set(names[often > 4].tolist())
    assert len(memories) == len({data.epc for data in memories}) >= 25
    for data in memories:
        assert data.memory[3:19].rstrip(b"\0").decode() == barcode[data.epc]
        assert (data.dsfid, data.block_bytes, len(data.memory)) == (0x3E, 4, 112)

    # What the drivers hand out is good enough to place the books by.
    recording = Recording(
        info=RunInfo("night", "site", datetime(2026, 3, 1, tzinfo=UTC), "robot", near),
        readings=readings,
        poses=_poses(reports),
        activity=activity,
        events=None,
        truth=None,
        path=None,
        plan_path=None,
        holdings_path=None,
        notes=(),
        not_scanned=(),
        odometry=None,
        sightings=None,
    )
    found = evaluate(localize(recording, mixed.plan).positions, truth_of(mixed), mixed.plan)
    assert found.placed >= 10
    assert found.error.median_cm < 5


def _poses(reports: list[PoseReport]) -> Poses:
    columns = np.array([(r.x_m, r.y_m, r.yaw_rad, r.sigma_xy_m, r.sigma_yaw_rad) for r in reports])
    return Poses(
        t=np.array([r.t_us * 1000 for r in reports], np.int64),
        x_m=columns[:, 0],
        y_m=columns[:, 1],
        yaw_rad=columns[:, 2],
        sigma_xy_m=columns[:, 3].astype(np.float32),
        sigma_yaw_rad=columns[:, 4].astype(np.float32),
        mast_z_m=None,
        floor_id=None,
    )


def test_a_reader_has_antennas_of_one_air_only(mixed: Library) -> None:
    near = hf_mounts(mixed, hf_preset("ordinary"))
    wrong: AntennaMount = replace(near[0], reader=mixed.robot.mounts[0].reader)
    with pytest.raises(SimError, match="antennas of two airs"):
        World(mixed, (*mixed.robot.mounts, wrong), started_ns=START_NS)


def test_a_library_with_hf_tags_is_served_as_a_program(tmp_path: Path) -> None:
    hf_library(make_library(40, seed=6)).save(tmp_path)
    code = "import sys; from sim.world import serve_world; serve_world(sys.argv[1], seed=2, real_time=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as program:
        assert program.stdout is not None
        word, *parts = program.stdout.readline().split()
        urls = dict(part.split("=", 1) for part in parts)
        assert word == "listening"
        assert set(urls) == {"reader", "reader.hf2", "reader.hf3", "reader.hf4", "reader.hf5", "base"}
        with open_reader(urls["reader.hf2"]) as reader:
            assert reader.connect().air == "iso15693"
            reader.start()
            polled = 0
            while polled < 5:
                spans = reader.read(1.0).activity
                polled += 0 if spans is None else int(spans.rounds.sum())
            reader.stop()
        program.terminate()
        assert program.wait(10) == 0
