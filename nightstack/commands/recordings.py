"""Commands that work on a recording folder: ``localize``, ``exceptions``, ``evaluate``, and here ``replay``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nightstack.commands.evaluation import evaluate
from nightstack.commands.exceptions import exceptions
from nightstack.commands.localize import localize
from nightstack.commands.shared import AsJson, RecordingFolder, say_notes
from nightstack.inputs import recording_folder
from nightstack.progress import progress


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(localize)
    app.command()(exceptions)
    app.command()(evaluate)
    app.command()(replay)


def replay(
    recording: RecordingFolder,
    broker: Annotated[
        str, typer.Option(help="The broker to play into.", metavar="URL")
    ] = "mqtt://127.0.0.1:1883",
    speed: Annotated[
        float,
        typer.Option(help="1: as fast as it was scanned; 10: ten times; 0: as fast as it goes.", min=0.0),
    ] = 0.0,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for the ingest to confirm more.", min=1.0)
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Play a recording into a broker as a robot would, until the ingest has confirmed every batch."""
    recording_folder(recording)
    from nightstack.replay import replay_recording
    from recording import read_recording
    from recording.words import counted

    heard = read_recording(recording, truth=False)
    say_notes(heard.notes, as_json)
    with progress("replay", quiet=as_json) as tell:
        outcome = replay_recording(heard, broker, speed=speed, timeout_s=timeout_s, progress=tell)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2))
    else:
        typer.echo(
            f"run {outcome.run_id}: {counted(outcome.readings, 'reading')} and {counted(outcome.poses, 'pose')} "
            f"in {counted(outcome.batches, 'batch', 'batches')}, all confirmed by the ingest"
        )
