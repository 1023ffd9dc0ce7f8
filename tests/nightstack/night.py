"""The programs of a night as processes of their own, to be killed and started again; and what they stored, counted."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq

from nightstack.demo.mailbox import Mailbox
from nightstack.demo.processes import Program


def until(true, timeout_s, what):
    """Poll a condition that another process brings about."""
    end = time.monotonic() + timeout_s
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


class Night:
    """One data folder, one broker, one world, one robot; every part can be killed and started again."""

    def __init__(self, folder: Path, library: Path, mailbox: Mailbox, broker: str | None = None, **serve):
        self.folder = folder
        self.data = folder / "data"
        self.library = library
        self.broker = broker
        self.programs: list[Program] = []
        site = self.data / "sites" / "test"
        site.mkdir(parents=True)
        for name in ("plan.json", "holdings.csv"):
            (site / name).write_bytes((library / name).read_bytes())
        settings = {"silence_s": 3600, "offline_s": 3600, **serve}
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        self.serve_file = folder / "serve.toml"
        self.serve_file.write_text(
            "\n".join(lines)
            + f"""
recipients = [{{ address = "staff@library.example" }}]
[smtp]
host = "127.0.0.1"
port = {mailbox.port}
"""
        )

    def _start(self, name, arguments):
        log = self.folder / f"{name}-{len(self.programs)}.log"
        program = Program(name, [str(argument) for argument in arguments], log)
        self.programs.append(program)
        return program

    def serve(self):
        where = ["--broker", self.broker] if self.broker else ["--broker-listen", "127.0.0.1:0"]
        program = self._start(
            "ingest",
            ["serve", "--settings", self.serve_file, "--data", self.data, "--http", "127.0.0.1:0", *where],
        )
        ready = program.wait_for("serving", 60)
        self.http = ready["http"]
        self.broker = self.broker or ready["broker"]
        return program

    def world(self, seed=3):
        program = self._start("world", ["sim", "world", self.library, "--seed", seed])
        self.listening = program.wait_for("listening", 60)
        return program

    def robot(self, passes=2, speed=0.15):
        mounts = json.loads((self.library / "robot.json").read_text())
        antennas = "".join(
            f"""
[[antenna]]
id = {mount["id"]}
reader = "uhf"
port = {mount["port"]}
position_m = {mount["position_m"]}
boresight_deg = {mount["boresight_deg"]}
"""
            for mount in mounts.get("antennas", mounts.get("mounts"))
        )
        file = self.folder / "robot.toml"
        file.write_text(f"""site = "test"
robot = "r1"
broker = "{self.broker}"
plan = "{self.library / "plan.json"}"
base = "tcp://{self.listening["base"]}"
clock = "base"
spool = "spool.db"
[route]
passes = {passes}
speed_mps = {speed}
[uplink]
ack_timeout_s = 2.0
[[reader]]
name = "uhf"
url = "llrp://{self.listening["reader"]}"
{antennas}
""")
        return self._start("robot", ["robot", "run", file])

    def runs(self):
        try:
            with urllib.request.urlopen(f"{self.http}/api/v1/runs", timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return []

    def run(self):
        runs = self.runs()
        return runs[0] if runs else None

    def stored_in(self, *states, timeout_s=120):
        def there():
            run = self.run()
            return run if run and run["state"] in states else None

        return until(there, timeout_s, f"a run that is {states}; now {self.run()}")

    def readings_stored(self):
        """Count what lies in the raw store, batch by batch: each seq once."""
        rows = [pq.read_table(file) for file in sorted(self.data.glob("raw/site=*/run=*/readings/*.parquet"))]
        return sum(table.num_rows for table in rows)

    def close(self):
        for program in self.programs:
            program.stop()


def csv_rows(file):
    """All rows of a CSV file."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def kill(program):
    """kill -9."""
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.wait(30)


def nightstack(*arguments):
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "nightstack", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
