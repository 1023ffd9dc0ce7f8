"""The settings file: what is refused, in one line that names the key, and that the manual names every setting."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from robot.errors import ConfigError
from robot.settings import (
    AntennaTable,
    DriveTable,
    ReaderTable,
    RobotSettings,
    RouteTable,
    UplinkTable,
    broker_address,
)

GOOD = """
site = "main"
robot = "r1"
broker = "mqtt://user:geheim@broker.example"
plan = "plan.json"
base = "/dev/ttyUSB0"

[[reader]]
name = "uhf"
url = "llrp://reader.example"
power_dbm = 30

[[antenna]]
id = 7
reader = "uhf"
port = 1
position_m = [0, -0.25, 0.4]
boresight_deg = [-90, 0]

[route]
passes = 1
"""


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "plan.json").write_text("{}")
    path = tmp_path / "robot.toml"
    path.write_text(text)
    return path


def test_good_settings_are_read_and_paths_count_from_the_file(tmp_path: Path):
    settings = RobotSettings.read(write(tmp_path, GOOD))
    assert settings.plan == tmp_path / "plan.json"
    assert settings.spool == tmp_path / "spool.db"
    assert settings.clock == "system"
    assert settings.uplink.batch_rows == 1000
    (mount,) = settings.mounts()
    assert mount.position_m == (0.0, -0.25, 0.4)
    assert mount.power_dbm == 30.0
    assert mount.phase_ambiguity == "unknown"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('site = "main"', 'site = "a/b"', "site:"),
        ('site = "main"', "", "site: is missing"),
        ("passes = 1", 'passes = "1"', "route.passes:"),
        ("passes = 1", "passes = 0", "route.passes:"),
        ("passes = 1", "pases = 1", "route.pases: unknown setting; did you mean passes?"),
        ("passes = 1", "speed_mps = nan", "route.speed_mps:"),
        ("passes = 1", "overrun_m = 0.1", "route.overrun_m:"),
        ("passes = 1", 'side = "up"', "route.side:"),
        ("power_dbm = 30", "power = 30", "reader uhf: power: unknown setting; did you mean power_dbm?"),
        ("power_dbm = 30", "power_dbm = true", "reader uhf: power_dbm:"),
        ("port = 1", "port = 0", "antenna 7: port:"),
        ("port = 1", 'port = 1\nair = "uhf"', "antenna 7: air: Input should be 'gen2' or 'iso15693'"),
        ("id = 7", "", "[[antenna]] number 1 of the file: id: is missing"),
        ("power_dbm = 30", "q = 16", "reader uhf: q:"),
        ("power_dbm = 30", 'target = "C"', "reader uhf: target:"),
        ("power_dbm = 30", 'region = ""', "reader uhf: region:"),
        ('reader = "uhf"', 'reader = "hf"', "wired to reader 'hf', which is not listed"),
        ("[0, -0.25, 0.4]", "[0, -0.25]", "antenna 7: position_m"),
        ("[route]", '[[reader]]\nname = "hf"\nurl = "llrp://h"\n[route]', "reader 'hf' has no antenna"),
        ("[route]", "[drive]\nstop_sigma_m = 0.1\n[route]", "stop_sigma_m is below slow_sigma_m"),
        ("[route]", "[rout]", "rout: unknown setting; did you mean route?"),
        ("/dev/ttyUSB0", "tcp://nowhere", "is not tcp://host:port"),
        ("/dev/ttyUSB0", "tcp://nowhere:99999", "the port is not a number"),
        ("mqtt://", "http://", "is not mqtt://"),
        ("plan.json", "plans.json", "plans.json is not there"),
        ("[route]", "[route", "no TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, old: str, new: str, says: str):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        RobotSettings.read(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert says in text
    assert "\n" not in text
    assert "geheim" not in text


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path):
    text = GOOD.replace("power_dbm = 30", "power_dbm = 300\nq = 99").replace("passes = 1", "passses = 1")
    with pytest.raises(ConfigError) as error:
        RobotSettings.read(write(tmp_path, text))
    power, q, passes = str(error.value).removeprefix(f"{tmp_path / 'robot.toml'}: ").split(". ")
    assert power.startswith("reader uhf: power_dbm: ") and q.startswith("reader uhf: q: ")
    assert passes == "route.passses: unknown setting; did you mean passes?"
    many = GOOD.replace("passes = 1", "\n".join(f"wrong_{n} = 1" for n in range(9)))
    with pytest.raises(ConfigError, match=r"wrong_4: unknown setting; .*\. and 4 more$"):
        RobotSettings.read(write(tmp_path, many))


def test_two_antennas_on_one_port_are_refused(tmp_path: Path):
    start = GOOD.index("[[antenna]]")
    antenna = GOOD[start : GOOD.index("[route]")].replace("id = 7", "id = 8")
    with pytest.raises(ConfigError, match=r"reader and port: .* more than once"):
        RobotSettings.read(write(tmp_path, GOOD.replace("[route]", antenna + "[route]")))


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        RobotSettings.read(tmp_path / "none.toml")


def test_broker_urls():
    plain = broker_address("mqtt://broker.example")
    assert (plain.host, plain.port, plain.tls, plain.user) == ("broker.example", 1883, False, None)
    secure = broker_address("mqtts://a%40b:p%3Aw@broker.example:18883")
    assert (secure.port, secure.tls, secure.user, secure.password) == (18883, True, "a@b", "p:w")
    assert "p:w" not in repr(secure) + str(secure)


def test_the_manual_names_every_setting_and_no_other():
    manual = (Path(__file__).parents[2] / "docs" / "robot.md").read_text(encoding="utf-8")
    tables: dict[str, type[BaseModel]] = {
        "": RobotSettings,
        "[[reader]]": ReaderTable,
        "[[antenna]]": AntennaTable,
        "[route]": RouteTable,
        "[drive]": DriveTable,
        "[uplink]": UplinkTable,
    }
    for title, model in tables.items():
        heading = f"### `{title}`" if title else "### At the top"
        section = manual[manual.index(heading) + len(heading) :].split("\n### ")[0].split("\n## ")[0]
        rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
        documented = {row[1].strip().strip("`"): row[2].strip().strip("`") for row in rows}
        own: dict[str, Any] = {
            name: field
            for name, field in model.model_fields.items()
            if name not in ("reader", "antenna", "route", "drive", "uplink") or (title == "[[antenna]]")
        }
        assert set(documented) == set(own)
        for name, field in own.items():
            if not field.is_required() and isinstance(field.default, int | float):
                assert float(documented[name]) == field.default, f"{title} {name}"


@pytest.mark.parametrize("name", ["a..b"])
def test_names_that_cannot_be_topics_are_refused(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match="topic level"):
        RobotSettings.read(write(tmp_path, GOOD.replace('"main"', f'"{name}"')))
