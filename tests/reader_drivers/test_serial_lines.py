"""What drivers of framed bytes share: frames in pieces, readers that are silent when they are stopped."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.framing import Framer, Frames
from reader_drivers.mercury.codec import REPLIES, Op, reply
from reader_drivers.serial_client import QUIET_S, SerialClient
from reader_drivers.targets import TcpTarget
from reader_drivers.transport import TcpTransport, Wake
from sim.readers.emulators import emulator_of, small_world
from sim.readers.mercury import MercuryEmulator
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.mercury_harness import URL, enough, world
from tests.reader_drivers.serial_harness import FAST, serving

FRAME = reply(Op.VERSION, 0, bytes(20))


class Told:
    """What a client told."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.garbage = 0

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        assert len(t) == len(frames)
        self.frames += frames

    def on_noise(self, garbage: int, wrong: int) -> None:
        self.garbage += garbage + wrong


@contextmanager
def line(told: Told) -> Iterator[tuple[SerialClient, socket.socket, Wake]]:
    Framer(REPLIES).feed(b"\0")  # compiled now, not between two pieces
    wake = Wake()
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = TcpTarget("127.0.0.1", server.getsockname()[1])
        client = SerialClient(TcpTransport("there", target, 5.0, wake), REPLIES, told, time.time_ns, 5.0)
        far, _ = server.accept()
        with far:
            yield client, far, wake
    client.close()
    wake.close()


@pytest.mark.parametrize("why", ["woken", "no time"])
def test_a_wait_that_ends_early_does_not_tear_a_frame(why: str) -> None:
    told = Told()
    with line(told) as (client, far, wake):
        far.sendall(FRAME[:10])
        assert client.pump(1.0)
        if why == "woken":
            wake.set()
        assert not client.pump(1.0 if why == "woken" else 0.0)
        far.sendall(FRAME[10:])
        assert client.pump(1.0)
    assert (told.frames, told.garbage) == ([FRAME], 0)


def test_a_frame_that_stays_torn_does_not_hold_back_the_next() -> None:
    told = Told()
    with line(told) as (client, far, _):
        far.sendall(b"\xff\x80" + FRAME)
        assert client.pump(1.0)
        began = time.monotonic()
        while not told.frames:
            client.pump(1.0)
        assert QUIET_S * 0.8 < time.monotonic() - began < 0.9
    assert (told.frames, told.garbage) == ([FRAME], 2)


@pytest.mark.parametrize("protocol", ["mercury", "m100", "r2000", "uhfreader18"])
def test_starting_a_reader_that_reads_sets_it_anew(loop: Loop, protocol: str) -> None:
    make, region = emulator_of(protocol), "&region=CN" if protocol == "mercury" else ""
    with (
        serving(loop, lambda: make(small_world(protocol, 1, 50), "127.0.0.1:0")) as emulator,
        open_reader(f"{emulator.url}?{FAST}{region}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(enough(20))
        reader.start(ReaderSettings(power_dbm=20.0))
        heard.batches.append(reader.read(0))
        heard.until(enough(len(heard.readings) + 20))
        assert "reader_gone" not in heard.kinds
        asked = emulator.source.inventory
        assert asked is not None and set(asked.power_dbm) == {20.0}


def test_what_was_heard_of_a_reader_that_is_silent_when_stopped_is_handed_out(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world(), model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL.replace('timeout=2', 'timeout=0.6')}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(enough(50))
        loop.call(emulator.go_silent)
        silent = time.time_ns()
        reader.stop()
        heard.until(lambda h: "reader_gone" in h.kinds)
        # It is not claimed to have listened while nothing was heard of it.
        assert max(int(part.t_end.max()) for part in heard.activity) < silent + 300_000_000
        # And it is not started again when it is back.
        loop.call(lambda: emulator.go_silent(False))
        heard.until(lambda h: "reader_back" in h.kinds)
        assert not emulator.running


@pytest.mark.parametrize("option", ["power=nan", "power=inf", "port_power=1:nan"])
def test_a_power_that_is_no_number_is_refused(option: str) -> None:
    with pytest.raises(ReaderError, match=r"option .*power cannot be"):
        open_reader(f"mercury://reader:4001?{option}")
