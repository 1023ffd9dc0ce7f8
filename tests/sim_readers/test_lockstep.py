"""Virtual time: the world goes on when the client has acknowledged, and not before."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np

from reader_drivers import ReaderSettings, open_reader
from reader_drivers.llrp.codec import message, parameter
from recording import Readings
from sim.readers.clock import ReaderClock
from sim.readers.llrp import LlrpEmulator
from sim.readers.small_world import SmallWorld
from tests.sim_readers.client import Client, rospec

T0 = 1_750_000_000_000_000_000


def test_no_slice_follows_before_the_answer(run: Any) -> None:
    async def work() -> None:
        world = SmallWorld(1, virtual=True, t0_ns=T0)
        world.keep = True
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            client.acknowledge = False
            await client.expect("SET_READER_CONFIG", parameter("KeepaliveSpec", trigger=1, period_ms=60_000))
            await client.expect("ADD_ROSPEC", rospec(antenna_id=1, first_seen=1))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            for n in range(1, 30):
                keepalive = await client.until("KEEPALIVE")
                assert len(world.produced) == n
                # Every report of the slice came before its keepalive.
                assert sum(len(part) for part in client.reports) == sum(len(part) for part in world.produced)
                await asyncio.sleep(0)
                assert len(world.produced) == n
                await client.send(message("KEEPALIVE_ACK", keepalive.id))

    run(work())


def test_without_keepalives_the_world_runs_free(run: Any) -> None:
    async def work() -> None:
        world = SmallWorld(1, virtual=True, t0_ns=T0, last_ns=5_000_000_000)
        world.keep = True
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("ADD_ROSPEC", rospec(antenna_id=1))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            await client.reads(500)
        assert len(world.produced) > 20

    run(work())


def test_the_driver_reads_a_virtual_night_whole_and_in_virtual_time() -> None:
    """Ten minutes of reads in seconds: every one delivered once, stamped in virtual time to 5 ms."""
    world = SmallWorld(4, virtual=True, t0_ns=T0, slice_s=0.1, reads_per_s=100, last_ns=600_000_000_000)
    world.keep = True
    clock = ReaderClock(offset_s=-1800.0, drift_ppm=150.0, epoch_ns=T0)
    started, stop = threading.Event(), threading.Event()
    urls: list[str] = []

    def serve() -> None:
        async def work() -> None:
            async with LlrpEmulator(world, clock=clock, phase_sign=-1) as emulator:
                urls.append(emulator.url)
                started.set()
                while not stop.is_set():
                    await asyncio.sleep(0.02)

        asyncio.run(work())

    server = threading.Thread(target=serve)
    server.start()
    assert started.wait(10)
    parts: list[Readings] = []
    kinds: list[str] = []
    try:
        # The host's clock is the world's, as an agent that takes its time from the simulated base has it.
        with open_reader(f"{urls[0]}?phase_sign=-1&keepalive=30", clock=world.true_time_ns) as reader:
            reader.connect()
            reader.start(ReaderSettings(ports=(1, 2)))
            while "reader_exception" not in kinds:
                batch = reader.read(5)
                parts.append(batch.readings)
                kinds += [event.kind for event in batch.events]
    finally:
        stop.set()
        server.join(10)
    readings = Readings.concat(parts)
    true = {
        name: np.concatenate([getattr(part, name) for part in world.produced])
        for name in ("t_ns", "tag", "port", "phase_rad")
    }
    assert len(readings) == len(true["t_ns"]) > 20_000
    assert np.array_equal(readings.antenna, true["port"])
    assert [bytes.fromhex(epc) for epc in readings.epc] == [world.tags[i] for i in true["tag"]]
    turn = np.angle(np.exp(1j * (readings.phase_rad - true["phase_rad"].astype(np.float64))))
    assert np.abs(turn).max() < 1e-3
    error_ms = np.abs(readings.t - true["t_ns"]) / 1e6
    assert np.quantile(error_ms, 0.99) < 5
    assert set(kinds) <= {"reader_exception", "clock_drift"}
