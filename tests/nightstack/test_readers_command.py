"""``nightstack readers``: a reader emulated by the command, looked at by the others, each a process of its own."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

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
    address = emulated(protocol, "--listen", listen)
    status, out, err = run("probe", f"{protocol}://{address}", "--seconds", 1.5, "--ports", 1, "--json")
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
    assert faults_of(board, {"antennas": 2}) == [
        "no tag was heard: hold one before an antenna, and look at power and region"
    ]
    board.reads, board.ports = 5, {1: 5}
    board.events.extend([ReaderEvent(0, "antenna_gone", "port 2"), ReaderEvent(1, "antenna_gone", "port 2")])
    assert faults_of(board, {"antennas": 2}) == [
        "antenna_gone: port 2",
        "nothing was heard on port 2: no antenna, no cable, or no tag before it",
    ]
    assert faults_of(board, {"antennas": 2}, (1,)) == ["antenna_gone: port 2"]
    board.powers = {1: 30.0}  # the port that its activity names
    assert faults_of(board, {"antennas": 2}) == ["antenna_gone: port 2"]
    assert "power and region" not in faults_of(Board(), {"antennas": 1, "air": "iso15693"})[0]


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


def test_a_file_in_the_way_of_an_emulated_line_is_kept(emulated, tmp_path):
    file = tmp_path / "notes"
    file.write_text("mine")
    (tmp_path / "line.new").write_text("mine, too")
    status, _, err = run("emulate", "m100", "--listen", f"pty:{file}")
    assert status == 2 and "something is there" in err and len(err.splitlines()) == 1
    assert file.read_text() == "mine" and not file.is_symlink()
    line = tmp_path / "line"
    line.symlink_to("/dev/pts/999999")  # what a killed emulator leaves
    assert emulated("m100", "--listen", f"pty:{line}") == str(line)
    mine = line.readlink()
    status, _, err = run("emulate", "m100", "--listen", f"pty:{line}")
    assert status == 2 and line.readlink() == mine
    assert (tmp_path / "line.new").read_text() == "mine, too"
    line.unlink()
    line.write_text("put there meanwhile")
    # The fixture ends the emulator; what is not its own link stays: see the next test.


def test_an_emulator_takes_its_own_link_away_and_nothing_else(tmp_path):
    for taken in (False, True):
        line = tmp_path / f"line{taken}"
        process = subprocess.Popen(
            [*NIGHTSTACK, "readers", "emulate", "m100", "--listen", f"pty:{line}"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        said = [process.stdout.readline(), process.stdout.readline()]
        assert said == [f"listening {line}\n", f"open it as m100://{line}\n"]
        if taken:
            line.unlink()
            line.write_text("mine")
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0
        process.stdout.close()
        assert line.exists() is taken


def test_an_emulator_says_in_one_line_where_it_cannot_listen(tmp_path):
    for protocol, where, says in (
        ("llrp", "pty", "no serial line"),
        ("m100", f"pty:{tmp_path}/none/line", "cannot be made"),
        ("m100", "here", "no address"),
    ):
        status, _, err = run("emulate", protocol, "--listen", where)
        assert status == 2 and says in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("command", ["watch", "probe"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_reader_stops_reading_when_the_command_is_ended(command, number):
    near, far = pty.openpty()
    attributes = termios.tcgetattr(far)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(far, termios.TCSANOW, attributes)
    url = f"m100://{os.ttyname(far)}"
    process = subprocess.Popen(
        [*NIGHTSTACK, "readers", command, url, "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    # A module that answers each command by what it expects, and keeps what it was told.
    told, deadline = [], time.monotonic() + 40
    sent = False
    while process.poll() is None and time.monotonic() < deadline:
        if not select.select([near], [], [], 0.2)[0]:
            continue
        for frame in re.findall(rb"\xbb.*?\x7e", os.read(near, 4096), re.DOTALL):
            told.append(frame[2])
            os.write(near, _m100_answer(frame))
            if frame[2] == 0x27 and not sent:
                sent = True
                process.send_signal(number)
    said = process.communicate(timeout=20)[0]
    assert sent and 0x28 in told[told.index(0x27) :], told
    assert process.returncode == (0 if command == "watch" else 130), said
    assert signal.Signals(number).name in said
    for end in (near, far):
        os.close(end)


def _m100_answer(frame):
    """Answer an M100's command: enough for set-up, start and stop."""
    values = {
        0x03: frame[5:6] + b"M100 26dBm V1.0", 0x08: b"\x01", 0xB7: b"\x0a\x28", 0x0D: b"\x10\x20",
    }.get(frame[2], b"\0")  # fmt: skip
    body = bytes([1, frame[2]]) + len(values).to_bytes(2, "big") + values
    return b"\xbb" + body + bytes([sum(body) & 0xFF]) + b"\x7e"
