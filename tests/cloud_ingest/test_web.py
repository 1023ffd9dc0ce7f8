"""API and pages, through HTTP."""

import json

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud_ingest.models import DocumentRow, Run
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from recording.topics import End, Topics
from tests.cloud_ingest.test_store import TOPICS, World
from tests.support.runs import make_info


@pytest.fixture
def site(tmp_path):
    world = World(tmp_path / "data", None)
    health = {"ok": True, "problem": None, "backlog": 0}
    server = WebServer(make_app(world.database, lambda: health), "127.0.0.1:0")
    server.start()
    with httpx.Client(base_url=server.url) as client:
        yield world, client, health
    server.stop()
    world.database.close()


def fill(world):
    world.take((TOPICS.run, json.dumps(make_info().to_json()).encode()))
    world.batches(0, 1, 3)
    world.batches(3)
    world.batches(0, kind="poses")
    world.take((TOPICS.end, End("run-1", {"readings": 6, "poses": 1}).to_json()), (TOPICS.readings, b"junk"))
    world.batches(1, rows=3)


def test_an_empty_service_answers(site):
    _, client, _ = site
    assert client.get("/api/v1/runs").json() == []
    assert "No robot" in client.get("/").text
    assert client.get("/healthz").json()["ok"] is True


def test_a_stranger_can_count(site):
    world, client, _ = site
    fill(world)
    run = client.get("/api/v1/runs/run-1").json()
    assert run["readings_stored"] == 60
    assert run["batches"]["readings"] == {"stored": 3, "rows": 60, "announced": 6}
    assert run["missing"]["readings"] == {"upto": 1, "gaps": [2, 4, 5], "more": False}
    assert run["duplicates"] == 1
    assert run["quarantined"] == 1
    assert client.get("/api/v1/runs").json()[0]["readings_stored"] == 60
    quarantine = client.get("/api/v1/quarantine").json()
    assert quarantine["rows"] == 2
    assert quarantine["newest"][0]["seq"] == 1
    metrics = client.get("/metrics").text.splitlines()
    assert 'nightstack_rows_stored{kind="readings"} 60' in metrics
    assert 'nightstack_runs{state="recording"} 1' in metrics


def test_the_newest_run_comes_first_and_sites_can_be_picked(site):
    world, client, _ = site
    for run_id, place in (("old", "a"), ("new", "b")):
        world.batches(0, run_id=run_id, topics=Topics(place, "robot"))
    assert [run["run_id"] for run in client.get("/api/v1/runs").json()] == ["new", "old"]
    assert [run["run_id"] for run in client.get("/api/v1/runs?site=a").json()] == ["old"]
    assert len(client.get("/api/v1/runs?limit=1").json()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs/none",
        "/api/v1/runs/..%2f..%2fetc",
        "/api/v1/runs/run-1/documents/..%2f..%2f..%2fnightstack.db",
        "/api/v1/runs/run-1/documents/%2e%2e",
        "/api/v1/runs/run-1/documents/none.pdf",
        "/api/v1/runs/run-1/positions",
        "/api/v1/runs/" + "x" * 500,
        "/runs/none",
        "/runs/%00",
        "/api/v1/runs?limit=0",
        "/api/v1/runs?limit=99999999",
    ],
)
def test_what_is_not_there_is_refused(site, path):
    world, client, _ = site
    fill(world)
    assert client.get(path).status_code in (404, 422)


def test_a_document_is_served_with_its_type_and_nothing_in_it_may_run(site):
    world, client, _ = site
    fill(world)
    file = world.settings.data / "runs" / "run-1" / "report.html"
    file.parent.mkdir(parents=True)
    file.write_text("<script>alert(1)</script>")
    with world.database.write() as session:
        session.add(
            DocumentRow(
                run_id="run-1",
                name="report.html",
                file="runs/run-1/report.html",
                media_type="text/html",
                size=1,
                sha256="",
            )
        )
    answer = client.get("/api/v1/runs/run-1/documents/report.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "/api/v1/runs/run-1/documents/report.html" in client.get("/").text


def test_texts_from_outside_are_escaped(site):
    world, client, _ = site
    fill(world)
    with world.database.write() as session:
        run = session.get(Run, "run-1")
        run.reason, run.notes = "<script>alert(1)</script>", ["<img src=x onerror=alert(2)>"]
    for path in ("/", "/runs/run-1"):
        page = client.get(path).text
        assert "<script>" not in page
        assert "<img" not in page
        assert "http" not in page, "nothing is fetched from elsewhere"
    assert "&lt;script&gt;" in client.get("/").text


def test_ill_health_is_503_and_said(site):
    _, client, health = site
    health |= {"ok": False, "problem": "broker mqtt://x is gone"}
    assert client.get("/healthz").status_code == 503
    assert "broker mqtt://x is gone" in client.get("/").text


def test_there_is_no_way_to_change_anything(site):
    world, client, _ = site
    fill(world)
    for path in ("/api/v1/runs", "/api/v1/runs/run-1", "/api/v1/quarantine", "/"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert client.request(method, path).status_code == 405


def test_positions_heard_at_any_nanosecond_are_served(site):
    world, client, _ = site
    fill(world)
    file = world.settings.data / "runs" / "run-1" / "positions.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    heard = pa.array([1_772_402_407_766_220_312, None], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"epc": ["AA", "BB"], "x_m": [1.5, float("nan")], "heard_from": heard}), file)
    answer = client.get("/api/v1/runs/run-1/positions")
    assert answer.status_code == 200
    assert answer.json()["positions"] == [
        {"epc": "AA", "x_m": 1.5, "heard_from": "2026-03-01T22:00:07.766220+00:00"},
        {"epc": "BB", "x_m": None, "heard_from": None},
    ]
