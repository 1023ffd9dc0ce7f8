"""What is said of readers: URLs that none can have, readers that never came, faults that come again and again."""

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from typing import Any

import pytest

from robot.complaints import Complaints
from robot.reader_absence import Absence, missed
from tests.robot.conftest import Night
from tests.robot.nights import MakeNight, heard_all_along, only, scanning
from tests.support import broken_drivers
from tests.support.counting_ingest import CountingIngest
from tests.support.processes import running
from tests.support.scripted_base import ScriptedBase

SECOND = """
[[reader]]
name = "second"
url = "{url}"
[[antenna]]
id = 13
reader = "second"
port = 1
{more}
position_m = [0.0, -0.25, 0.5]
boresight_deg = [-90, 0]
"""


def second(url: str, more: str = "") -> str:
    return SECOND.format(url=url, more=more)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("lrp://127.0.0.1", "no driver for lrp"),
        ("mercury:///dev/ttyUSB0?regio=PRC", "unknown option regio"),
        ("llrp://127.0.0.1:99999", "a port is a number"),
        ("feig:///dev/ttyUSB0?parity=X", "parity"),
    ],
)
def test_a_url_that_no_driver_takes_is_refused_before_anything_moves(
    make_night: MakeNight, url: str, says: str
):
    night = make_night(more_readers=second(url))
    done = run(night)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("nightstack: reader second: url: ") and says in line
    assert night.base.connections == 0 and not night.agent.spool.exists()


@pytest.mark.parametrize(
    ("url", "more", "says"),
    [
        ("feig://127.0.0.1", "power_dbm = 27.0", "power"),
        ("chafon://127.0.0.1", "", "open it with unproven=1"),
    ],
)
def test_what_no_reader_of_a_kind_can_do_is_refused_before_anything_moves(
    make_night: MakeNight, url: str, more: str, says: str
):
    night = make_night(more_readers=second(url, more))
    done = run(night)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"nightstack: reader second: {url}: ") and says in line
    assert night.base.connections == 0 and not night.agent.spool.exists()


def robot_run(night: Night) -> list[str]:
    return [sys.executable, "-m", "nightstack", "robot", "run", str(night.agent.settings)]


def run(
    night: Night, timeout_s: float = 60, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        robot_run(night),
        capture_output=True, text=True, timeout=timeout_s, env=env or night.agent.environment,
    )  # fmt: skip


def under_way(night: Night, **options: Any) -> AbstractContextManager[subprocess.Popen[Any]]:
    """Run the robot while the context lasts."""
    return running(robot_run(night), env=night.agent.environment, **options)


def done_run(ingest: CountingIngest) -> str:
    """Wait until the only run is whole, and has been done; return its id."""
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert ingest.seen.ends[run_id].reason == "done"
    return run_id


def test_a_reader_that_never_came_is_told_at_the_end_and_to_the_morning(make_night: MakeNight):
    night = make_night(more_readers=second("count://two?gone=/"), reader_wait_s=0.3)
    ingest = night.ingest()
    done = run(night)
    assert done.returncode == 0, done.stderr
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert note == "note: reader second never read: count://two?gone=/: nobody answers"
    assert re.fullmatch(r"finished run=\S+ readings=[1-9]\d*", done.stdout.strip())
    # Its error came every few tenths of a second, and was told once; then it was counted.
    warned = [line for line in done.stderr.splitlines() if line.startswith("reader second:")]
    assert warned[0] == "reader second: count://two?gone=/: nobody answers"
    assert len(warned) <= 2 and all(re.match(r"reader second: \d+ times more: ", line) for line in warned[1:])
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    events = ingest.seen.events(run_id)
    assert [kind for source, kind, _ in events if source == "second"] == ["reader_missing", "reader_absent"]
    assert not [row for row in events if row[:2] == ("uhf", "reader_away")]


def test_a_run_in_which_no_reader_ever_read_has_failed(make_night: MakeNight):
    night = make_night(reader_wait_s=0.3)
    night.agent.gone_file.touch()
    night.ingest()
    done = run(night)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(": aborted: no reader answers")
    assert done.stdout.startswith("ended run=") and done.stdout.strip().endswith("readings=0")


def test_how_long_a_reader_was_away_is_told(make_night: MakeNight):
    night = make_night(passes=1)
    other = night.agent.folder / "other-gone"
    settings = night.agent.settings
    settings.write_text(
        settings.read_text().replace("[route]", second(f"count://two?gone={other}") + "[route]")
    )

    def go(base: ScriptedBase) -> None:
        if scanning(base, "S", 1) and base.x_m < 1.5:
            other.touch()
        elif base.y_m > 0.5:
            other.unlink(missing_ok=True)

    night.base.on_step = go
    night.ingest()
    done = run(night)
    assert done.returncode == 0, done.stderr
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    told = re.fullmatch(r"note: reader second was away: (\d+) s of (\d+) s", note)
    assert told, note
    away, whole = map(int, told.groups())
    assert 3 <= away < whole - 3


def test_the_air_is_what_the_reader_says(make_night: MakeNight):
    readers = second("count://two?air=iso15693") + second("count://three", 'air = "iso15693"').replace(
        "second", "third"
    ).replace("id = 13", "id = 14")
    night = make_night(more_readers=readers, passes=1)
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    airs = {mount["id"]: mount["air"] for mount in ingest.seen.runs[run_id]["robot"]["antennas"]}
    assert airs == {11: "gen2", 12: "gen2", 13: "iso15693", 14: "gen2"}
    ((source, detail),) = [(s, d) for s, kind, d in ingest.seen.events(run_id) if kind == "air_differs"]
    assert source == "third"
    assert detail.startswith("antenna 14 is set to iso15693, and the reader says gen2, which is recorded")


def test_the_air_of_a_reader_that_is_not_there_is_its_drivers(make_night: MakeNight):
    night = make_night(more_readers=second("feig:///dev/nosuch"), passes=1, reader_wait_s=0.2)
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    airs = {mount["id"]: mount["air"] for mount in ingest.seen.runs[run_id]["robot"]["antennas"]}
    assert airs[13] == "iso15693"


def test_a_night_goes_on_when_nobody_reads_what_it_says(make_night: MakeNight):
    night = make_night(more_readers=second("count://two?gone=/"), reader_wait_s=0.3)
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", 1))
    with under_way(night, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert b"waiting for" in process.stdout.readline()
        assert paused.wait(30)
        process.stdout.close()
        night.base.go_on()
        assert process.wait(60) == 0
    assert heard_all_along(ingest.seen, done_run(ingest))


def test_a_terminal_that_is_closed_does_not_end_a_night(make_night: MakeNight):
    night = make_night(passes=1)
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", 1))
    ours, theirs = pty.openpty()
    with under_way(night, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        assert paused.wait(30)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        night.base.go_on()
        assert process.wait(60) == 0
    done_run(ingest)


def test_absences_are_cut_to_the_run():
    absence = Absence()
    s = 1_000_000_000
    told = missed("hf", absence, 100 * s, 200 * s, "no answer", whole=True)
    assert told is not None and str(told) == "reader hf never read: no answer"
    absence.read_from(90 * s)
    assert missed("hf", absence, 100 * s, 200 * s, "", whole=True) is None
    absence.away_from(110 * s)
    absence.away_from(120 * s)
    absence.read_from(130 * s)
    absence.away_from(190 * s)
    told = missed("hf", absence, 100 * s, 200 * s, "", whole=True)
    assert told is not None and str(told) == "reader hf was away: 30 s of 100 s (2 times)"
    # An agent that was started again cannot say that a reader never read in the run.
    told = missed("hf", Absence(), 100 * s, 2000 * s, "", whole=False)
    assert told is not None and str(told) == "reader hf was away: 32 min of 32 min"


def test_complaints_are_told_once_and_then_counted():
    told: list[str] = []
    complaints = Complaints(told.append)
    for n in range(100):
        complaints.say("no answer" if n % 2 else "refused")
    assert told == ["refused", "no answer"]
    complaints.over()
    assert told[2:] == ["49 times more: refused", "49 times more: no answer"]
    complaints.say("no answer")
    assert told[4:] == ["no answer"] and complaints.last == "no answer"
    for n in range(100):
        complaints.say(f"strange {n}")
    assert len(told) == 5 + 19


def test_a_start_that_only_delivers_the_run_before_says_so(make_night: MakeNight):
    night = make_night(passes=1)
    ingest = night.ingest(silent=True)
    night.agent.start()
    ingest.wait_for(lambda seen: bool(seen.ends))
    night.agent.kill()
    ingest.close()
    night.ingest()
    done = run(night)
    run_id = only(ingest.seen)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["delivered", f"run={run_id}"]
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert note.startswith(f"note: run {run_id}: this is the run before") and "start again to drive" in note
    again = run(night)
    assert again.returncode == 0 and again.stdout.startswith("finished run=")


@pytest.mark.parametrize("scheme", ["broken-raises", "broken-read", "broken-start"])
def test_a_plug_in_that_breaks_costs_one_line_and_no_night(make_night: MakeNight, scheme: str):
    night = make_night(more_readers=second(f"{scheme}://here"), passes=1, reader_wait_s=1.5)
    night.ingest()
    env = night.agent.environment
    env["PYTHONPATH"] += os.pathsep + str(broken_drivers.install(night.agent.folder))
    done = run(night, env=env)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("reader second:")]
    assert told[0].startswith(
        f"reader second: {scheme}://here: driver {scheme} of package broken-drivers 0.3: its "
    )
    assert all(re.match(r"reader second: \d+ times more: ", line) for line in told[1:]) and len(told) <= 2
    assert any(line.startswith("note: reader second never read: ") for line in done.stderr.splitlines())


def test_a_plug_in_that_cannot_be_loaded_is_refused_before_anything_moves(make_night: MakeNight):
    night = make_night(more_readers=second("broken-missing://here"))
    env = night.agent.environment
    env["PYTHONPATH"] += os.pathsep + str(broken_drivers.install(night.agent.folder))
    done = run(night, env=env)
    assert done.returncode == 2 and night.base.connections == 0
    (line,) = done.stderr.splitlines()
    assert "broken-drivers 0.3" in line
