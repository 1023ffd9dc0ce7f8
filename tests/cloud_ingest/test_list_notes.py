"""Notes on staff's lists are staff's: open pages and documents do not show them, mails do."""

from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from cloud_ingest.job_process import _open_to_all
from cloud_ingest.web import make_app
from cloud_ingest.web.server import WebServer
from reports.listed_text import for_list, on_list
from reports.phrases import from_json, to_json
from tests.cloud_ingest.letter_desk import FINDINGS, Desk

KEY = "correct-horse-battery"
ANNA = ("anna", KEY)
NOTE = "Reader at desk two waits"


@pytest.fixture
def noted(tmp_path):
    """A run with one case about a copy on a list with a note, and its mail."""
    f = FINDINGS[0]
    listed = replace(
        f,
        evidence=f.evidence + on_list("Course", "wanted", NOTE),
        asked_for=for_list("Course", "wanted", NOTE),
    )
    desk = Desk(tmp_path)
    with closing(desk.database):
        desk.run("run-1", "2026-03-02T05:00", findings=[listed, *FINDINGS[1:]])
        assert desk.tick() == 1
        settings = replace(desk.settings, staff={"anna": KEY})
        server = WebServer(
            make_app(desk.database, lambda: {"ok": True, "problem": None}, settings), "127.0.0.1:0"
        )
        server.start()
        with httpx.Client(base_url=server.url) as client:
            yield desk, client
        server.stop()


def test_a_case_shows_notes_to_staff_alone(noted):
    _, client = noted
    for path in ("/api/v1/cases/f0", "/cases/f0"):
        for auth in (None, ("anna", "wrong"), ("bob", KEY)):
            said = client.get(path, auth=auth)
            assert said.status_code == 200 and NOTE not in said.text and "Course" in said.text, path
        assert NOTE in client.get(path, auth=ANNA).text
    assert NOTE not in client.get("/api/v1/cases").text + client.get("/cases").text


def test_the_documents_of_a_letter_with_notes_are_staffs(noted):
    desk, client = noted
    (text,) = desk.texts().values()
    assert NOTE in text, "whoever fetches the book has to know"
    (letter,) = client.get("/api/v1/runs/run-1").json()["letters"]
    assert letter["documents"] and not any(name.startswith(".") for name in letter["documents"])
    for name in letter["documents"]:
        path = f"/api/v1/runs/run-1/letters/{letter['id']}/{name}"
        assert client.get(path).status_code == 401
        assert client.get(path, auth=ANNA).status_code == 200
    # A later mail without such a line is open again, as every other one.
    desk.run("run-2", "2026-03-03T05:00", findings=FINDINGS[1:])
    with desk.database.write() as session:
        from cloud_ingest import casebook

        casebook.act(session, "site", "f0", "found", who="anna", at=desk.now)
    assert desk.tick() == 1
    (letter,) = client.get("/api/v1/runs/run-2").json()["letters"]
    path = f"/api/v1/runs/run-2/letters/{letter['id']}/{letter['documents'][0]}"
    assert client.get(path).status_code == 200


def test_a_runs_own_documents_have_no_notes():
    f = replace(FINDINGS[0], evidence=FINDINGS[0].evidence + on_list("Course", "wanted", NOTE))
    f = replace(f, asked_for=for_list("Course", "wanted", NOTE), evidence=from_json(to_json(f.evidence)))
    shown = _open_to_all(f)
    assert NOTE in f.evidence and NOTE not in shown.evidence + shown.asked_for
    assert (
        shown.evidence.endswith('times. On the list "Course" (a reader waits).')
        and shown.asked_for == "Course (a reader waits)"
    )
