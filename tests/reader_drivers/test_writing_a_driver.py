"""The driver that the manual shows works as it stands: as a package, through every check, over a lost reader."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reader_drivers import ReaderSettings, SettingsError
from reader_drivers.testing import check_reader
from sim.readers.feig import FeigEmulator
from sim.readers.hf_small_world import HfSmallWorld
from sim.readers.m100 import M100Emulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import running_loop

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "writing_a_driver.md").read_text()


def block(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]


class LinesServer:
    """The reader of the manual's made-up protocol."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"lines://127.0.0.1:{self.listener.getsockname()[1]}"
        self.said: list[str] = []
        self.peer: socket.socket | None = None
        self.noise = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self.peer, _ = self.listener.accept()
            except OSError:
                return
            with self.peer as peer, contextlib.suppress(OSError):
                self._follow(peer)

    def _follow(self, peer: socket.socket) -> None:
        peer.sendall(b"LINES Test Demo 2\n")
        peer.settimeout(0.01)
        ports: list[str] = []
        while True:
            try:
                new = peer.recv(1000)
                if not new:
                    return
                self.said += new.decode().splitlines()
                word, *asked = self.said[-1].split()
                ports = asked[0].split(",") if word == "START" else []
            except TimeoutError:
                pass
            noise, self.noise = self.noise, b""
            tags = "".join(f"TAG E28011700000020{port} {port} -5{port}.5\n" for port in ports)
            peer.sendall(noise + (tags.encode() or b"\n"))

    def drop(self) -> None:
        assert self.peer is not None
        self.peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()
        if self.peer is not None:
            self.peer.close()


@pytest.fixture
def server() -> Iterator[LinesServer]:
    server = LinesServer()
    yield server
    server.close()


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """Install the package of the manual; return the environment of a process that finds it."""
    project = tomllib.loads(block("toml"))
    name, version = project["project"]["name"], project["project"]["version"]
    info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["project"]["entry-points"]["nightstack.readers"]
    lines = "".join(f"{scheme} = {what}\n" for scheme, what in points.items())
    (info / "entry_points.txt").write_text(
        f"[nightstack.readers]\n{lines}llrp = nightstack_lines:LinesReader\n"
    )
    (module,) = project["tool"]["setuptools"]["py-modules"]
    (tmp_path / f"{module}.py").write_text(block("python"))
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


def ran(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_is_found_and_passes_the_check(server: LinesServer, installed: dict[str, str]):
    shown = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]
    assert ran(installed, "-c", shown.replace("lines://192.168.1.30", server.url)).strip() == ""
    listed = ran(installed, "-m", "nightstack", "readers", "list").splitlines()
    assert "lines        nightstack-lines 1.0" in listed
    hidden = [line for line in listed if "not used" in line]
    assert [line.split()[:2] for line in hidden] == [["llrp", "nightstack-lines"]]
    rows = json.loads(ran(installed, "-m", "nightstack", "readers", "list", "--json"))
    assert [row["used"] for row in rows if row["scheme"] == "llrp"] == [True, False]
    said = json.loads(
        ran(installed, "-m", "nightstack", "readers", "probe", server.url, "--seconds", "0.3", "--json")
    )
    assert said["model"] == "Demo" and said["healthy"] and said["tags"] == 2
    assert server.said[-1] == "STOP"


def shown_driver() -> Any:
    made: dict[str, Any] = {}
    exec(block("python"), made)
    return made["LinesReader"]


def test_it_comes_back_and_leaves_out_what_is_no_reading(server: LinesServer):
    with shown_driver()(server.url, time.time_ns) as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(2,)))
        kinds: list[str] = []
        heard, dropped = {"before": 0, "after": 0}, False
        server.noise = b"TAG zz 1 -50\nTAG E2 9 -50\nTAG E2 1 nan\n\xff\xfe TAG\nTAG\n" + b"x" * 5000 + b"\n"
        until = time.monotonic() + 10
        while time.monotonic() < until and not heard["after"]:
            batch = reader.read(0.1)
            kinds += [event.kind for event in batch.events]
            assert set(batch.readings.antenna.tolist()) <= {2}
            heard["after" if "reader_back" in kinds else "before"] += len(batch.readings)
            if not dropped and heard["before"] > 3 and "bad_reading" in kinds:
                server.drop()
                dropped = True
        assert heard["after"]
        assert [kind for kind in kinds if kind != "bad_reading"] == ["reader_gone", "reader_back"]


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("quit=1", "unknown option quit"),
        ("session=2", "session cannot be set"),
        ("power=20", "power cannot be set"),
        ("search=focus", "search cannot be set"),
        ("q=4", "q cannot be set"),
    ],
)
def test_it_refuses_in_the_url_what_no_such_reader_can_do(option: str, names: str):
    with pytest.raises(SettingsError, match=names):
        shown_driver()(f"lines://h?{option}", time.time_ns)


def test_it_refuses_what_this_reader_has_not_and_follows_the_rest(
    server: LinesServer, installed: dict[str, str]
):
    with shown_driver()(f"{server.url}?quiet=1&ports=2", time.time_ns) as reader:
        reader.connect()
        for settings in (ReaderSettings(ports=(1, 5)), ReaderSettings(session=1), ReaderSettings(q=3)):
            with pytest.raises(SettingsError):
                reader.start(settings)
        reader.start()
        heard = [reader.read(0.2) for _ in range(5)]
        assert {port for batch in heard for port in batch.readings.antenna.tolist()} == {2}
    assert server.said[:2] == ["QUIET", "START 2"]
    probe = [sys.executable, "-m", "nightstack", "readers", "probe", f"{server.url}?ports=5"]
    done = subprocess.run(probe, capture_output=True, text=True, env=installed, timeout=60)
    assert done.returncode == 2 and "no antenna port 5; it has 1 to 2" in done.stderr


def test_drivers_of_our_own_pass_the_check():
    with running_loop() as loop:
        for make in (
            lambda: M100Emulator(SmallWorld(1, reads_per_s=100), "127.0.0.1:0"),
            lambda: FeigEmulator(HfSmallWorld(1, swing_s=0.0), "127.0.0.1:0"),
        ):

            async def begin(make: Any = make) -> Any:
                emulator = make()
                await emulator.start()
                return emulator

            emulator = loop.run(begin())
            try:
                assert check_reader(emulator.url, seconds=1.0) == []
            finally:
                loop.run(emulator.close())
