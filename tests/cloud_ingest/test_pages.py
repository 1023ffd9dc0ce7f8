"""Pages as staff and operators meet them: what went wrong, whose clock, which language, and what was done."""

import logging
import re
from contextlib import closing, contextmanager
from dataclasses import replace

import httpx
import pytest

from cloud_ingest import Recipient, SiteSettings, casebook
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from reports.ledger_book import Ledger
from tests.cloud_ingest.test_nights import case
from tests.cloud_ingest.test_store import World

S = 1_000_000_000
AT = 1_772_402_400 * S  # 2026-03-01 22:00 UTC
KEY = "correct-horse-battery"
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "data", None)
    cases = {
        "f1": case("f1", "run-1", AT, "missing"),
        "f2": case("f2", "run-1", AT, "wrong_shelf"),
        "f3": case("f3", "run-1", AT, "wrong_order"),
    }
    with made.database.write() as session:
        casebook.save(session, "north", Ledger(cases, "north"), AT, before=Ledger(site="north"))
    with closing(made.database):
        yield made


@contextmanager
def served(world, *sites, health=None, **more):
    settings = replace(world.settings, sites=sites, staff={"anna": KEY}, **more)
    server = WebServer(
        make_app(world.database, health or (lambda: {"ok": True, "problem": None}), settings), "127.0.0.1:0"
    )
    server.start()
    try:
        with httpx.Client(base_url=server.url, headers=BROWSER) as client:
            yield client
    finally:
        server.stop()


@pytest.fixture
def client(world):
    with served(world, SiteSettings("north", time_zone="Asia/Shanghai")) as made:
        yield made


def record(client, *cases, auth=("anna", KEY), **fields):
    return client.post("/cases", data={"site": "north", "case": list(cases), **fields}, auth=auth)


def state(client, finding_id):
    told = client.get(f"/api/v1/cases/{finding_id}?site=north").json()
    return told["state"], told["resolution"], told["assigned_to"]


def fault():
    raise RuntimeError("the <secret> of /etc/shadow")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no/such/page", 404),
        ("GET", "/runs/no-such", 404),
        ("GET", "/cases/no-such", 404),
        ("GET", "/cases/" + "x" * 99, 422),
        ("GET", "/cases?state=burnt", 422),
        ("POST", "/", 405),
        ("GET", "/lists", 401),
        ("POST", "/pace", 401),
    ],
)
def test_a_browser_gets_a_page_with_a_way_home_and_a_program_json(world, method, path, status):
    for spoken, words in (("en", "All stocktakes"), ("zh", "全部盘点")):
        with served(world, language=spoken) as client:
            page = client.request(method, path)
            assert page.status_code == status and page.headers["content-type"].startswith("text/html")
            assert '<a href="/">' in page.text and words in page.text
            assert f'<html lang="{spoken}' in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
            if status == 401:
                assert page.headers["www-authenticate"].startswith("Basic")
            program = client.request(method, path, headers={"accept": "*/*"})
            assert program.status_code == status and program.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/none", 404), ("/api/v1/runs/none", 404), ("/api/v1/cases?limit=0", 422)]
)
def test_the_api_speaks_json_to_browsers_too(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status and answer.json()["detail"]


def test_another_sites_form_is_refused_on_a_page(client):
    answer = client.post(
        "/cases", data={"site": "north"}, auth=("anna", KEY), headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403 and "<html" in answer.text and "another site" in answer.text
    assert state(client, "f1")[0] == "open"


def test_a_fault_is_logged_with_a_number_and_its_page_tells_the_number_alone(world, caplog):
    with caplog.at_level(logging.INFO), served(world, health=fault, language="zh") as client:
        page = client.get("/")
        program = client.get("/", headers={"accept": "application/json"})
    assert page.status_code == program.status_code == 500
    for answer in (page, program):
        assert (
            "secret" not in answer.text
            and "Traceback" not in answer.text
            and "RuntimeError" not in answer.text
        )
    number = re.search(r"编号 ([0-9a-f]{8})", page.text)[1]
    assert '<a href="/">全部盘点</a>' in page.text
    (logged,) = [r for r in caplog.records if number in r.getMessage()]
    assert "secret" in str(logged.exc_info[1])
    assert len([r for r in caplog.records if r.exc_info]) == 2, "each is logged once"
    assert "stands in the service's log" in program.json()["detail"]


def test_times_are_the_sites_and_say_so_and_utc_is_at_hand(world):
    """22:00 UTC is already the next day in Shanghai."""
    world.batches(0)
    zones = (
        SiteSettings("north", time_zone="Asia/Shanghai"),
        SiteSettings("site", time_zone="Europe/Berlin"),
    )
    with served(world, *zones) as client:
        page = client.get("/cases/f1?site=north").text
        assert 'title="2026-03-01 22:00:00 UTC">2026-03-02 06:00</time>' in page
        assert "Times are those of Asia/Shanghai" in page
        assert client.get("/api/v1/cases/f1").json()["opened_at"] == "2026-03-01T22:00:00.000+00:00"
        assert ">2026-03-02</time>" in client.get("/cases?site=north").text
        # A page about all sites is in the service's zone, and says of each other time whose it is.
        index = client.get("/").text
        assert "Times are those of UTC" in index
        assert re.search(r"<time [^>]*UTC\">[0-9: -]+ Europe/Berlin</time>", index)
        assert "Times are those of Europe/Berlin" in client.get("/runs/run-1").text


def test_pages_speak_the_language_that_a_sites_recipients_share(world):
    chinese = tuple(Recipient(f"{name}@lib.example", language="zh") for name in ("a", "b"))
    mixed = (*chinese, Recipient("c@lib.example"))
    for sites, words in (
        ((SiteSettings("north", chinese),), "待处理事项"),
        ((SiteSettings("north", mixed),), "To be put right"),
        ((SiteSettings("north", mixed, language="zh"),), "待处理事项"),
        ((SiteSettings("north", chinese, language="en"),), "To be put right"),
    ):
        with served(world, *sites) as client:
            for path in ("/cases?site=north", "/"):
                assert words in client.get(path).text, path
    with served(world, SiteSettings("north", chinese)) as client:
        page = client.get("/cases/f1?site=north").text
        for english in ("Missing", "Record", "open<", "night", "sure", "Belongs"):
            assert english not in page, english


@pytest.mark.parametrize(
    "did", ["found", "reshelved", "checked_in", "marked_missing", "retagged", "false_alarm"]
)
def test_staff_record_what_they_did_and_see_the_new_state(client, did):
    page = client.get("/cases/f1?site=north").text
    assert f'name="did" value="{did}"' in page and "<script" not in page
    done = record(client, "f1", did=did, why="behind <the> row", steps="1")
    assert done.status_code == 303
    after = client.get(done.headers["location"])
    assert after.status_code == 200
    assert state(client, "f1") == ("resolved", did, "")
    assert re.search(rf'class="state">settled: {did.replace("_", " ")}<', after.text)
    assert "behind &lt;the&gt; row" in after.text and "anna" in after.text


def test_a_case_is_given_to_somebody_and_opened_again(client):
    record(client, "f1", did="assign", to="boris", why="ask him", steps="1")
    assert state(client, "f1") == ("assigned", "", "boris")
    last = client.get("/api/v1/cases/f1?site=north").json()["history"][-1]
    assert (last["who"], last["why"]) == ("boris", "ask him (anna)"), "who gave it away stands there, too"
    record(client, "f2", did="assign", steps="1")
    assert state(client, "f2") == ("assigned", "", "anna")
    assert 'value="reopen"' not in client.get("/cases/f2?site=north").text
    record(client, "f2", did="reshelved", steps="2")
    assert 'value="reopen"' in client.get("/cases/f2?site=north").text
    record(client, "f2", did="reopen", why="not there", steps="3")
    assert state(client, "f2") == ("open", "", "")


def test_lines_are_ticked_and_recorded_together(client):
    page = client.get("/cases?site=north&kind=wrong_shelf").text
    assert page.count('type="checkbox"') == 1 and 'name="list_kind" value="wrong_shelf"' in page
    done = record(client, "f1", "f2", did="reshelved", list_of="north", list_state="todo")
    assert done.status_code == 303
    after = client.get(done.headers["location"]).text
    just = after[after.index("Just recorded") : after.index('role="search"')]
    assert just.count("settled: reshelved") == 2 and "/cases/f3" in after and "1 case" in after
    assert [state(client, name)[0] for name in ("f1", "f2", "f3")] == ["resolved", "resolved", "open"]


@pytest.mark.parametrize(
    ("cases", "fields", "status", "said"),
    [
        ((), {"did": "found"}, 422, "Tick the lines"),
        (("f1",), {"steps": "1"}, 422, "Choose what was done"),
        (("f1",), {"did": "burnt", "steps": "1"}, 422, "Choose what was done"),
        (("f1", "none"), {"did": "found"}, 404, "no case none"),
        (("f1",), {"did": "reopen", "steps": "1"}, 422, "still open"),
        (("f1",), {"did": "found", "steps": "9"}, 409, "since you opened the page"),
        (("f1",), {"did": "found", "site": "south"}, 422, "Choose one site"),
        (("f1",), {"did": "found", "why": "x" * 200_000}, 413, "too long"),
        (("f1\0",), {"did": "found"}, 404, "no case"),
    ],
)
def test_what_cannot_be_recorded_is_said_on_the_page_and_changes_nothing(client, cases, fields, status, said):
    answer = record(client, *cases, **fields)
    assert answer.status_code == status and said in answer.text and "<html" in answer.text
    assert {state(client, name)[0] for name in ("f1", "f2", "f3")} == {"open"}


def test_what_was_filled_in_is_not_lost_when_a_form_is_refused(client):
    answer = record(client, "f1", did="found", why="behind the row", steps="9")
    assert 'value="behind the row"' in answer.text and re.search(
        r'value="found" required checked', answer.text
    )
    answer = record(client, "f2", "f3", why="all of them")
    assert 'value="all of them"' in answer.text and answer.text.count(" checked") == 2


@pytest.mark.parametrize("auth", [None, ("anna", "guessed-it-was-this"), ("", "")])
def test_strangers_see_cases_and_record_nothing(client, auth):
    assert record(client, "f1", did="found", steps="1", auth=auth).status_code == 401
    assert state(client, "f1")[0] == "open"
    assert "asked to log in" in client.get("/cases/f1?site=north").text


def test_without_staff_in_the_settings_the_page_says_why_there_is_no_form(world):
    server = WebServer(make_app(world.database, lambda: {"ok": True, "problem": None}), "127.0.0.1:0")
    server.start()
    try:
        with httpx.Client(base_url=server.url, headers=BROWSER) as client:
            for path in ("/cases", "/cases/f1"):
                page = client.get(path).text
                assert "[staff]" in page and 'method="post"' not in page
            assert record(client, "f1", did="found").status_code == 403
    finally:
        server.stop()


def test_a_case_is_found_by_its_barcode(client):
    page = client.get("/cases?site=north&text=B-F2").text
    assert "/cases/f2?" in page and "/cases/f1?" not in page
    record(client, "f2", did="reshelved", steps="1")
    assert "no such case" in client.get("/cases?site=north&text=B-F2").text
    assert "/cases/f2?" in client.get("/cases?site=north&text=B-F2&state=resolved").text
