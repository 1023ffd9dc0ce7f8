"""The agent from outside: a base over TCP, a real broker, a reader plug-in, an ingest that counts."""

import math
import signal
import socket
import time
from collections.abc import Callable

import numpy as np

from recording import Poses, Readings, RunInfo
from recording.topics import Topics
from recording.wire import decode_batch
from robot.base_link import Flags
from tests.robot.conftest import Night
from tests.support.counting_ingest import Counted
from tests.support.mqtt_broker import start_mosquitto
from tests.support.scripted_base import ScriptedBase

MakeNight = Callable[..., Night]


def places(seen: Counted, run_id: str) -> tuple[Readings, Poses]:
    """Readings, and the pose at each of them."""
    parts = [batch.data for batch in seen.batches(run_id, "poses")]
    poses = Poses(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name, _ in parts[0].columns()}
    )
    readings = seen.readings(run_id).sorted()
    return readings, poses.at(readings.t)


def heard_all_along(seen: Counted, run_id: str) -> bool:
    """Whether readings were taken from every decimetre of both faces, with the face on the antennas' side."""
    _, at = places(seen, run_id)
    for y_m, yaw in ((-0.7, math.pi), (1.2, 0.0)):
        scanning = (np.abs(at.y_m - y_m) < 0.05) & (np.cos(at.yaw_rad - yaw) > 0.99)
        tenths = np.floor(at.x_m[scanning] * 10).astype(int)
        if not set(range(20)) <= set(tenths.tolist()):
            return False
    return True


def scanning(base: ScriptedBase, face: str, direction: int) -> bool:
    """Whether the base is on a face's line, looks the right way, and drives forward (1) or in reverse (-1)."""
    y_m, yaw = {"S": (-0.7, math.pi), "N": (1.2, 0.0)}[face]
    return (
        abs(base.y_m - y_m) < 0.05 and math.cos(base.yaw_rad - yaw) > 0.99 and base.v_mps * direction > 0.25
    )


def only(seen: Counted) -> str:
    (run_id,) = seen.runs
    return run_id


def test_a_whole_run(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    seen = ingest.seen
    assert seen.ends[run_id].reason == "done"
    assert seen.conflicts == []
    assert len(seen.payloads) == sum(seen.ends[run_id].batches.values())
    assert heard_all_along(seen, run_id)

    info = RunInfo.from_json(seen.runs[run_id])
    assert [mount.phase_ambiguity for mount in info.antennas] == ["pi", "pi"]
    readings, _ = places(seen, run_id)
    assert set(readings.antenna.tolist()) == {11, 12}
    # The reader counts its tags: not one is missing between the first and the last, and none is there twice.
    numbers = np.sort(np.array([int(epc, 16) for epc in readings.epc]))
    assert np.array_equal(numbers, np.arange(numbers[0], numbers[-1] + 1))
    # Port 1 and 2 take turns; the agent maps them to the mounts 11 and 12.
    assert np.array_equal(readings.antenna, 11 + np.array([int(epc, 16) % 2 for epc in readings.epc]))
    for batch in seen.batches(run_id, "poses"):
        assert np.all(np.diff(batch.data.t) > 0)
        assert set(batch.data.floor_id) == {"1"}

    spans = [batch.data for batch in seen.batches(run_id, "activity")]
    for mount in (11, 12):
        t = readings.t[readings.antenna == mount]
        listened = np.zeros(len(t), bool)
        for span in spans:
            for k in np.flatnonzero(span.antenna == mount):
                listened |= (t >= span.t_start[k]) & (t < span.t_end[k])
        assert listened.mean() > 0.99

    kinds = [kind for _, kind, _ in seen.events(run_id)]
    assert kinds.count("leg_started") == 4
    assert kinds[-1] == "run_ended"
    assert night.base.stops == 1
    ingest.wait_for(lambda seen: bool(seen.status) and seen.status[-1]["state"] == "offline")
    assert night.agent.spooled() == {}


def test_killed_three_times_it_goes_on_where_it_was(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    spooled: dict[tuple[str, str, int], bytes] = {}
    stops: list[tuple[Callable[[ScriptedBase], bool], int, float]] = [
        (lambda base: scanning(base, "S", 1) and base.x_m < 1.2, 0, 1.25),
        (lambda base: scanning(base, "S", -1) and base.x_m > 1.7, 1, 2.15),
        (lambda base: scanning(base, "N", 1) and base.x_m > 1.0, 2, 1.45),
    ]
    for stop, leg, done_m in stops:
        paused = night.base.pause_when(stop)
        night.agent.start()
        assert paused.wait(30)
        night.agent.await_progress(leg, done_m)
        night.agent.kill()
        spooled |= night.agent.spooled()
        night.base.go_on()
    night.agent.start()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    seen = ingest.seen
    assert seen.conflicts == []
    assert seen.ends[run_id].reason == "done"
    for identity, payload in spooled.items():
        assert seen.payloads[identity] == payload
    assert heard_all_along(seen, run_id)
    epcs = seen.readings(run_id).epc
    assert len(set(epcs)) == len(epcs)
    kinds = [kind for _, kind, _ in seen.events(run_id)]
    assert kinds.count("run_started") == 1
    assert kinds.count("run_resumed") == 3
    legs = [detail for _, kind, detail in seen.events(run_id) if kind == "leg_started"]
    # It went on in the leg where it died, a bit before the place, and drove no leg again from its start.
    begins = [float(detail.split(" from ")[1].removesuffix(" m")) for detail in legs]
    assert [begin for begin in begins if begin == 0.0] == [0.0] * 4
    assert all(0.9 < begin < 2.0 for begin in begins if begin > 0.0)
    assert len(legs) == 7


def test_a_broker_killed_in_mid_run_costs_nothing(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", -1))
    night.agent.start()
    assert paused.wait(30)
    night.broker.kill()
    resumed = night.base.pause_when(lambda base: scanning(base, "N", 1))
    night.base.go_on()
    assert resumed.wait(30)
    ingest.seen.status.clear()
    night.broker.start()
    ingest.wait_for(lambda seen: any(status["phase"] == "scanning" for status in seen.status))
    night.base.go_on()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert ingest.seen.conflicts == []
    assert heard_all_along(ingest.seen, run_id)
    kinds = [kind for _, kind, _ in ingest.seen.events(run_id)]
    assert "broker_gone" in kinds
    assert kinds.count("broker_connected") == 2


def test_without_a_broker_all_night_the_next_start_sends_first(make_night: MakeNight):
    night = make_night(grace_s=0.5)
    night.broker.kill()
    night.agent.start()
    assert night.agent.wait() == 1
    assert "the next start sends them first" in night.agent.log.read_text()
    first = night.agent.spooled()
    assert first
    night.broker.start()
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: len(seen.ends) == 2 and all(seen.complete(run_id) for run_id in seen.ends))
    older, newer = ingest.seen.runs
    assert {identity[0] for identity in first} == {older}
    assert newer != older
    assert {identity: ingest.seen.payloads[identity] for identity in first} == first


def test_an_ingest_that_lost_a_batch_gets_it_again(make_night: MakeNight):
    night = make_night(ack_timeout_s=30.0)
    ingest = night.ingest()
    ingest.lose_once("readings", 3)
    paused = night.base.pause_when(lambda base: scanning(base, "N", 1))
    night.agent.start()
    assert paused.wait(30)
    # A question that crosses with the batch is not answered twice; later ones are, long before the time-out.
    ingest.wait_for(lambda seen: any(key[1:] == ("readings", 4) for key in seen.payloads))

    def asked_and_given(seen: Counted) -> bool:
        ingest.acknowledge(only(seen), "readings")
        return any(key[1:] == ("readings", 3) for key in seen.payloads)

    ingest.wait_for(asked_and_given, 10)
    night.base.go_on()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: seen.complete(only(seen)))
    assert ingest.seen.conflicts == []


def test_an_ingest_that_comes_after_the_end_learns_of_it(make_night: MakeNight):
    night = make_night()
    paused = night.base.pause_when(lambda base: scanning(base, "N", 1))
    night.agent.start()
    assert paused.wait(30)
    night.base.go_on()
    deaf = night.ingest(silent=True)
    deaf.wait_for(lambda seen: len(seen.ends) == 1)
    deaf.close()
    ingest = night.ingest()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: seen.complete(only(seen)))
    assert night.agent.spooled() == {}


def test_sigterm_ends_the_run_as_aborted(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", -1))
    night.agent.start()
    assert paused.wait(30)
    night.agent.signal(signal.SIGTERM)
    night.base.go_on()
    assert night.agent.wait() == 1
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert ingest.seen.ends[run_id].reason == "aborted: SIGTERM"
    assert night.base.stops == 1
    assert night.agent.spooled() == {}


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


def test_a_full_spool_stops_the_robot_until_ingest_takes_something(make_night: MakeNight):
    night = make_night(spool_max_mb=1, rate=3000, batch_rows=200, passes=1, window=2000)
    # Time must not run so fast that the night is over before the spool is known to be full.
    night.base.on_step = lambda base: time.sleep(0.002)
    ingest = night.ingest(silent=True)
    night.agent.start()
    ingest.wait_for(
        lambda seen: any(kind == "spool_full" for run in seen.runs for _, kind, _ in seen.events(run))
    )
    standing = night.base.pause_when(lambda base: base.v_mps == 0.0)
    assert standing.wait(30)
    at = night.base.x_m, night.base.y_m
    seq = night.base.seq
    night.base.go_on()
    assert night.base.pause_when(lambda base: base.seq > seq + 100).wait(30)
    assert (night.base.x_m, night.base.y_m) == at
    night.base.go_on()
    with ingest.changed:
        ingest.silent = False
        for run_id, kind in {key[:2] for key in ingest.seen.payloads}:
            ingest.acknowledge(run_id, kind)
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    kinds = [kind for _, kind, _ in ingest.seen.events(run_id)]
    assert kinds.count("spool_full") == kinds.count("spool_free") >= 1
    assert heard_all_along(ingest.seen, run_id)


def test_batches_are_what_the_wire_says(make_night: MakeNight):
    night = make_night(passes=1, batch_rows=25)
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    for (run_id, kind, seq), payload in ingest.seen.payloads.items():
        batch = decode_batch(payload)
        assert (batch.run_id, batch.kind, batch.seq) == (run_id, kind, seq)
        assert 0 < len(batch.data) <= 25
        if isinstance(batch.data, Readings):
            assert len(batch.data.tags) == len(set(batch.data.epc))


def test_a_mosquitto_killed_in_mid_run_costs_nothing(make_night: MakeNight):
    night = make_night(start_mosquitto)
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", -1))
    night.agent.start()
    assert paused.wait(30)
    night.broker.kill()
    night.broker.start()
    night.base.go_on()
    assert night.agent.wait() == 0
    run_id = only(ingest.seen)
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert ingest.seen.conflicts == []
    assert heard_all_along(ingest.seen, run_id)


def test_nonsense_on_the_ack_topic_harms_nothing(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", -1))
    night.agent.start()
    assert paused.wait(30)
    ingest.wait_for(lambda seen: bool(seen.runs))
    run_id = only(ingest.seen)
    for payload in (
        b"",
        b"\xff\x00",
        b"[]",
        b'{"run_id":1}',
        b'{"run_id":"x","kind":"readings","upto":1e99,"missing":[]}',
        f'{{"run_id":"{run_id}","kind":"readings","upto":999999,"missing":[]}}'.encode(),
        f'{{"run_id":"{run_id}","kind":"poses","upto":-1,"missing":[99999]}}'.encode(),
        b'{"run_id":"other","kind":"poses","upto":3,"missing":[]}',
    ):
        ingest.publish(Topics("site", "robot").ack, payload)
    night.base.go_on()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: seen.complete(run_id))
    assert heard_all_along(ingest.seen, run_id)
    assert [kind for _, kind, _ in ingest.seen.events(run_id)].count("broker_connected") == 1


def test_a_broker_that_accepts_and_says_nothing_does_not_hold_up_the_night(make_night: MakeNight):
    night = make_night(grace_s=0.5)
    night.broker.kill()
    with socket.create_server(("127.0.0.1", night.broker.port)):
        night.agent.start()
        assert night.agent.wait() == 1
    assert night.agent.spooled()
    assert "the next start sends them first" in night.agent.log.read_text()


def test_an_unfinished_run_of_another_route_is_closed(make_night: MakeNight):
    night = make_night()
    ingest = night.ingest()
    paused = night.base.pause_when(lambda base: scanning(base, "S", -1))
    night.agent.start()
    assert paused.wait(30)
    night.agent.kill()
    night.base.go_on()
    settings = night.agent.settings
    settings.write_text(settings.read_text().replace("passes = 2", "passes = 1"))
    night.agent.start()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: len(seen.ends) == 2 and all(seen.complete(run_id) for run_id in seen.ends))
    older, newer = ingest.seen.runs
    assert ingest.seen.ends[older].reason == "aborted: the route was changed before the run was resumed"
    assert ingest.seen.ends[newer].reason == "done"
