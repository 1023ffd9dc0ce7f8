"""``nightstack sim ...``: make a library, scan it, or serve it as a world of readers and a robot base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightstack.commands import simulate_ils
from nightstack.errors import InputError
from nightstack.inputs import library_folder
from nightstack.outputs import output_folder
from nightstack.progress import progress

_app = typer.Typer(
    no_args_is_help=True, help="The simulated library: make it, scan it, serve it.", rich_markup_mode=None
)

DAY_NS = 86_400 * 10**9

LibraryFolder = Annotated[Path, typer.Argument(help="A folder that `sim library` made.", metavar="LIBRARY")]
Preset = Annotated[str, typer.Option(help="How hard the radio is: easy, ordinary or harsh.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(_app, name="sim")


_app.command("ils")(simulate_ils.ils)


@_app.command("library")
def library(
    out: Annotated[Path, typer.Option(help="Folder to make; must not exist or be empty.", metavar="FOLDER")],
    books: Annotated[int, typer.Option(help="How many books.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same library.")] = 1,
    labels: Annotated[bool, typer.Option("--labels", help="Give every shelf a tagged label.")] = False,
    lying: Annotated[float, typer.Option(help="Share of books lying flat, in piles.", min=0, max=0.3)] = 0.0,
    pushed_back: Annotated[
        float, typer.Option(help="Share of books standing behind the row.", min=0, max=0.3)
    ] = 0.0,
    second_tags: Annotated[
        float, typer.Option(help="Share of books with an old tag left in.", min=0, max=0.3)
    ] = 0.0,
    trolleys: Annotated[
        int, typer.Option(help="Book trolleys pushed about in the aisles.", min=0, max=50)
    ] = 0,
    on_robot: Annotated[int, typer.Option(help="Tags that ride on the robot.", min=0, max=50)] = 0,
    hf: Annotated[
        float,
        typer.Option(
            help="Share of books with an HF tag (ISO 15693) instead of a UHF one; 1: all. `sim record` then scans them "
            "with HF antennas.",
            min=0,
            max=1,
        ),
    ] = 0.0,
) -> None:
    """Make a library: plan, holdings, truth, and planted trouble."""
    if hf and (lying or trolleys or on_robot):
        raise InputError("--hf: the HF radio knows no --lying, --trolleys or --on-robot; leave them out")
    _refuse_full(out)
    from recording.words import counted
    from sim.hf_record import hf_library
    from sim.library import make_library, save_library
    from sim.oddities import OddityRates

    odd = OddityRates(
        lying=lying, pushed_back=pushed_back, double=second_tags, trolleys=trolleys, on_robot=on_robot
    )
    made = make_library(books, seed, labels=labels, oddities=odd)
    save_library(hf_library(made, hf) if hf else made, out)
    typer.echo(f"{counted(books, 'book')}: {out}")


@_app.command("record")
def record(
    library: LibraryFolder,
    out: Annotated[Path, typer.Option(help="Recording folder to write.", metavar="FOLDER")],
    passes: Annotated[int, typer.Option(help="Passes along each face.", min=1)] = 2,
    speed: Annotated[float, typer.Option(help="Speed in m/s.", min=0.01, max=2.0)] = 0.2,
    preset: Preset = "ordinary",
    seed: Annotated[int, typer.Option(help="Seed of the radio and the drive.")] = 1,
    night: Annotated[int, typer.Option(help="How many nights after the first one.", min=0)] = 0,
) -> None:
    """Scan a simulated library straight into a recording folder with its truth.

    The tags decide by what: UHF tags are read by the robot's three UHF antennas, HF tags (`sim library --hf`) by an HF
    antenna before each level, and a library with both by both.
    """
    library_folder(library)
    _refuse_full(out)
    from sim.hf_record import scan_by_tags
    from sim.library import load_library
    from sim.record import START_NS

    with progress("scan") as tell:
        scan_by_tags(
            load_library(library),
            out,
            passes=passes,
            speed_mps=speed,
            preset=preset,
            seed=seed,
            progress=tell,
            started_ns=START_NS + night * DAY_NS,
        )
    typer.echo(f"recorded: {out}")


@_app.command("world")
def world(
    library: LibraryFolder,
    reader: Annotated[
        str, typer.Option(help="Where the first reader listens.", metavar="HOST:PORT")
    ] = "127.0.0.1:0",
    base: Annotated[
        str, typer.Option(help="Where the robot base listens.", metavar="HOST:PORT")
    ] = "127.0.0.1:0",
    preset: Preset = "ordinary",
    seed: Annotated[int, typer.Option(help="Seed of the radio and of the base's odometry.")] = 1,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Run by the wall clock instead of as fast as it goes.")
    ] = False,
) -> None:
    """Serve a simulated library: its readers (LLRP; FEIG for HF tags) and a robot base, for an agent to drive."""
    library_folder(library)
    from sim.world import serve_world

    serve_world(library, reader, base, preset=preset, seed=seed, real_time=real_time)


def _refuse_full(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; name a folder that does not exist or is empty")
    output_folder(out)
