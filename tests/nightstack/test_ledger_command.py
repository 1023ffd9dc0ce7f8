"""``exceptions --ledger``: cases kept in a file from night to night."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightstack.cli import main
from nightstack.errors import InputError
from nightstack.ledger_file import memory_file, read_ledger, record_acts
from reports.case import Case, Step
from reports.exceptions_csv import read_exceptions
from reports.findings import Finding
from reports.ledger_book import Ledger, LedgerError
from reports.ledger_json import case_from_json
from tests.nightstack.night import csv_rows


@pytest.fixture
def nights(recording, tmp_path):
    """The same night three times, as three nights."""
    assert main(["localize", str(recording)]) == 0
    made = []
    for n in range(3):
        folder = shutil.copytree(recording, tmp_path / f"night{n}")
        info = json.loads((folder / "run.json").read_text())
        at = datetime.fromisoformat(info["started_at"]) + timedelta(days=n)
        info |= {"run_id": f"night-{n}", "started_at": at.isoformat()}
        (folder / "run.json").write_text(json.dumps(info))
        made.append(folder)
    return made


def run(capsys, *args):
    capsys.readouterr()
    status = main(["exceptions", *map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


def test_cases_live_in_a_file_from_night_to_night(nights, tmp_path, capsys):
    file = tmp_path / "site" / "cases.json"
    positions = [["--positions", n / "positions.parquet"] for n in nights]
    status, out, _ = run(capsys, nights[0], *positions[0], "--ledger", file, "--minutes", 15, "--json")
    assert status == 0
    first = json.loads(out)
    assert first["open"] > 0 and first["minutes"] <= 15.0 and first["lines"] > 0
    listed = read_exceptions(nights[0] / "worklist.csv")
    assert len(listed) == first["lines"] < sum(first["counts"].values())
    assert not [f for f in listed if f.kind == "missing"], "one silent night is not yet missing"

    status, out, _ = run(capsys, nights[1], *positions[1], "--ledger", file, "--minutes", 600, "--json")
    second = json.loads(out)
    site = json.loads((nights[1] / "run.json").read_text())["site"]
    book = read_ledger(file, site)
    assert book.runs == ("night-0", "night-1")
    assert {c.nights for c in book.open if c.finding.kind == "wrong_shelf"} == {2}
    assert [p.name for p in file.parent.glob("*.parquet")] == [memory_file(file, book).name]
    planted = {r["epc"] for r in csv_rows(nights[1] / "worklist.csv")}
    assert second["lines"] == len(planted) > 0

    # What staff did is kept, and the same night again changes nothing else.
    case = next(c for c in book.open if c.finding.kind == "wrong_shelf")
    done = ["--did", f"{case.id}=false_alarm", "--who", "Desk"]
    status, out, _ = run(capsys, nights[1], *positions[1], "--ledger", file, *done)
    assert status == 0 and "already" in out
    after = read_ledger(file, book.site)
    assert after.cases[case.id].resolution == "false_alarm" and after.runs == book.runs
    assert len(after.open) == len(book.open) - 1


def test_cases_resolved_years_ago_go_into_the_archive_beside_the_ledger(
    nights, tmp_path, capsys, monkeypatch
):
    info = json.loads((nights[0] / "run.json").read_text())
    at = datetime.fromisoformat(info["started_at"])
    made = {}
    for name, days, how in (
        ("old", 731, "seen_right"),
        ("young", 700, "seen_right"),
        ("alarm", 900, "false_alarm"),
    ):
        then, finding = at - timedelta(days=days), Finding("wrong_shelf", name, barcode=name, confidence=0.9)
        steps = (
            Step(then, "scan", "opened", "", "wrong_shelf", 0.9),
            Step(then, "x", how, "", "wrong_shelf", 0.9),
        )
        made[name] = Case(finding, "resolved", then, "r", then, "r", resolution=how, history=steps)
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(Ledger(made, info["site"], ("night-x",)).to_json()))
    args = [nights[0], "--positions", nights[0] / "positions.parquet", "--ledger", file]
    on_disk = []
    fsync = os.fsync
    # Called through: what is on disk, and whether the ledger still had the case then.
    monkeypatch.setattr(
        os,
        "fsync",
        lambda to: (
            fsync(to)
            or on_disk.append((str(Path(f"/proc/self/fd/{to}").readlink()), "old" in file.read_text()))
        ),
    )
    status, out, err = run(capsys, *args, "--keep-days", 730)
    assert (str(tmp_path / "cases.archive.jsonl"), True) in on_disk
    assert status == 0, err
    assert f"1 case put away: {tmp_path / 'cases.archive.jsonl'}" in out
    (line,) = (tmp_path / "cases.archive.jsonl").read_text().splitlines()
    assert case_from_json(json.loads(line)) == made["old"]
    assert {"young", "alarm"} < set(read_ledger(file, info["site"]).cases)
    assert "old" not in read_ledger(file, info["site"]).cases


def test_what_is_wrong_is_said_in_a_line(nights, tmp_path, capsys):
    night, positions = nights[0], ["--positions", nights[0] / "positions.parquet"]
    wrong = tmp_path / "wrong.json"
    for text, words in (
        ("{", "cannot be read as a ledger"),
        ("{}", "format is None"),
        ('{"format": "nightstack-ledger/1", "site": "Elsewhere", "cases": []}', "is the ledger of Elsewhere"),
    ):
        wrong.write_text(text)
        status, _, err = run(capsys, night, *positions, "--ledger", wrong)
        assert status == 2 and words in err and len(err.strip().splitlines()) == 1, err
        assert wrong.read_text() == text
    file = tmp_path / "cases.json"
    status, _, err = run(capsys, night, *positions, "--ledger", file, "--did", "f1=found")
    assert status == 2 and "--who" in err
    status, _, err = run(capsys, night, *positions, "--ledger", file, "--at", "2026-03-02 08:30")
    assert status == 0 and not err, "without a zone it is the machine's own"
    file.unlink()
    status, _, err = run(capsys, night, *positions, "--ledger", file, "--at", "yesterday")
    assert status == 2 and "--at: 'yesterday' is no time" in err and not file.exists()
    status, _, err = run(capsys, night, *positions, "--ledger", file, "--did", "f1=found", "--who", "x")
    assert status == 2 and "no case 'f1'" in err and not file.exists()
    assert run(capsys, night, "--ledger", tmp_path)[0] == 2


def test_a_memory_that_is_gone_is_said(nights, tmp_path, capsys):
    file = tmp_path / "cases.json"
    assert run(capsys, nights[0], "--positions", nights[0] / "positions.parquet", "--ledger", file)[0] == 0
    for old in tmp_path.glob("cases.memory-*.parquet"):
        old.unlink()
    status, _, err = run(capsys, nights[1], "--positions", nights[1] / "positions.parquet", "--ledger", file)
    assert status == 0 and "begins anew" in err


def test_a_barcode_names_its_book_s_case():
    moment = datetime(2026, 3, 1, tzinfo=UTC)

    def case(name, kind, state="open"):
        return Case(Finding(kind, name, barcode="B1"), state, moment, "run", moment, "run")

    alone = Ledger({"f1": case("f1", "wrong_shelf"), "f2": case("f2", "duplicate_tag", "resolved")}, "site")
    assert record_acts(alone, ["B1=reshelved"], "Desk", moment).cases["f1"].resolution == "reshelved"
    assert record_acts(alone, ["f2=note"], "Desk", moment).cases["f2"].history
    both = Ledger({**alone.cases, "f2": case("f2", "duplicate_tag")}, "site")
    with pytest.raises(InputError, match=r"f1 \(wrong_shelf\), f2 \(duplicate_tag\)"):
        record_acts(both, ["B1=reshelved"], "Desk", moment)
    for named in ("B2", ""):
        with pytest.raises(LedgerError, match="no case"):
            record_acts(both, [f"{named}=reshelved"], "Desk", moment)


def test_minutes_that_a_list_took_are_kept_and_plan_the_next(nights, tmp_path, capsys):
    file = tmp_path / "cases.json"
    night = [
        nights[0],
        "--positions",
        nights[0] / "positions.parquet",
        "--ledger",
        file,
        "--minutes",
        600,
        "--json",
    ]
    planned = json.loads(run(capsys, *night)[1])
    info = json.loads((nights[0] / "run.json").read_text())
    when = datetime.fromisoformat(info["started_at"]) + timedelta(hours=9)
    said = ["--took", 2 * planned["minutes"], "--who", "Desk", "--at", when.isoformat()]
    slower = json.loads(run(capsys, *night, *said)[1])
    assert slower["lines"] == planned["lines"]
    assert 1.0 < slower["minutes"] / planned["minutes"] < 1.15, "one report moves it a little"
    (told,) = read_ledger(file, info["site"]).mornings
    assert len(told.lines) == planned["lines"] and told.who == "Desk"
    status, _, err = run(capsys, *night, "--took", 30)
    assert status == 2 and "--took: needs the ledger" in err
    status, _, err = run(capsys, *night, "--took", 30, "--who", "Desk")
    hint = (datetime.fromisoformat(info["started_at"]) + timedelta(hours=10)).isoformat(timespec="minutes")
    assert status == 2 and f"such as --at {hint} (nothing was recorded)" in err and err.count("\n") == 1
    status, out, err = run(capsys, *night[:-1], "--took", 30, "--who", "Desk", "--at", hint)
    assert status == 0 and f"recorded: 30 minutes for {planned['lines']} lines, by Desk\n" in out, err
    assert f"was taken into {file} already" in out


def test_what_is_wrong_with_one_act_records_none(nights, tmp_path, capsys):
    file = tmp_path / "cases.json"
    night = [nights[0], "--positions", nights[0] / "positions.parquet", "--ledger", file]
    assert run(capsys, *night, "--minutes", 600)[0] == 0
    first, second, *_ = read_ledger(file).open
    before = file.read_bytes()
    acts = ["--did", f"{first.id}=note", "--did", f"{second.id[:8]}=reshelved", "--who", "Desk"]
    for wrong in (["--took", 30], ["--did", "nobody=found"], ["--did", f"{first.id}=burnt"]):
        status, _, err = run(capsys, *night, *acts, *wrong)
        assert status == 2 and err.endswith("(nothing was recorded)\n") and err.count("\n") == 1
        assert file.read_bytes() == before
    status, out, err = run(capsys, *night, *acts)
    assert status == 0 and "recorded: 2 cases, by Desk\n" in out, err
    after = read_ledger(file)
    assert after.cases[second.id].resolution == "reshelved", "the beginning of an id names it"
    assert after.cases[first.id].history[-1].did == "noted"


def test_cases_of_a_ledger_are_listed_and_shown(nights, tmp_path, capsys):
    file = tmp_path / "cases.json"
    night = [nights[0], "--positions", nights[0] / "positions.parquet", "--ledger", file]
    _, out, _ = run(capsys, *night, "--minutes", 600)
    book = read_ledger(file)
    perhaps = [c for c in book.open if c.finding.kind == "missing"]
    quiet = [c for c in book.open if c.quiet]
    listed = len(read_exceptions(nights[0] / "worklist.csv"))
    assert perhaps and f"\nperhaps missing {len(perhaps):>4}\n" in "\n" + out
    assert f", {len(perhaps)} left for another day ({len(perhaps)} of them perhaps missing" in out
    zones = [f for f in read_exceptions(nights[0] / "worklist.csv") if f.kind == "zone_not_scanned"]
    assert len(book.open) == listed - len(zones) + len(perhaps) + len(quiet), "the counts add up"
    assert not quiet or f", {len(quiet)} only counted (" in out

    capsys.readouterr()
    assert main(["cases", "list", "--ledger", str(file)]) == 0
    head, *rows, count = capsys.readouterr().out.splitlines()
    assert head.split() == ["case", "kind", "sure", "state", "shelf", "book"]
    assert len(rows) == len(book.open) - len(quiet) and count == f"{len(rows)} cases"
    assert sum("perhaps missing" in row for row in rows) == len(perhaps)
    case = next(c for c in book.open if c.finding.kind == "wrong_shelf")
    for named in (case.id, case.id[:8], case.finding.barcode):
        assert main(["cases", "show", named, "--ledger", str(file)]) == 0
        told = capsys.readouterr().out
        assert case.id in told and case.finding.title in told and "opened" in told
    assert main(["cases", "show", case.id[:7], "--ledger", str(file)]) == 2
    assert run(capsys, *night, "--did", f"{case.id}=reshelved", "--who", "Desk")[0] == 0
    assert main(["cases", "list", "--ledger", str(file), "--state", "resolved"]) == 0
    row = capsys.readouterr().out.splitlines()[-2]
    assert case.id in row and "resolved (reshelved)" in row and "%" not in row
    for wrong in (["--ledger", str(tmp_path / "no.json")], ["--ledger", str(file), "--site", "x"]):
        assert main(["cases", "list", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_catalogue_of_another_library_is_noticed(nights, tmp_path, capsys):
    rows = csv_rows(nights[0] / "holdings.csv")
    other = tmp_path / "other.csv"
    text = (nights[0] / "holdings.csv").read_text("utf-8")
    for n, row in enumerate(rows):
        text = text.replace(row["epc"], f"{n:024X}") if row["epc"] else text
    other.write_text(text, "utf-8")
    night = [nights[0], "--positions", nights[0] / "positions.parquet", "--holdings", other]
    status, _, err = run(capsys, *night)
    assert status == 0
    (line,) = [line for line in err.splitlines() if "is it this library's?" in line]
    assert "none of the" in line and "tags heard is in this catalogue" in line
    assert "is it this library's?" in json.loads(run(capsys, *night, "--json")[1])["notes"][0]
    assert "this library's" not in run(capsys, *night[:3])[2]
