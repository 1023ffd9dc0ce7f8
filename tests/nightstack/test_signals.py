"""Commands that are stopped half-way: one line or none, the documented status, and no program left behind."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nightstack.night import until
from tests.support.processes import running


def start(*arguments):
    return begin("-m", "nightstack", *map(str, arguments))


def begin(*arguments):
    return running(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def members(session):
    """Return the ids of the programs of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended while we looked
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@contextmanager
def alone(program):
    """Run a program; at the context's end those that it began run no more."""
    with program as process:
        try:
            yield process
        finally:
            for left in members(process.pid):
                os.kill(left, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for programs in /proc")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_demo_that_is_stopped_leaves_no_program_behind(tmp_path, number, status):
    with alone(start("demo", "--out", tmp_path / "demo", "--books", "60")) as demo:
        log = tmp_path / "demo" / "logs" / "world.log"
        until(
            lambda: demo.poll() is not None or (log.exists() and "listening" in log.read_text()),
            60,
            "the world",
        )
        assert demo.poll() is None, demo.communicate()
        assert len(members(demo.pid)) >= 3
        demo.send_signal(number)
        out, err = demo.communicate(timeout=60)
        assert demo.returncode == status
        assert out == ""
        assert "Traceback" not in err
        assert ("stopped by the keyboard" in err) == (number == signal.SIGINT)
        assert members(demo.pid) == []


# Runs the demo and signals it in the moment its n-th program exists and nothing knows of that program yet.
_AT_THE_WORST_MOMENT = """
import os, subprocess, sys
from nightstack.cli import main

number, nth, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
execute, begun = subprocess.Popen._execute_child, []

def execute_and_signal(self, *arguments):
    execute(self, *arguments)
    begun.append(self.pid)
    if len(begun) == nth:
        os.kill(os.getpid(), number)

subprocess.Popen._execute_child = execute_and_signal
sys.exit(main(["demo", "--out", folder, "--books", "60"]))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for programs in /proc")
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_program_begun_in_the_moment_of_the_signal_is_stopped_too(tmp_path, number, status, nth):
    with alone(begin("-c", _AT_THE_WORST_MOMENT, str(int(number)), str(nth), str(tmp_path / "demo"))) as demo:
        _, err = demo.communicate(timeout=60)
        assert demo.returncode == status, err
        assert "Traceback" not in err
        assert members(demo.pid) == []


_STOPPING = """
import os, signal
from nightstack.demo import processes

def kill():
    os.kill(os.getpid(), signal.SIGTERM)

def first():
    print("first stopped", flush=True)

def second():
    if when == "while stopping":
        kill()
    print("second stopped", flush=True)

class Interrupted(processes.Signals):
    sent = False

    def __setattr__(self, name, value):
        if (when, name, value, self.sent) == ("leaving", "ending", True, False):
            Interrupted.sent = True
            kill()
        super().__setattr__(name, value)

when = os.environ["WHEN"]
processes.Signals = Interrupted
with processes.stopped_together() as (stack, signals):
    stack.callback(first)
    stack.callback(second)
print("not reached", flush=True)
"""


@pytest.mark.parametrize("when", ["leaving", "while stopping"])
def test_a_signal_does_not_cut_the_stopping_of_programs_short(when):
    """It comes as the demo is through and begins to stop its programs, or while it does."""
    done = subprocess.run(
        [sys.executable, "-c", _STOPPING],
        env={**os.environ, "WHEN": when},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["second stopped", "first stopped"]
    assert done.returncode == 143, done.stderr


# A signal that comes while a destructor runs raises there, where Python prints the exception and goes on.
_LOST = """
import os, signal, sys, time
from nightstack.demo import processes

class Gone:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)  # the handler runs here

processes.AGAIN_S = 0.2
with processes.stopped_together() as (stack, signals):
    stack.callback(print, "stopped", flush=True)
    Gone()
    print("lost", flush=True)
    if sys.argv[1] == "goes on":
        time.sleep(60)
        print("not reached", flush=True)
"""


@pytest.mark.parametrize("then", ["goes on", "is through"])
def test_a_signal_whose_exception_is_lost_ends_the_demo_all_the_same(then):
    done = subprocess.run([sys.executable, "-c", _LOST, then], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == ["lost", "stopped"]
    assert done.returncode == 143, done.stderr


def test_a_robot_that_is_stopped_before_its_base_answers_says_just_that(tmp_path, library):
    file = tmp_path / "robot.toml"
    file.write_text(
        f"""site = "main"
robot = "robot-1"
broker = "mqtt://127.0.0.1:1"
plan = "{library / "plan.json"}"
base = "tcp://127.0.0.1:1"

[[reader]]
name = "uhf"
url = "llrp://127.0.0.1:1"

[[antenna]]
id = 1
reader = "uhf"
port = 1
position_m = [-0.1, -0.25, 0.4]
boresight_deg = [-90, 0]
"""
    )
    with start("robot", "run", file) as robot:
        assert any("waiting for the base" in line for line in robot.stderr), (
            "the uplink may complain before that"
        )
        robot.send_signal(signal.SIGTERM)
        out, err = robot.communicate(timeout=60)
    assert robot.returncode == 1
    assert out == ""
    last = err.splitlines()[-1]
    assert last == "nightstack: tcp://127.0.0.1:1: SIGTERM while waiting for the base"
