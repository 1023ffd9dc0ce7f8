"""The pace in the service: how long a morning took is said, kept, shown, and planned with."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import event

from cloud_ingest import Recipient, SiteSettings, casebook
from cloud_ingest.models import CaseRow, CaseStep
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from nightstack.cli import main
from nightstack.settings import SettingsError, read_serve_settings
from reports.case import BY_STAFF
from reports.ledger_book import Ledger, LedgerError
from reports.ledger_json import case_from_json
from reports.ledger_mornings import took as took_by
from reports.pace import HANDLING_S, ByHand
from stacks.plan import write_plan
from tests.cloud_ingest.letter_desk import Desk
from tests.cloud_ingest.test_store import World
from tests.reports.staff import FIRST, PLAN, Staff

NS = 1_000_000_000

KEY = "correct-horse-battery"


def ns(at):
    return int(at.timestamp()) * NS


def worked(tmp_path, mornings):
    """A service whose staff have worked so many mornings at half the assumed seconds, the last of them just now."""
    world = World(tmp_path / "data", None)
    staff = Staff(0.5, 2)
    for _ in range(mornings):
        staff.morning(bulk=0.1)
    later = datetime.now(UTC) - timedelta(hours=6) - (FIRST + timedelta(days=mornings - 1))
    cases = {i: moved(c, later) for i, c in staff.ledger.cases.items()}
    with world.database.write() as session:
        casebook.save(session, "north", Ledger(cases, "north"), ns(FIRST), before=Ledger(site="north"))
        session.add_all(
            CaseStep(site="north", finding_id=name, at=ns(step.at), who=step.who, did=step.did, why="")
            for name, case in cases.items()
            for step in case.history
            if step.did in BY_STAFF
        )
    (world.settings.data / "sites" / "north").mkdir(parents=True)
    write_plan(world.settings.data / "sites" / "north" / "plan.json", PLAN)
    return world


def moved(case, by):
    return replace(
        case,
        opened_at=case.opened_at + by,
        seen_at=case.seen_at + by,
        mailed_at=case.mailed_at and case.mailed_at + by,
        history=tuple(replace(step, at=step.at + by) for step in case.history),
    )


@pytest.fixture
def kept(tmp_path):
    world = worked(tmp_path, 5)
    with closing(world.database):
        yield world


def run(capsys, kept, *arguments):
    capsys.readouterr()
    status = main(["cases", *arguments, "--data", str(kept.settings.data)])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def client(kept):
    settings = replace(kept.settings, staff={"anna": KEY, "Desk": KEY})
    app = make_app(kept.database, lambda: {"ok": True, "problem": None}, settings)
    server = WebServer(app, "127.0.0.1:0")
    server.start()
    with httpx.Client(base_url=server.url, auth=("anna", KEY)) as made:
        yield made
    server.stop()


def test_the_pace_that_staff_taught_is_shown(capsys, kept, client):
    told = json.loads(run(capsys, kept, "pace", "--json")[1])
    assert told["mornings"] == 5 and told["level"] == pytest.approx(0.5, abs=0.06)
    (missing,) = (k for k in told["kinds"] if k["kind"] == "missing")
    assert missing["seconds"] == pytest.approx(45.0, rel=0.15) and missing["assumed_s"] == 90.0
    assert client.get("/api/v1/pace?site=north").json() == told
    assert "Learnt from 5 mornings" in client.get("/pace").text
    assert "learnt from 5 mornings" in run(capsys, kept, "pace")[1]
    assert client.get("/pace?site=south").status_code == 404


def test_minutes_said_on_the_command_line_move_the_pace(capsys, kept):
    before = json.loads(run(capsys, kept, "pace", "--json")[1])["level"]
    status, out, _ = run(capsys, kept, "took", "200", "--by", "anna")
    assert status == 0 and "200 minutes, anna" in out
    after = json.loads(run(capsys, kept, "pace", "--json")[1])
    assert after["said"] == 1 and after["reports"][0]["minutes"] == 200.0
    assert 1.0 < after["level"] / before < 1.15


@pytest.mark.parametrize(
    "arguments", [("took", "0"), ("took", "50", "--recorded", "--by", "nobody"), ("took", "50", "--site", "south"),
                  ("took", "50", "--at", "2020-01-01T08:00Z")],
)  # fmt: skip
def test_minutes_that_cannot_be_are_one_line_and_change_nothing(capsys, kept, arguments):
    status, _, err = run(capsys, kept, *arguments)
    assert status == 2 and err.count("\n") == 1
    assert json.loads(run(capsys, kept, "pace", "--json")[1])["said"] == 0


def test_minutes_said_on_the_page(client, kept):
    form = {"site": "north", "minutes": "55", "what": "list"}
    assert client.post("/pace", data=form).status_code == 303
    page = client.get("/pace?site=north").text
    assert "55 minutes" in page
    assert "anna" not in page, "the pace is the site's, and nobody's in particular"
    wrong = client.post("/pace", data={**form, "minutes": "many"})
    assert wrong.status_code == 422 and "write a number" in wrong.text
    assert "recorded nothing" in client.post("/pace", data={**form, "what": "recorded"}).text
    with kept.database.read() as session:
        assert [t.minutes for t in casebook.load(session, "north").mornings] == [55.0]


def test_only_staff_say_how_a_morning_went(client):
    for auth, status in ((None, 401), (("anna", "guessed-it-was-this"), 401)):
        with httpx.Client(base_url=client.base_url, auth=auth) as stranger:
            assert stranger.post("/pace", data={"site": "north", "minutes": "55"}).status_code == status
            assert stranger.post("/api/v1/mornings", json={"minutes": 60}).status_code == status
            assert stranger.get("/api/v1/pace").json()["said"] == 0
    said = client.post("/api/v1/mornings", json={"minutes": 60})
    assert said.status_code == 201 and said.json()["who"] == "anna"


def test_minutes_said_through_the_api(client):
    said = client.post("/api/v1/mornings", json={"minutes": 60, "recorded": True}, auth=("Desk", KEY))
    assert said.status_code == 201
    assert said.json()["lines"] > 20
    for wrong in (
        {},
        {"minutes": "60"},
        {"minutes": 60, "who": 5},
        [],
        {"minutes": -1},
        {"minutes": 10**400},
    ):
        assert client.post("/api/v1/mornings", json=wrong).status_code == 422
    for text in ("[" * 9000, '{"minutes": ' + "9" * 400 + "}", '{"minutes": NaN}', "\xff"):
        answer = client.post(
            "/api/v1/mornings", content=text.encode("latin-1"), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, text[:20]
    assert client.post("/api/v1/mornings", json={"minutes": 6, "site": "south"}).status_code == 404


def test_whoever_is_logged_in_says_it_and_nobody_for_another(client):
    said = client.post("/api/v1/mornings", json={"minutes": 60, "who": "Desk"})
    assert said.status_code == 422 and "logged in as anna" in said.json()["detail"]
    page = client.post("/pace", data={"minutes": "60", "who": "Desk"})
    assert page.status_code == 422 and "logged in as anna" in page.text
    assert client.get("/api/v1/pace").json()["said"] == 0
    assert client.post("/api/v1/mornings", json={"minutes": 60, "who": "anna"}).json()["who"] == "anna"


def test_what_is_wrong_with_a_form_stands_on_a_page(client):
    browser = {"accept": "text/html,application/xhtml+xml"}
    for form, said in (
        ({"minutes": "1" * 20_000}, "too long"),
        ({"minutes": "5", "site": "south"}, "name a site"),
    ):
        answer = client.post("/pace", data=form, headers=browser)
        assert answer.status_code in (404, 413) and said in answer.text and "<html" in answer.text
    assert client.post("/pace", json={}).status_code == 415
    assert "<html" in client.get("/runs/no-such", headers=browser).text
    assert client.get("/runs/no-such").json()["detail"] == "no run no-such"
    assert client.get("/api/v1/runs/no-such", headers=browser).json()["detail"] == "no run no-such"


def test_pages_are_framed_by_nobody_and_send_forms_home(client):
    for path in ("/", "/cases", "/pace", "/lists"):
        policy = client.get(path).headers["content-security-policy"]
        for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert part in policy, path


def count_cases_read(kept):
    """Return a list that grows with each case that is read from the database."""
    read = []

    def told(_c, cursor, statement, *more):
        if f"FROM {CaseRow.__tablename__}" in statement and "SELECT" in statement and ".data" in statement:
            read.append(statement)

    event.listen(kept.database.engine, "after_cursor_execute", told)
    return read


def test_the_pace_is_worked_out_once_for_each_state_of_the_ledger(kept, client):
    first = client.get("/api/v1/pace").json()
    read = count_cases_read(kept)
    assert [client.get("/api/v1/pace").json() for _ in range(3)] == [first] * 3 and read == []
    assert client.post("/api/v1/mornings", json={"minutes": 200}).status_code == 201
    assert client.get("/api/v1/pace").json()["said"] == 1


def test_what_a_ledger_keeps_of_mornings_is_bounded(kept):
    at = datetime.now(UTC)
    with kept.database.read() as session:
        whole = casebook.load(session, "north")
    last = max(c.mailed_at for c in whole.cases.values() if c.mailed_at)
    one = next(iter(whole.cases.values()))
    many = {
        f"x{i}": replace(one, finding=replace(one.finding, finding_id=f"x{i}"), mailed_at=last)
        for i in range(8000)
    }
    ledger = replace(whole, cases=many)
    for n in range(4):
        ledger = took_by(ledger, 60 + n, who=f"p{n}", at=at)
    assert [m.minutes for m in ledger.mornings] == [62, 63], "two of 8,000 lines each"
    more = {
        **many,
        **{
            f"y{n}{i}": replace(c, finding=replace(c.finding, finding_id=f"y{n}{i}"))
            for n in range(2)
            for i, c in many.items()
        },
    }
    with pytest.raises(LedgerError, match="24,000 lines are no morning's work"):
        took_by(replace(ledger, cases=more), 60, who="a", at=at)


@pytest.mark.parametrize("recorded", [False, True])
def test_minutes_are_written_down_without_a_look_at_every_case(kept, monkeypatch, recorded):
    at = ns(datetime.now(UTC))
    with kept.database.read() as session:
        whole = casebook.load(session, "north")
    wanted = took_by(whole, 60, who="Desk", at=datetime.fromtimestamp(at / NS, UTC), recorded=recorded)
    parsed = []
    monkeypatch.setattr(casebook, "case_from_json", lambda *a: parsed.append(a) or case_from_json(*a))
    with kept.database.write() as session:
        casebook.took(session, "north", 60, who="Desk", at=at, recorded=recorded)
    with kept.database.read() as session:
        mornings = casebook.head_of(session, "north").mornings
    assert [(m.minutes, set(m.lines)) for m in mornings] == [
        (m.minutes, set(m.lines)) for m in wanted.mornings
    ]
    assert 0 < len(parsed) < len(whole.cases) / 2, "the last morning is one of five"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_page_of_another_site_can_say_nothing(client, headers):
    form = {"site": "north", "minutes": "55", "what": "list"}
    assert client.post("/pace", data=form, headers=headers).status_code == 403
    assert client.post("/api/v1/mornings", json={"minutes": 60}, headers=headers).status_code == 403
    assert client.post("/api/v1/mornings", data={"minutes": 60, "who": "x"}).status_code == 415
    assert client.get("/api/v1/pace").json()["said"] == 0


def test_what_was_said_is_said_again_after_a_night_is_worked_out_anew(kept):
    with kept.database.write() as session:
        before = casebook.load(session, "north")
        step = casebook.last_step(session, "north")
        casebook.took(session, "north", 42.5, who="Anna", at=ns(datetime.now(UTC)))
        after = casebook.load(session, "north")
        again, lost = casebook.again(before, casebook.steps_since(session, "north", step))
    assert (again, lost) == (after, [])
    assert [t.minutes for t in after.mornings] == [42.5]


def test_settings_by_hand(tmp_path, capsys, kept):
    file = tmp_path / "serve.toml"
    file.write_text("[site.north.pace]\nwalk_mps = 1.0\nhandling_s = { missing = 33.0 }\n")
    settings = read_serve_settings(file, data=kept.settings.data)
    assert settings.site("north").pace == ByHand({"missing": 33.0}, walk_mps=1.0)
    told = json.loads(run(capsys, kept, "pace", "--json", "--settings", str(file))[1])
    (missing,) = (k for k in told["kinds"] if k["kind"] == "missing")
    assert missing["by_hand"] and missing["seconds"] == 33.0 and missing["times"] == 0
    assert told["walk_mps"] == 1.0 and told["level"] < 0.6
    file.write_text("[site.north.pace]\nlearn = false\n")
    out = run(capsys, kept, "pace", "--settings", str(file))[1]
    assert "nothing is learnt" in out


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("handling_s = { foo = 3 }", "north.pace: handling_s: 'foo' is no kind of line"),
        ("walk_mps = -1", "north.pace: walk_mps is -1.0"),
        ("speed = 3", "north.pace.speed: no such setting"),
        ("cart_books = 1.5", "north.pace.cart_books: .*integer"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, named):
    file = tmp_path / "serve.toml"
    file.write_text(f"[site.north.pace]\n{text}\n")
    with pytest.raises(SettingsError, match=f"serve.toml: site.{named}"):
        read_serve_settings(file)


def test_the_mail_is_planned_with_the_pace_and_says_so(tmp_path):
    """At 6 s a line, a list of one minute holds more lines than at the assumed pace."""
    quick = SiteSettings("site", pace=ByHand(dict.fromkeys(HANDLING_S, 6.0), trip_s=1.0, walk_mps=50.0))
    lines = {}
    for name, sites in (("slow", ()), ("quick", (quick,))):
        desk = Desk(tmp_path / name, Recipient("anna@lib.example", minutes=1.0), sites=sites)
        with closing(desk.database):
            desk.run("run-1", "2026-03-02T05:00")
            assert desk.tick() == 1
            lines[name] = len(desk.mailed())
            (text,) = desk.texts().values()
            assert "about 1 minute" in text and "/pace?site=site" in text
            assert "Planned with the pace" not in text, "nobody has recorded anything"
            with desk.database.write() as session:
                casebook.took(session, "site", 1.0, who="anna", at=desk.now + 3600 * NS)
            desk.run("run-2", "2026-03-03T05:00")
            assert desk.tick() == 1
            said = "Planned with the pace of the last morning on record." in desk.texts()["anna@lib.example"]
            assert said == (name == "slow"), "where everything is set there is nothing to learn"
    assert lines["quick"] > lines["slow"] >= 1
