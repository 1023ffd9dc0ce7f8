"""The agent when broker, ingest or spool are in trouble."""

import socket
import time
from pathlib import Path

from recording.topics import Topics
from tests.robot.nights import MakeNight, heard_all_along, only, scanning
from tests.support.counting_ingest import Counted
from tests.support.mqtt_broker import make_certificate, start_amqtt, start_mosquitto


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


def test_over_tls_only_to_a_broker_that_proves_who_it_is(make_night: MakeNight, tmp_path: Path):
    certificate, key = make_certificate(tmp_path)
    night = make_night(lambda folder: start_amqtt(folder, tls=(certificate, key)), grace_s=1.0, passes=1)
    settings = night.agent.settings
    plain = settings.read_text()
    settings.write_text(plain.replace("mqtt://127.0.0.1", "mqtts://localhost"))
    ingest = night.ingest(ca=certificate)
    night.agent.start()
    assert night.agent.wait() == 1
    assert "certificate" in night.agent.log.read_text().lower()
    assert ingest.seen.payloads == {}
    settings.write_text(
        plain.replace("mqtt://127.0.0.1", "mqtts://localhost").replace(
            "[uplink]", '[uplink]\nca_file = "cert.pem"'
        )
    )
    night.agent.start()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: len(seen.ends) == 2 and all(seen.complete(run_id) for run_id in seen.ends))


def test_killed_while_delivering_it_delivers_and_drives_no_second_run(make_night: MakeNight):
    night = make_night(window=1000)
    deaf = night.ingest(silent=True)
    night.agent.start()
    deaf.wait_for(lambda seen: len(seen.ends) == 1 and seen.complete(only(seen)))
    night.agent.kill()
    assert night.agent.spooled()
    deaf.close()
    connections = night.base.connections
    ingest = night.ingest()
    night.agent.start()
    assert night.agent.wait() == 0
    ingest.wait_for(lambda seen: seen.complete(only(seen)))
    assert night.base.connections == connections
    assert night.agent.spooled() == {}
