"""An agent as a process of its own, with a small plan, for the tests of the whole."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stacks.plan import Face, Floor, Plan, write_plan
from tests.support.plugin_reader import install

ROOT = Path(__file__).parents[2]

PROGRAM = """
import faulthandler, logging, signal, sys
faulthandler.register(signal.SIGUSR1)  # a hanging agent can be asked where it hangs
logging.basicConfig(level=logging.INFO)
from robot.agent import Agent
from robot.settings import RobotSettings
agent = Agent(RobotSettings.read(sys.argv[1]), progress=lambda share, text: print(f"{share:.3f} {text}", flush=True))
status = agent.run()
print("exit", status, flush=True)
raise SystemExit(status)
"""


def small_plan() -> Plan:
    """One row, two faces of 2 m, back to back, 0.5 m thick; aisles south and north of it."""
    return Plan(
        site="site",
        version="1",
        floors=(
            Floor(
                id="1",
                faces=(
                    Face("S", (0.0, 0.0), 0.0, -90.0, 2.0, 0.03, ()),
                    Face("N", (2.0, 0.5), 180.0, 90.0, 2.0, 0.03, ()),
                ),
            ),
        ),
    )


class AgentProcess:
    """Settings, plug-in reader and one agent process after the other on the same spool."""

    def __init__(self, folder: Path, broker_port: int, base_url: str, **changes: Any) -> None:
        self.folder = folder
        self.spool = folder / "spool.db"
        self.gone_file = folder / "reader-gone"
        self.log = folder / "agent.log"
        self._plugin = install(folder)
        write_plan(folder / "plan.json", small_plan())
        values: dict[str, Any] = {
            "rate": 50, "batch_rows": 40, "flush_s": 0.05, "ack_timeout_s": 1.0, "grace_s": 20.0, "passes": 2,
            "keepalive_s": 1.0, "spool_max_mb": 100, "blocked_wait_s": 5.0, "resume_back_m": 0.3,
            "reader_wait_s": 5.0, "more_readers": "", "base_lost_s": 20.0, "speed_mps": 0.3, "window": 200,
        } | changes  # fmt: skip
        self.settings = folder / "robot.toml"
        self.settings.write_text(
            """
site = "site"
robot = "robot"
broker = "mqtt://127.0.0.1:{port}"
plan = "plan.json"
base = "{base}"
clock = "base"
spool = "spool.db"
spool_max_mb = {spool_max_mb}
[[reader]]
name = "uhf"
url = "count://one?rate={rate}&gone={gone}"
keepalive_s = {keepalive_s}
[[antenna]]
id = 11
reader = "uhf"
port = 1
position_m = [0.0, -0.25, 0.5]
boresight_deg = [-90, 0]
[[antenna]]
id = 12
reader = "uhf"
port = 2
position_m = [0.0, -0.25, 1.2]
boresight_deg = [-90, 0]
{more_readers}
[route]
passes = {passes}
speed_mps = {speed_mps}
resume_back_m = {resume_back_m}
[drive]
blocked_wait_s = {blocked_wait_s}
reader_wait_s = {reader_wait_s}
base_lost_s = {base_lost_s}
[uplink]
batch_rows = {batch_rows}
flush_s = {flush_s}
ack_timeout_s = {ack_timeout_s}
grace_s = {grace_s}
window = {window}
""".format(port=broker_port, base=base_url, gone=self.gone_file, **values)
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find the plug-in."""
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(self._plugin), str(ROOT)])}

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(self.settings)],
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait(10)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 30.0) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def await_progress(self, leg: int, done_m: float, timeout_s: float = 10.0) -> None:
        """Wait until the spool knows that the robot has come at least this far."""
        until = time.monotonic() + timeout_s
        while self._progress() < (leg, done_m):
            assert time.monotonic() < until, f"the spool only knows of {self._progress()}"
            time.sleep(0.01)

    def _progress(self) -> tuple[int, float]:
        db = sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True)
        try:
            progress = json.loads(db.execute("SELECT progress FROM run ORDER BY ordinal DESC").fetchone()[0])
        finally:
            db.close()
        return progress.get("leg", 0), progress.get("done_m", 0.0)

    def spooled(self) -> dict[tuple[str, str, int], bytes]:
        """What lies in the spool of a dead agent."""
        db = sqlite3.connect(self.spool)
        try:
            rows = db.execute("SELECT run_id, kind, seq, payload FROM batch").fetchall()
        finally:
            db.close()
        return {(run_id, kind, seq): payload for run_id, kind, seq, payload in rows}
