"""The agent when base, readers or the aisle are in trouble."""

import math

import numpy as np

from robot.base_link import Flags
from tests.robot.nights import MakeNight, heard_all_along, only, places, scanning
from tests.support.scripted_base import ScriptedBase


def test_the_base_may_go_and_come_back(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    gone: list[float] = []

    def once(base: ScriptedBase) -> None:
        if not gone and base.v_mps < -0.25:
            gone.append(base.x_m)
            base.drop()

    night.base.on_step = once
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    kinds = [kind for _, kind, _ in ingest.seen.events(run_id)]
    assert kinds.count("base_gone") == kinds.count("base_back") == 1
    assert night.base.connections == 2
    assert heard_all_along(ingest.seen, run_id)


def test_a_base_that_stays_away_ends_the_run(make_night: MakeNight):
    night = make_night(base_lost_s=0.5)
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", -1))
    night.agent.start()
    assert paused.wait(30)
    assert night.agent.wait() == 1
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert ingest.seen.ends[run_id].reason.startswith("aborted: the base was lost for")


def test_without_a_base_nothing_begins(make_night: MakeNight):
    night = make_night()
    night.base.close()
    settings = night.agent.settings
    settings.write_text(settings.read_text().replace("base_lost_s", "base_wait_s = 0.3\nbase_lost_s"))
    night.agent.start()
    assert night.agent.wait() == 1
    assert "no base answers" in night.agent.log.read_text()
    assert night.agent.spooled() == {}


def test_the_robot_stands_while_no_reader_reads_and_drives_that_stretch_again(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", 1) and base.x_m < 1.0)
    night.agent.start()
    assert paused.wait(30)
    night.agent.gone_file.touch()
    standing: list[ScriptedBase] = []

    def come_back(base: ScriptedBase) -> None:
        if base.v_mps == 0.0 and night.agent.gone_file.exists():
            night.agent.gone_file.unlink()
            standing.append(base)

    night.base.on_step = come_back
    night.base.go_on()
    assert night.agent.wait() == 0
    assert standing
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    kinds = [kind for _, kind, _ in ingest.seen.events(run_id)]
    assert kinds.count("reader_gone") == kinds.count("reader_back") == 1
    assert kinds.count("leg_started") == 5
    assert heard_all_along(ingest.seen, run_id)


def test_a_reader_that_never_comes_does_not_cost_the_night(make_night: MakeNight):
    second = """
[[reader]]
name = "absent"
url = "count://two?gone=/"
[[antenna]]
id = 13
reader = "absent"
port = 1
position_m = [0.0, -0.25, 0.5]
boresight_deg = [-90, 0]
"""
    night = make_night(more_readers=second, reader_wait_s=0.3)
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert ("absent", "reader_missing") in [row[:2] for row in ingest.seen.events(run_id)]
    assert heard_all_along(ingest.seen, run_id)


def test_a_blocked_aisle_is_waited_for_and_then_left(make_night: MakeNight):
    night = make_night(passes=1)
    ingest = night.ingest()
    blocked: list[int] = []

    def obstacle(base: ScriptedBase) -> None:
        if base.y_m < -0.6 and 0.9 < base.x_m < 1.0 and math.cos(base.yaw_rad) < -0.9:
            base.flags = Flags.OBSTACLE
            blocked.append(base.seq)
        else:
            base.flags = Flags.NONE

    night.base.on_step = obstacle
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    events = ingest.seen.events(run_id)
    kinds = [kind for _, kind, _ in events]
    assert kinds.count("blocked") == 1
    assert [detail for _, kind, detail in events if kind == "leg_skipped"] == [
        detail
        for _, _, detail in events
        if detail.startswith("face S pass 1 from 1.") and "obstacle" in detail
    ]
    # It stood for the five seconds asked for, and the other face was scanned.
    assert len(blocked) * night.base.step_s >= 5.0
    _, at = places(ingest.seen, run_id)
    assert np.any((np.abs(at.y_m - 1.2) < 0.05) & (at.x_m > 1.9))
