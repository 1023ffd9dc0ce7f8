"""A library of HF tags from the command line: made, scanned, localized, drawn, judged, reported."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from nightstack.cli import main
from tests.nightstack.night import csv_rows


def made(folder, *options, books=150, speed=0.1):
    """Make a library and its recording; return both folders."""
    library, night = folder / "library", folder / "night"
    assert (
        main(["sim", "library", "--out", str(library), "--books", str(books), "--seed", "3", *options]) == 0
    )
    scan = ["sim", "record", str(library), "--out", str(night), "--passes", "2", "--speed", str(speed)]
    assert main(scan) == 0
    return library, night


@pytest.fixture(scope="module")
def hf(tmp_path_factory):
    return made(tmp_path_factory.mktemp("hf"), "--hf", "1")


def airs(night):
    return [antenna["air"] for antenna in json.loads((night / "run.json").read_text())["robot"]["antennas"]]


def test_all_tags_are_uids_and_hf_antennas_hear_them_without_phase(hf):
    library, night = hf
    assert set(airs(night)) == {"iso15693"}
    readings = pq.read_table(night / "readings.parquet")
    assert readings["phase_rad"].null_count == readings.num_rows > 1000
    heard = set(readings["epc"].to_pylist())
    assert all(len(uid) == 16 and uid.startswith("E0") for uid in heard)
    known = {row["epc"] for name in ("holdings.csv", "planted.csv") for row in csv_rows(library / name)}
    assert heard <= known
    assert (night / "holdings.csv").read_bytes() == (library / "holdings.csv").read_bytes()


def test_books_are_placed_by_hits_and_misses(hf, tmp_path, capsys):
    _, night = hf
    assert main(["localize", str(night), "--out", str(tmp_path), "--plot"]) == 0
    said = capsys.readouterr()
    assert "by hits and misses" in said.err
    page = (tmp_path / "looking" / "index.html").read_text()
    assert "the rounds it answered" in page and "how strongly" not in page
    assert main(["evaluate", str(tmp_path), str(night), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["placed"] == figures["heard"] >= 0.99 * figures["present"]
    assert figures["error"]["median_cm"] < 0.2 * figures["constant_guess"]["median_cm"]
    assert figures["shelf_accuracy"] > 0.97
    assert figures["order"]["share"] > 0.7
    assert main(["exceptions", str(night), "--positions", str(tmp_path / "positions.parquet"),
                 "--out", str(tmp_path / "exceptions.csv")]) == 0  # fmt: skip


def test_what_was_planted_among_hf_tags_is_found(hf, tmp_path, capsys):
    library, night = hf
    out = tmp_path / "exceptions.csv"
    assert main(["exceptions", str(night), "--out", str(out)]) == 0
    capsys.readouterr()
    for kind in ("wrong_shelf", "missing"):
        planted = {row["barcode"] for row in csv_rows(library / "planted.csv") if row["kind"] == kind}
        found = {row["barcode"] for row in csv_rows(out) if row["kind"] == kind}
        assert planted and planted <= found, kind


def test_a_library_with_both_kinds_and_labels_is_scanned_by_both(tmp_path, capsys):
    library, night = made(tmp_path, "--hf", "0.5", "--labels", books=100, speed=0.15)
    assert set(airs(night)) == {"gen2", "iso15693"}
    readings = pq.read_table(night / "readings.parquet")
    by_hf = readings["antenna"].to_numpy() > 100
    epcs = np.array(readings["epc"].to_pylist())
    uids = np.array([len(epc) == 16 for epc in epcs])
    assert (by_hf == uids).all() and len(set(epcs[uids])) > 20 and len(set(epcs[~uids])) > 20
    plan = json.loads((library / "plan.json").read_text())
    labels = {s["tag"] for floor in plan["floors"] for face in floor["faces"] for s in face["shelves"]}
    assert labels and labels <= set(epcs)
    assert main(["localize", str(night), "--json"]) == 0
    said = json.loads(capsys.readouterr().out[len(f"100 books: {library}\nrecorded: {night}\n") :])
    assert said["placed"] == said["tags"]


def test_what_the_simulated_hf_world_cannot_do_is_refused(hf, tmp_path, capsys):
    library, _ = hf
    for option in (["--lying", "0.1"], ["--trolleys", "1"], ["--on-robot", "1"]):
        assert main(["sim", "library", "--out", str(tmp_path / "x"), "--hf", "1", *option]) == 2
        assert option[0] in capsys.readouterr().err
    assert main(["sim", "library", "--out", str(tmp_path / "x"), "--hf", "1.5"]) == 2
    assert not (tmp_path / "x").exists()
    assert main(["sim", "record", str(library), "--out", str(tmp_path / "y"), "--preset", "calm"]) == 2
    assert "calm" in capsys.readouterr().err and not (tmp_path / "y").exists()
