"""The base over a serial line and over TCP: bytes, cuts, and the stop at the end."""

import os
import pty
import socket
import threading
import tty
from typing import Any

import pytest

from robot.base import BaseRunner, TcpLine, open_line
from robot.base_link import Framer, PoseReport, Stop, Velocity, format_line
from robot.clock import BaseClock
from robot.collector import Collector
from robot.settings import RobotSettings

REPORT = PoseReport(1, 2, 0.5, 0.25, 0.1, 0.0, 0.0, 0.01, 0.02)


def test_a_serial_line_carries_the_protocol():
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    line = open_line(os.ttyname(theirs), 115200)
    try:
        assert line.receive(0.01) == b""
        text = format_line(REPORT)
        os.write(ours, text[:10])
        framer = Framer()
        assert framer.feed(line.receive(1.0)) == []
        os.write(ours, text[10:])
        heard: list[object] = []
        while not heard:
            heard += framer.feed(line.receive(1.0))
        assert heard == [REPORT]
        line.send(format_line(Velocity(1, 0.3, 0.0)))
        assert Framer().feed(os.read(ours, 100)) == [Velocity(1, 0.3, 0.0)]
    finally:
        line.close()
        os.close(theirs)
        os.close(ours)


def test_a_serial_line_that_is_not_there_is_an_os_error():
    with pytest.raises(OSError, match="ttyNONE"):
        open_line("/dev/ttyNONE", 115200)
    with pytest.raises(OSError, match="protocol"):
        open_line("nonsense://x", 115200)


def test_a_tcp_line_sends_at_once_and_its_last_word_arrives():
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = open_line(f"tcp://127.0.0.1:{server.getsockname()[1]}", 0)
        assert isinstance(line, TcpLine)
        assert line._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        base, _ = server.accept()
        with base:
            # Reports that nobody reads any more must not cost the base the stop that was sent before.
            base.sendall(format_line(REPORT) * 50)
            line.send(format_line(Stop(1)))
            base.settimeout(5)
            base.shutdown(socket.SHUT_WR)
            line.close()
            data = b""
            while more := base.recv(100):
                data += more
        assert Framer().feed(data) == [Stop(1)]


def test_a_closed_tcp_line_is_an_os_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = open_line(f"tcp://127.0.0.1:{server.getsockname()[1]}", 0)
        base, _ = server.accept()
        assert line.receive(0.01) == b""
        base.close()
        with pytest.raises(OSError, match="closed"):
            line.receive(1.0)
        line.close()


def test_a_base_that_talks_nonsense_without_end_is_called_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("robot.base._SILENCE_S", 0.2)
    called = threading.Semaphore(0)

    def babble(base: socket.socket) -> None:
        try:
            while True:
                base.sendall(b"~" * 50 + b"\n")
        except OSError:
            base.close()

    def serve() -> None:
        while True:
            try:
                base, _ = server.accept()
            except OSError:
                return
            called.release()
            threading.Thread(target=babble, args=(base,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = RobotSettings.from_dict(
            {
                "site": "site",
                "robot": "robot",
                "broker": "mqtt://127.0.0.1",
                "plan": "plan.json",
                "base": f"tcp://127.0.0.1:{server.getsockname()[1]}",
                "reader": [{"name": "uhf", "url": "llrp://127.0.0.1"}],
                "antenna": [
                    {"id": 1, "reader": "uhf", "port": 1, "position_m": [0, 0, 1], "boresight_deg": [90, 0]}
                ],
            }
        )
        threading.Thread(target=serve, daemon=True).start()
        told: list[str] = []
        driver: Any = None
        runner = BaseRunner(
            settings, BaseClock(), Collector(10), driver, lambda _source, kind, _detail: told.append(kind)
        )
        runner.start()
        try:
            assert called.acquire(timeout=10)
            assert called.acquire(timeout=10)
        finally:
            runner.stop()
            server.shutdown(socket.SHUT_RDWR)
        assert "bad_line" in told
        assert not runner.is_alive()
