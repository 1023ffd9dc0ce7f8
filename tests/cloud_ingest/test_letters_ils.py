"""Letters are held against the library system before they go: what went is off the list, one that is down is told."""

import email
import json
import socket
from datetime import UTC, datetime
from email import policy as email_policy
from pathlib import Path
from types import SimpleNamespace

import pytest

from cloud_ingest import casebook, composing
from cloud_ingest.compose_tasks import LetterTask
from reports.case import Case
from sim.ils import KohaEmulator, Stock
from stacks.holdings import Holding
from stacks.ils import IlsError, IlsItem
from tests.cloud_ingest.letter_desk import FINDINGS, MANY, PLAN, finding, koha, open_desks, with_ils


@pytest.fixture
def desk(tmp_path, database_url):
    yield from open_desks(tmp_path, database_url)


def stock(**states):
    books = [
        Holding(f.barcode, f.epc, f.call_number, "lcc", f.title, "A-2", states.get(f.finding_id, "available"))
        for f in FINDINGS
    ]
    return Stock(books)


def test_a_book_lent_since_is_off_the_list_and_that_is_said(desk, tmp_path):
    with KohaEmulator(stock(f1="loaned", f4="loaned")) as emulator:
        office = with_ils(desk, ils=koha(emulator.url, emulator, journal=str(tmp_path / "j.sqlite")))
        office.run("run-1", "2026-03-02T05:00")
        assert office.tick() == 1
    assert office.mailed() == {"f0", "f2", "f3", "f5"}
    text = office.texts()[MANY]
    assert "30001" in text and "30004" in text, "what went is told"
    html = office.mails()[MANY].get_body(("html",)).get_content()
    assert "Title 1" not in html


def test_a_library_system_that_is_down_keeps_no_mail_back_and_is_told(desk):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        office = with_ils(desk, ils=koha(f"http://127.0.0.1:{closed.getsockname()[1]}"))
        office.run("run-1", "2026-03-02T05:00")
        assert office.tick() == 1
    assert office.mailed() == {f.finding_id for f in FINDINGS}
    assert "library system" in office.texts()[MANY]
    assert office.letters()[0].error


def test_a_library_system_that_never_answers_takes_no_more_than_its_time(desk):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ils = koha(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=300.0)
        office = with_ils(desk, ils=ils, recheck_s=3.0, compose_timeout_s=60.0)
        office.run("run-1", "2026-03-02T05:00")
        assert office.tick() == 1
    assert "library system" in office.texts()[MANY]


def test_secrets_of_the_library_system_are_in_no_file(desk):
    with KohaEmulator(stock()) as emulator:
        office = with_ils(desk, ils=koha(emulator.url, emulator))
        office.run("run-1", "2026-03-02T05:00")
        office.tick()
        for path in office.settings.data.rglob("*"):
            if path.is_file():
                assert emulator.client_secret.encode() not in path.read_bytes(), path


class Sinking:
    """A library system that goes down after so many answers; every book asked for has the same status."""

    def __init__(self, answers, status):
        self.answers, self.status, self.asked = answers, status, 0

    def __call__(self, barcode):
        self.asked += 1
        if self.asked > self.answers:
            raise IlsError("gone", temporary=True)
        return IlsItem(barcode, status=self.status)

    item = __call__

    def close(self):
        pass


def test_lines_that_make_room_for_others_are_all_told_however_often_that_goes_round():
    moment = datetime(2026, 3, 2, 4, tzinfo=UTC)
    cases = [
        Case(f, "open", moment, "run-1", moment, "run-1", confidence=f.confidence, nights=3, silent=3)
        for f in (finding(n, "wrong_order", "A-1") for n in range(60))
    ]
    night = composing.LetterNight(None, PLAN, None, cases, [], moment, {})
    letter = LetterTask(1, MANY, "en", [], [], 2.0, "folder")
    asking = Sinking(1000, "loaned")
    work, dropped, _, failed = composing._list(
        SimpleNamespace(ils={"kind": "koha"}, run_id="run-1"), letter, night, asking, moment
    )
    assert work.findings == () and not failed
    assert 0 < asking.asked < 60
    assert len(dropped) == asking.asked, "each that went is told, once"


@pytest.mark.parametrize(("answers", "holds"), [(1000, True), (2, False)])
def test_a_check_that_broke_off_is_not_called_a_check(desk, monkeypatch, answers, holds):
    office = with_ils(desk, ils=koha("http://127.0.0.1:9"))
    office.run("run-1", "2026-03-02T05:00")
    [batch] = office.composer._batches(office.now)
    with office.database.read() as session:
        Path(batch.task.ledger).write_text(json.dumps(casebook.load(session, "site").to_json()))
    Path(batch.task.work).mkdir()
    monkeypatch.setattr(composing, "open_ils", lambda _: Sinking(answers, "available"))
    [written] = composing.compose(batch.task)
    mail = email.message_from_bytes(
        (Path(batch.task.work) / written.file).read_bytes(), policy=email_policy.default
    )
    text = " ".join(mail.get_body(("plain",)).get_content().split())
    assert ("every line still holds" in text) == holds
    assert bool(written.failed) != holds
