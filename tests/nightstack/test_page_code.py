"""The Python that pages show runs as it is written, on a recording called night."""

import json
import re
from pathlib import Path

import pytest

from nightstack.cli import main
from robot.reader_setup import check_readers
from robot.settings import RobotSettings
from sim.library import load_library

DOCS = Path(__file__).parents[2] / "docs"


def block(page, language, number=0):
    """Return a block of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)[
        number
    ]


@pytest.fixture
def night(recording, tmp_path, monkeypatch):
    """Stand where a recording is called night, as the pages have it."""
    recording.rename(tmp_path / "night")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "night"


def test_recording(night, capsys):
    exec(block("recording.md", "python"), {})
    assert re.match(r"\d+ readings of \d+ tags", capsys.readouterr().out)


def test_localization_and_then_reports(night, capsys):
    exec(block("localization.md", "python"), {})
    for name in ("positions", "coverage"):
        Path(f"{name}.parquet").rename(night / f"{name}.parquet")
    code, send = block("reports.md", "python").split("send_mail(mail, ")
    made = {}
    exec(code, made)
    assert {file.name for file in Path("documents").iterdir()} >= {
        "report.html",
        "report.pdf",
        "exceptions.csv",
    }
    assert made["mail"]["To"] == "Circulation <desk@library.example>"
    settings = eval(send.rstrip().removesuffix(")"), made)
    assert (settings.port, settings.security) == (587, "starttls")


def test_looking(night):
    exec(block("looking.md", "python"), {})
    assert (night.parent / "pictures" / "index.html").exists()


def test_stacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plan.json").write_text(block("stacks.md", "json"))
    made = {}
    exec(block("stacks.md", "python"), made)
    assert made["index"].tolist() == [0, -1]
    assert made["offset"].tolist() == pytest.approx([0.1, 0.2])


def test_a_calibration_by_hand(night, capsys):
    text = block("localization.md", "json")
    assert json.loads(text)["format"] == "nightstack-calibration/1"
    Path("by-hand.json").write_text(text)
    assert main(["localize", "night", "--fast", "--calibration", "by-hand.json"]) == 0


def test_the_robot_of_the_simulated_world_is_the_one_that_the_page_describes(tmp_path, library):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "plan.json").write_bytes((library / "plan.json").read_bytes())
    (tmp_path / "sim-robot.toml").write_text(block("robot.md", "toml"))
    settings = RobotSettings.read(tmp_path / "sim-robot.toml")
    of_the_world = {mount.id: mount for mount in load_library(library).robot.mounts}
    assert len(settings.antenna) == len(of_the_world)
    for antenna in settings.antenna:
        mount = of_the_world[antenna.id]
        assert (antenna.port, antenna.reader) == (mount.port, mount.reader)
        assert (
            tuple(antenna.position_m) == mount.position_m
            and tuple(antenna.boresight_deg) == mount.boresight_deg
        )
    assert settings.site == load_library(library).plan.site


def test_robots_of_several_readers_are_read(tmp_path, library):
    (tmp_path / "library").mkdir()
    for place in (tmp_path, tmp_path / "library"):
        (place / "plan.json").write_bytes((library / "plan.json").read_bytes())
    emulated, real = (block("robot.md", "toml", n) for n in (1, 3))
    one = block("robot.md", "toml", 2)
    for text, names in (
        (block("robot.md", "toml") + emulated, ["uhf", "hf"]),
        (one[: one.index("[[reader]]")] + real, ["low", "high", "hf"]),
    ):
        (tmp_path / "robot.toml").write_text(text)
        settings = RobotSettings.read(tmp_path / "robot.toml")
        assert [reader.name for reader in settings.reader] == names
        airs = check_readers(settings)
        assert airs == {name: "iso15693" if name == "hf" else "gen2" for name in names}


@pytest.mark.parametrize(
    ("page", "number", "command"), [("robot.md", 2, "robot"), ("cloud_ingest.md", 0, "settings")]
)
def test_settings_are_read(tmp_path, capsys, monkeypatch, page, number, command, library):
    """Doctor reads the settings shown; what they point to is not there, which is another matter."""
    monkeypatch.chdir(tmp_path)
    Path("plan.json").write_bytes((library / "plan.json").read_bytes())
    Path("shown.toml").write_text(block(page, "toml", number).replace('"/var/lib', f'"{tmp_path}'))
    assert main(["doctor", f"--{command}", "shown.toml", "--json"]) == 1
    checks = {check["what"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["robot settings" if command == "robot" else "settings"]["state"] == "good"
