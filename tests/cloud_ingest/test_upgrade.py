"""An installation that an older Nightstack left is taken on as it is, and goes on with the next night."""

import shutil
from pathlib import Path

import pytest

from cloud_ingest import casebook
from nightstack.ledger_file import read_ledger
from reports.memory import Memory
from tests.cloud_ingest.test_nights import Office

MADE = Path(__file__).parents[1] / "data" / "installation_f81984d"


@pytest.fixture
def office(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(MADE / "nightstack.db", data)
    shutil.copytree(MADE / "nights", data / "sites" / "site" / "nights")
    made = Office(data, None)
    yield made
    made.database.close()


def test_its_cases_are_there_and_a_further_night_is_taken_in(office):
    known = {"a": ("resolved", "reshelved"), "b": ("open", ""), "c": ("open", "")}
    assert office.states() == known
    ledger = office.ledger()
    assert ledger.runs == ("run-1", "run-2") and ledger.cases["b"].mailed_at is not None
    office.close_run("run-3", 48)
    begun = office.begin("run-3")
    memory = Memory.read(office.settings.data / begun[0].night.memory)
    assert memory.barcode.tolist() == ["b-a", "b-b"] and memory.p_gone.tolist() == pytest.approx([0.0, 0.6])
    office.end("run-3", begun, ["d"])
    assert office.states() == known | {"d": ("open", "")}
    with office.database.write() as session:
        casebook.mark_mailed(session, "site", ["b"], office.now)
        told = casebook.took(session, "site", 30, who="anna", at=office.now)
    assert told.lines == ("b",)


def test_its_last_night_is_worked_out_again(office):
    office.again("run-2")
    office.work_out("run-2", 25, "late")
    assert set(office.states()) == {"a", "b", "late"}


def test_a_ledger_file_of_the_command_line_is_read():
    book = read_ledger(MADE / "cases.json", "site")
    assert book.runs == ("run-1", "run-2") and book.cases["a"].resolution == "reshelved"
