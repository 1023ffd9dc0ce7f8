"""The log of ``nightstack serve``: one plain line each for what operators ask after, and no more."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from paho.mqtt.publish import single

from nightstack.replay import replay_recording
from recording import read_recording
from recording.topics import Topics
from sim.library import make_library
from sim.record import record
from tests.cloud_ingest.conftest import until

STAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} "


class Serve:
    """``nightstack serve`` as an operator starts it, its log in a file."""

    def __init__(self, folder, settings, *arguments):
        file, self._log = folder / "serve.toml", folder / "serve.log"
        file.write_text(settings)
        where = ["--settings", str(file), "--data", str(folder / "data"), "--http", "127.0.0.1:0"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "nightstack",
                    "serve",
                    *where,
                    "--broker-listen",
                    "127.0.0.1:0",
                    *arguments,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "TZ": "UTC"},
            )
        ready = self.process.stdout.readline()
        assert ready.startswith("serving "), self.log
        told = dict(part.split("=", 1) for part in ready.split()[1:])
        self.http, self.broker = told["http"], told["broker"]

    @property
    def log(self):
        return self._log.read_text()

    def line(self, words, timeout_s=90.0):
        """Wait for the line of the log that begins so, after its time."""

        def there():
            assert self.process.poll() is None, self.log
            return re.search(STAMP + words + ".*$", self.log, re.MULTILINE)

        return until(there, timeout_s)[0]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def start(tmp_path):
    made = []

    def begin(settings, *arguments):
        made.append(Serve(tmp_path, settings, *arguments))
        return made[-1]

    yield begin
    for one in made:
        one.stop()


def test_a_night_is_a_handful_of_plain_lines(start, tmp_path, mail_server):
    library = make_library(60, 3, site="north")
    library.save(tmp_path / "library")
    record(library, tmp_path / "scan")
    scan = read_recording(tmp_path / "scan")
    site = tmp_path / "data" / "sites" / "north"
    site.mkdir(parents=True)
    for name in ("plan.json", "holdings.csv"):
        shutil.copy(tmp_path / "library" / name, site / name)
    settings = 'recipients = [{ address = "staff@library.example" }]\n'
    serve = start(settings)
    assert f"pages {serve.http}, robots {serve.broker}, data " in serve.line("listens: ")
    played = replay_recording(scan, serve.broker, speed=0, timeout_s=30, progress=lambda share, what: None)
    run = re.escape(played.run_id)
    assert " of north begun by robot " in serve.line(f"run {run}")
    ended = serve.line(f"run {run} of north ended: ")
    assert f"{len(scan.readings):,} readings in " in ended and f"{len(scan.poses):,} poses in " in ended
    judged = serve.line(f"night {run} of north judged: ", 200.0)
    assert re.search(r"\d+ findings; .*; \d+ new cases? \(\d+ \w+", judged), judged
    serve.line(r"warning: mail to staff@library.example deferred, no mail server is set")
    port = int(serve.broker.rpartition(":")[2])
    single(Topics("north", "r9").readings, b"junk", qos=1, hostname="127.0.0.1", port=port)
    assert "payload" in serve.line("warning: refused a message on nightstack/v1/north/r9/readings: ")
    serve.stop()
    lines = serve.log.splitlines()
    assert all(re.match(STAMP, line) for line in lines), serve.log
    assert len(lines) == 6, serve.log

    again = start(f'{settings}[smtp]\nhost = "127.0.0.1"\nport = {mail_server.port}\n', "--verbose")
    again.line(f"mail to staff@library.example sent: report of run {run}")
    again.line("connected to mqtt://")
    assert mail_server.received.get(timeout=30)
