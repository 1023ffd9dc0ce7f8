"""What drivers of other packages do wrong is theirs: one line with the package's name and version."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightstack.cli import main
from reader_drivers import DriverError, drivers, open_reader
from reader_drivers._open import _BUILT_IN
from reader_drivers.testing import check_reader
from stacks.plan import write_plan
from tests.robot.harness import small_plan
from tests.support.broken_drivers import install


@pytest.fixture(autouse=True)
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(install(tmp_path)))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("broken_drivers", None)


def use(url: str) -> None:
    with open_reader(url) as reader:
        reader.connect()
        reader.start()
        reader.read(0.0)


@pytest.mark.parametrize(
    ("scheme", "says"),
    [
        ("broken-missing", "broken_drivers:Nowhere cannot be loaded (AttributeError:"),
        ("broken-module", "no_such_module_at_all:Reader cannot be loaded (ModuleNotFoundError:"),
        ("broken-factory", "broken_drivers:factory failed (ValueError: no such place)"),
        ("broken-nothing", "broken_drivers:nothing made an int, not a reader_drivers.Reader"),
        ("broken-start", "its start failed (RuntimeError: cannot start)"),
        ("broken-connect", "its connect returned a dict, not a Capabilities"),
        ("broken-air", "its air is 'uhf', not one of gen2, iso15693"),
        ("broken-read", "its read returned a list, not a ReaderBatch"),
        ("broken-events", "its read handed out a str in events, not a ReaderEvent"),
        ("broken-raises", "its read failed (KeyError: 'column')"),
    ],
)
def test_a_fault_names_the_package_that_has_it(scheme: str, says: str, capsys: pytest.CaptureFixture[str]):
    url = f"{scheme}://here"
    with pytest.raises(DriverError) as error:
        use(url)
    assert error.value.package == "broken-drivers 0.3"
    said = str(error.value)
    assert said.startswith(f"{url}: driver {scheme} of package broken-drivers 0.3: ") and says in said
    assert said.endswith("tell its maker (docs/writing_a_driver.md)") and "\n" not in said
    assert main(["readers", "probe", url, "--seconds", "0.2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "broken-drivers 0.3" in line and "nightstack itself" not in line


def test_they_are_listed_behind_our_own():
    names = [driver.scheme for driver in drivers()]
    own, others = names[: len(_BUILT_IN)], names[len(_BUILT_IN) :]
    assert own == list(_BUILT_IN) and own[0] == "llrp"
    assert others == sorted(others) and "broken-start" in others
    assert {d.version for d in drivers() if d.package == "broken-drivers"} == {"0.3"}


CANNOT = {
    "broken-missing": "broken_drivers:Nowhere cannot be loaded (AttributeError: ",
    "broken-module": "no_such_module_at_all:Reader cannot be loaded (ModuleNotFoundError: ",
    "broken-exits": "broken_exits:Reader cannot be loaded (SystemExit: 3)",
    "broken-nothing": "broken_drivers:nothing makes an int, not a reader_drivers.Reader",
    "broken-alone": "broken_drivers:alone does not take (url, clock): ",
    "broken-number": "broken_drivers:NUMBER is an int, not a class or function",
    "broken-plain": "broken_drivers:Plain is a class that is no reader_drivers.Reader",
    "broken-half": "broken_drivers:Half has no close, read, start, stop",
    "broken-words": "its entry point 'broken drivers' is not written MODULE:NAME",
    "broken_scheme": "broken_scheme is no URL scheme",
}


def test_broken_ones_are_listed_as_broken_with_the_reason(capsys: pytest.CaptureFixture[str]):
    assert main(["readers", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    for scheme, why in CANNOT.items():
        assert f" broken-drivers 0.3  (broken: {why}" in lines[scheme], lines[scheme]
    assert {scheme for scheme, line in lines.items() if "(broken: " in line} == set(CANNOT)
    assert main(["readers", "list", "--json"]) == 0
    rows = {row["scheme"]: row["broken"] for row in json.loads(capsys.readouterr().out)}
    assert rows["llrp"] == rows["broken-start"] == "" and rows["broken-half"].endswith(
        "close, read, start, stop"
    )


def test_doctor_says_which_package_is_broken_and_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_plan(tmp_path / "plan.json", small_plan())
    antenna = "position_m = [0, 0, 1]\nboresight_deg = [90, 0]\n"
    readers = [
        ("broken-module", "broken"),
        ("broken-nothing", "made"),
        ("llrp", "misspelt"),
        ("broken-start", "good"),
    ]
    (tmp_path / "robot.toml").write_text(
        "site = 's'\nrobot = 'r'\nbroker = 'mqtt://127.0.0.1:1'\nplan = 'plan.json'\n"
        "base = 'tcp://127.0.0.1:1'\nclock = 'base'\nspool = 's.db'\n"
        + "".join(
            f"[[reader]]\nname = '{name}'\nurl = '{scheme}://127.0.0.1{'?powr=1' if scheme == 'llrp' else ''}'\n"
            f"[[antenna]]\nid = {n}\nreader = '{name}'\nport = 1\n{antenna}"
            for n, (scheme, name) in enumerate(readers, 1)
        )
    )
    assert main(["doctor", "--json", "--robot", str(tmp_path / "robot.toml")]) == 1
    checks = {check["what"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    for what, why in (
        ("reader broken", "no_such_module_at_all:Reader cannot be loaded (ModuleNotFoundError: "),
        ("reader made", "broken_drivers:nothing made an int"),
        (
            "reader driver broken-module",
            "no_such_module_at_all:Reader cannot be loaded (ModuleNotFoundError: ",
        ),
        ("reader driver broken-half", "broken_drivers:Half has no close, read, start, stop"),
    ):
        check = checks[what]
        assert check["state"] == "bad" and why in check["found"] and "broken-drivers 0.3" in check["found"]
        assert "broken-drivers 0.3" in check["mend"] and "install" not in check["mend"]
        assert "correct its url" not in check["mend"]
    assert checks["reader driver broken-start"]["state"] == checks["reader good"]["state"] == "good"
    assert "correct its url" in checks["reader misspelt"]["mend"]


def test_the_check_finds_what_a_sloppy_driver_does(tmp_path: Path):
    said = "\n".join(check_reader("broken-sloppy://here", seconds=0.2))
    for what in (
        "unknown option in the URL is not refused",
        "t is not between start and now",
        "antenna is none of the ports asked for: port 3, and the capabilities have 1",
        "rssi_dbm is not from -120 to 0",
        "phase_rad is not in [0, 2 pi)",
        "phase_rad is there, and the capabilities say that there is none",
        "frequency_khz is 0",
        "an event's kind is 'two words'",
        "the detail of two words has several lines",
        "t of two words is not between start and now by the clock",
        "the memory of tag 'xyz'",
        "stop: readings still come",
        "start: ports=2 is passed over (no reader can follow it): refuse with SettingsError",
        "start: session=9 is passed over",
        "start: power=-99 is passed over",
        "the URL's ports=2 is passed over",
        "close: it left threads behind (sloppy)",
    ):
        assert what in said, said


def test_the_check_tells_of_a_reader_that_hears_nothing_or_breaks():
    assert check_reader("broken-raises://here", seconds=0.1)[-1].startswith(
        "the reader: broken-raises://here: driver "
    )
    assert any("no driver for nosuch" in fault for fault in check_reader("nosuch://here", seconds=0.1))
