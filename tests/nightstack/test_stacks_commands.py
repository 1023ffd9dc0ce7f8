"""``nightstack stacks import`` and ``ranges``: what they write, what they say, what they refuse."""

import csv
import json

import pytest

from nightstack.cli import main
from stacks.holdings import read_holdings
from stacks.imports.range_file import next_version
from stacks.plan import read_plan


def run(*arguments):
    return main([str(argument) for argument in arguments])


def export(path, n, *, status="Available", start=0):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Barcode", "Signatur", "Titel", "Status"])
        writer.writerows([f"{i:06d}", f"QA {i + 1}", "Bücher", status] for i in range(start, start + n))
    return path


def refused(capsys, *arguments):
    status = run(*arguments)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nightstack: ")]
    assert len(said) == 1
    assert "fault in nightstack" not in said[0]
    return status, said[0]


def test_an_import_says_how_it_read_the_file_and_writes_holdings(tmp_path, capsys):
    out = tmp_path / "holdings.csv"
    assert run("stacks", "import", export(tmp_path / "x.csv", 50), "--out", out, "--set", "scheme=lcc") == 0
    said = capsys.readouterr().out
    assert "semicolons" in said and "lcc: 50 copies" in said and f"50 copies: {out}" in said
    assert [h.status for h in read_holdings(out)] == ["available"] * 50
    assert sorted(p.name for p in tmp_path.iterdir()) == ["holdings.csv", "x.csv"]


def test_a_dry_run_shows_what_would_change_and_writes_nothing(tmp_path, capsys):
    out = tmp_path / "holdings.csv"
    run("stacks", "import", export(tmp_path / "x.csv", 50), "--out", out, "--set", "scheme=lcc")
    before = out.read_bytes()
    capsys.readouterr()
    new = export(tmp_path / "y.csv", 50, status="ausgeliehen", start=5)
    assert run("stacks", "import", new, "--out", out, "--set", "scheme=lcc", "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)["difference"]
    assert (found["added"], found["removed"], found["changed"]) == (5, 5, 45)
    assert found["status_changes"] == {"available -> loaned": 45}
    assert found["changed_examples"]["status"][0] == "000005: 'available' -> 'loaned'"
    assert out.read_bytes() == before
    assert run("stacks", "import", new, "--out", out, "--set", "scheme=lcc", "--dry-run") == 0
    assert "5 added, 5 removed, 45 changed, 0 as they were" in capsys.readouterr().out
    assert out.read_bytes() == before


def test_an_import_that_takes_too_much_away_needs_to_be_asked_for(tmp_path, capsys):
    out = tmp_path / "holdings.csv"
    run("stacks", "import", export(tmp_path / "x.csv", 50), "--out", out, "--set", "scheme=lcc")
    before = out.read_bytes()
    few = export(tmp_path / "y.csv", 30)
    status, line = refused(capsys, "stacks", "import", few, "--out", out, "--set", "scheme=lcc")
    assert status == 2 and "20 of the present 50 copies (40%)" in line and "--allow-shrink" in line
    assert out.read_bytes() == before
    assert run("stacks", "import", few, "--out", out, "--set", "scheme=lcc", "--allow-shrink") == 0
    assert len(read_holdings(out)) == 30
    assert (tmp_path / "holdings.csv.former").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("nosuch.csv",), "no such file"),
        (("{x}", "--map", "barcode"), "must be COLUMN=HEADER"),
        (("{x}", "--map", "bar=Barcode"), "is no column of ours"),
        (("{x}", "--map", "barcode=Strich"), "has no column 'Strich'"),
        (("{x}",), "--set scheme=lcc"),
        (("{x}", "--set", "scheme=dewey"), "is none of lcc"),
        (("{x}", "--delimiter", "ab"), "not one character"),
        (("{x}", "--mapping", "nosuch.toml"), "nosuch.toml"),
        (("{x}", "--tags", "nosuch.csv"), "nosuch.csv"),
        (("{x}", "--sheet", "A"), "is no workbook"),
        (("{x}", "--format", "pdf"), "is none of table, marc"),
        (("{x}", "--format", "marc"), "neither MARC"),
    ],
)
def test_what_cannot_be_imported_is_told_in_one_line(tmp_path, capsys, arguments, what):
    file = export(tmp_path / "x.csv", 5)
    given = [str(a).replace("{x}", str(file)) for a in arguments]
    status, line = refused(capsys, "stacks", "import", *given, "--out", tmp_path / "holdings.csv")
    assert status == 2 and what in line
    assert not (tmp_path / "holdings.csv").exists()


def test_ranges_are_imported_checked_and_written(tmp_path, capsys, library):
    plan = read_plan(library)
    shelves = sorted((s for s in plan.shelves if s.range_start), key=lambda s: s.sequence)
    table = tmp_path / "ranges.csv"
    table.write_text(
        "shelf_id,range_start\n" + "".join(f'{s.id},"{s.range_start}"\n' for s in shelves), encoding="utf-8"
    )
    bare = tmp_path / "bare.json"
    obj = plan.to_json()
    for floor in obj["floors"]:
        for face in floor["faces"]:
            for shelf in face["shelves"]:
                shelf.pop("range_start", None)
    bare.write_text(json.dumps(obj))
    out = tmp_path / "plan.json"
    assert run("stacks", "ranges", "import", table, "--plan", bare, "--out", out, "--scheme", "lcc") == 0
    assert "nothing wrong" in capsys.readouterr().out
    made = read_plan(out)
    assert made.version == next_version(plan.version) != plan.version
    assert [s.range_start for s in made.shelves] == [s.range_start for s in plan.shelves]
    assert run("stacks", "ranges", "check", "--plan", out, "--holdings", library / "holdings.csv") == 0
    shelves[1], shelves[2] = shelves[2], shelves[1]
    rows = zip(shelves, sorted(shelves, key=lambda s: s.sequence), strict=True)
    table.write_text(
        "shelf_id,range_start\n" + "".join(f'{a.id},"{b.range_start}"\n' for a, b in rows), encoding="utf-8"
    )
    command = ("stacks", "ranges", "import", table, "--plan", bare, "--out", out, "--scheme", "lcc")
    before = out.read_bytes()
    status, line = refused(capsys, *command)
    assert status == 2 and "contradict the sequence" in line and "--force" in line
    assert out.read_bytes() == before
    assert run(*command, "--force") == 0
    assert "sequence:" in capsys.readouterr().out
    assert run("stacks", "ranges", "check", "--plan", out, "--scheme", "lcc") == 1


def test_ranges_learned_from_a_scan_are_the_true_ones(tmp_path, capsys, scanned, library):
    """Books misshelved, missing and lent; each shelf's start is the true one within a book."""
    import shutil

    night = tmp_path / "night"
    shutil.copytree(scanned, night)
    if not (night / "positions.parquet").exists():
        status, line = refused(capsys, "stacks", "ranges", "learn", night)
        assert status == 2 and "nightstack localize" in line
        assert run("localize", night, "--json") == 0
    capsys.readouterr()
    out = tmp_path / "plan.json"
    assert run("stacks", "ranges", "learn", night, "--out", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    told = [s for s in found["shelves"] if not s["doubts"]]
    right = [s for s in told if 0 <= s["apart"] <= 1]
    assert len(told) >= 0.8 * len([s for s in found["shelves"] if s["present"]])
    assert len(right) >= 0.98 * len(told) - 1
    before = read_plan(library).version
    assert read_plan(out).version == (next_version(before) if found["changed"] else before)
    assert run("stacks", "ranges", "check", "--plan", out, "--holdings", library / "holdings.csv") == 0
    capsys.readouterr()
    assert run("stacks", "ranges", "learn", night) == 0
    assert "nothing was written" in capsys.readouterr().out


def wrong_rows(path):
    rows = "".join(f"{i};QA {i};T;Available\n" for i in range(4, 30))
    path.write_text(
        f"Inventory list, 2026-11-20\n\nBarcode;Signatur;Titel;Status\n;QA 1;T;Available\n2;QA 2;BÃ¼cher;Available\n"
        f"3;QA 3;T;On display\n{rows}40;QA 40\n",
        encoding="utf-8",
    )
    return path


def test_all_rows_that_are_wrong_are_told_at_once_and_nothing_is_written(tmp_path, capsys):
    file, out = wrong_rows(tmp_path / "x.csv"), tmp_path / "holdings.csv"
    command = ("stacks", "import", file, "--out", out, "--set", "scheme=lcc")
    assert run(*command) == 2
    *lines, last = capsys.readouterr().err.splitlines()
    for line in (
        "no barcode: 1", "  row 1 (line 4): has no barcode",
        "  row 2 (line 5): title has 'Ã¼', a text once read in a wrong encoding",
        "  row 3 (line 6): 'On display' (1 time)", "  row 30 (line 33): has 2 fields where the header has 4",
    ):  # fmt: skip
        assert line in lines
    assert (
        last.startswith(f"nightstack: {file}: 2 of 30 rows") and "--most-bad" in last and "--status" in last
    )
    assert run(*command, "--json") == 2
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["written"] is False and found["rows"] == 30
    assert {p["kind"]: p["rows"] for p in found["problems"]} == {
        "fields": 1, "no_barcode": 1, "wrong_encoding": 1, "status": 1,
    }  # fmt: skip
    assert found["problems"][1]["examples"][0] | {"said": ""} == {
        "where": "row 1 (line 4)", "row": 1, "line": 4, "said": "", "rows": 1,
    }  # fmt: skip
    assert found["refused"] in said.err and len(said.err.splitlines()) == 1
    assert not out.exists()
