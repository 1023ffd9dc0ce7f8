"""``nightstack readers``: a reader emulated by the command, looked at by the others, each a process of its own."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest

from nightstack.commands.readers import faults_of
from nightstack.watching import Board, bar
from reader_drivers import ReaderBatch, ReaderEvent
from recording import NO_TIME, Readings
from tests.robot.harness import ROOT

NIGHTSTACK = [sys.executable, "-m", "nightstack"]


@pytest.fixture
def emulated():
    """Emulate a protocol; yields a function that returns the address."""
    running = []

    def begin(protocol, *options):
        process = subprocess.Popen(
            [*NIGHTSTACK, "readers", "emulate", protocol, *map(str, options)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        running.append(process)
        word, address = process.stdout.readline().split()
        assert word == "listening"
        return address

    yield begin
    for process in running:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()


def run(*arguments):
    done = subprocess.run(
        [*NIGHTSTACK, "readers", *map(str, arguments)], capture_output=True, text=True, timeout=90, cwd=ROOT
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("protocol", "listen"),
    [("llrp", "127.0.0.1:0"), ("m100", "pty"), ("m100", "127.0.0.1:0"), ("feig", "127.0.0.1:0")],
)
def test_a_reader_is_probed_and_found_healthy(emulated, protocol, listen):
    # Loops of HF readers are small: the board is not always before the first.
    seconds = 8 if protocol == "feig" else 1.5
    address = emulated(protocol, "--listen", listen)
    status, out, err = run("probe", f"{protocol}://{address}", "--seconds", seconds, "--ports", 1, "--json")
    assert status == 0, err
    said = json.loads(out)
    assert (
        said["healthy"] and said["faults"] == [] and said["readings"] > 20 and said["ports"].keys() == {"1"}
    )
    assert said["phase"] is (protocol == "llrp")
    status, out, _ = run("probe", f"{protocol}://{address}", "--seconds", 0)
    assert status == 0 and re.search(r"^antennas +\d$", out, re.MULTILINE) and "healthy" not in out


def test_what_is_wrong_with_a_reader_is_said():
    board = Board()
    assert faults_of(board, {"antennas": 2}, None) == [
        "no tag was heard: hold one before an antenna, and look at power and region"
    ]
    board.reads, board.ports = 5, {1: 5}
    board.events.extend([ReaderEvent(0, "antenna_gone", "port 2"), ReaderEvent(1, "antenna_gone", "port 2")])
    assert faults_of(board, {"antennas": 2}, None) == [
        "antenna_gone: port 2",
        "nothing was heard on port 2: no antenna, no cable, or no tag before it",
    ]
    assert faults_of(board, {"antennas": 2}, "1") == ["antenna_gone: port 2"]


def test_a_reader_that_is_not_there_is_said_in_one_line(tmp_path):
    status, _, err = run("probe", f"m100://{tmp_path}/none")
    assert status == 1 and "cannot be opened" in err and len(err.strip().splitlines()) == 1
    status, _, err = run("probe", "m101://here")
    assert status == 2 and "no driver for such a URL" in err
    status, _, err = run("watch", "m100:///dev/ttyUSB0?colour=red")
    assert status == 2 and "unknown option colour" in err


def test_watch_tells_a_line_a_second_with_titles(emulated, tmp_path):
    address = emulated("llrp", "--listen", "127.0.0.1:0", "--tags", 3)
    url = f"llrp://{address}"
    status, out, err = run("watch", url, "--seconds", 2.6, "--json")
    assert status == 0, err
    seconds = [json.loads(line) for line in out.splitlines()]
    assert [s["second"] for s in seconds] == [1, 2]
    tags = seconds[-1]["tags"]
    assert len(tags) == 3 and all(0 <= tag["phase_rad"] < 6.2832 and tag["rssi_dbm"] < 0 for tag in tags)
    assert abs(seconds[-1]["readings_per_s"] - sum(tag["rate"] for tag in tags)) < 1.0
    books = tmp_path / "holdings.csv"
    books.write_text(
        "barcode,epc,call_number,scheme,title,home_location,status\n"
        + "".join(f"b{n},{tag['epc']},QA{n},lcc,Book {n},S,available\n" for n, tag in enumerate(tags))
    )
    status, out, _ = run("watch", url, "--seconds", 1.6, "--holdings", books)
    assert status == 0 and re.search(
        r"^1 s: \d+ readings/s of 3 tags; \w+ -\d+ dBm QA\d  Book \d$", out, re.MULTILINE
    )
    assert re.search(r"^3 tags, \d+ readings in 2 s$", out.splitlines()[-1])


def on_terminal(columns, *arguments):
    """Run a command on a terminal so wide; return its status and what it showed."""
    pid, terminal = pty.fork()
    if not pid:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.chdir(ROOT)
        # Without what readline put into this process's own environment: a width.
        os.execve(NIGHTSTACK[0], [*NIGHTSTACK, "readers", *map(str, arguments)], dict(os.environ))
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so of a terminal whose program has ended
        while more := os.read(terminal, 65536):
            shown += more
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_reader_that_tells_no_strength_is_watched_and_probed(emulated):
    url = f"uhfreader18://{emulated('uhfreader18', '--listen', '127.0.0.1:0', '--tags', 3)}"
    status, shown = on_terminal(100, "watch", url, "--seconds", 1)
    assert status == 0 and "RSSI" not in shown and re.search(r"[0-9A-F]{24} ", shown)
    status, shown = on_terminal(40, "watch", url, "--seconds", 1)
    assert status == 0 and len(set(re.findall(r"…[0-9A-F]{7} ", shown))) == 3
    status, out, _ = run("watch", url, "--seconds", 1.6)
    assert status == 0 and "nan" not in out
    status, out, _ = run("probe", url, "--seconds", 0.5, "--json")
    said = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert said["rssi_step_db"] == 0.0


def test_a_protocol_nobody_emulates_is_refused():
    status, _, err = run("emulate", "zigbee")
    assert status == 2 and "no such emulator; there are: llrp, " in err


def test_the_board_forgets_what_is_older_than_its_window():
    def batch(t, tag):
        n = len(t)
        return ReaderBatch(
            Readings(
                t=np.array(t, np.int64) * 10**9, tag=np.array(tag, np.uint32), tags=("AA", "BB"),
                antenna=np.ones(n, np.uint8), frequency_khz=np.full(n, 920_000, np.uint32),
                rssi_dbm=np.full(n, -50, np.float32), phase_rad=np.zeros(n, np.float32),
                reader_t=np.full(n, NO_TIME, np.int64),
            ),
            (ReaderEvent(0, "reader_back", "x"),),
        )  # fmt: skip

    board = Board(window_s=2.0)
    board.add(batch([10, 10, 11], [0, 0, 1]))
    rate, tags = board.now(11 * 10**9)
    assert [(tag.epc, tag.reads) for tag in tags] == [("AA", 2), ("BB", 1)] and rate == pytest.approx(3.0)
    rate, tags = board.now(13 * 10**9)
    assert [tag.epc for tag in tags] == ["BB"] and rate == pytest.approx(0.5)
    assert board.now(14 * 10**9) == (0.0, []) and board.reads == 3 and len(board.events) == 1


def test_bars_are_full_near_and_empty_far():
    assert (bar(-30.0), bar(-90.0), bar(-60.0)) == ("█" * 10, "·" * 10, "█████·····")
