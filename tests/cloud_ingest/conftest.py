import getpass
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from recording import Poses, Readings, RunInfo
from recording.topics import End, Status, Topics
from recording.wire import Batch, encode_batch
from tests.support.mqtt_broker import free_port


def make_batch(run_id: str = "run-1", seq: int = 0, rows: int = 20, kind: str = "readings") -> Batch:
    """A batch whose content follows from its identity, so that what was stored can be compared."""
    rng = np.random.default_rng([seq, rows, len(run_id)])
    t = 1_769_896_800_000_000_000 + (seq * rows + np.arange(rows)) * 1_000_000
    if kind == "poses":
        x = 0.001 * (seq * rows + np.arange(rows))
        return Batch(run_id, kind, seq, Poses(t=t, x_m=x, y_m=np.zeros(rows), yaw_rad=np.zeros(rows)))
    readings = Readings(
        t=t,
        tag=rng.integers(0, 30, rows).astype("u4"),
        tags=tuple(f"{i:024X}" for i in range(30)),
        antenna=np.ones(rows, "u1"),
        frequency_khz=np.full(rows, 920_625, "u4"),
        rssi_dbm=rng.uniform(-70, -50, rows).astype("f4"),
        phase_rad=rng.uniform(0, 6.28, rows).astype("f4"),
    )
    return Batch(run_id, kind, seq, readings)


def until(what: Callable[[], Any], timeout_s: float = 30.0, every_s: float = 0.05) -> Any:
    """Wait for something to become true; return it."""
    end = time.monotonic() + timeout_s
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"did not happen within {timeout_s} s: {what}"
        time.sleep(every_s)


@dataclass
class Service:
    """The service in a process of its own, to be killed and started again on the same data."""

    folder: Path
    settings: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    http: str = ""
    broker: str = ""

    @property
    def data(self) -> Path:
        return Path(self.settings["data"])

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def start(self, *, wait: bool = True) -> None:
        file = self.folder / "settings.json"
        file.write_text(json.dumps(self.settings))
        script = Path(__file__).with_name("run_service.py")
        with (self.folder / "service.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(file)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        if wait:
            line = self.process.stdout.readline()
            assert line, f"the service did not start: {self.log[-3000:]}"
            ready = json.loads(line)
            self.http, self.broker = ready["http"], ready["broker"]

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self._reap()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self._reap()
        return status

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait(30)
            self.process.stdout.close()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.http + path, timeout=20) as answer:
            return json.load(answer)

    def run(self, run_id: str) -> dict[str, Any] | None:
        try:
            return self.get(f"/api/v1/runs/{run_id}")
        except urllib.error.HTTPError as err:
            if err.code == 404:
                return None
            raise

    def wait_state(self, run_id: str, *states: str, timeout_s: float = 60.0) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log[-3000:]
            run = self.run(run_id)
            return run if run is not None and run["state"] in states else None

        return until(there, timeout_s)


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Make services with short times; every one is killed at the end."""
    made: list[Service] = []

    def make(name: str = "service", **settings: Any) -> Service:
        folder = tmp_path / name
        folder.mkdir()
        given = {
            "data": str(tmp_path / "data"),
            "http": "127.0.0.1:0",
            "broker_listen": f"127.0.0.1:{free_port()}",
            "silence_s": 600.0,
            "offline_s": 600.0,
            "ack_s": 0.5,
            "lease_s": 3.0,
            "mail_retry_s": 0.2,
            **settings,
        }
        service = Service(folder, given)
        made.append(service)
        return service

    yield make
    for service in made:
        service.kill()


@dataclass
class Robot:
    """A robot's uplink as the protocol asks for it: what is not acknowledged as stored is sent again."""

    port: int
    site: str = "site"
    robot: str = "robot"
    pending: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    acks: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.topics = Topics(self.site, self.robot)
        self.upto: dict[tuple[str, str], int] = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self.client.on_connect = lambda c, *_: c.subscribe(self.topics.ack, 1)
        self.client.on_message = lambda _c, _d, m: self._on_ack(json.loads(m.payload))
        self.client.reconnect_delay_set(1, 1)
        self.client.max_inflight_messages_set(100)
        self.client.connect_async("127.0.0.1", self.port)
        self.client.loop_start()
        until(self.client.is_connected, 20)

    def _on_ack(self, ack: dict[str, Any]) -> None:
        with self._lock:
            self.acks.append(ack)
            self.upto[ack["run_id"], ack["kind"]] = ack["upto"]
            for key in [
                k for k in self.pending if k[:2] == (ack["run_id"], ack["kind"]) and k[2] <= ack["upto"]
            ]:
                del self.pending[key]

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain)

    def begin(self, info: RunInfo) -> None:
        self.publish(self.topics.run, json.dumps(info.to_json()).encode(), retain=True)

    def status(self, state: str, run_id: str | None) -> None:
        self.publish(self.topics.status, Status(state, run_id, time.time_ns()).to_json())

    def end(self, run_id: str, reason: str = "done", **batches: int) -> None:
        self.publish(self.topics.end, End(run_id, batches, reason).to_json())

    def send(self, *batches: Batch) -> None:
        for batch in batches:
            self.publish(self.topics.topic(batch.kind), encode_batch(batch))

    def spool(self, *batches: Batch) -> None:
        """Keep batches until they are acknowledged; `push` sends them."""
        with self._lock:
            for batch in batches:
                self.pending[batch.run_id, batch.kind, batch.seq] = encode_batch(batch)

    def push(self) -> None:
        """Send everything that is not acknowledged, once."""
        with self._lock:
            waiting = list(self.pending.items())
        for (_, kind, _), payload in waiting:
            # paho queues while it is offline and would send it twice; the spool is the only memory here.
            if not self.client.is_connected():
                return
            self.publish(self.topics.topic(kind), payload)
            self.sent += 1

    def push_until_stored(self, timeout_s: float = 60.0) -> None:
        until_s = time.monotonic() + timeout_s
        while self.pending:
            assert time.monotonic() < until_s, f"{len(self.pending)} batches were never acknowledged"
            self.push()
            end = time.monotonic() + 1.0
            while self.pending and time.monotonic() < end:
                time.sleep(0.02)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def make_robot() -> Iterator[Callable[..., Robot]]:
    made: list[Robot] = []

    def make(broker: str | int, **names: str) -> Robot:
        port = broker if isinstance(broker, int) else int(broker.rsplit(":", 1)[1])
        made.append(Robot(port, **names))
        return made[-1]

    yield make
    for robot in made:
        robot.close()


@dataclass
class Postgres:
    """A server of its own on a Unix socket in a temporary folder."""

    folder: Path

    def url(self) -> str:
        return f"postgresql+psycopg://nightstack@/postgres?host={self.folder}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """PostgreSQL, where its programs are installed; without TCP, so that no port is shared."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    initdb, server = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed")
    # A socket's path may have at most 107 bytes: pytest's folders are too deep for it.
    folder = Path(f"/tmp/ns-pg-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None or getpass.getuser() != "root":
            pytest.skip("PostgreSQL does not run as root, and setpriv is not installed")
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=-all"]
    log = tmp_path_factory.mktemp("postgres") / "log"
    with log.open("ab") as out:
        subprocess.run(
            [
                *as_user,
                initdb,
                "-D",
                str(folder / "db"),
                "-U",
                "nightstack",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--no-locale",
            ],
            check=True,
            stdout=out,
            stderr=out,
            cwd=folder,
        )
        process = subprocess.Popen(
            [
                *as_user,
                server,
                "-D",
                str(folder / "db"),
                "-k",
                str(folder),
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
            ],
            stdout=out,
            stderr=out,
            cwd=folder,
        )
    try:
        until(lambda: (folder / ".s.PGSQL.5432").exists() and "ready to accept" in log.read_text(), 60)
        yield Postgres(folder)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Each database in turn, empty."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    from sqlalchemy import create_engine, text

    url = request.getfixturevalue("postgres").url()
    name = f"test_{os.getpid()}_{time.monotonic_ns()}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@dataclass
class MailServer:
    """A real SMTP server that can be told to misbehave, once for each plan."""

    port: int = 0
    received: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    attempts: int = 0
    plans: list[str] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.attempts += 1
        plan = self.plans.pop(0) if self.plans else "250 taken"
        if plan == "drop":
            server.transport.abort()
            return "421 gone"
        if plan == "take and drop":
            self._keep(envelope.original_content)
            server.transport.abort()
            return "421 gone"
        if plan.startswith("250"):
            self._keep(envelope.original_content)
        return plan

    def _keep(self, content: bytes) -> None:
        self.kept.append(content)
        self.received.put(content)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    from aiosmtpd.controller import Controller

    handler = MailServer()
    # The controller connects to the port it was told, to see whether it listens: 0 will not do.
    handler.port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()
