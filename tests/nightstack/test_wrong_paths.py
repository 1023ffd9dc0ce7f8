"""A mistyped path is told in one line, and before what takes long to import: numpy, Arrow, the compiler, the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nightstack

HEAVY = (
    "numpy", "scipy", "sklearn", "numba", "pyarrow", "sqlalchemy", "fastapi", "cv2", "reportlab", "amqtt",
    "localization", "cloud_ingest", "recording", "sim", "robot",
)  # fmt: skip
WRONG = [
    ("localize nosuch", "nosuch"),
    ("localize file", "file"),
    ("localize empty", "empty/run.json"),
    ("localize demo", "demo/recording"),
    ("localize lib", "nightstack sim record lib"),
    ("localize night --plan nosuch.json", "nosuch.json"),
    ("localize night --plan empty", "empty/plan.json"),
    ("localize night --calibration nosuch.json", "nosuch.json"),
    ("localize night --out file/out", "file"),
    ("localize night --plot-out file/out", "file"),
    ("localize night --tag 3085", "--plot"),
    ("localize night --joint", "--fast"),
    ("exceptions nosuch", "nosuch"),
    ("exceptions demo", "demo/recording"),
    ("exceptions night --plan nosuch.json", "nosuch.json"),
    ("exceptions night --holdings nosuch.csv", "nosuch.csv"),
    ("exceptions night --positions nosuch.parquet", "nosuch.parquet"),
    ("exceptions night --out file/x.csv", "file"),
    ("evaluate nosuch.parquet night", "nosuch.parquet"),
    ("evaluate some.parquet nosuch.parquet", "nosuch.parquet"),
    ("evaluate some.parquet empty", "empty/truth.parquet"),
    ("evaluate some.parquet night --plan nosuch.json", "nosuch.json"),
    ("evaluate some.parquet night --page file/x.html", "file"),
    ("evaluate some.parquet night --page x.html --recording nosuch", "nosuch"),
    ("evaluate some.parquet night --page x.html --calibration nosuch.json", "nosuch.json"),
    ("replay nosuch", "nosuch"),
    ("calibrate night nosuch", "nosuch"),
    ("calibrate night --plan nosuch.json", "nosuch.json"),
    ("calibrate night --reference nosuch.csv", "nosuch.csv"),
    ("calibrate night --update nosuch.json", "nosuch.json"),
    ("calibrate night --out file/x.json", "file"),
    ("combine nosuch --out out", "nosuch"),
    ("combine night --out file", "file"),
    ("combine night --out out --plan nosuch.json", "nosuch.json"),
    ("combine night --out out --holdings nosuch.csv", "nosuch.csv"),
    ("combine night --out out --calibration nosuch.json", "nosuch.json"),
    ("report nosuch", "nosuch"),
    ("report nosuch --data data", "last-night"),
    ("report night --out file", "file"),
    ("serve --settings nosuch.toml", "nosuch.toml"),
    ("serve --data file", "file"),
    ("robot run nosuch.toml", "nosuch.toml"),
    ("sim library --out file", "file"),
    ("sim record nosuch --out out", "nosuch"),
    ("sim record empty --out out", "empty/plan.json"),
    ("sim record lib --out night", "night"),
    ("sim world nosuch", "nosuch"),
    ("stacks import nosuch.csv --out out.csv", "nosuch.csv"),
    ("stacks import file --out file/x.csv", "file"),
    ("stacks import file --out out.csv --mapping nosuch.toml", "nosuch.toml"),
    ("stacks import file --out out.csv --tags nosuch.csv", "nosuch.csv"),
    ("stacks ranges check --plan nosuch.json", "nosuch.json"),
    ("stacks ranges import nosuch.csv --plan lib", "nosuch.csv"),
    ("stacks ranges learn nosuch", "nosuch"),
    ("stacks ranges learn night --holdings nosuch.csv", "nosuch.csv"),
    ("stacks ranges learn night", "nightstack localize night"),
    ("demo --out file", "file"),
    ("demo --out data", "data"),
]
PROBE = f"""
import contextlib, io, json, sys
from nightstack.cli import main
before = set()
for arguments in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        status = main(arguments)
    there = {{name for name in {HEAVY!r} if name in sys.modules}}
    print(json.dumps([status, sorted(there - before), said.getvalue().splitlines()]))
    before = there
"""


def asked(folder, *commands):
    """Run commands in one fresh process; return of each its status, the heavy modules it imported, and what it said."""
    root = str(Path(nightstack.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", PROBE], input=json.dumps([command.split() for command in commands]),
        capture_output=True, text=True, check=True, cwd=folder, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory, scanned, library):
    """Make a folder of things to name, right ones and wrong ones, under short names."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "night").symlink_to(scanned)
    (folder / "lib").symlink_to(library)
    (folder / "demo").mkdir()
    (folder / "demo" / "positions.parquet").write_text("x")
    (folder / "demo" / "recording").symlink_to(scanned)
    for name in ("empty", "spoiled"):
        (folder / name).mkdir()
    for name in ("run.json", "readings.parquet", "poses.parquet"):
        (folder / "spoiled" / name).write_text("x")
    (folder / "file").write_text("x")
    (folder / "some.parquet").write_text("x")
    (folder / "data" / "runs" / "last-night").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def answers(place):
    """Run all the commands with a wrong path."""
    return dict(zip(WRONG, asked(place, *(command for command, _ in WRONG)), strict=True))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong[0])
def test_a_wrong_path_is_told_before_anything_heavy_is_imported(place, answers, wrong):
    status, heavy, said = answers[wrong]
    assert status == 2
    assert heavy == []
    (line,) = said
    assert line.startswith("nightstack: ") and wrong[1] in line
    assert not (place / "out").exists()


def test_doctor_says_that_settings_are_not_there_without_waiting(place):
    for status, heavy, said in asked(place, "doctor --settings nosuch.toml", "doctor --robot nosuch.toml"):
        assert (status, said) == (1, [])
        assert not {"numpy", "scipy", "numba", "pyarrow", "sqlalchemy"} & set(heavy)


def test_the_probe_sees_what_is_imported(place):
    ((status, heavy, said),) = asked(place, "localize spoiled")
    assert status == 2 and "run.json" in said[0]
    assert {"numpy", "numba", "pyarrow", "localization", "recording"} <= set(heavy)


def test_help_and_version_import_no_more_than_they_need(place):
    for status, heavy, _ in asked(place, "--help", "--version"):
        assert (status, heavy) == (0, [])
