"""Cases from outside: the command line, the API and the pages over a service's database."""

import json
from contextlib import closing

import httpx
import pytest

from cloud_ingest import casebook
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from nightstack.cli import main
from reports.ledger_book import Ledger
from tests.cloud_ingest.test_nights import case
from tests.cloud_ingest.test_store import World

S = 1_000_000_000
AT = 1_770_000_000 * S


@pytest.fixture
def kept(tmp_path):
    world = World(tmp_path / "data", None)
    cases = {
        "f1": case("f1", "run-1", AT, "missing"),
        "f2": case("f2", "run-1", AT, "wrong_shelf"),
        "f3": case("f3", "run-1", AT, "low_confidence", quiet=True),
    }
    with world.database.write() as session:
        casebook.save(session, "north", Ledger(cases, "north"), AT, before=Ledger(site="north"))
    with closing(world.database):
        yield world


def run(capsys, kept, *arguments):
    capsys.readouterr()
    status = main(["cases", *arguments, "--data", str(kept.settings.data)])
    out, err = capsys.readouterr()
    return status, out, err


def listed(capsys, kept, *arguments):
    status, out, _ = run(capsys, kept, "list", "--json", *arguments)
    assert status == 0
    return {c["finding_id"]: c for c in json.loads(out)["cases"]}


def test_a_case_is_listed_assigned_resolved_and_reopened(capsys, kept):
    assert set(listed(capsys, kept)) == {"f1", "f2"}
    assert set(listed(capsys, kept, "--state", "all")) == {"f1", "f2", "f3"}
    assert set(listed(capsys, kept, "--kind", "missing")) == {"f1"}
    assert set(listed(capsys, kept, "--text", "B-F2")) == {"f2"}
    assert run(capsys, kept, "assign", "f1", "f2", "--to", "anna")[0] == 0
    assert {c["assigned_to"] for c in listed(capsys, kept).values()} == {"anna"}
    assert (
        run(capsys, kept, "resolve", "f1", "--as", "found", "--by", "anna", "--why", "behind the row")[0] == 0
    )
    assert set(listed(capsys, kept)) == {"f2"}
    assert run(capsys, kept, "reopen", "f1", "--by", "boris")[0] == 0
    _, out, _ = run(capsys, kept, "show", "f1", "--json")
    history = json.loads(out)["history"]
    assert [(s["did"], s["who"]) for s in history] == [
        ("opened", "scan"),
        ("assigned", "anna"),
        ("found", "anna"),
        ("reopened", "boris"),
    ]
    assert history[2]["why"] == "behind the row"
    _, out, _ = run(capsys, kept, "show", "f1")
    assert "behind the row" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "none"),
        ("resolve", "none", "--as", "found"),
        ("resolve", "f1", "--as", "burnt"),
        ("reopen", "f1"),
        ("assign", "f1", "--to", " "),
        ("list", "--state", "lost"),
        ("list", "--site", "south"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(capsys, kept, arguments):
    status, _, err = run(capsys, kept, *arguments)
    assert status == 2
    assert err.count("\n") == 1
    assert {c["state"] for c in listed(capsys, kept, "--state", "all").values()} == {"open"}


def test_one_wrong_case_of_several_changes_none(capsys, kept):
    assert run(capsys, kept, "resolve", "f1", "none", "--as", "found")[0] == 2
    assert listed(capsys, kept)["f1"]["state"] == "open"


def test_a_folder_without_a_service_is_named_and_not_made(capsys, tmp_path):
    assert main(["cases", "list", "--data", str(tmp_path / "none")]) == 2
    assert "no service" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.fixture
def client(kept):
    server = WebServer(make_app(kept.database, lambda: {"ok": True, "problem": None}), "127.0.0.1:0")
    server.start()
    with httpx.Client(base_url=server.url) as made:
        yield made
    server.stop()


def test_api_and_pages_show_cases_and_change_none(client):
    assert client.get("/api/v1/cases").json()["total"] == 2
    assert client.get("/api/v1/cases?state=all&limit=1&offset=1").json()["total"] == 3
    assert client.get("/api/v1/cases/f1?site=north").json()["kind"] == "missing"
    assert client.get("/api/v1/cases/f1?site=south").status_code == 404
    assert client.get("/api/v1/cases?state=burnt").status_code == 422
    for path in ("/cases", "/cases?site=north&kind=missing", "/cases/f1", "/"):
        page = client.get(path)
        assert page.status_code == 200
        assert "missing" in page.text
        assert "http" not in page.text
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/api/v1/cases/f1").status_code == 405
    assert client.get("/api/v1/mail").json() == {"undelivered": [], "strays": 0}
    assert client.get("/healthz").json()["undelivered"] == 0
