"""Real MQTT brokers as processes of their own, to be killed and restarted on the same port.

broker = start_amqtt(tmp_path)
process, port = broker            # also broker.process, broker.port, broker.url
broker.kill()                     # SIGKILL; broker.terminate() is SIGTERM
broker.start()                    # again, on the same port (mosquitto: with the same store)
broker.close()                    # at the end; killing twice is harmless
"""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class BrokerProcess:
    """One broker process; unpacks to ``(process, port)``."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 30.0) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + timeout_s
        while True:
            # The wait itself is a connection attempt; the kernel answers at once either way.
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.kill()
                    raise RuntimeError(f"broker did not start: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.02)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        self._end(signal.SIGTERM)

    def close(self) -> None:
        self.kill()

    def _end(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(10)

    def __iter__(self) -> Iterator[object]:
        return iter((self.process, self.port))

    def __enter__(self) -> "BrokerProcess":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def free_port() -> int:
    """Return a loopback port that is free now, for a listener that must keep it over a restart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_amqtt(
    tmp_path: Path, port: int | None = None, tls: tuple[Path, Path] | None = None
) -> BrokerProcess:
    """Start amqtt (MQTT 3.1.1, keeps nothing over a restart); `tls` is certificate and key."""
    port = port or free_port()
    script = Path(__file__).with_name("run_amqtt.py")
    broker = BrokerProcess(
        [sys.executable, str(script), str(port), *map(str, tls or ())], port, tmp_path / f"amqtt-{port}.log"
    )
    broker.start()
    return broker


def make_certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate for ``localhost`` that is its own authority, and its key; skips without OpenSSL."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    )
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([openssl, *command.split(), *names], check=True, capture_output=True)
    return certificate, key


def start_mosquitto(tmp_path: Path, port: int | None = None) -> BrokerProcess:
    """Start Mosquitto with its store in `tmp_path`; skips the test where it is not installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    port = port or free_port()
    store = tmp_path / f"mosquitto-{port}"
    store.mkdir()
    config = store / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {store}/\nautosave_interval 5\nmax_queued_messages 0\n"
    )
    broker = BrokerProcess([program, "-c", str(config)], port, tmp_path / f"mosquitto-{port}.log")
    broker.start()
    return broker
