"""``nightstack readers watch``: lines, the table on a terminal, and how it ends."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from pathlib import Path

import numpy as np
import pytest

from nightstack.tag_says import Titles
from nightstack.watch_screen import Screen
from nightstack.watching import Board, Heard, bar
from reader_drivers import ReaderBatch, ReaderEvent
from recording import NO_TIME, Readings
from tests.support.processes import running
from tests.support.readers_command import NIGHTSTACK, at_terminal, emulating, on_terminal, run


def test_watch_tells_a_line_a_second_with_titles(emulated, tmp_path):
    address = emulated("llrp", "--listen", "127.0.0.1:0", "--tags", 3)
    url = f"llrp://{address}"
    status, out, err = run("watch", url, "--seconds", 2.6, "--json")
    assert status == 0, err
    seconds = [json.loads(line) for line in out.splitlines()]
    assert [s["second"] for s in seconds] == [1, 2]
    tags = seconds[-1]["tags"]
    assert len(tags) == 3 and all(0 <= tag["phase_rad"] < 6.2832 and tag["rssi_dbm"] < 0 for tag in tags)
    for tag in tags:
        assert (tag["rssi_dbm"], tag["phase_rad"]) == (round(tag["rssi_dbm"], 2), round(tag["phase_rad"], 4))
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


@pytest.mark.parametrize("command", ["watch", "probe"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_reader_stops_reading_when_the_command_is_ended(command, number):
    near, far = pty.openpty()
    attributes = termios.tcgetattr(far)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(far, termios.TCSANOW, attributes)
    url = f"m100://{os.ttyname(far)}"
    begin = [*NIGHTSTACK, "readers", command, url, "--seconds", "60"]
    # A module that answers each command by what it expects, and keeps what it was told.
    told, deadline = [], time.monotonic() + 40
    sent = False
    with running(begin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
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


def test_a_reader_that_went_is_seen_on_a_small_terminal_and_in_the_status():
    with emulating("m100", "--listen", "127.0.0.1:0") as reader:
        url = f"m100://{reader.stdout.readline().split()[1]}"
        with at_terminal(60, "watch", url, "--seconds", 5, lines=10) as terminal:
            terminal.wait_for(lambda rows: any(re.search(r"^\w{24} .* -\d\d", row) for row in rows))
            reader.kill()
            # Both at once: they stand on one screen.
            terminal.wait_for(
                lambda rows: all(
                    any(what in row for row in rows)
                    for what in ("the reader has been gone for", "reader_gone: ")
                )
            )
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
    with running(watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("1 s: ")
        process.stdout.close()
        assert process.wait(20) == 0 and process.stderr.read() == ""


def test_what_is_wrong_with_a_tag_stays_in_sight_on_a_narrow_terminal(emulated):
    url = f"llrp://{emulated('llrp', '--listen', '127.0.0.1:0', '--tags', 3)}?memory=1"
    for columns in (80, 60):
        with at_terminal(columns, "watch", url, "--seconds", 3) as terminal:
            terminal.wait_for(lambda rows: sum(" foreign " in row for row in rows) == 3)
            head = next(row for row in terminal.rows if row.startswith("tag ")).split()
            assert "problem" in head and "phase" not in head and ("TID" in head) is (columns > 60)
            assert terminal.wait() == 0


@pytest.mark.parametrize("owned", [True, False], ids=["with SIGHUP", "without"])
@pytest.mark.parametrize(("command", "ends_with"), [("watch", 0), ("probe", 130)])
def test_a_terminal_may_be_closed(emulated, tmp_path, command, ends_with, owned):
    url = f"m100://{emulated('m100', '--listen', '127.0.0.1:0')}"
    near, far = pty.openpty()
    seconds = "60" if command == "watch" or owned else "3"
    begin = [*NIGHTSTACK, "readers", command, url, "--seconds", seconds]
    if owned:  # then the kernel tells who has it as their controlling terminal
        own = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY); os.execv(sys.argv[1], sys.argv[1:])"
        begin = [NIGHTSTACK[0], "-c", own, *begin]
    with running(begin, stdin=far, stdout=far, stderr=far, start_new_session=True) as process:
        os.close(far)
        if command == "watch":
            shown = b""
            while b"readings/s" not in shown:
                shown += os.read(near, 4096)
        else:
            # It says nothing while it listens: that it does a second look at the reader tells.
            deadline = time.monotonic() + 30
            while not _is_connected(process.pid, url):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
        os.close(near)
        assert process.wait(30) == ends_with


def _is_connected(pid, url):
    """Whether a process has a connection to a reader."""
    port = int(url.rpartition(":")[2])
    table = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[2].endswith(f":{port:04X}") and row.split()[3] == "01" for row in table)
