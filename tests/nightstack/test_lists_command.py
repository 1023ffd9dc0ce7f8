"""``exceptions --list``: copies staff want found, located in one night's scan."""

import json
import shutil
from pathlib import Path

import pytest

from nightstack.cli import main
from nightstack.commands.exceptions import list_of
from nightstack.errors import InputError
from reports.exceptions_csv import read_exceptions
from tests.nightstack.night import csv_rows


@pytest.fixture
def night(recording, tmp_path):
    folder = shutil.copytree(recording, tmp_path / "night")
    assert main(["localize", str(folder)]) == 0
    return folder


def run(capsys, *args):
    capsys.readouterr()
    status = main(["exceptions", *map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


def test_lists_are_located_counted_and_kept_open(night, tmp_path, capsys):
    shelved = [r["barcode"] for r in csv_rows(night / "holdings.csv") if r["status"] == "available"]
    course = tmp_path / "course.csv"
    course.write_text("barcode,note\n" + "".join(f"{b},desk copy\n" for b in shelved[:10]) + "NOBODY,x\n")
    weed = tmp_path / "weed.txt"
    weed.write_text("\n".join(shelved[10:14]))
    file = tmp_path / "cases.json"
    named = ["--list", f"wanted:Course={course}", "--list", f"weeding={weed}"]
    status, out, _ = run(capsys, night, *named, "--ledger", file, "--minutes", 600, "--json")
    assert status == 0
    said = json.loads(out)
    first, second = said["lists"]
    assert (first["name"], first["purpose"], first["asked"], first["unknown"]) == (
        "Course",
        "wanted",
        11,
        ["NOBODY"],
    )
    assert (second["name"], second["purpose"], second["asked"]) == ("weeding", "weeding", 4)
    for tally in (first, second):
        counted = tally["located"] + tally["unplaced"] + tally["silent"] + tally["not_looked"]
        assert counted + sum(tally["away"].values()) + len(tally["unknown"]) == tally["asked"]
        assert tally["located"] >= 3
    lines = [f for f in read_exceptions(night / "exceptions.csv") if "desk copy" in f.evidence]
    assert [f.kind for f in lines].count("listed") >= 5 and all(f.shelf_id for f in lines)
    assert {f.kind for f in read_exceptions(night / "worklist.csv")} >= {"listed"}
    status, out, _ = run(capsys, night, *named, "--positions", night / "positions.parquet")
    assert status == 0 and 'list "Course" (a reader waits): ' in out
    status, _, err = run(capsys, night, *named, "--positions", night / "positions.parquet", "--ledger", file)
    assert status == 0 and "--list: ignored" in err, "this night is in the ledger already"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Course=a.csv", ("Course", "search", Path("a.csv"))),
        ("weeding:Spring 2026=a.csv", ("Spring 2026", "weeding", Path("a.csv"))),
        ("binding=a=b.csv", ("binding", "binding", Path("a=b.csv"))),
        ("Shelf: A=a.csv", ("Shelf: A", "search", Path("a.csv"))),
    ],
)
def test_how_a_list_is_named(given, read):
    assert list_of(given) == read


@pytest.mark.parametrize(
    "given", ["wantd:Course=f.csv", "Wanted:Course=f.csv", "exhibtion: Spring=f.csv", "x:y=z"]
)
def test_a_misspelt_purpose_is_refused_with_the_purposes(given):
    with pytest.raises(InputError, match="none of wanted, claimed_returned"):
        list_of(given)


@pytest.mark.parametrize("given", ["a.csv", "=a.csv", "Course="])
def test_a_list_without_name_or_file_is_refused(given):
    with pytest.raises(InputError, match="--list"):
        list_of(given)


def test_a_list_that_is_not_there_or_twice_is_told_in_one_line(night, tmp_path, capsys):
    status, _, err = run(capsys, night, "--list", f"Course={tmp_path}/no.csv")
    assert status == 2 and "no.csv: no such file" in err and len(err.strip().splitlines()) == 1
    good = tmp_path / "a.txt"
    good.write_text("B1\n")
    status, _, err = run(capsys, night, "--list", f"A={good}", "--list", f"A={good}")
    assert status == 2 and "two lists have one name" in err


def test_whose_security_is_off_is_listed_until_it_is_read_again(night, tmp_path, capsys):
    right = [r for r in csv_rows(night / "holdings.csv") if r["status"] == "available"]
    table = tmp_path / "gate.csv"
    table.write_text("barcode,afi\n" + "".join(f"{r['barcode']},C2\n" for r in right[:20]) + "X,9D\n")
    file = tmp_path / "cases.json"
    status, _, err = run(capsys, night, "--security", table, "--ledger", file)
    assert status == 0 and "1 row left out: afi is neither 07 (secured) nor C2 (lent)" in err
    lines = [f for f in read_exceptions(night / "exceptions.csv") if f.kind == "security_off"]
    assert 5 <= len(lines) <= 20 and {f.barcode for f in lines} <= {r["barcode"] for r in right[:20]}
    assert all("gate" in f.evidence and f.shelf_id for f in lines)
    # Without the option the folder's own table is taken.
    (night / "security.csv").write_text(f"epc,security\n{lines[0].epc},off\n")
    assert run(capsys, night)[0] == 0
    again = [f.epc for f in read_exceptions(night / "exceptions.csv") if f.kind == "security_off"]
    assert again == [lines[0].epc]
    status, _, err = run(capsys, night, "--security", tmp_path / "none.csv")
    assert status == 2 and "none.csv: no such file" in err
