"""``nightstack readers emulate``: where it listens, what it leaves alone, and what its tags say."""

import json
import os
import pty
import signal

import pytest

from tests.support.readers_command import emulating, run


def test_a_protocol_nobody_emulates_is_refused():
    status, _, err = run("emulate", "zigbee")
    assert status == 2 and "no such emulator; there are: llrp, " in err


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


def test_an_emulator_takes_its_own_link_away_and_nothing_else(tmp_path):
    for taken in (False, True):
        line = tmp_path / f"line{taken}"
        with emulating("m100", "--listen", f"pty:{line}") as process:
            said = [process.stdout.readline(), process.stdout.readline()]
            assert said == [f"listening {line}\n", f"open it as m100://{line}\n"]
            if taken:
                line.unlink()
                line.write_text("mine")
            process.send_signal(signal.SIGHUP)
            assert process.wait(20) == 0
        assert line.exists() is taken


def test_an_emulator_says_in_one_line_where_it_cannot_listen(tmp_path):
    for protocol, where, says in (
        ("llrp", "pty", "no serial line"),
        ("m100", f"pty:{tmp_path}/none/line", "cannot be made"),
        ("m100", "here", "no address"),
    ):
        status, _, err = run("emulate", protocol, "--listen", where)
        assert status == 2 and says in err and len(err.splitlines()) == 1


def test_a_line_that_a_killed_emulator_left_behind_is_made_anew(tmp_path):
    """Its number may be another's by then, to whom nothing that is meant for the reader may go."""
    line = tmp_path / "line"
    with emulating("m100", "--listen", f"pty:{line}") as killed:
        assert killed.stdout.readline() == f"listening {line}\n"
        terminal = os.path.realpath(line)
        assert terminal.startswith("/dev/pts/")
        killed.kill()
    others = [pty.openpty() for _ in range(3)]
    try:
        assert terminal in [os.ttyname(far) for _, far in others]
        assert line.is_symlink() and not line.exists()
        with emulating("m100", "--listen", f"pty:{line}") as again:
            assert again.stdout.readline() == f"listening {line}\n"
            assert os.path.realpath(line) not in [os.ttyname(far) for _, far in others]
            status, out, err = run("probe", f"m100://{line}", "--seconds", 0.5)
            assert status == 0 and "M100" in out, err
            again.terminate()
            assert again.wait(20) == 0 and not line.is_symlink()
    finally:
        for ends in others:
            for end in ends:
                os.close(end)


def test_a_link_that_is_not_an_emulators_is_kept(tmp_path):
    near, far = pty.openpty()
    for leads_to in (os.ttyname(far), tmp_path / "none", f"/proc/{os.getpid()}/fd/{far}"):
        line = tmp_path / "line"
        line.symlink_to(leads_to)
        status, _, err = run("emulate", "m100", "--listen", f"pty:{line}")
        assert status == 2 and "something is there" in err and str(line.readlink()) == str(leads_to)
        line.unlink()
    os.close(near), os.close(far)


@pytest.mark.parametrize("protocol", ["m100", "mercury", "llrp"])
def test_emulated_tags_have_a_memory(emulated, protocol):
    address = emulated(protocol, "--listen", "127.0.0.1:0", "--tags", 3)
    url = f"{protocol}://{address}?memory=1" + ("&region=PRC" if protocol == "mercury" else "")
    status, out, err = run("probe", url, "--seconds", 1.5, "--ports", 1, "--json")
    assert status == 0, err
    told = json.loads(out)["contents"]
    assert len(told) == 3
    for said in told.values():
        # Bytes that follow no library's format; a tag that has any is not blank.
        assert len(bytes.fromhex(said["memory"])) == 32 and said["problem"] == "foreign"


def test_emulated_tags_have_a_tid(emulated):
    address = emulated("uhfreader288", "--listen", "127.0.0.1:0", "--tags", 3)
    status, out, err = run("probe", f"uhfreader18://{address}?fastid=1", "--seconds", 1, "--json")
    assert status == 0, err
    told = [said["tid"] for said in json.loads(out)["contents"].values()]
    assert len(set(told)) == 3 and all(tid.startswith("E28011") and len(tid) == 24 for tid in told)


def test_an_emulated_chafon_reader_is_in_no_region_that_its_channels_are_not_of(emulated):
    url = f"chafon://{emulated('chafon', '--listen', '127.0.0.1:0')}"
    said = json.loads(run("probe", url, "--seconds", 0, "--json")[1])
    assert min(said["frequencies_khz"]) > 920_000 and said["region"] != "FCC"
