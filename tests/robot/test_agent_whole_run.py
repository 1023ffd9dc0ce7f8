"""The agent from outside: a base over TCP, a real broker, a reader plug-in, an ingest that counts."""

import signal
from collections.abc import Callable

import numpy as np

from recording import Readings, RunInfo
from recording.wire import decode_batch
from tests.robot.nights import MakeNight, heard_all_along, only, places, scanning
from tests.support.scripted_base import ScriptedBase


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
        # The last will: everybody learns that the robot has gone.
        ingest.wait_for(lambda seen: seen.status[-1]["state"] == "offline")
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
