"""Three nights of one small library by the command line: places, what was moved, what went, what was only not heard."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from localization.positions import read_positions
from nightstack.cli import main
from recording import read_recording, read_truth, write_recording
from tests.nightstack.night import csv_rows

NIGHTS = 3


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Scan a library on three nights; before the second, exchange books and take some; the last night is a weak one."""
    root = tmp_path_factory.mktemp("nights")
    assert main(["sim", "library", "--out", str(root / "library"), "--books", "220", "--seed", "11"]) == 0
    folders = [root / f"night-{n}" for n in range(NIGHTS)]
    for n, folder in enumerate(folders):
        made = [
            "sim",
            "record",
            str(root / "library"),
            "--out",
            str(folder),
            "--passes",
            "1",
            "--speed",
            "0.2",
        ]
        assert main([*made, "--seed", str(21 + n), "--night", str(n)]) == 0
    first = read_recording(folders[0])
    heard = set(first.readings.tags)
    free = [epc for epc in first.truth.epc[first.truth.present].tolist() if epc in heard]
    free = np.random.default_rng(5).permutation(free).tolist()
    exchanged = {a: b for pair in zip(free[:6:2], free[1:6:2], strict=True) for a, b in (pair, pair[::-1])}
    taken = set(free[6:10])
    for n, folder in enumerate(folders):
        rearrange(folder, exchanged if n else {}, taken if n else set())
    weaken(folders[-1])
    for folder in folders:
        assert main(["localize", str(folder)]) == 0
    return folders, exchanged, taken


def rearrange(folder, names, taken):
    """Give tags other tags' places, and take some away."""
    scan = read_recording(folder)
    truth, readings = scan.truth, scan.readings
    gone = np.array([tag in taken for tag in readings.tags])
    readings = replace(readings, tags=tuple(names.get(tag, tag) for tag in readings.tags))
    truth = replace(
        truth, epc=np.array([names.get(tag, tag) for tag in truth.epc.tolist()], object),
        present=truth.present & ~np.isin(truth.epc.astype(str), sorted(taken)),
    )  # fmt: skip
    changed = replace(scan, readings=readings.select(~gone[readings.tag]).compact(), truth=truth)
    write_recording(folder, changed, plan=scan.plan_path, holdings=scan.holdings_path)


def weaken(folder):
    """Leave one in ten readings, as if the antennas' power had been turned down: some tags are silent by chance."""
    scan = read_recording(folder)
    kept = np.random.default_rng(6).random(len(scan.readings)) < 0.1
    changed = replace(scan, readings=scan.readings.select(kept).compact())
    write_recording(folder, changed, plan=scan.plan_path, holdings=scan.holdings_path)


@pytest.fixture(scope="module")
def combined(nights, tmp_path_factory):
    """Combine them, named in any order."""
    out = tmp_path_factory.mktemp("combined") / "all"
    folders = nights[0]
    assert main(["combine", *[str(folders[n]) for n in (2, 0, 1)], "--out", str(out)]) == 0
    return out


def figures(positions, truth, capsys):
    capsys.readouterr()
    assert main(["evaluate", str(positions), str(truth), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_places_are_better_than_the_newest_nights_alone(nights, combined, capsys):
    newest = nights[0][-1]
    alone, together = figures(newest, newest, capsys), figures(combined, newest, capsys)
    assert together["error"]["mean_cm"] < 0.8 * alone["error"]["mean_cm"]
    assert together["order"]["share"] > alone["order"]["share"]


def test_what_was_moved_and_taken_is_named_and_little_else(nights, combined):
    _, exchanged, taken = nights
    said = csv_rows(combined / "moved.csv")
    moved = {row["epc"] for row in said if row["kind"] == "moved"}
    gone = {row["epc"] for row in said if row["kind"] == "gone"}
    assert len(moved & set(exchanged)) >= 4 and len(moved - set(exchanged)) <= 1
    assert len(gone & taken) >= 3 and len(gone - taken) <= 1
    where = {row["epc"]: row["to_shelf_id"] for row in said if row["kind"] == "moved"}
    truth = read_truth(nights[0][-1] / "truth.parquet")
    now = dict(zip(truth.epc.tolist(), truth.shelf_id.tolist(), strict=True))
    assert all(where[epc] == now[epc] for epc in moved & set(exchanged)), "the newest place stands"


def test_books_that_were_only_not_heard_are_not_missing(nights, combined, tmp_path, capsys):
    folders, _, taken = nights
    truth = read_truth(folders[-1] / "truth.parquet")
    there = set(truth.epc[truth.present].tolist())
    silent = there - set(read_recording(folders[-1]).readings.tags)
    assert len(silent & set(read_positions(combined / "positions.parquet").epc.tolist())) > 40
    assert main(["exceptions", str(combined), "--out", str(tmp_path / "exceptions.csv")]) == 0
    capsys.readouterr()
    rows = csv_rows(tmp_path / "exceptions.csv")
    missing = {row["epc"]: row for row in rows if row["kind"] == "missing"}
    assert len(missing.keys() & taken) >= 3
    assert len(missing.keys() & silent) <= 1
    assert any("earlier night" in missing[epc]["evidence"] for epc in missing.keys() & taken)


def test_reports_are_made_of_the_combined_folder(combined, tmp_path, capsys):
    assert main(["report", str(combined), "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    with (tmp_path / "exceptions.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) > 5
    assert "missing" in (tmp_path / "report.html").read_text("utf-8").lower()


def test_summary_for_programs(nights, tmp_path, capsys):
    folders = nights[0]
    assert main(["combine", str(folders[0]), str(folders[1]), "--out", str(tmp_path / "two"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["nights"]) == 2 and said["nights"][0] != said["nights"][1]
    assert said["tags"] == len(read_positions(tmp_path / "two" / "positions.parquet"))
    assert 0.0 < said["new_every_night"] < 3.0


@pytest.mark.parametrize("case", ["twice", "no recording", "onto itself"])
def test_wrong_arguments_are_said_in_one_line(nights, tmp_path, capsys, case):
    folder = str(nights[0][0])
    arguments = {
        "twice": [folder, folder, "--out", str(tmp_path / "out")],
        "no recording": [folder, str(tmp_path), "--out", str(tmp_path / "out")],
        "onto itself": [folder, str(nights[0][1]), "--out", folder],
    }[case]
    assert main(["combine", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, "before anything is localized"
    assert said[0].startswith("nightstack: ")
    assert not (tmp_path / "out" / "positions.parquet").exists()


def test_another_recording_is_no_place_for_the_combined_nights(nights, tmp_path, capsys):
    folders, _, _ = nights
    before = (folders[2] / "run.json").read_bytes()
    capsys.readouterr()
    assert main(["combine", str(folders[0]), str(folders[1]), "--out", str(folders[2])]) == 2
    said = capsys.readouterr().err
    assert str(folders[2]) in said and "--out" in said
    assert (folders[2] / "run.json").read_bytes() == before
