"""Cases from outside: the command line, the API and the pages over a service's database."""

import json
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import select

from cloud_ingest import casebook
from cloud_ingest.models import WriteBack
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from nightstack.cli import main
from reports.ledger_book import Ledger
from tests.cloud_ingest.test_nights import case
from tests.cloud_ingest.test_store import World

S = 1_000_000_000
AT = 1_770_000_000 * S


@pytest.fixture
def kept(tmp_path, database_url, monkeypatch):
    monkeypatch.setenv("NIGHTSTACK_DATABASE", database_url)
    world = World(tmp_path / "data", database_url)
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
        ("list", "--kind", "foo"),
        ("resolve", "f1", "--as", "found", "--at", "yesterday"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(capsys, kept, arguments):
    status, _, err = run(capsys, kept, *arguments)
    assert status == 2
    assert err.count("\n") == 1
    assert {c["state"] for c in listed(capsys, kept, "--state", "all").values()} == {"open"}


def test_the_beginning_of_an_id_names_a_case_and_one_that_is_over_is_no_percentage(capsys, kept):
    made = {name: case(name, "run-1", AT, "wrong_shelf") for name in ("f12345678a", "f12345679b")}
    with kept.database.write() as session:
        casebook.save(session, "south", Ledger(made, "south"), AT, before=Ledger(site="south"))
    status, _, err = run(capsys, kept, "resolve", "f1234567", "--as", "reshelved", "--site", "south")
    assert status == 2 and "f12345678a, f12345679b" in err
    status, out, _ = run(capsys, kept, "resolve", "f12345678", "--as", "reshelved", "--site", "south")
    assert status == 0 and out.startswith("f12345678a") and "resolved (reshelved)" in out and "%" not in out
    _, out, _ = run(capsys, kept, "list")
    assert out.split()[:6] == ["case", "kind", "sure", "state", "shelf", "book"] and " % " in out


def test_a_verdict_may_say_when_and_counts_once(capsys, kept):
    """A simulated night lies elsewhere in time than whoever works its list."""
    for _ in range(2):
        said = run(
            capsys,
            kept,
            "resolve",
            "f1",
            "--as",
            "found",
            "--by",
            "desk",
            "--at",
            "2026-03-02T08:30+01:00",
            "--json",
        )
        (case,) = json.loads(said[1])
    assert [step["at"][:16] for step in case["history"] if step["did"] == "found"] == ["2026-03-02T07:30"]


def test_one_wrong_case_of_several_changes_none(capsys, kept):
    assert run(capsys, kept, "resolve", "f1", "none", "--as", "found")[0] == 2
    assert listed(capsys, kept)["f1"]["state"] == "open"


def test_a_case_is_named_by_the_barcode_that_every_line_shows(capsys, kept):
    status, out, _ = run(capsys, kept, "resolve", "b-f2", "--as", "reshelved", "--by", "anna", "--json")
    assert status == 0
    assert [(c["finding_id"], c["resolution"]) for c in json.loads(out)] == [("f2", "reshelved")]
    assert "f1" in run(capsys, kept, "show", "b-f1")[1]
    assert run(capsys, kept, "resolve", "b-none", "--as", "found")[0] == 2
    with kept.database.write() as session:
        before = casebook.load(session, "north")
        twin = case("f9", "run-1", AT, "bad_call_number")
        twin = replace(twin, finding=replace(twin.finding, barcode="b-f1"))
        casebook.save(session, "north", Ledger({**before.cases, "f9": twin}, "north"), AT, before=before)
    status, _, err = run(capsys, kept, "resolve", "b-f1", "--as", "found")
    assert status == 2
    assert "f1 (missing)" in err and "f9 (bad_call_number)" in err


def test_a_case_marked_missing_shows_that_the_library_system_is_to_be_told(capsys, kept):
    run(capsys, kept, "resolve", "f1", "--as", "marked_missing", "--by", "anna")
    told = json.loads(run(capsys, kept, "show", "f1", "--json")[1])["library_system"]
    assert [(t["what"], t["state"]) for t in told] == [("missing", "planned")]
    assert "library system: missing: planned" in run(capsys, kept, "show", "f1")[1]


def test_a_few_of_many_cases_are_loaded_alone_and_an_outgrown_id_is_still_known(kept):
    with kept.database.write() as session:
        before = casebook.load(session, "north")
        grown = replace(before.cases["f1"], also=("old",))
        casebook.save(session, "north", Ledger({**before.cases, "f1": grown}, "north"), AT, before=before)
        assert set(casebook.load(session, "north", ["f2"]).cases) == {"f2"}
        casebook.act(session, "north", "old", "reshelved", who="anna", at=AT)
        casebook.mark_mailed(session, "north", ["f2", "f2"], AT)
        after = casebook.load(session, "north")
    assert set(after.cases) == {"f1", "f2", "f3"}
    assert after.cases["f1"].resolution == "reshelved"
    assert after.cases["f2"].mailed_at is not None and after.cases["f3"].mailed_at is None


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


def test_the_page_of_a_case_tells_what_became_of_the_library_system(client, kept):
    with kept.database.write() as session:
        casebook.act(session, "north", "f1", "marked_missing", who="anna", at=AT)
        row = session.scalar(select(WriteBack))
        row.state, row.error = "failed", "is <on> loan"
    assert client.get("/api/v1/cases/f1?site=north").json()["library_system"][0]["state"] == "failed"
    page = client.get("/cases/f1").text
    assert "Library system, missing: failed" in page
    assert "is &lt;on&gt; loan" in page
    assert "Library system" not in client.get("/cases/f2").text


def test_api_and_pages_show_cases_and_change_none(client):
    assert client.get("/api/v1/cases").json()["total"] == 2
    assert client.get("/api/v1/cases?state=all&limit=1&offset=1").json()["total"] == 3
    assert client.get("/api/v1/cases/f1?site=north").json()["kind"] == "missing"
    assert client.get("/api/v1/cases/f1?site=south").status_code == 404
    assert client.get("/api/v1/cases?state=burnt").status_code == 422
    for path in ("/cases", "/cases?site=north&kind=missing", "/cases/f1", "/"):
        page = client.get(path)
        assert page.status_code == 200
        assert "missing" in page.text.lower()
        assert "http" not in page.text
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/api/v1/cases/f1").status_code == 405
    assert client.get("/api/v1/mail").json() == {"undelivered": [], "strays": 0}
    assert client.get("/healthz").json()["undelivered"] == 0
