"""A million copies: the real commands in processes of their own, held to two cores; time, rows a second, memory.

Each part is a function that works in a folder and returns the steps it measured; a part added to ``PARTS`` is run and
printed like the others.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import million_exceptions
from benchmarks.accuracy import wide_console
from sim.call_numbers import draw_call_numbers
from sim.words import draw_titles

CORES: Final = 2
COPIES: Final = 1_000_000
AIM_S: Final = 60.0
AIM_GB: Final = 2.0
_DRAWN: Final = 100_000


@dataclass(frozen=True, slots=True)
class Step:
    """One command: what, over how many rows, its wall and processor seconds, and its peak memory."""

    what: str
    rows: int
    seconds: float
    cpu_s: float
    peak_gb: float

    @property
    def rows_per_s(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def run(what: str, rows: int, arguments: Sequence[str]) -> Step:
    """Run a Python process on two cores and measure it; raises RuntimeError with what it said if it fails."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    environment = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parent.parent), *sys.path[1:]]),
        "OMP_NUM_THREADS": "1",
    }
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {cores})\n{arguments[0]}", *arguments[1:]],
            stdout=said, stderr=said, env=environment,
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if child.returncode:
            said.seek(0)
            raise RuntimeError(f"{what} failed: {said.read().decode(errors='replace')[-2000:]}")
    return Step(what, rows, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9)


def command(what: str, rows: int, *arguments: object) -> Step:
    """Run a ``nightstack`` command and measure it."""
    code = "import sys; from nightstack.cli import main; raise SystemExit(main(sys.argv[1:]))"
    return run(what, rows, [code, *map(str, arguments)])


def copies(count: int = COPIES, seed: int = 1) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield barcode, EPC, call number, title, location and status of made-up copies in shelving order."""
    rng = np.random.default_rng(seed)
    drawn = min(count, _DRAWN)
    calls, titles = draw_call_numbers(rng, drawn, "lcc"), draw_titles(rng, drawn)
    lent = rng.random(count) < 0.08
    volumes = -(-count // drawn)
    for i in range(count):
        book, volume = divmod(i, volumes)
        yield (
            f"3{i:013d}", f"3085{i:020X}", f"{calls[book]} v.{volume + 1}", f"{titles[book]}, 第 {volume + 1} 卷",
            f"STACKS-{i // 50_000}", "On loan" if lent[i] else "Available",
        )  # fmt: skip


def imported(folder: Path, count: int = COPIES) -> list[Step]:
    """Import a million copies from a semicolon CSV, again over themselves with a dry run, and read the result."""
    export, out = folder / "export.csv", folder / "holdings.csv"
    with export.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(["Item Barcode", "RFID", "Call Number", "Title", "Location", "Status"])
        writer.writerows(copies(count))
    arguments = ("stacks", "import", export, "--out", out, "--set", "scheme=lcc")
    reading = "import sys; from stacks.holdings import read_holdings; print(len(read_holdings(sys.argv[1])))"
    return [
        command("stacks import", count, *arguments),
        command("stacks import --dry-run over them", count, *arguments, "--dry-run"),
        run("read_holdings", count, [reading, str(out)]),
    ]


def marc_record(number: int, barcode: str, call: str, title: str, location: str) -> bytes:
    """Return a MARC 21 record (ISO 2709, UTF-8) with ten fields, the copy in 852."""
    fields = (
        ("001", f"{number:09d}"), ("008", "050101s2005    nyu           000 0 eng d"),
        ("020", "  \x1fa9780131103627"), ("100", "1 \x1faMüller, Jörg,\x1fd1950-"),
        ("245", f"10\x1fa{title} :\x1fbüber die Ordnung /\x1fcJörg Müller."), ("250", "  \x1fa2nd ed."),
        ("260", "  \x1faBerlin :\x1fbVerlag,\x1fc2005."), ("300", "  \x1fa300 p. ;\x1fc24 cm."),
        ("650", " 0\x1faLibraries\x1fxAutomation."), ("852", f"0 \x1fb{location}\x1fh{call}\x1fp{barcode}"),
    )  # fmt: skip
    directory, body = b"", b""
    for tag, text in fields:
        content = text.encode() + b"\x1e"
        directory += b"%s%04d%05d" % (tag.encode(), len(content), len(body))
        body += content
    base = 24 + len(directory) + 1
    length = base + len(body) + 1
    return b"%05dnam a22%05d a 4500%s\x1e%s\x1d" % (length, base, directory, body)


def imported_marc(folder: Path, count: int = COPIES) -> list[Step]:
    """Import a million MARC records of a copy each."""
    export, out = folder / "export.mrc", folder / "from-marc.csv"
    with export.open("wb") as file:
        for number, (barcode, _, call, title, location, _) in enumerate(copies(count)):
            file.write(marc_record(number, barcode, call, title, location))
    return [command("stacks import of MARC 21", count, "stacks", "import", export, "--out", out)]


def judged(folder: Path, count: int = COPIES) -> list[Step]:
    """List a night's exceptions from its files; then those of a night and of the next, with what the first taught."""
    million_exceptions.make(folder, count)
    script = (
        "import sys; from pathlib import Path; from benchmarks.million_exceptions import child; "
        "print(child(Path(sys.argv[1]), bool(sys.argv[2])))"
    )
    return [
        run("exceptions", count, [script, str(folder), ""]),
        run("a first night, which learns", count, [script, str(folder), "memory"]),
        run("the next night", count, [script, str(folder), "memory"]),
    ]


PARTS: Final[dict[str, Callable[[Path], list[Step]]]] = {
    "import": imported,
    "marc": imported_marc,
    "exceptions": judged,
}
"""Each part by name; a new one is a function of a folder and a line here."""


def main(console: Console | None = None) -> dict[str, Any]:
    """Print the table and return the figures."""
    console = console or wide_console()
    table = Table(
        title=f"{COPIES:,} copies, {CORES} cores; aim: under {AIM_S:.0f} s and {AIM_GB:.0f} GB",
        title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in ("part", "step", "s", "CPU s", "rows/s", "peak GB"):
        table.add_column(column, justify="left" if column in ("part", "step") else "right", no_wrap=True)
    figures: dict[str, Any] = {}
    for name, part in PARTS.items():
        with tempfile.TemporaryDirectory() as place:
            steps = part(Path(place))
        for step in steps:
            table.add_row(
                name,
                step.what,
                f"{step.seconds:.1f}",
                f"{step.cpu_s:.1f}",
                f"{step.rows_per_s:,.0f}",
                f"{step.peak_gb:.2f}",
            )
        figures[name] = [asdict(step) | {"rows_per_s": step.rows_per_s} for step in steps]
    console.print(table)
    return figures
