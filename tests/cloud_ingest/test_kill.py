"""Real brokers, real processes, SIGKILL at random moments; then everything is counted."""

import random
import sqlite3
import threading

import pyarrow.parquet as pq
import pytest

from cloud_ingest.raw_store import read_batches
from recording.wire import decode_batch
from tests.cloud_ingest.conftest import make_batch, until
from tests.support.mqtt_broker import start_amqtt, start_mosquitto
from tests.support.runs import make_info

BATCHES, ROWS = 120, 20


@pytest.fixture(params=["amqtt", "mosquitto"])
def broker(request, tmp_path):
    with (start_amqtt if request.param == "amqtt" else start_mosquitto)(tmp_path) as running:
        yield running


def count(service, run_id="run-1"):
    """Look at what is stored as a stranger would: the database by SQL, the files by pyarrow."""
    with sqlite3.connect(f"file:{service.data / 'nightstack.db'}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT seq, rows, file, payload FROM batches WHERE run_id = ? AND kind = 'readings' ORDER BY seq",
            (run_id,),
        ).fetchall()
    db.close()
    seqs = [seq for seq, *_ in rows]
    assert len(seqs) == len(set(seqs))
    files = {file for _, _, file, _ in rows if file is not None}
    folder = service.data / "raw" / "site=site" / f"run={run_id}" / "readings"
    on_disk = (
        {path.relative_to(service.data).as_posix() for path in folder.glob("*.parquet")}
        if folder.exists()
        else set()
    )
    in_files = sum(pq.read_metadata(service.data / name).num_rows for name in files)
    in_log = sum(n for _, n, _, payload in rows if payload is not None)
    for name in files:
        for batch in read_batches(service.data / name):
            assert batch.data.same_as(make_batch(seq=batch.seq, rows=ROWS).data)
    for seq, _, _, payload in rows:
        if payload is not None:
            assert decode_batch(payload).data.same_as(make_batch(seq=seq, rows=ROWS).data)
    return seqs, in_files + in_log, on_disk - files


def test_ingest_killed_again_and_again_loses_nothing_and_doubles_nothing(broker, make_service, make_robot):
    service = make_service(role="ingest", broker=broker.url, segment_rows=300)
    robot = make_robot(broker.port)
    robot.begin(make_info())
    rng = random.Random(4)
    robot.spool(*(make_batch(seq=seq, rows=ROWS) for seq in range(BATCHES)))
    service.start()
    for _ in range(4):
        # Killed while messages are under way: some received, some in a transaction, some acknowledged.
        killer = threading.Timer(rng.uniform(0.0, 0.12), service.kill)
        killer.start()
        robot.push()
        killer.join()
        seqs, _, _ = count(service)
        acknowledged = set(range(BATCHES)) - {seq for _, _, seq in robot.pending}
        assert acknowledged <= set(seqs), "a batch was acknowledged that is not stored"
        service.start()
    robot.push_until_stored()
    robot.end("run-1", readings=BATCHES)
    service.terminate()
    seqs, readings, _ = count(service)
    assert seqs == list(range(BATCHES))
    assert readings == BATCHES * ROWS
    assert robot.sent > BATCHES, "nothing was ever sent twice: the test killed too late"


def test_a_run_closed_under_fire_has_each_reading_in_one_file(make_service, make_robot, tmp_path):
    with start_amqtt(tmp_path) as broker:
        service = make_service(role="ingest", broker=broker.url, segment_rows=100)
        robot = make_robot(broker.port)
        robot.begin(make_info())
        robot.spool(*(make_batch(seq=seq, rows=ROWS) for seq in range(BATCHES)))
        rng = random.Random(7)
        service.start()
        for _ in range(3):
            killer = threading.Timer(rng.uniform(0.02, 0.5), service.kill)  # into compaction, too
            killer.start()
            robot.push()
            killer.join()
            service.start()
        robot.push_until_stored()

        def closed():
            robot.end("run-1", readings=BATCHES)
            with sqlite3.connect(service.data / "nightstack.db") as db:
                state = db.execute("SELECT state FROM runs").fetchone()[0]
                waiting = db.execute("SELECT count(*) FROM batches WHERE payload IS NOT NULL").fetchone()[0]
            db.close()
            return state == "closing" and waiting == 0

        until(closed, 30, 0.3)
        seqs, readings, orphans = count(service)
    assert seqs == list(range(BATCHES))
    assert readings == BATCHES * ROWS
    assert orphans == set()


def test_the_broker_killed_in_mid_run_and_started_again(broker, make_service, make_robot):
    service = make_service(role="ingest", broker=broker.url)
    robot = make_robot(broker.port)
    service.start()
    robot.begin(make_info())
    robot.spool(*(make_batch(seq=seq, rows=ROWS) for seq in range(BATCHES)))
    for _ in range(2):
        pushing = threading.Thread(target=robot.push)
        pushing.start()
        broker.kill()
        pushing.join()
        broker.start()
        until(robot.client.is_connected, 20)
    robot.push_until_stored()
    service.terminate()
    seqs, readings, _ = count(service)
    assert seqs == list(range(BATCHES))
    assert readings == BATCHES * ROWS


def test_a_session_kept_by_mosquitto_delivers_what_came_while_ingest_was_down(
    make_service, make_robot, tmp_path
):
    with start_mosquitto(tmp_path) as broker:
        service = make_service(role="ingest", broker=broker.url, client_id="nightstack-ingest")
        service.start()
        robot = make_robot(broker.port)
        robot.send(make_batch(seq=0))
        until(lambda: robot.upto.get(("run-1", "readings")) == 0)
        service.terminate()
        robot.send(*(make_batch(seq=seq) for seq in range(1, 50)))
        service.start()
        # Sent once only: nobody sends again what the broker holds.
        until(lambda: robot.upto.get(("run-1", "readings")) == 49)
        service.terminate()
        assert count(service)[0] == list(range(50))


def test_sigterm_stores_what_was_received_and_leaves_with_0(make_service, make_robot, tmp_path):
    with start_amqtt(tmp_path) as broker:
        service = make_service(role="ingest", broker=broker.url)
        service.start()
        robot = make_robot(broker.port)
        robot.spool(*(make_batch(seq=seq, rows=ROWS) for seq in range(BATCHES)))
        robot.push()
        until(lambda: len(robot.pending) < BATCHES)
        assert service.terminate() == 0
        seqs, _, _ = count(service)
        acknowledged = set(range(BATCHES)) - {seq for _, _, seq in robot.pending}
        assert acknowledged <= set(seqs)
        service.start()
        robot.push_until_stored()


def test_a_second_ingest_on_the_same_data_refuses_in_one_line(make_service, tmp_path):
    with start_amqtt(tmp_path) as broker:
        first = make_service(role="ingest", broker=broker.url)
        second = make_service("second", role="ingest", broker=broker.url)
        first.start()
        second.start(wait=False)
        assert second.process.wait(30) != 0
        assert "another process serves its ingest already" in second.log
