"""Staff's lists through HTTP: uploaded, shown and removed by staff alone, and read when a run is judged."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from threading import Barrier

import httpx
import pytest
import xlsxwriter

from cloud_ingest import staff_lists
from cloud_ingest.errors import ServeError
from cloud_ingest.job_results import make_task, store_result
from cloud_ingest.models import Job, Run, Site, StaffListRow
from cloud_ingest.night_work import judge
from cloud_ingest.run_life import enter
from cloud_ingest.settings import ServeSettings
from cloud_ingest.tasks import NightResult, NightTask, Result, Task
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from reports.ledger import Ledger
from reports.listed import ListTally
from reports.phrases import to_json
from stacks.staff_lists import ListRow, StaffList
from tests.cloud_ingest.test_nights import Office, S
from tests.cloud_ingest.test_store import World
from tests.reports.conftest import make_world
from tests.stacks.imports.test_extent import far_xlsx

KEY = "correct-horse-battery"
ANNA = ("anna", KEY)


@pytest.fixture
def site(tmp_path):
    world = World(tmp_path / "data", None)
    with world.database.write() as session:
        session.add(Site(site="main", first_seen=0))
    server = WebServer(
        make_app(
            world.database,
            lambda: {"ok": True, "problem": None},
            ServeSettings(data=world.database.data, staff={"anna": KEY}),
        ),
        "127.0.0.1:0",
    )
    server.start()
    with httpx.Client(base_url=server.url) as client:
        yield world, client
    server.stop()
    world.database.close()


def put(client, content=b"B1\nB2\n", auth=ANNA, **params):
    return client.put(
        "/api/v1/lists", params={"site": "main", "name": "Course", **params}, content=content, auth=auth
    )


def test_a_list_is_uploaded_shown_and_removed(site, tmp_path):
    _, client = site
    book = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(book) as made:
        sheet = made.add_worksheet()
        for i, row in enumerate((["Barcode", "Note", "Until"], ["B1", "desk", "2026-12-31"], ["B2", "", ""])):
            sheet.write_row(i, 0, row)
    answer = put(client, book.read_bytes(), purpose="wanted")
    assert answer.status_code == 200 and answer.json()["barcodes"] == 2
    (listed,) = client.get("/api/v1/lists?site=main", auth=ANNA).json()
    assert (listed["name"], listed["purpose"], listed["by"], listed["tally"]) == (
        "Course",
        "wanted",
        "anna",
        None,
    )
    rows = client.get("/api/v1/lists/rows?site=main&name=Course", auth=ANNA).json()["rows"]
    assert rows[0] == {"barcode": "B1", "note": "desk", "until": "2026-12-31"}
    assert put(client, b"B7\n", purpose="weeding").json()["barcodes"] == 1, "the same name replaces it"
    gone = client.delete("/api/v1/lists", params={"site": "main", "name": "Course"}, auth=ANNA)
    assert gone.status_code == 200 and client.get("/api/v1/lists", auth=ANNA).json() == []
    assert (
        client.delete("/api/v1/lists", params={"site": "main", "name": "Course"}, auth=ANNA).status_code
        == 404
    )


@pytest.mark.parametrize("header", [b"Basic \xe9", b"Basic ====", b"Basic", b"\xff", b"Basic /w=="])
def test_a_log_in_that_nobody_can_read_is_a_wrong_one(site, header):
    _, client = site
    assert client.get("/lists", headers={"authorization": header}).status_code == 401


@pytest.mark.parametrize("auth", [None, ("anna", "wrong"), ("", ""), ("bob", KEY), ("bob", "")])
def test_strangers_neither_see_nor_change_lists(site, auth):
    _, client = site
    assert put(client, auth=auth).status_code == 401
    for path in ("/lists", "/api/v1/lists", "/api/v1/lists/rows?site=main&name=Course"):
        assert client.get(path, auth=auth).status_code == 401
    assert client.get("/api/v1/lists", auth=ANNA).json() == []


def test_without_staff_in_the_settings_nobody_may(tmp_path):
    world = World(tmp_path / "data", None)
    server = WebServer(make_app(world.database, lambda: {"ok": True}), "127.0.0.1:0")
    server.start()
    try:
        with httpx.Client(base_url=server.url) as client:
            assert put(client).status_code == 403 and "[staff]" in client.get("/lists", auth=("", "")).text
    finally:
        server.stop()
        world.database.close()


@pytest.mark.parametrize(
    ("content", "params", "why"),
    [
        (b"title,author\na,b\n", {}, "no column is named barcode"),
        (b"%PDF-1.7 ...", {}, "is no table"),
        (b"", {}, "is empty"),
        (b"B1\n", {"purpose": "burn"}, "purpose 'burn' is none of"),
        (b"B1\n", {"site": "elsewhere"}, "there are main"),
        (b"B1\n", {"name": "two\nlines"}, "one line"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(site, content, params, why):
    _, client = site
    answer = put(client, content, **params)
    assert answer.status_code == 422 and why in answer.json()["detail"] and "/tmp" not in answer.text
    assert client.get("/api/v1/lists", auth=ANNA).json() == []


def test_a_small_file_with_a_huge_sheet_costs_the_service_nothing(site, tmp_path):
    _, client = site
    answer = put(client, far_xlsx(tmp_path / "a.xlsx").read_bytes())
    assert (
        answer.status_code == 422
        and "the file: has a sheet of 17,179,869,184 cells" in answer.json()["detail"]
    )
    assert client.get("/api/v1/lists", auth=ANNA).status_code == 200


def test_a_list_that_takes_too_much_memory_ends_its_reader_alone(tmp_path):
    """Nothing that measures a file knows all that a reader may do."""
    code = (
        "import stacks.imports.extent as e\ne.MOST_CELLS = 1 << 60\n"
        "from cloud_ingest.list_process import main\nmain()"
    )
    file = far_xlsx(tmp_path / "a.xlsx")
    told = json.dumps([str(file), "Course", "wanted"]).encode()
    done = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, timeout=60)
    assert done.returncode != 0 and done.stdout == b""


def test_a_file_that_is_too_large_is_refused(site):
    _, client = site
    assert put(client, b"B1\n" * 3_000_000).status_code == 413


def test_the_page_takes_a_file_or_barcodes_and_escapes_what_it_shows(site):
    _, client = site
    fields = {"site": "main", "name": "<b>Weed</b>", "purpose": "weeding", "barcodes": "B1\r\nB2\r\n"}
    sent = client.post("/lists", data=fields, files={"file": ("", b"")}, auth=ANNA)
    assert sent.status_code == 303 and sent.headers["location"] == "/lists"
    page = client.get("/lists", auth=ANNA).text
    assert "&lt;b&gt;Weed&lt;/b&gt;" in page and "<b>Weed" not in page and ">2<" in page
    fields |= {"name": "Course", "purpose": "wanted"}
    file = {"file": ("a.csv", "条码,备注\r\nB9,早上\r\n".encode("gb18030"))}
    assert client.post("/lists", data=fields, files=file, auth=ANNA).status_code == 303
    rows = client.get("/api/v1/lists/rows?site=main&name=Course", auth=ANNA).json()["rows"]
    assert rows == [{"barcode": "B9", "note": "早上", "until": None}]
    wrong = client.post("/lists", data=fields, files={"file": ("a.csv", b"x,y\n1,2\n")}, auth=ANNA)
    assert wrong.status_code == 422 and "no column is named barcode" in wrong.text
    removed = client.post(
        "/lists/remove", data={"site": "main", "name": "Course"}, files={"x": b""}, auth=ANNA
    )
    assert removed.status_code == 303 and "Course" not in client.get("/lists", auth=ANNA).text


def part(name, content):
    return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (part("a", "b") * 100_000 + "--x--\r\n", 422, "more than 20 fields"),
        ("--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" * 5, 422, "one line"),
        ("--x\r\nno head\r\n", 422, "broken"),
        ("", 422, "one line"),
        ("x" * 9_000_000, 413, "more than 8 MB"),
    ],
)
def test_a_form_that_is_none_is_told_on_the_page(site, body, status, why):
    _, client = site
    kind = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/lists", content=body, headers=kind, auth=ANNA)
    assert answer.status_code == status and why in answer.text and "<html" in answer.text
    gone = client.post(
        "/lists/remove",
        content=part("site", "main") + part("name", "No such") + "--x--\r\n",
        headers=kind,
        auth=ANNA,
    )
    assert gone.status_code == 404 and "has no list No such" in gone.text and "<html" in gone.text


@pytest.mark.parametrize("header", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
def test_another_sites_page_cannot_use_the_log_in_of_a_browser(site, header):
    _, client = site
    fields = {"site": "main", "name": "Course", "purpose": "weeding", "barcodes": "B1"}
    answer = client.post("/lists", data=fields, files={"file": ("", b"")}, auth=ANNA, headers=header)
    assert answer.status_code == 403 and client.get("/api/v1/lists", auth=ANNA).json() == []


def test_a_key_must_be_long(tmp_path):
    for staff in ({"anna": "short"}, {"an:na": KEY}, {"": KEY}):
        with pytest.raises(ServeError, match="staff"):
            ServeSettings(data=tmp_path, staff=staff)
    assert KEY not in repr(ServeSettings(data=tmp_path, staff={"anna": KEY}))


def test_a_worker_is_given_the_lists_and_their_tally_is_kept(tmp_path):
    office = Office(tmp_path / "data", None)
    office.close_run("run-1", 0)
    with office.database.write() as session:
        of = office.run("run-1").site
        staff_lists.put(session, of, staff_lists.read_upload(b"B1\nB2\n", "Course", "wanted"), "anna", 1)
    with office.database.read() as session:
        run = session.get(Run, "run-1")
        job = session.query(Job).filter_by(run_id="run-1").one()
        task = Task.from_json(make_task(session, office.settings, run, job, "http://here").to_json())
    (given,) = (StaffList.from_json(told) for told in task.lists)
    assert given.purpose == "wanted" and [r.barcode for r in given.rows] == ["B1", "B2"]
    assert given.at == datetime.fromtimestamp(1e-9, UTC)
    for content, at in ((b"B1\nB2\n", 1), (b"B1\n", 3)):  # the same list again is no other list
        with office.database.write() as session:
            staff_lists.put(session, of, staff_lists.read_upload(content, "Course", "wanted"), "script", 3)
        with office.database.read() as session:
            (row,) = staff_lists.lists_of(session, of)
        assert StaffList.from_json(row).at == datetime.fromtimestamp(at / 1e9, UTC)
    tally = ListTally("Course", "wanted", 2, located=1, unknown=("B2",))
    told = {"name": "Course", "located": 1, "said": to_json(tally.said)}
    with office.database.write() as session:
        staff_lists.note_tallies(
            session, of, "run-1", [row], [json.loads(json.dumps(told)), {"name": "gone", "said": ""}]
        )
    server = WebServer(
        make_app(
            office.database,
            lambda: {"ok": True, "problem": None},
            ServeSettings(data=office.database.data, staff={"anna": KEY}),
        ),
        "127.0.0.1:0",
    )
    server.start()
    try:
        with httpx.Client(base_url=server.url, auth=ANNA) as client:
            (listed,) = client.get("/api/v1/lists").json()
            assert listed["run_id"] == "run-1" and listed["said"].startswith(
                '"Course" (a reader waits): 1 of 2 located'
            )
            assert "1 of 2 located" in client.get("/lists").text
    finally:
        server.stop()
        office.database.close()


def test_two_who_upload_one_list_at_once_both_do(tmp_path, database_url):
    world = World(tmp_path / "data", database_url)
    with closing(world.database):
        with world.database.write() as session:
            session.add(Site(site="main", first_seen=0))
        upload, at_once = StaffList("Course", "wanted", (ListRow("B1"),)), Barrier(4)

        def one(at):
            at_once.wait(30)
            with world.database.write() as session:
                staff_lists.put(session, "main", upload, "anna", at)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(1, 5)))
        with world.database.read() as session:
            (row,) = session.query(StaffListRow)
            assert row.size == 1 and StaffList.from_json(row.data) == upload


@pytest.mark.parametrize("case", ["another list by now", "no part of the ledger", "told"])
def test_a_tally_is_of_the_list_that_is_there_and_of_the_newest_night(tmp_path, case):
    office = Office(tmp_path / "data", None)
    with closing(office.database):
        office.close_run("run-1", 0)
        upload = staff_lists.read_upload(b"B1\nB2\n", "Course", "wanted")
        with office.database.write() as session:
            staff_lists.put(session, "site", upload, "anna", 1)
        task, job_id = office.begin("run-1")
        if case == "another list by now":
            with office.database.write() as session:
                other = staff_lists.read_upload(b"B1\nB3\n", "Course", "wanted")
                staff_lists.put(session, "site", other, "anna", 2)
        told = {
            "name": "Course",
            "located": 1,
            "said": to_json(ListTally("Course", "wanted", 2, located=1).said),
        }
        night = None if case == "no part of the ledger" else NightResult(task.night.not_after)
        ready = None if night is None else office.make_ready("run-1", (task, job_id), ["a"])
        with office.database.write() as session:
            run, job = session.get(Run, "run-1"), session.get(Job, job_id)
            enter(session, run, "reporting", "", office.now)
            result = Result([], [], [], 0, night, [told])
            store_result(session, office.settings, job, run, result, task, office.now, ready)
        with office.database.read() as session:
            (row,) = session.query(StaffListRow)
        assert (row.run_id, row.tally) == (("run-1", told) if case == "told" else (None, None))


@pytest.fixture
def stacked():
    return make_world()


def test_a_worker_judges_a_run_with_the_lists_and_the_librarys_own_date(tmp_path, stacked):
    of = StaffList("Course", "wanted", (ListRow("B00005", "desk", date(2026, 3, 1)), ListRow("B99999")))
    (tmp_path / "work").mkdir()
    (tmp_path / "ledger.json").write_text(json.dumps(Ledger(site="main").to_json()))
    task = Task(
        "r1", "main", 0, None, {}, str(tmp_path), str(tmp_path), None, None, None, 1, str(tmp_path), "",
        night=NightTask("ledger.json", None, 0, None, 2**62), facts={"time_zone": "Asia/Shanghai"},
        lists=[of.to_json()],
    )  # fmt: skip
    # 17:00 UTC is the next day in Shanghai.
    for hour, kinds in ((2, ["listed"]), (17, [])):
        at = int(datetime(2026, 3, 1, hour, tzinfo=UTC).timestamp() * S)
        made = judge(
            task, f"r{hour}", at, stacked.positions(), stacked.coverage(), stacked.plan, stacked.holdings(), [],
            tmp_path / "work",
        )  # fmt: skip
        assert [f.kind for f in made.findings] == kinds and len(made.nights) == 1
        (tally,) = made.lists
        assert tally.unknown == ("B99999",) and tally.expired == (0 if kinds else 1)
