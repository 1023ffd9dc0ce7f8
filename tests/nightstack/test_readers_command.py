"""``nightstack readers``: a reader emulated by the command, looked at by the others, each a process of its own."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

import numpy as np
import pytest

from nightstack.cli import main
from nightstack.commands.readers import faults_of
from nightstack.tag_says import Titles
from nightstack.watch_screen import Screen
from nightstack.watching import Board, Heard, bar
from reader_drivers import ReaderBatch, ReaderEvent
from recording import NO_TIME, Readings
from tests.robot.harness import ROOT
from tests.support.terminal import Terminal

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
    assert status == 0 and len(set(re.findall(r"\b[0-9A-F]{24} ", shown))) == 3
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


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("llrp://none.invalid?session=7", "a whole number from 0 to 3"),
        ("llrp://none.invalid?search=focus&session=2", "session 1 only"),
        ("llrp://none.invalid?q=4", "lets the reader choose"),
        ("llrp://none.invalid?search=foo", "dual, single or focus"),
        ("llrp://none.invalid?ports=1&ports=2", "stands twice"),
        ("llrp://user:word@none.invalid", "a user has no meaning"),
        ("llrp://none.invalid#x", "# has no meaning"),
        ("llrp://none.invalid?baud=9600", "unknown option baud"),
        ("feig://none.invalid?power=30", "own configuration"),
        ("m100:///dev/none?region=XX", "no region XX"),
        ("r2000:///dev/none?q=3", "board's own"),
        ("uhfreader18:///dev/none?mode=1", "reader's own"),
        ("chafon://none.invalid?channels=1", "maker's program"),
        ("mercury:///dev/none?search=focus", "Impinj's"),
        ("/dev/ttyUSB0", "write m100:///dev/ttyUSB0"),
        ("10.0.0.9:5084", "write llrp://10.0.0.9:5084"),
        ("lrp://none.invalid", "did you mean llrp://"),
    ],
)
def test_what_no_reader_can_follow_is_known_without_one(capsys, url, says):
    assert main(["readers", "probe", url]) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1


def test_what_this_reader_cannot_follow_is_the_callers_mistake(emulated, capsys):
    address = emulated("llrp", "--listen", "127.0.0.1:0")
    for options, arguments, says in (
        ("?power=5", (), "below its table"),
        ("?mode=77", (), "no mode 77"),
        ("", ("--ports", "9"), "no antenna port 9"),
    ):
        assert main(["readers", "probe", f"LLRP://{address}{options}", *arguments]) == 2
        told = capsys.readouterr()
        # It is reached all the same, and says what it is.
        assert says in told.err and "Speedway" in told.out and re.search(r"healthy +no", told.out)
    assert main(["readers", "probe", f"llrp://{address}?ports=2&power=22.1", "--seconds", "1"]) == 0
    assert re.search(r"power_used +22 dBm\n", capsys.readouterr().out)


def test_a_reader_that_needs_an_option_says_what_it_is_first(emulated, capsys):
    for protocol, says in (("mercury", "no region is set"), ("chafon", "unproven=1")):
        address = emulated(protocol, "--listen", "127.0.0.1:0")
        assert main(["readers", "probe", f"{protocol}://{address}"]) == 2
        told = capsys.readouterr()
        assert says in told.err and re.search(r"^firmware +\S", told.out, re.MULTILINE)


def test_what_is_no_line_and_what_is_no_reader_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for path in ("/dev/null", tmp_path, tmp_path / "file"):
        assert main(["readers", "probe", f"m100://{path}"]) == 1
        assert "is no serial line" in capsys.readouterr().err
    assert main(["readers", "probe", f"m100://{tmp_path}/none"]) == 1
    told = capsys.readouterr().err
    assert told.count(str(tmp_path)) == 1 and "Errno" not in told
    with socket.create_server(("127.0.0.1", 0)) as server:
        # Something that answers, and not as this protocol does.
        def answer():
            with server.accept()[0] as client:
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n")
                while client.recv(4096):
                    pass

        answering = threading.Thread(target=answer)
        answering.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert main(["readers", "probe", f"m100://{address}?timeout=0.5"]) == 1
        answering.join()
    told = capsys.readouterr().err
    assert "26 bytes came, and no frame of this protocol" in told and "no other program" in told


def test_what_tags_say_is_shown_with_titles_by_barcode(emulated, tmp_path, capsys):
    address = emulated("feig", "--listen", "127.0.0.1:0", "--tags", 8)
    url = f"feig://{address}?memory=1"
    assert main(["readers", "probe", url, "--seconds", "1.5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["contents"]
    assert said and all(s["owner"] == "DK-718500" and s["afi"] in (0x07, 0xC2) for s in said.values())
    barcodes = [s["item_id"] for s in said.values()]
    books = tmp_path / "holdings.csv"
    books.write_text(
        "barcode,epc,call_number,scheme,title,home_location,status\n"
        + "".join(f"{barcode},,QA{n},lcc,Book {n},S,available\n" for n, barcode in enumerate(barcodes))
    )
    assert main(["readers", "probe", url, "--seconds", "1.5", "--holdings", str(books)]) == 0
    told = capsys.readouterr().out
    line = r"^tag +E0\w+: item \d{10}, owner DK-718500, security o\w+, AFI \w\w, QA\d  Book"
    assert re.search(line, told, re.MULTILINE)
    assert (
        "tells no strength" in told and "powers_dbm" not in told and not re.search(r" $", told, re.MULTILINE)
    )

    terminal = Terminal(
        [*NIGHTSTACK, "readers", "watch", url, "--seconds", "4", "--holdings", books], 80, 24, cwd=ROOT
    )
    terminal.wait_for(lambda rows: any(re.search(r"E0\w+  \d{10}  QA\d  Book \d", row) for row in rows))
    head = next(row for row in terminal.rows if row.startswith("tag "))
    # It has neither strength nor phase, so there is no column for them.
    assert head.split() == ["tag", "item", "title", "owner", "security", "reads/s", "ports"]
    assert terminal.wait() == 0
    assert terminal.rows[0].startswith("FEIG")
    assert any(re.match(r"\d tags?, \d+ readings in 4 s", row) for row in terminal.rows)


def test_a_reader_that_went_is_seen_on_a_small_terminal_and_in_the_status():
    make = [*NIGHTSTACK, "readers", "emulate", "m100", "--listen", "127.0.0.1:0"]
    reader = subprocess.Popen(make, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    address = reader.stdout.readline().split()[1]
    try:
        watch = [*NIGHTSTACK, "readers", "watch", f"m100://{address}", "--seconds", "5"]
        terminal = Terminal(watch, 60, 10, cwd=ROOT)
        terminal.wait_for(lambda rows: any(re.search(r"^\w{24} .* -\d\d", row) for row in rows))
    finally:
        reader.kill()
        reader.wait(20)
        reader.stdout.close()
    terminal.wait_for(lambda rows: any("the reader has been gone for" in row for row in rows))
    assert any("reader_gone: " in row for row in terminal.rows)
    assert terminal.wait() == 1
    shown = terminal.rows
    assert shown[0].startswith("MagicRF") and "come back" in "".join(shown)


def test_rows_stay_where_they_are():
    def tag(epc, rate, at):
        return Heard(epc, 1, rate, -50.0, float("nan"), (1,), at)

    def names(lines):
        return [line.plain.split()[0] for line in lines[3:]]

    screen, board, second = Screen("x", Titles()), Board(), 10**9
    assert names(screen.draw(board, 1, [tag("AA", 9, 0), tag("BB", 1, 0)], 0, (80, 24))) == ["AA", "BB"]
    # Another rate moves nothing; who is not heard for a moment keeps the row.
    lines = screen.draw(board, 1, [tag("BB", 9, second), tag("CC", 3, second)], second, (80, 24))
    assert names(lines) == ["AA", "BB", "CC"] and lines[3].style == "dim"
    assert names(screen.draw(board, 1, [tag("BB", 9, 6 * second)], 6 * second, (80, 24))) == ["BB"]
    # However small the terminal is, there are two free lines, and the latest event is seen.
    board.events.extend(ReaderEvent(0, "reader_back", f"m100:///dev/x: the {n}. time") for n in range(5))
    many = [tag(f"{n:024X}", n, 7 * second) for n in range(1, 40)]
    for width, height in ((80, 24), (60, 10), (120, 40), (20, 6)):
        lines = screen.draw(board, 1, many, 7 * second, (width, height))
        assert len(lines) <= height - 2 and all(len(line.plain) <= width for line in lines)
        assert lines[-1].plain.startswith("  7 s ago reader_b")
    assert board.events[-1].detail.endswith("4. time")


def test_whoever_reads_along_may_leave(emulated):
    address = emulated("m100", "--listen", "127.0.0.1:0")
    watch = [*NIGHTSTACK, "readers", "watch", f"m100://{address}"]
    process = subprocess.Popen(watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline().startswith("1 s: ")
    process.stdout.close()
    assert process.wait(20) == 0 and process.stderr.read() == ""
    process.stderr.close()
