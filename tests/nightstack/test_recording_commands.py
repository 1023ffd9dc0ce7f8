"""localize, exceptions, evaluate, report: from a recording folder to files, and what they say on the way."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from localization.positions import read_positions, write_positions
from nightstack.cli import main
from tests.nightstack.night import csv_rows

DAY_NS = 86_400 * 10**9


def test_from_recording_to_exceptions(recording, library, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["localize", str(recording), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    positions = pq.read_table(out / "positions.parquet")
    assert said["tags"] == positions.num_rows > 100
    assert (out / "coverage.parquet").exists()

    assert main(["evaluate", str(out / "positions.parquet"), str(recording), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    # The library is small and the pass is single: what is asked is that the estimate beats the constant guess by far.
    assert figures["error"]["median_cm"] < 0.5 * figures["constant_guess"]["median_cm"]

    assert main(["evaluate", str(out), str(recording), "--json"]) == 0, (
        "a folder that has positions.parquet will do"
    )
    assert json.loads(capsys.readouterr().out) == figures
    assert main(["evaluate", str(out), str(recording), "--exclude", "not-an-epc"]) == 2
    assert "--exclude" in capsys.readouterr().err

    found = tmp_path / "a folder of" / "its own" / "exceptions.csv"
    positions_file = str(out / "positions.parquet")
    assert main(["exceptions", str(recording), "--positions", positions_file, "--out", str(found)]) == 0
    capsys.readouterr()
    rows = csv_rows(found)
    planted = {row["epc"] for row in csv_rows(library / "planted.csv") if row["kind"] == "unknown_tag"}
    reported = {row["epc"] for row in rows if row["kind"] == "unknown_tag"}
    assert planted
    assert planted & reported


def test_positions_of_another_recording_are_told_in_one_line(recording, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["localize", str(recording), "--out", str(out)]) == 0
    capsys.readouterr()
    positions = read_positions(out / "positions.parquet")
    foreign = {
        "time": replace(
            positions, heard_from=positions.heard_from - DAY_NS, heard_to=positions.heard_to - DAY_NS
        ),
        "tags": replace(positions, epc=np.array([f"F0{n:022X}" for n in range(len(positions))], object)),
    }
    for name, wrong in foreign.items():
        file = tmp_path / f"{name}.parquet"
        write_positions(file, wrong)
        assert (
            main(["exceptions", str(recording), "--positions", str(file), "--out", str(tmp_path / "e.csv")])
            == 2
        )
        (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note:")]
        assert str(file) in line and "of another recording" in line and f"localize {recording}" in line
        assert not (tmp_path / "e.csv").exists()
    assert main(["evaluate", str(out / "positions.parquet"), str(recording)]) == 0
    assert "not in the truth" not in capsys.readouterr().err
    # Half of the library is another one's: what can be compared is, but not without a word.
    mixed = positions.epc.copy()
    mixed[: int(0.6 * len(mixed))] = foreign["tags"].epc[: int(0.6 * len(mixed))]
    write_positions(tmp_path / "mixed.parquet", replace(positions, epc=mixed))
    assert main(["evaluate", str(tmp_path / "mixed.parquet"), str(recording)]) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "not in the truth" in said


def test_report_says_where_a_corrected_plan_goes(capsys):
    assert main(["report", "--help"]) == 0
    assert "runs/RUN/recording" in " ".join(capsys.readouterr().out.split())


def test_report_makes_the_documents_again(recording, tmp_path, capsys):
    out = tmp_path / "documents"
    assert main(["report", str(recording), "--out", str(out), "--language", "tlh"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--language" in line and "tlh" in line and "zh" in line
    assert main(["report", str(recording), "--out", str(out), "--language", "zh-CN"]) == 0
    capsys.readouterr()
    for name in ("report.html", "report.pdf", "picklist.pdf", "report.xlsx", "exceptions.csv"):
        assert (out / name).stat().st_size > 0
    assert 'lang="zh-CN"' in (out / "report.html").read_text(encoding="utf-8")


def test_the_same_recording_gives_the_same_positions(recording, tmp_path, capsys):
    for run in ("one", "two"):
        assert main(["localize", str(recording), "--out", str(tmp_path / run)]) == 0
    capsys.readouterr()
    one, two = (pq.read_table(tmp_path / run / "positions.parquet") for run in ("one", "two"))
    assert one.equals(two)


@pytest.mark.parametrize("jobs", ["2"])
def test_more_jobs_change_nothing(recording, tmp_path, capsys, jobs):
    assert main(["localize", str(recording), "--out", str(tmp_path / "1")]) == 0
    assert main(["localize", str(recording), "--out", str(tmp_path / "n"), "--jobs", jobs]) == 0
    capsys.readouterr()
    one, two = (pq.read_table(tmp_path / run / "positions.parquet") for run in ("1", "n"))
    assert one.equals(two)


def test_a_report_made_again_leaves_the_list_that_is_there(recording, capsys):
    mine = recording / "exceptions.csv"
    assert main(["localize", str(recording)]) == 0
    assert main(["exceptions", str(recording)]) == 0
    text = mine.read_bytes().replace(b"missing", b"found")
    mine.write_bytes(text)
    capsys.readouterr()
    assert main(["report", str(recording)]) == 0
    out, err = capsys.readouterr()
    assert mine.read_bytes() == text and str(recording / "again" / "exceptions.csv") in out
    (note,) = [line for line in err.splitlines() if line.startswith("note: judged from this run alone")]
    assert "ledger" in note and f"{mine} stays as it is" in note


def test_a_run_kept_with_any_zone_is_reported_again(recording, tmp_path):
    """What the service once took is no reason to refuse a run now."""
    place = tmp_path / "run"
    shutil.copytree(recording, place / "recording")
    for zone in ("EST", "CST", "localtime"):
        (place / "ended.json").write_text(json.dumps({"time_zone": zone}))
        assert main(["report", str(place), "--out", str(tmp_path / zone)]) == 0
    assert main(["report", str(place), "--out", str(tmp_path / "out"), "--time-zone", "CST"]) == 2
