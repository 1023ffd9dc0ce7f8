"""Cases that were resolved years ago leave the ledger with a night, once, and can be found again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from cloud_ingest import casebook
from cloud_ingest.models import ArchivedCase, CaseStep
from cloud_ingest.web import views
from cloud_ingest.web.case_views import list_cases, show_case
from reports.case import Step
from reports.ledger_book import Ledger
from reports.ledger_json import case_from_json
from tests.cloud_ingest.test_nights import HOUR, Office, S, case


@pytest.fixture
def office(tmp_path, database_url):
    made = Office(tmp_path / "data", database_url)
    yield made
    made.database.close()


def resolved(made, did, days_ago, now):
    """A case that was settled so many days ago."""
    at = datetime.fromtimestamp(now / S, UTC) - timedelta(days=days_ago)
    opened = replace(made.history[0], at=at)
    step = Step(at, "scan" if did == "seen_right" else "anna", did, "", made.finding.kind, 0.9)
    return replace(
        made,
        state="resolved",
        resolution=did,
        opened_at=at,
        seen_at=at,
        history=(opened, step),
        confidence=0.1,
    )


def with_old_cases(office):
    """Cases of every age: only `old` and `older` are nobody's any more."""
    made = {
        "open": case("open", "run-0", office.now - 1000 * 24 * HOUR),
        "old": resolved(case("old", "run-0", office.now), "seen_right", 731, office.now),
        "older": resolved(case("older", "run-0", office.now), "seen_right", 3000, office.now),
        "young": resolved(case("young", "run-0", office.now), "seen_right", 700, office.now),
        "alarm": resolved(case("alarm", "run-0", office.now), "false_alarm", 2000, office.now),
        "taught": resolved(case("taught", "run-0", office.now), "reshelved", 2000, office.now),
    }
    with office.database.write() as session:
        casebook.save(session, "site", Ledger(made, "site"), office.now, before=Ledger(site="site"))


def archived(office):
    with office.database.read() as session:
        return {row.finding_id: row for row in session.scalars(select(ArchivedCase))}


def test_cases_resolved_years_ago_are_put_away_and_counted(office):
    with_old_cases(office)
    office.work_out("run-1", 1, "new")
    assert set(office.states()) == {"open", "young", "alarm", "taught", "new"}
    kept = archived(office)
    assert set(kept) == {"old", "older"}
    assert case_from_json(kept["old"].data).history[-1].did == "seen_right", "with its whole story"
    (told,) = [note for note in office.run("run-1").notes if "archive" in note]
    assert told == "2 cases resolved more than 730 days ago went into the archive."
    with office.database.read() as session:
        listed = list_cases(session, "site", "archived")
        assert {c["finding_id"] for c in listed["cases"]} == set(kept)
        assert (listed["total"], list_cases(session, "site", "all")["archived"]) == (2, 2)
        assert show_case(session, "site", "old")["resolution"] == "seen_right"
        assert views.totals(session)['nightstack_cases{state="archived"}'] == 2
    # The night is worked out again: nothing is put away twice, and nothing comes back.
    office.again("run-1")
    office.work_out("run-1", 2, "new")
    assert set(archived(office)) == {"old", "older"}
    assert set(office.states()) == {"open", "young", "alarm", "taught", "new"}
    # The same trouble with the same book begins a case of its own.
    office.work_out("run-2", 25, "old")
    assert office.states()["old"] == ("open", "")
    with office.database.read() as session:
        assert show_case(session, "site", "old")["state"] == "open"


def test_a_case_that_staff_reopen_while_it_is_being_put_away_stays(office):
    with_old_cases(office)
    office.close_run("run-1", 1)
    begun = office.begin("run-1")
    ready = office.make_ready("run-1", begun, ["new"])
    office.act("old", "reopen")
    office.store_night("run-1", begun, ready)
    assert office.states()["old"] == ("open", "")
    assert set(archived(office)) == {"older"}


def test_old_steps_go_once_no_night_can_need_them_and_numbers_go_on(office):
    office.work_out("run-1", 0, "a", "b")
    office.act("a", "reshelved")
    office.act("b", "assign", "boris")
    for n in range(2):
        office.work_out(f"run-{n + 2}", 24 * (800 + n))
    with office.database.read() as session:
        left = session.scalars(select(CaseStep)).all()
        assert [step.did for step in left] == ["assign"], "the newest stays"
        before = casebook.last_step(session, "site")
    office.act("b", "reopen" if office.states()["b"][0] == "resolved" else "note")
    with office.database.read() as session:
        assert casebook.last_step(session, "site") > before
    assert [s.did for s in office.ledger().cases["a"].history] == ["opened", "reshelved"]
