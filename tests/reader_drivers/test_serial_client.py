"""Frames that arrive in pieces: none is lost for want of patience, and each has the time at which it came."""

from __future__ import annotations

import os
import socket
import time
import tty
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from reader_drivers.framing import Framer, Frames
from reader_drivers.m100.codec import FRAMES, encode_notice
from reader_drivers.serial_client import QUIET_S, SerialClient
from reader_drivers.targets import SerialTarget, Target, TcpTarget
from reader_drivers.transport import Wake, open_transport

FRAME = encode_notice(-50, 0x3000, bytes(12), 0)
LONG = bytes.fromhex("BB 02 22 01 11")
"""What looks like the beginning of a frame of 280 bytes."""


class Line:
    """A client on a pty or a socket, and what it told."""

    def __init__(self, kind: str) -> None:
        Framer(FRAMES).feed(b"\0")  # compiled
        self.wake = Wake()
        self.now = 0
        self.frames: list[bytes] = []
        self.t: list[int] = []
        self.garbage = 0
        if kind == "pty":
            self.far, near = os.openpty()
            tty.setraw(self.far)
            tty.setraw(near)
            self.client = self._open(SerialTarget(os.ttyname(near), 115_200))
            os.close(near)
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                self.client = self._open(TcpTarget("127.0.0.1", server.getsockname()[1]))
                self.far = server.accept()[0].detach()

    def _open(self, target: Target) -> SerialClient:
        transport = open_transport("here", target, 5.0, self.wake)
        return SerialClient(transport, FRAMES, self, lambda: self.now, 1.0)

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        self.frames += list(frames)
        self.t += t.tolist()

    def on_noise(self, garbage: int, wrong: int) -> None:
        self.garbage += garbage

    def send(self, data: bytes) -> None:
        os.write(self.far, data)
        assert self.client.pump(60.0)


@pytest.fixture(params=["pty", "tcp"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    made = Line(request.param)
    yield made
    made.client.close()
    made.wake.close()
    os.close(made.far)


@pytest.mark.parametrize("why", ["woken", "no time"])
def test_half_a_frame_outlives_a_wait_that_is_cut_short(
    line: Line, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reader_drivers.serial_client.QUIET_S", 60.0)  # however slow this machine is
    for piece in (FRAME[:5], FRAME[5:10]):
        line.send(piece)
        if why == "woken":
            line.wake.set()
        assert not line.client.pump(30.0 if why == "woken" else 0.0)
    line.send(FRAME[10:])
    assert (line.frames, line.garbage) == ([FRAME], 0)


@pytest.mark.parametrize(
    ("torn", "garbage"), [(FRAME[:10], 10), (LONG + FRAME, len(LONG))], ids=["alone", "before another"]
)
def test_a_frame_that_will_not_become_whole_is_given_up_after_a_while(
    line: Line, torn: bytes, garbage: int
) -> None:
    line.send(FRAME[:5] + FRAME)
    assert (line.frames, line.garbage) == ([FRAME], 5)
    began = time.monotonic()
    line.send(torn)
    assert (line.frames, line.garbage) == ([FRAME], 5)
    assert not line.client.pump(60.0)
    assert QUIET_S / 2 < time.monotonic() - began < 30
    assert (line.frames, line.garbage) == ([FRAME] * (2 if FRAME in torn else 1), 5 + garbage)


def test_frames_held_back_by_garbage_have_the_times_at_which_they_came(line: Line) -> None:
    line.send(LONG)
    for k in range(1, 21):
        line.now = k * 1_000_000_000
        line.send(FRAME)
    assert line.frames == [FRAME] * 20
    assert line.t == [k * 1_000_000_000 for k in range(1, 21)]


def test_pieces_of_any_size_have_the_time_of_their_last_byte(line: Line) -> None:
    stream, byte_ns = FRAME * 6, line.client.transport.byte_s * 1e9
    for at in range(0, len(stream), 7):
        line.now = (at + 7) * 1_000_000
        line.send(stream[at : at + 7])
    ends = np.arange(1, 7) * len(FRAME)
    pieces = -(-ends // 7) * 7
    behind = np.minimum(pieces, len(stream)) - ends
    assert line.t == pytest.approx((pieces * 1_000_000 - behind * byte_ns).tolist(), abs=2)
