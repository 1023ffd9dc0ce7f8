"""Progress where there is no terminal: a line for every step, few within one."""

import time

import pytest

from nightstack import progress as progress_module
from nightstack.progress import progress


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_every_new_step_has_a_line_however_short(capsys, clock):
    with progress("work") as tell:
        for share, what in (
            (0.0, "reading"),
            (0.1, "registering"),
            (0.1, "fitting"),
            (0.9, "mapping"),
            (1.0, "done"),
        ):
            tell(share, what)
    assert lines(capsys) == [
        "work: 0% reading", "work: 10% registering", "work: 10% fitting", "work: 90% mapping", "work: done",
    ]  # fmt: skip


def test_within_a_step_there_is_a_line_every_ten_seconds(capsys, clock):
    with progress("work") as tell:
        for second in range(60):
            clock[0] = 1000.0 + second
            tell(second / 60, "placing tags")
    found = lines(capsys)
    assert found == [f"work: {share}% placing tags" for share in (0, 17, 33, 50, 67, 83)] + ["work: done"]


def test_a_count_that_goes_on_is_no_new_step(capsys, clock):
    with progress("robot") as tell:
        for number in range(1000):
            clock[0] += 0.02
            tell(0.5, f"the robot drives: {number:,} readings stored")
    assert len(lines(capsys)) == 3


@pytest.mark.parametrize("busy", [True, False])
def test_a_long_step_that_computes_can_be_told_from_a_hang(capsys, monkeypatch, busy):
    monkeypatch.setattr(progress_module, "_PLAIN_EVERY_S", 0.1)
    monkeypatch.setattr(progress_module, "_WORK_CPU_S", 0.05)
    with progress("work", computing=True) as tell:
        tell(0.3, "fitting shelves")
        end = time.process_time() + 0.5
        if busy:
            while time.process_time() < end:
                sum(range(10_000))
        else:
            time.sleep(0.5)
    beats = [line for line in lines(capsys) if "processor time" in line]
    assert all(line.startswith("work: 30% fitting shelves (") for line in beats)
    assert (len(beats) >= 1) == busy
