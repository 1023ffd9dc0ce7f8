"""``nightstack calibrate``: from folders to a file that ``localize`` takes, and one line for each mistake."""

import json
import shutil

import numpy as np
import pytest

from nightstack.cli import main
from recording import read_truth


@pytest.fixture(scope="module")
def learnt(scanned, tmp_path_factory):
    """Calibrate by the simulated scan's own truth; the file, and what was said as JSON."""
    file = tmp_path_factory.mktemp("calibration") / "in a folder" / "calibration.json"
    return file, main(["calibrate", str(scanned), "--out", str(file)])


def test_the_file_says_how_sure_it_is_of_everything(learnt):
    file, status = learnt
    assert status == 0
    held = json.loads(file.read_text())
    assert held["format"] == "nightstack-calibration/1"
    assert set(held["phase_centre_m"]) == set(held["deviations"]["phase_centre_m"]) == {"1", "2", "3"}
    assert set(held["face_shift_m"]) == set(held["deviations"]["face_shift_m"])
    assert 0.0 < held["sigma_m"] < 0.1


def test_localize_takes_it_and_the_common_shift_goes(learnt, library, tmp_path, capsys):
    other = tmp_path / "other"
    said = [
        "sim",
        "record",
        str(library),
        "--out",
        str(other),
        "--passes",
        "1",
        "--speed",
        "0.2",
        "--seed",
        "9",
    ]
    assert main(said) == 0
    median = {}
    # Tag by tag nothing else tells the common shift; the whole estimator has the shelves' uprights as well.
    for path in ((), ("--fast",)):
        for name, options in {"before": [], "after": ["--calibration", str(learnt[0])]}.items():
            out = str(tmp_path / f"{name}{''.join(path)}")
            assert main(["localize", str(other), "--out", out, *path, *options]) == 0
            capsys.readouterr()
            assert main(["evaluate", out, str(other), "--json"]) == 0
            median[name, *path] = json.loads(capsys.readouterr().out)["error"]["median_cm"]
    assert median["after", "--fast"] < 0.7 * median["before", "--fast"]
    assert median["after",] < median["before",] + 0.1


def test_a_few_references_from_a_table(recording, tmp_path, capsys):
    truth = read_truth(recording)
    there = np.flatnonzero(truth.present)[:40]
    table = tmp_path / "labels.csv"
    lines = [f"{truth.epc[i].lower()},{truth.x_m[i]},{truth.y_m[i]}" for i in there]
    table.write_text("\n".join(["epc,x_m,y_m", *lines]) + "\n")
    (recording / "truth.parquet").unlink()
    out = tmp_path / "c.json"
    assert main(["calibrate", str(recording), "--reference", str(table), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["calibration"] == str(out)
    names = [one["name"] for one in said["estimates"]]
    assert "latency_s" in names
    assert "sigma_m" in names
    assert all(one["sigma"] > 0 for one in said["estimates"] if one["name"].startswith("phase_centre_m"))
    assert any("reference tags on" in note for note in said["notes"])


def test_a_few_of_the_truth_or_none(recording, tmp_path, capsys):
    few, none = tmp_path / "few.json", tmp_path / "none.json"
    assert main(["calibrate", str(recording), "--reference-tags", "2", "--out", str(few)]) == 0
    printed = capsys.readouterr()
    assert "phase_centre_m.1" in printed.out
    assert "cm" in printed.out
    assert "note: " in printed.err
    assert main(["calibrate", str(recording), "--reference-tags", "0", "--out", str(none)]) == 0
    assert "no reference tags" in capsys.readouterr().err
    assert json.loads(few.read_text())["face_shift_m"]
    assert json.loads(none.read_text())["face_shift_m"] == {}
    assert json.loads(none.read_text())["sigma_m"] is None


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("", "names no reference tag"),
        ("epc,x_m\nAA,1\n", "no column y_m"),
        ("epc,x_m,y_m\nbook,1,2\n", "row 2: epc 'BOOK'"),
        ("epc,x_m,y_m\nAA,1,2\naa,1,2\n", "row 3: EPC AA is there twice"),
        ("epc,x_m,y_m\nAA,1,north\n", "row 2: y_m is 'north'"),
        ("epc,x_m,y_m\nAA,1\n", "row 2: y_m is None"),
        ("epc,x_m,y_m\nAA,1,inf\n", "row 2: y_m is 'inf'"),
        ("epc,x_m,y_m,z_m\nAA,1,2,high\n", "row 2: z_m is 'high'"),
        ("epc,x_m,y_m\nAABB,1,2\n", "none of the reference tags"),
    ],
)
def test_a_wrong_table_is_one_line(recording, tmp_path, capsys, table, word):
    file = tmp_path / "labels.csv"
    file.write_text(table)
    out = tmp_path / "c.json"
    assert main(["calibrate", str(recording), "--reference", str(file), "--out", str(out), "--json"]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_other_mistakes_are_one_line(recording, tmp_path, capsys):
    out = ["--out", str(tmp_path / "c.json"), "--json"]
    twice = shutil.copytree(recording, tmp_path / "twice")
    bare = shutil.copytree(recording, tmp_path / "bare")
    (bare / "plan.json").unlink()
    (bare / "truth.parquet").unlink()
    table = tmp_path / "none.csv"
    for arguments, word in (
        ([str(tmp_path / "nowhere")], "nowhere"),
        ([str(recording), str(twice)], "named twice"),
        ([str(bare)], "no plan.json"),
        ([str(bare), "--plan", str(recording / "plan.json"), "--reference-tags", "2"], "use --reference"),
        ([str(recording), "--reference", str(table)], "no such file"),
        ([str(recording), "--reference", str(table), "--reference-tags", "2"], "give one of them"),
        ([str(recording), "--out", str(tmp_path)], "is a folder"),
    ):
        assert main(["calibrate", *out, *arguments]) == 2, arguments
        said = capsys.readouterr().err
        assert word in said
        assert len(said.splitlines()) == 1


def test_shelf_labels_of_the_plan_are_references_without_any_truth(tmp_path, capsys):
    library, scan = tmp_path / "library", tmp_path / "scan"
    assert main(["sim", "library", "--out", str(library), "--books", "150", "--seed", "3", "--labels"]) == 0
    assert main(["sim", "record", str(library), "--out", str(scan), "--passes", "1", "--speed", "0.15"]) == 0
    (scan / "truth.parquet").unlink()
    out = tmp_path / "calibration.json"
    capsys.readouterr()
    assert main(["calibrate", str(scan), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "reference tags on" in said["notes"][0]
    assert any(one["name"].startswith("face_shift_m.") for one in said["estimates"])
    assert main(["calibrate", str(scan), "--out", str(out), "--reference-tags", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert any("no reference tags" in note for note in said["notes"])


def test_a_calibration_is_kept_from_night_to_night(scanned, library, tmp_path, capsys):
    second, file = tmp_path / "second", tmp_path / "robot.json"
    drive = ["--passes", "1", "--speed", "0.2", "--seed", "31", "--night", "1"]
    assert main(["sim", "record", str(library), "--out", str(second), *drive]) == 0
    assert main(["calibrate", str(scanned), "--out", str(file)]) == 0
    before = json.loads(file.read_text())
    capsys.readouterr()
    assert main(["calibrate", str(second), "--update", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    after = json.loads(file.read_text())
    assert said["calibration"] == str(file) and "1 new, 1 remembered" in " ".join(said["notes"])
    assert len(before["nights"]) == 1 and len(after["nights"]) == 2
    assert after["run_ids"][0] == before["run_ids"][0] and len(after["run_ids"]) == 2
    assert main(["localize", str(second), "--calibration", str(file), "--out", str(tmp_path / "out")]) == 0
    assert main(["calibrate", str(second), "--update", str(tmp_path / "none.json")]) == 2
    assert "no such file" in capsys.readouterr().err
