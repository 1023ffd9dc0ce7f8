"""The service as a whole: its parts, what it imports, what it says when it cannot start."""

import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.request

import pytest
from sqlalchemy.exc import OperationalError

from cloud_ingest import ServeError, ServeSettings, serve
from cloud_ingest.consumer import Consumer
from cloud_ingest.database import Database
from cloud_ingest.store import Store
from recording.wire import encode_batch
from tests.cloud_ingest.conftest import make_batch, until
from tests.support.mqtt_broker import free_port, start_amqtt
from tests.support.runs import make_info


def test_ingest_does_not_load_compilers_or_solvers():
    code = (
        "import sys, cloud_ingest, cloud_ingest.web.server, cloud_ingest.job_results, amqtt.broker;"
        "print([m for m in ('numba', 'scipy', 'llvmlite', 'reportlab', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("which", ["http", "broker_listen"])
def test_a_port_in_use_is_one_line_and_leaves_nothing_running(tmp_path, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = {"http": "broker_listen", "broker_listen": "http"}[which]
        addresses = {which: f"127.0.0.1:{taken.getsockname()[1]}", other: "127.0.0.1:0"}
        before = threading.active_count()
        with pytest.raises(ServeError) as caught:
            serve(ServeSettings(tmp_path, **addresses))
    assert "\n" not in str(caught.value)
    assert which.split("_")[0] in str(caught.value)
    until(lambda: threading.active_count() == before, 10)


def test_a_data_folder_that_is_a_file_is_one_line(tmp_path):
    file = tmp_path / "data"
    file.write_text("no folder")
    with pytest.raises(ServeError) as caught:
        serve(ServeSettings(file))
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_three_roles_in_three_processes(make_service, make_robot, database_url):
    ingest, jobs, web = (
        make_service(role, role=role, database=database_url) for role in ("ingest", "jobs", "web")
    )
    ingest.start()
    jobs.start()
    web.start()
    assert (ingest.http, jobs.http, web.broker) == (None, None, None)
    robot = make_robot(ingest.broker)
    robot.begin(make_info())
    robot.spool(make_batch(seq=0), make_batch(seq=0, kind="poses"))
    robot.push_until_stored()
    robot.end("run-1", readings=1, poses=1)
    run = web.wait_state("run-1", "reported", "failed")
    assert run["state"] == "reported", run["reason"]
    assert run["mails"] == []
    assert web.get("/api/v1/quarantine")["rows"] == 0
    assert web.get("/healthz")["ok"]
    with urllib.request.urlopen(web.http + "/metrics") as answer:
        assert b'nightstack_rows_stored{kind="readings"} 20' in answer.read()
    for service in (web, jobs, ingest):
        assert service.terminate() == 0


def test_a_broker_that_is_away_is_said_and_found_again(make_service, tmp_path):
    port = free_port()
    service = make_service(broker=f"mqtt://127.0.0.1:{port}")
    service.start()
    with pytest.raises(Exception, match="503"):
        service.get("/healthz")
    with start_amqtt(tmp_path, port):

        def well():
            try:
                return service.get("/healthz")["ok"]
            except OSError:
                return False

        until(well, 30)


@pytest.fixture
def taking(tmp_path, make_robot):
    """A consumer in this process, so that its store can be made to fail."""
    with start_amqtt(tmp_path) as broker:
        settings = ServeSettings(tmp_path / "data", broker=broker.url)
        database = Database(settings)
        store = Store(database, settings)
        consumer = Consumer(store, settings, broker.url)
        consumer.start()
        assert consumer.wait_subscribed(20)
        yield store, make_robot(broker.port), tmp_path / "data" / "nightstack.db"
        consumer.stop()
        database.close()


def rows(file, sql):
    with sqlite3.connect(file) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


def test_a_database_that_fails_for_a_while_costs_nothing(taking, monkeypatch):
    store, robot, file = taking
    real, failures = store.accept, []

    def accept(arrivals):
        if len(failures) < 3:
            failures.append(len(arrivals))
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))
        return real(arrivals)

    monkeypatch.setattr(store, "accept", accept)
    robot.send(*(make_batch(seq=seq) for seq in range(5)))
    until(lambda: robot.upto.get(("run-1", "readings")) == 4)
    assert len(failures) == 3
    assert rows(file, "SELECT count(*) FROM batches") == [(5,)]
    assert rows(file, "SELECT count(*) FROM quarantine") == [(0,)]


def test_one_message_the_store_stumbles_over_does_not_hold_up_the_others(taking, monkeypatch):
    store, robot, file = taking
    real, poison = store.accept, encode_batch(make_batch(seq=2))

    def accept(arrivals):
        if any(arrival.payload == poison for arrival in arrivals):
            raise ArithmeticError("unforeseen")
        return real(arrivals)

    monkeypatch.setattr(store, "accept", accept)
    robot.send(*(make_batch(seq=seq) for seq in range(5)))
    until(lambda: robot.acks and robot.acks[-1]["missing"] == [2])
    until(lambda: rows(file, "SELECT count(*) FROM quarantine") == [(1,)])
    assert rows(file, "SELECT seq FROM batches ORDER BY seq") == [(0,), (1,), (3,), (4,)]
    assert "unforeseen" in rows(file, "SELECT reason FROM quarantine")[0][0]
