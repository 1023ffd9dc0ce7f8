"""``nightstack readers probe``: what it says of a reader, what is wrong with one, and what is refused."""

import json
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from nightstack.cli import main
from nightstack.probing import faults_of
from nightstack.watching import Board
from reader_drivers import ReaderEvent
from tests.robot.harness import ROOT
from tests.support.readers_command import NIGHTSTACK, at_terminal, run


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
        assert says not in told.out
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

    with at_terminal(80, "watch", url, "--seconds", 4, "--holdings", books) as terminal:
        terminal.wait_for(lambda rows: any(re.search(r"E0\w+  \d{10}  QA\d  Book \d", row) for row in rows))
        head = next(row for row in terminal.rows if row.startswith("tag "))
        # It has neither strength nor phase, so there is no column for them.
        assert head.split() == ["tag", "item", "title", "owner", "security", "reads/s", "ports"]
        assert terminal.wait() == 0
    assert terminal.rows[0].startswith("FEIG")
    assert any(re.match(r"\d tags?, \d+ readings in 4 s", row) for row in terminal.rows)


def test_who_waits_for_a_reader_is_told_so_and_a_program_is_not():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"m100://127.0.0.1:{silent.getsockname()[1]}?timeout=1.5"
        waiting = f"nightstack: reaching {url} (up to 1.5 s for each answer)"
        for command in ("probe", "watch"):
            status, _, err = run(command, url)
            assert status == 1 and err.splitlines()[0] == waiting and len(err.splitlines()) == 2
            status, _, err = run(command, url, "--json")
            assert status == 1 and "no answer to stop" in err and len(err.splitlines()) == 1
        # What is soon over needs no word.
        status, _, err = run("probe", url.replace("1.5", "0.5"))
        assert status == 1 and len(err.splitlines()) == 1


def test_numbers_have_the_places_that_readers_tell(emulated):
    url = f"m100://{emulated('m100', '--listen', '127.0.0.1:0', '--tags', 3)}?power=25.3"
    assert json.loads(run("probe", url, "--seconds", 0.5, "--json")[1])["power_dbm"] == {"1": 25.3}


@pytest.mark.parametrize(
    "arguments", [("probe", "--seconds", 0), ("probe", "--json"), ("watch", "--seconds", 3)]
)
def test_a_full_disk_is_told_of_as_what_it_is(emulated, arguments):
    url = f"m100://{emulated('m100', '--listen', '127.0.0.1:0')}"
    with Path("/dev/full").open("w") as full:
        command = [*NIGHTSTACK, "readers", arguments[0], url, *map(str, arguments[1:])]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=90, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("nightstack: standard output: no space left") and "--out" not in done.stderr


def test_what_was_asked_of_tags_and_not_given_is_told(emulated):
    """A UHFReader288 that reports by itself does not tell TIDs."""
    address = emulated("uhfreader288", "--listen", "127.0.0.1:0")
    status, out, err = run("probe", f"uhfreader18://{address}?push=1&fastid=1", "--seconds", 1)
    assert status == 0, err
    assert re.search(r"^note +fastid=1 asks for more than tags' numbers, and no tag", out, re.MULTILINE)
    assert "asks for more" not in run("probe", f"uhfreader18://{address}?fastid=0", "--seconds", 1)[1]
