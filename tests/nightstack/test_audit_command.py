"""The audit command from outside: choose, scan, hold against the run, keep as surveyed truth, evaluate with it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from localization import localize
from localization.positions import write_coverage, write_positions
from recording import read_recording
from recording.surveyed import read_surveyed
from sim.library import make_library
from sim.record import record
from stacks.plan import read_plan


def nightstack(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "nightstack", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "night"
    library = make_library(250, seed=9)
    record(library, folder, passes=2, speed_mps=0.1)
    scan = read_recording(folder)
    found = localize(scan, read_plan(folder / "plan.json"))
    write_positions(folder / "positions.parquet", found.positions)
    write_coverage(folder / "coverage.parquet", found.coverage)
    return folder, library, scan.truth


def by_hand(text, library, truth):
    barcode = {h.epc: h.barcode for h in library.holdings}
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if line.startswith("shelf:"):
            rows = np.flatnonzero(truth.present & (truth.shelf_id == line[6:]))
            rows = rows[np.argsort(truth.offset_m[rows])]
            lines += [barcode[e] for e in truth.epc[rows] if e in barcode]
    return "\n".join(lines)


def test_a_list_is_chosen_scanned_and_held_against_the_run(run, tmp_path):
    folder, library, truth = run
    sheet = nightstack("audit", "--choose", "--run", folder, "--shelves", "5", "--seed", "2")
    assert sheet.returncode == 0 and sheet.stdout.count("\nshelf:") == 5
    scan = tmp_path / "scan.txt"
    scan.write_text(by_hand(sheet.stdout, library, truth), encoding="utf-8")
    out = tmp_path / "kept" / "surveyed.parquet"
    told = nightstack("audit", scan, "--run", folder, "--at", "2026-03-02T08:00", "--out", out, "--json")
    assert told.returncode == 0, told.stderr
    figures = json.loads(told.stdout)
    heard = figures["shares"]["read rate"]
    assert heard["of"] > 100 and heard["value"] > 0.97 and heard["low"] < heard["value"]
    assert figures["shares"]["right shelf"]["value"] > 0.95
    surveyed = read_surveyed(out)
    assert int(surveyed.present.sum()) >= heard["of"]
    again = nightstack("evaluate", folder, out, "--json")
    assert again.returncode == 0, again.stderr
    same = json.loads(again.stdout)["surveyed"]
    assert (same["heard"], same["tags"]) == (heard["right"], heard["of"])
    assert same["pairs_right"] == figures["shares"]["neighbours in order"]["right"]
    table = nightstack("audit", scan, "--run", folder, "--at", "2026-03-09", "--out", out)
    assert "read rate" in table.stdout and "95 % interval" in table.stdout
    assert "days after the run" in table.stderr


def test_a_list_nobody_scanned_is_refused_and_no_scan_replaces_another(run, tmp_path):
    folder, library, truth = run
    listed = nightstack("audit", "--choose", "--run", folder, "--shelves", "500")
    held = listed.stdout.count("\nshelf:")
    assert f"note: only {held} shelves of the plan should hold a book" in listed.stderr
    scan = tmp_path / "scan.txt"
    scan.write_text(listed.stdout, encoding="utf-8")
    refused = nightstack("audit", scan, "--run", folder)
    assert refused.returncode == 2 and "no barcode at all was scanned" in refused.stderr
    assert refused.stderr.count("\n") == 1 and not list(folder.glob("surveyed*"))
    one = nightstack("audit", "--choose", "--run", folder, "--shelves", "1").stdout
    scan.write_text(by_hand(one, library, truth), encoding="utf-8")
    for _ in range(2):
        told = nightstack("audit", scan, "--run", folder, "--at", "2026-03-01")
        assert told.returncode == 0 and "audit of 1 shelf\n" in told.stdout
    names = sorted(f.name for f in folder.glob("surveyed*"))
    assert names == ["surveyed-2026-03-01-2.parquet", "surveyed-2026-03-01.parquet"]


def test_wrong_arguments_are_one_line(run, tmp_path):
    folder = run[0]
    scan = tmp_path / "scan.txt"
    scan.write_text("shelf:nowhere\n")
    for arguments, words in (
        (("audit", "--run", folder), "name the FILE staff scanned"),
        (("audit", scan, "--choose", "--run", folder), "one of the two"),
        (("audit", tmp_path / "none.txt", "--run", folder), "no such file"),
        (("audit", scan, "--run", folder, "--at", "tomorrow"), "--at: 'tomorrow' is no time"),
        (("audit", scan, "--run", folder), "no shelf 'nowhere' in the plan"),
        (("audit", scan, "--run", folder, "--out", folder / "readings.parquet"), "is no surveyed file"),
    ):
        told = nightstack(*arguments)
        assert told.returncode == 2 and words in told.stderr, told.stderr
        assert told.stderr.count("\n") == 1
