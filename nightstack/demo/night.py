"""The demo's night: library, mail server, ingest, world and robot, started one after the other, scored at the end."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nightstack.demo.follow import ROBOT_FROM, SCORE_FROM, SILENT_S, follow
from nightstack.demo.mailbox import Mailbox, mail_text
from nightstack.demo.processes import Program, Signals, stopped_together
from nightstack.demo.scoreboard import Scoreboard, score_kinds
from nightstack.demo.typed import command, shown
from nightstack.errors import CommandError, InputError
from nightstack.outputs import output_folder
from nightstack.progress import ProgressCallback

SITE = "demo"
ROBOT = "robot-1"
_MARK = ".nightstack-demo"
_START_S = (
    180.0  # a program that takes longer to start, even on a busy machine, has a fault that its log names
)
_PASSES, _SPEED_MPS = 3, 0.1  # some sixty readings a book: what a night that is not in a hurry gives


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo is asked for.

    Attributes
    ----------
    out
        Folder for everything.
    books, seed, preset
        Of the simulated library and its radio.
    """

    out: Path
    books: int = 2000
    seed: int = 1
    preset: str = "ordinary"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo leaves: its figures, the mail's list, each file with what it is, and commands to go on with."""

    scoreboard: Scoreboard
    mail: str
    files: tuple[tuple[Path, str], ...]
    next_steps: tuple[str, ...]


def run_demo(options: DemoOptions, *, progress: ProgressCallback) -> DemoResult:
    """Run a whole simulated night.

    Parameters
    ----------
    options
        What is wanted.
    progress
        Told the share done and the present stage.

    Returns
    -------
    DemoResult
        The scoreboard and the files left.

    Raises
    ------
    InputError
        The folder holds something that is no earlier demo.
    CommandError
        A program failed; its log is named.
    """
    began = time.monotonic()
    _refuse_strange(options.out)
    _check_preset(options.preset)  # before an earlier demo is thrown away
    out = _fresh_folder(options.out)
    logs = out / "logs"
    logs.mkdir()
    with stopped_together() as (stack, signals):
        progress(0.0, "building the library")
        _make_library(options, out / "library")
        start = partial(_start, stack, signals, logs)
        start("kernels", [], module="nightstack.demo.kernels")
        mailbox = stack.enter_context(Mailbox(out / "mail"))
        _write_site(out)
        serve_file = _write_serve_settings(out, mailbox.port)

        progress(0.04, "starting ingest and broker")
        ingest = start("ingest", ["serve", "--settings", str(serve_file)])
        world = start(
            "world",
            ["sim", "world", str(out / "library"), "--seed", str(options.seed), "--preset", options.preset],
        )
        served = ingest.wait_for("serving", _START_S)
        listening = world.wait_for("listening", _START_S)
        robot_file = _write_robot_settings(out, served["broker"], listening)

        progress(ROBOT_FROM, "the robot sets out")
        robot = start("robot", ["robot", "run", str(robot_file)])
        run = follow(served["http"], robot, ingest, out / "cloud", progress)
        mail = mailbox.wait(SILENT_S)
        if mail is None:
            raise CommandError(f"no mail came in {SILENT_S:.0f} s after the report; see {ingest.log}")
        sent = int(robot.wait_for("finished", SILENT_S)["readings"])

    progress(SCORE_FROM, "scoring")
    files = _collect(out, str(run["run_id"]), mail)
    board = _score(options, out, run, sent, time.monotonic() - began)
    (out / "scoreboard.json").write_text(json.dumps(board.to_json(), indent=2) + "\n", encoding="utf-8")
    files = (*files, (out / "scoreboard.json", "the figures above, for a program"))
    return DemoResult(board, mail_text(mail), files, _next_steps(out))


def _refuse_strange(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder with --out")
    if out.exists() and any(out.iterdir()) and not (out / _MARK).exists():
        raise InputError(f"{out}: holds something that is no earlier demo; name another folder with --out")
    output_folder(out)


def _fresh_folder(out: Path) -> Path:
    if out.exists():
        # Emptied, not removed: it may be a link, a mount or where the user stands.
        for entry in out.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).write_text("made by `nightstack demo`; replaced by the next one\n", encoding="utf-8")
    return out.resolve()


def _check_preset(name: str) -> None:
    from sim.presets import PRESETS

    if name not in PRESETS:
        raise InputError(f"--preset: {name!r} is none of {', '.join(PRESETS)}")


def _make_library(options: DemoOptions, folder: Path) -> None:
    from sim.library import make_library, save_library

    # The plan says whose it is, as the run does: otherwise localizing the recording by hand asks for the right plan.
    save_library(make_library(options.books, options.seed, site=SITE), folder)


def _write_site(out: Path) -> None:
    # The cloud side sees what a real library would give it, the plan and the catalogue: not the truth.
    site = out / "cloud" / "sites" / SITE
    site.mkdir(parents=True)
    for name in ("plan.json", "holdings.csv"):
        shutil.copy(out / "library" / name, site / name)


def _write_serve_settings(out: Path, smtp_port: int) -> Path:
    file = out / "serve.toml"
    file.write_text(
        f"""# The service's settings of this demo; docs/cloud_ingest.md lists them all.
data = "cloud"
broker_listen = "127.0.0.1:0"   # its own broker, on a free port
http = "127.0.0.1:0"
sender = "nightstack@demo.example"
recipients = [{{ address = "circulation@demo.example", language = "en" }}]
jobs = {os.cpu_count() or 1}

[smtp]
host = "127.0.0.1"
port = {smtp_port}
""",
        encoding="utf-8",
    )
    return file


def _write_robot_settings(out: Path, broker: str, listening: dict[str, str]) -> Path:
    from sim.library import load_library

    antennas = "\n".join(
        f"""[[antenna]]
id = {mount.id}
reader = "uhf"
port = {mount.port}
air = "{mount.air}"
position_m = {list(mount.position_m)}
boresight_deg = {list(mount.boresight_deg)}
"""
        for mount in load_library(out / "library").robot.mounts
    )
    file = out / "robot.toml"
    file.write_text(
        f"""# The robot's settings of this demo; docs/robot.md lists them all.
site = "{SITE}"
robot = "{ROBOT}"
broker = "{broker}"
plan = "library/plan.json"
base = "tcp://{listening["base"]}"
clock = "base"                  # simulated time: the night passes as fast as this machine computes
spool = "robot-spool.db"

[route]
passes = {_PASSES}
speed_mps = {_SPEED_MPS}

[[reader]]
name = "uhf"
url = "llrp://{listening["reader"]}"

{antennas}
""",
        encoding="utf-8",
    )
    return file


def _start(
    stack: ExitStack,
    signals: Signals,
    logs: Path,
    name: str,
    arguments: list[str],
    module: str = "nightstack",
) -> Program:
    with signals.held():
        program = Program(name, arguments, logs / f"{name}.log", module)
        stack.callback(program.stop)
    return program


def _collect(out: Path, run_id: str, mail: Path) -> tuple[tuple[Path, str], ...]:
    run = out / "cloud" / "runs" / run_id
    wanted = (
        ("report.pdf", "the report to print"),
        ("picklist.pdf", "the walk alone, to take along"),
        ("report.html", "the report to read on a screen"),
        ("report.xlsx", "the report as a workbook"),
        ("exceptions.csv", "the findings for a program"),
        ("positions.parquet", "where each book stands, with error bars"),
        ("coverage.parquet", "where a tag would have been heard"),
    )
    text = out / "mail.txt"
    text.write_text(mail_text(mail), encoding="utf-8")
    files = [
        (text, "the morning's mail: the list to work through, in walking order"),
        (mail, "the same as the mail server received it, with its documents"),
    ]
    for name, what in wanted:
        found = next(iter(sorted(run.rglob(name))), None)
        if found is None:
            raise CommandError(f"{run}: {name} was not made; see {out / 'logs' / 'ingest.log'}")
        shutil.copy(found, out / name)
        files.append((out / name, what))
    shutil.copytree(run / "recording", out / "recording")
    files += [
        (out / "recording", "everything the robot heard, with the plan: `nightstack localize` takes it"),
        (out / "library" / "truth.parquet", "where each book really stands: `nightstack evaluate` takes it"),
        (out / "library" / "planted.csv", "the trouble that was planted"),
    ]
    return tuple(files)


def _next_steps(out: Path) -> tuple[str, ...]:
    recording, library = shown(out / "recording"), shown(out / "library")
    return (
        command("localize", recording, "--plot"),
        command(
            "evaluate",
            recording / "positions.parquet",
            library / "truth.parquet",
            "--plan",
            library / "plan.json",
        ),
    )


def _score(options: DemoOptions, out: Path, run: dict[str, Any], sent: int, seconds: float) -> Scoreboard:
    from localization.evaluate import evaluate
    from localization.positions import read_positions
    from recording import read_recording, read_truth
    from stacks.plan import read_plan

    heard = read_recording(out / "recording")
    positions = evaluate(
        read_positions(out / "positions.parquet"),
        read_truth(out / "library" / "truth.parquet"),
        read_plan(out / "library" / "plan.json"),
    )
    return Scoreboard(
        books=options.books,
        positions=positions,
        kinds=score_kinds(out / "exceptions.csv", out / "library" / "planted.csv"),
        readings_sent=sent,
        readings_stored=int(run["readings_stored"]),
        seconds=round(seconds, 1),
        night_s=round(float(heard.poses.t[-1] - heard.poses.t[0]) / 1e9, 1),
    )
