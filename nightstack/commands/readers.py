"""``nightstack readers ...``: look at a reader, or be one."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightstack.commands.shared import AsJson
from nightstack.errors import InputError
from nightstack.inputs import holdings_file

if TYPE_CHECKING:
    from nightstack.watching import Board, Heard
    from reader_drivers import Reader, ReaderEvent

_app = typer.Typer(no_args_is_help=True, help="Look at a reader, or be one.", rich_markup_mode=None)

Url = Annotated[
    str,
    typer.Argument(
        help="For example llrp://192.168.1.20 or m100:///dev/ttyUSB0?baud=115200; options as the manual has them.",
        metavar="URL",
    ),
]
Ports = Annotated[
    str | None, typer.Option(help="Antenna ports to use, such as 1,2; default: all.", metavar="LIST")
]
Power = Annotated[
    float | None, typer.Option(help="Transmit power; default: the URL's, else the highest.", metavar="DBM")
]
_STEP_S = 0.25
_WIDE = 72
"""Columns of a terminal from which a tag's whole number has room beside the rest."""
_BAD = (
    "reader_gone",
    "reader_unreachable",
    "antenna_gone",
    "buffer_overflow",
    "reader_exception",
    "bad_message",
)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(_app, name="readers")


@_app.command("probe")
def probe(
    url: Url,
    seconds: Annotated[
        float,
        typer.Option(help="How long to read tags, to see whether it is healthy; 0: not at all.", min=0.0),
    ] = 2.0,
    ports: Ports = None,
    power: Power = None,
    as_json: AsJson = False,
) -> int:
    """Say what a reader is, what it can do, and whether it is healthy; 1 if it is not."""
    from reader_drivers import open_reader

    _check_url(url)
    with open_reader(url) as reader:
        capabilities = asdict(reader.connect())
        board = _listen(reader, seconds, ports, power) if seconds else None
    faults = [] if board is None else faults_of(board, capabilities, ports)
    if as_json:
        said: dict[str, Any] = {"url": url, **capabilities}
        if board is not None:
            said |= {
                "seconds": seconds, "readings": board.reads, "tags": len(board.tags), "ports": board.ports,
                "events": [asdict(event) for event in board.events], "faults": faults, "healthy": not faults,
            }  # fmt: skip
        # NaN is no JSON: a reader without RSSI has no step of it.
        typer.echo(json.dumps(_without_nan(said), indent=2, default=list))
        return 1 if faults else 0
    for name, value in capabilities.items():
        typer.echo(f"{name:16} {_shown(value)}")
    if board is None:
        return 0
    by_port = ", ".join(f"port {port}: {n}" for port, n in sorted(board.ports.items())) or "none"
    typer.echo(f"{'heard':16} {len(board.tags)} tags, {board.reads} readings in {seconds:g} s ({by_port})")
    for event in _once(board.events):
        typer.echo(f"{'event':16} {event.kind}: {event.detail}")
    for fault in faults:
        typer.echo(f"{'fault':16} {fault}")
    typer.echo(f"{'healthy':16} {'no' if faults else 'yes'}")
    return 1 if faults else 0


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]} .. {value[-1]} ({len(value)})" if len(value) > 4 else ", ".join(map(str, value))
    return str(value)


def _once(events: Any) -> list[ReaderEvent]:
    """Return the first event of each kind and wording."""
    seen: dict[tuple[str, str], ReaderEvent] = {}
    for event in events:
        seen.setdefault((event.kind, event.detail), event)
    return list(seen.values())


def _listen(reader: Reader, seconds: float, ports: str | None, power: float | None) -> Board:
    from nightstack.watching import Board

    board = Board(window_s=max(seconds, 0.1))
    reader.start(_settings(ports, power))
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        board.add(reader.read(min(left, _STEP_S)))
    reader.stop()
    board.add(reader.read(0.0))
    return board


def faults_of(board: Board, can: dict[str, Any], ports: str | None) -> list[str]:
    """Return what is wrong with a reader that was listened to."""
    faults = [f"{e.kind}: {e.detail}" for e in _once(board.events) if e.kind in _BAD]
    asked = _numbers(ports) if ports else tuple(range(1, can["antennas"] + 1))
    if not board.reads:
        faults.append("no tag was heard: hold one before an antenna, and look at power and region")
    elif deaf := [port for port in asked if port not in board.ports]:
        named = ", ".join(map(str, deaf))
        faults.append(f"nothing was heard on port {named}: no antenna, no cable, or no tag before it")
    return faults


def _settings(ports: str | None, power: float | None) -> Any:
    from reader_drivers import ReaderSettings

    return ReaderSettings(ports=_numbers(ports) if ports else (), power_dbm=power)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--ports {text}: write numbers with commas between them, such as 1,2") from None


@_app.command("watch")
def watch(
    url: Url,
    holdings: Annotated[
        Path | None,
        typer.Option(help="holdings.csv, for the titles of the tags it knows.", metavar="FILE"),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long; default: when interrupted.", min=0.1)
    ] = None,
    ports: Ports = None,
    power: Power = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a second.")] = False,
) -> None:
    """Show live what a reader hears: tags and titles, readings a second, strength, phase.

    A table on a terminal, a line a second elsewhere. Ctrl-C ends it.
    """
    from nightstack.watching import Board
    from reader_drivers import open_reader

    _check_url(url)
    if ports:
        _numbers(ports)
    titles = _titles(holdings)
    with open_reader(url) as reader:
        can = reader.connect()
        board = Board(strength=can.rssi_step_db > 0)
        reader.start(_settings(ports, power))
        show = _Table(f"{can.manufacturer} {can.model} at {url}") if _on_terminal() and not as_json else None
        began, said = time.monotonic(), 0
        try:
            while seconds is None or time.monotonic() - began < seconds:
                board.add(reader.read(_STEP_S))
                rate, tags = board.now(time.time_ns())
                if show is not None:
                    show.update(board, rate, tags, titles)
                elif (second := int(time.monotonic() - began)) > said:
                    said = second
                    _say(second, board, rate, tags, titles, as_json)
        except KeyboardInterrupt:
            pass
        finally:
            if show is not None:
                show.close()
        reader.stop()
    if not as_json:
        typer.echo(f"{len(board.tags)} tags, {board.reads} readings in {time.monotonic() - began:.0f} s")


def _on_terminal() -> bool:
    import sys

    return sys.stdout.isatty()


def _titles(holdings: Path | None) -> dict[str, str]:
    if holdings is None:
        return {}
    holdings_file(holdings)
    from stacks.holdings import read_holdings

    return {h.epc.upper(): f"{h.call_number}  {h.title}".strip() for h in read_holdings(holdings) if h.epc}


def _say(
    second: int, board: Board, rate: float, tags: list[Heard], titles: dict[str, str], as_json: bool
) -> None:
    if as_json:
        rows = [{**asdict(tag), "title": titles.get(tag.epc, "")} for tag in tags]
        events = [asdict(event) for event in board.events]
        board.events.clear()
        said = {"second": second, "readings_per_s": round(rate, 1), "tags": rows, "events": events}
        # NaN is no JSON: a reader without phase has none.
        typer.echo(json.dumps(_without_nan(said)))
        return
    best = ""
    if tags:
        strength = "" if math.isnan(tags[0].rssi_dbm) else f" {tags[0].rssi_dbm:.0f} dBm"
        best = f"; {tags[0].epc}{strength} {titles.get(tags[0].epc, '')}"
    typer.echo(f"{second} s: {rate:.0f} readings/s of {len(tags)} tags{best}".rstrip())
    while board.events:
        event = board.events.popleft()
        typer.echo(f"{second} s: {event.kind}: {event.detail}")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


class _Table:
    """The live table on a terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._live = Live(console=Console(), refresh_per_second=4, screen=False, transient=False)
        self._live.start()

    def update(self, board: Board, rate: float, tags: list[Heard], titles: dict[str, str]) -> None:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from nightstack.watching import bar

        width, height = self._live.console.size.width, max(self._live.console.size.height - 8, 3)
        table = Table(title=self._title, title_justify="left", expand=False)
        rows = [
            (
                # Tags of a library begin alike: where there is no room, the end tells them apart.
                tag.epc if width >= _WIDE else f"…{tag.epc[-7:]}",
                titles.get(tag.epc, ""),
                f"{tag.rate:.1f}",
                "" if math.isnan(tag.rssi_dbm) else f"{bar(tag.rssi_dbm)} {tag.rssi_dbm:.0f}",
                "" if math.isnan(tag.phase_rad) else f"{tag.phase_rad:.2f}",
                ",".join(map(str, tag.ports)),
            )
            for tag in tags[:height]
        ]
        shown: list[int] = []
        for place, name in enumerate(("tag", "title", "reads/s", "RSSI", "phase", "ports")):
            # What this reader does not tell has no column.
            if place == 0 or any(row[place] for row in rows):
                right = name in ("reads/s", "phase")
                table.add_column(
                    name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis"
                )
                shown.append(place)
        for row in rows:
            table.add_row(*(row[place] for place in shown))
        more = f", {len(tags) - height} more not shown" if len(tags) > height else ""
        lines = [Text(f"{rate:.0f} readings/s, {len(tags)} tags now, {len(board.tags)} in all{more}")]
        lines += [Text(f"{e.kind}: {e.detail}", style="yellow") for e in list(board.events)[-3:]]
        self._live.update(Group(table, *lines))

    def close(self) -> None:
        self._live.stop()


@_app.command("emulate")
def emulate(
    protocol: Annotated[
        str,
        typer.Argument(
            help="llrp, mercury, m100, r2000, uhfreader18, uhfreader288, chafon or feig.", metavar="PROTOCOL"
        ),
    ],
    listen: Annotated[
        str | None,
        typer.Option(
            help="Where to listen: HOST:PORT (port 0: a free one), or pty for a serial line, pty:/PATH to name it; "
            "default: what its readers usually have.",
            metavar="ADDRESS",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of its small world.")] = 1,
    tags: Annotated[int, typer.Option(help="Tags in its small world.", min=1, max=100_000)] = 50,
) -> int:
    """Be a reader on a small world of its own, in real time; prints `listening ADDRESS`."""
    from sim.readers.emulators import PROTOCOLS, main_emulate

    if protocol not in PROTOCOLS:
        raise InputError(f"{protocol}: no such emulator; there are: {', '.join(PROTOCOLS)}")
    return main_emulate(protocol, listen, seed, tags)


def _check_url(url: str) -> None:
    """Refuse a URL that no reader can have: a mistake in the arguments, where a reader that is off is not."""
    from reader_drivers import ReaderError, open_reader, schemes

    known = ", ".join(f"{name}://" for name in schemes())
    if url.partition("://")[0] not in schemes() or "://" not in url:
        raise InputError(f"{url}: no driver for such a URL; it begins with one of {known}")
    try:
        open_reader(url).close()
    except ReaderError as error:
        raise InputError(str(error)) from None


@_app.command("list")
def list_drivers(as_json: AsJson = False) -> None:
    """List the URL schemes that can be opened, and the package and version of each driver."""
    from reader_drivers import drivers

    found = drivers()
    if as_json:
        typer.echo(json.dumps([asdict(driver) for driver in found], indent=2))
        return
    for driver in found:
        hidden = "" if driver.used else "  (not used: another driver has this scheme)"
        typer.echo(f"{driver.scheme:12} {driver.package} {driver.version}".rstrip() + hidden)
