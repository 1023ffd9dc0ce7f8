"""``nightstack serve`` and ``nightstack report``: the cloud side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightstack.commands.shared import say_notes
from nightstack.inputs import input_file
from nightstack.outputs import output_folder

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="serve.toml (docs/cloud_ingest.md lists the settings).", metavar="FILE"),
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder everything is kept in. [default: ./nightstack-data]", metavar="DIR"),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(serve)
    app.command()(report)


def serve(
    settings: SettingsFile = None,
    data: DataFolder = None,
    broker: Annotated[
        str | None,
        typer.Option(help="Broker to listen to; without one the service brings its own.", metavar="URL"),
    ] = None,
    broker_listen: Annotated[
        str | None,
        typer.Option(help="Where its own broker listens. [default: 127.0.0.1:1883]", metavar="HOST:PORT"),
    ] = None,
    http: Annotated[
        str | None, typer.Option(help="API and pages. [default: 127.0.0.1:8080]", metavar="HOST:PORT")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="SQLAlchemy URL. [default: sqlite in the data folder]", metavar="URL"),
    ] = None,
    role: Annotated[
        str, typer.Option(help="all, or one of ingest, jobs, web over the same data and database.")
    ] = "all",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log each step of every part, too (to standard error).")
    ] = False,
) -> None:
    """Take in what robots send, work runs out, report and mail; until it is stopped (SIGTERM, Ctrl-C)."""
    if settings is not None:
        input_file(settings, "docs/cloud_ingest.md shows one")
    if data is not None:
        output_folder(data, "--data")
    from cloud_ingest import Serving
    from cloud_ingest import serve as run
    from nightstack.service_log import start_log
    from nightstack.settings import read_serve_settings

    config = read_serve_settings(
        settings,
        data=data,
        broker=broker,
        broker_listen=broker_listen,
        http=http,
        database=database,
        role=role,
    )

    def ready(serving: Serving) -> None:
        typer.echo(f"serving http={serving.http} broker={serving.broker} data={config.data}")

    start_log(verbose=verbose)
    run(config, on_ready=ready)


def report(
    run: Annotated[
        str, typer.Argument(help="A run's id, or the folder of a run or of a recording.", metavar="RUN")
    ],
    data: DataFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the documents go. Default: the run's own folder; its folder `again` where documents are there "
            "already.",
            metavar="FOLDER",
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA zone the times are written in. Default: the service's own, else UTC."),
    ] = None,
    language: Annotated[
        str, typer.Option(help="Language of the documents: en, zh, or one of a catalogue of yours.")
    ] = "en",
) -> None:
    """Make the exceptions and documents of a run again: after a corrected plan, catalogue or threshold.

    A corrected plan.json or holdings.csv belongs into the run's recording folder, DATA/runs/RUN/recording, first.
    Positions stay as they are: where the plan's faces or shelves were moved, run `nightstack localize` on that
    folder with --out DATA/runs/RUN before. The run is judged by itself: no case of a ledger and none of staff's
    lists has a part in it.
    """
    from nightstack.progress import progress
    from nightstack.rereport import find_run, report_again

    place = find_run(run, data or Path("nightstack-data"))
    there = [name for name in ("exceptions.csv", "report.html") if (place.folder / name).exists()]
    target = out or (place.folder / "again" if there else place.folder)
    output_folder(target)
    with progress("report", computing=True) as tell:
        made = report_again(place, target, time_zone=time_zone, language=language, progress=tell)
    kept = f"; {place.folder / there[0]} stays as it is" if there and target != place.folder else ""
    say_notes(
        [f"judged from this run alone, without a ledger's cases and without staff's lists{kept}"], False
    )
    for file in (made.html, made.pdf, made.picklist, made.xlsx, made.csv):
        typer.echo(str(file))
