"""Virtual time without answers: the world goes on when the client has read, and not before."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from reader_drivers import ReaderSettings, open_reader
from reader_drivers.mercury.codec import Op, Search, request
from recording import Readings
from sim.readers import taken
from sim.readers.clock import ReaderClock
from sim.readers.mercury import MercuryEmulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Loop
from tests.reader_drivers.serial_harness import serving

T0 = 1_750_000_000_000_000_000

pytestmark = pytest.mark.skipif(not taken.can_tell(), reason="needs Linux's list of sockets")


@contextmanager
def apart(world: SmallWorld, clock: ReaderClock) -> Iterator[MercuryEmulator]:
    """Serve an emulator until the block ends, on a loop that nobody else has."""
    made: list[MercuryEmulator] = []
    started, stop = threading.Event(), threading.Event()

    async def work() -> None:
        async with MercuryEmulator(world, model="m6e", clock=clock, phase_sign=-1) as emulator:
            made.append(emulator)
            started.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    server = threading.Thread(target=lambda: asyncio.run(work()))
    server.start()
    try:
        assert started.wait(10)
        yield made[0]
    finally:
        stop.set()
        server.join(10)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_slice_follows_before_the_client_has_read(host: str) -> None:
    async def work() -> None:
        world = SmallWorld(1, virtual=True, t0_ns=T0, slice_s=0.5)
        world.keep = True
        async with MercuryEmulator(world, f"[{host}]:0" if ":" in host else f"{host}:0") as emulator:
            reader, writer = await asyncio.open_connection(host, int(emulator.address.rpartition(":")[2]))
            # Read by hand, so that nothing is taken from the socket without our doing.
            transport = writer.transport
            for frame in (request(Op.SET_REGION, b"\x06"), request(Op.SET_PROTOCOL, b"\x00\x05")):
                writer.write(frame)
                await reader.readexactly(7)
            transport.pause_reading()
            writer.write(Search(0x7F).start())
            while not world.produced:
                await asyncio.sleep(0.001)
            for _ in range(5):
                count = len(world.produced)
                for _ in range(50):
                    await asyncio.sleep(0.001)
                    assert len(world.produced) == count
                sock = transport.get_extra_info("socket")
                taken = 0
                while len(world.produced) == count:
                    with_bytes = await asyncio.get_running_loop().run_in_executor(None, _drain, sock.fileno())
                    taken += with_bytes
                    await asyncio.sleep(0.001)
                assert taken > 0
            writer.close()

    asyncio.run(work())


def _drain(fd: int) -> int:
    try:
        return len(os.read(fd, 1 << 16))
    except BlockingIOError:
        return 0


def test_the_queues_of_a_socket_are_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        far, _ = server.accept()
        ends = client.getsockname(), client.getpeername()
        sent = 0
        for count in (1, 70_000):
            far.sendall(bytes(count))
            sent += count
            while (told := taken.queues(socket.AF_INET, *ends)) is None or told[0] < sent:
                pass
            assert told == (sent, count)
            read = 0
            while read < count:
                read += len(client.recv(1 << 20))
                assert taken.queues(socket.AF_INET, *ends) == (sent, count - read)
        far.close()
    assert taken.queues(socket.AF_INET, ("127.0.0.1", 1), ("127.0.0.1", 2)) is None


def test_virtual_time_is_not_offered_where_it_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="virtual time needs a TCP port"):
        MercuryEmulator(SmallWorld(1, virtual=True), "pty")


def test_a_reader_that_nobody_is_connected_to_holds_up_nothing(loop: Loop) -> None:
    world = SmallWorld(2, virtual=True, t0_ns=T0)
    world.keep = True
    with serving(loop, lambda: MercuryEmulator(world)) as emulator:
        reader = open_reader(f"{emulator.url}?region=CN", clock=world.true_time_ns)
        reader.connect()
        reader.start()
        loop.call(emulator.wire.cut)
        count = len(world.produced)
        # It reads on, as a module does of which the cable was pulled.
        while len(world.produced) < count + 50:
            reader.read(0.01)
        reader.close()


def test_the_driver_reads_a_virtual_night_whole_and_in_virtual_time() -> None:
    """Five minutes of reads in seconds: every one delivered once, stamped in virtual time to 5 ms."""
    world = SmallWorld(4, virtual=True, t0_ns=T0, slice_s=0.1, reads_per_s=100, last_ns=300_000_000_000)
    world.keep = True
    clock = ReaderClock(drift_ppm=214.0, epoch_ns=T0)
    parts: list[Readings] = []
    kinds: list[str] = []
    with (
        apart(world, clock) as emulator,
        open_reader(
            f"{emulator.url}?phase_sign=-1&region=CN&temperature=0", clock=world.true_time_ns
        ) as reader,
    ):
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 2)))
        while emulator.running:
            batch = reader.read(0.2)
            parts.append(batch.readings)
            kinds += [event.kind for event in batch.events]
        reader.stop()
        parts.append(reader.read(0).readings)
    readings = Readings.concat(parts)
    true = {
        name: np.concatenate([getattr(part, name) for part in world.produced])
        for name in ("t_ns", "tag", "port", "rssi_dbm")
    }
    strong = np.rint(true["rssi_dbm"]) >= emulator.weakest_dbm
    true = {name: column[strong][-len(readings) :] for name, column in true.items()}
    assert len(readings) == len(true["tag"]) > 10_000
    # The first slice may come with the answer to the start.
    assert strong.sum() - len(readings) < 40
    assert np.array_equal(readings.antenna, true["port"])
    assert [bytes.fromhex(epc) for epc in readings.epc] == [world.tags[i] for i in true["tag"]]
    error_ms = np.abs(readings.t - true["t_ns"]) / 1e6
    assert np.quantile(error_ms, 0.99) < 5
    assert kinds == []
