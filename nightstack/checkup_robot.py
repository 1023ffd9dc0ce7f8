"""What ``nightstack doctor --robot`` looks at: the settings, the plan, the broker, the base, and each reader."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from nightstack.checks import Check, mend_driver, reachable, takes_connections
from nightstack.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from reader_drivers.targets import SerialTarget, Target
    from robot.settings import AntennaTable, ReaderTable

_WRITE_SETTINGS = "name the robot's settings with --robot; docs/robot.md shows a file to start from"


def check_robot(file: Path) -> list[Check]:
    """Look at a robot's settings, and at everything they point to."""
    if not file.exists() or file.is_dir():
        return [Check("robot settings", "bad", f"{file}: no such settings file", _WRITE_SETTINGS)]
    from robot.settings import RobotSettings, broker_address
    from stacks.plan import read_plan

    try:
        settings = RobotSettings.read(file)
    except ValueError as error:
        return [
            Check("robot settings", "bad", one_line(error), f"edit {file}; docs/robot.md lists the settings")
        ]
    checks = [Check("robot settings", "good", str(file))]
    try:
        read_plan(settings.plan)
    except ValueError as error:
        checks.append(Check("plan", "bad", one_line(error), f"correct {settings.plan}"))
    else:
        checks.append(Check("plan", "good", str(settings.plan)))
    broker = broker_address(settings.broker)
    mend = f"start it, or correct `broker` in {file}"
    checks.append(takes_connections("broker", broker.host, broker.port, mend))
    if settings.base.startswith("tcp://"):
        checks.append(reachable("base", settings.base, 0, f"switch it on, or correct `base` in {file}"))
    elif "://" in settings.base:
        checks.append(Check("base", "good", f"{settings.base}: of pyserial, not looked at"))
    else:
        checks.append(_device("base", settings.base, f"correct `base` in {file}"))
    places: dict[Hashable, str] = {}
    for table in settings.reader:
        antennas = settings.antennas_of(table.name)
        checks.append(_reader(table, antennas, places, file))
    return checks


def _reader(
    table: ReaderTable, antennas: Sequence[AntennaTable], places: dict[Hashable, str], file: Path
) -> Check:
    """Look at a reader without speaking to it: one that works may be at work, for another client.

    `places` are where the readers above it are, and their names; it is added to.
    """
    from reader_drivers import DriverError, ReaderError, open_reader
    from reader_drivers.targets import SerialTarget, TcpTarget
    from robot.reader_setup import settings_of

    url, what, correct = table.url, f"reader {table.name}", f"correct its url in {file}"
    mend = f"{correct}; docs/reader_drivers.md lists schemes and options"
    try:
        with open_reader(url) as reader:
            target = reader.target
            first = places.setdefault(_place(target, url), table.name)
            mend = f"correct [[reader]] {table.name} or its antennas in {file}"
            reader.check_settings(settings_of(table, antennas))
    except DriverError as error:
        return Check(what, "bad", one_line(error), f"its url is not at fault; {mend_driver(error.package)}")
    except ReaderError as error:
        return Check(what, "bad", one_line(error), mend)
    if first != table.name:
        found = f"{url}: reader {first} is at the same place, and a reader serves one client at a time"
        return Check(what, "bad", found, f"{correct}, or give its antennas to reader {first} and take it out")
    if isinstance(target, TcpTarget):
        return takes_connections(
            what, target.host, target.port, f"switch it on, or {correct}", _asked_by(url)
        )
    if isinstance(target, SerialTarget):
        return _line(what, target, correct, url)
    return Check(what, "good", f"{url}: its driver takes it; {_asked(url)}")


def _place(target: Target | None, url: str) -> Hashable:
    """Return what is the same of two URLs that lead to one reader, whatever their options are."""
    from reader_drivers.targets import SerialTarget, TcpTarget

    if isinstance(target, TcpTarget):
        return target.host.lower(), target.port
    if isinstance(target, SerialTarget):
        return os.path.realpath(target.path)
    return url.partition("?")[0]


def _asked_by(url: str) -> str:
    return f"takes connections; {_asked(url)}"


def _asked(url: str) -> str:
    return f"`nightstack readers probe '{url}'` asks what is there"


def _line(what: str, target: SerialTarget, correct: str, url: str) -> Check:
    check = _device(what, target.path, correct)
    if check.state != "good":
        return check
    return Check(what, "good", f"{target.path} is there; {_asked(url)}")


def _device(what: str, path: str, correct: str) -> Check:
    """Look at a serial line's device file without opening it: that may reset what is behind it."""
    try:
        found = Path(path).stat()
    except OSError as error:
        return Check(what, "bad", one_line(error), f"plug it in, or {correct}")
    if not stat.S_ISCHR(found.st_mode):
        return Check(what, "bad", f"{path}: is no serial line", correct)
    if not os.access(path, os.R_OK | os.W_OK):
        try:
            group = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            group = str(found.st_gid)
        mend = f"sudo usermod -aG {group} $USER   # then log in again"
        return Check(what, "bad", f"{path}: may not be read and written by you", mend)
    return Check(what, "good", path)
