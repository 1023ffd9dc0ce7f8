"""A broker that accepts the robot but lets it read no acks: said at once, since nothing would ever leave the spool."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recording import AntennaMount, RunInfo
from robot.settings import RobotSettings
from robot.spool import Spool
from robot.uplink import Uplink

CONNACK = b"\x20\x02\x00\x00"


def packet(connection: socket.socket) -> bytes:
    """Return the next MQTT packet's body with its first byte (MQTT 3.1.1, section 2.2; bodies under 16 KiB)."""
    head = connection.recv(1)
    size = shift = 0
    while head:
        byte = connection.recv(1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    body = b""
    while head and len(body) < size:
        body += connection.recv(size - len(body))
    return head + body


class RefusingBroker:
    """Answers SUBSCRIBE with failure (section 3.9.3: 0x80)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.refused = threading.Semaphore(0)


@pytest.fixture
def refusing_broker() -> Iterator[RefusingBroker]:
    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    while data := packet(connection):
                        if data[0] >> 4 == 1:
                            connection.sendall(CONNACK)
                        elif data[0] >> 4 == 8:
                            connection.sendall(b"\x90\x03" + data[1:3] + b"\x80")
                except (OSError, IndexError):
                    pass
                broker.refused.release()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = RefusingBroker(listener.getsockname()[1])
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield broker
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@contextmanager
def uplink_to(broker: RefusingBroker, folder: Path, report: Callable[[str, str], None]) -> Iterator[Uplink]:
    settings = RobotSettings.from_dict(
        {
            "site": "site",
            "robot": "robot",
            "broker": f"mqtt://127.0.0.1:{broker.port}",
            "plan": "plan.json",
            "base": "tcp://127.0.0.1:1",
            "reader": [{"name": "uhf", "url": "llrp://127.0.0.1"}],
            "antenna": [
                {"id": 1, "reader": "uhf", "port": 1, "position_m": [0, 0, 1], "boresight_deg": [90, 0]}
            ],
        }
    )
    spool = Spool(folder / "spool.db")
    mount = AntennaMount(1, "uhf", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0))
    spool.begin(RunInfo("run-1", "site", datetime(2026, 1, 1, tzinfo=UTC), "robot", (mount,)), "key", 0)
    uplink = Uplink(settings, spool, status=dict, clock=lambda: 0, report=report)
    uplink.start()
    try:
        yield uplink
    finally:
        uplink.stop()
        spool.close()


def test_a_broker_that_refuses_the_acks_is_told(tmp_path: Path, refusing_broker: RefusingBroker):
    told: list[tuple[str, str]] = []
    heard = threading.Event()

    def report(kind: str, detail: str) -> None:
        told.append((kind, detail))
        heard.set()

    with uplink_to(refusing_broker, tmp_path, report) as uplink:
        assert heard.wait(10)
        assert told[0][0] == "broker_gone"
        assert "nightstack/v1/site/robot/ack" in told[0][1]
        assert not uplink.connected.is_set()


def test_connections_that_failed_leave_no_sockets_open(
    tmp_path: Path, refusing_broker: RefusingBroker, monkeypatch: pytest.MonkeyPatch
):
    def opened() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    monkeypatch.setattr("robot.uplink._BACKOFF_S", (0.01,))
    gc.disable()
    try:
        with uplink_to(refusing_broker, tmp_path, lambda _kind, _detail: None):
            assert refusing_broker.refused.acquire(timeout=10)
            before = opened()
            for _ in range(20):
                assert refusing_broker.refused.acquire(timeout=10)
            assert opened() < before + 10
    finally:
        gc.enable()
