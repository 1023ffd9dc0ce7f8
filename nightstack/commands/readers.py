"""``nightstack readers ...``: look at a reader, or be one."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

import typer

from nightstack.commands.readers_list import list_drivers
from nightstack.commands.shared import AsJson
from nightstack.errors import DONE, FAILED, CommandError, InputError, StoppedError

if TYPE_CHECKING:
    from nightstack.stopping import Stopping
    from nightstack.watching import Board
    from reader_drivers import Reader, ReaderSettings

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
    float | None,
    typer.Option(
        help="Transmit power; default: the URL's, else the highest (r2000, uhfreader18, chafon: the one set).",
        metavar="DBM",
    ),
]
HoldingsFile = Annotated[
    Path | None,
    typer.Option(
        "--holdings",
        help="holdings.csv, for titles: by a tag's number, or by the barcode it carries.",
        metavar="FILE",
    ),
]
_STEP_S = 0.25
_USUAL_PORTS = {"5084": "llrp", "5085": "llrp", "10001": "feig", "2022": "chafon"}


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    _app.command("list")(list_drivers)
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
    holdings: HoldingsFile = None,
    as_json: AsJson = False,
) -> int:
    """
    Say what a reader is, what it can do, whether it is healthy, and what tags say; 1 if it is not healthy.

    What tags say beside their numbers is read where the URL has memory=1 or tid=1.
    """
    from nightstack.lasting_output import OutputGoneError, telling
    from nightstack.probing import Probed
    from nightstack.reaching import reaching
    from nightstack.stopping import Stopping, handling
    from nightstack.tag_says import Titles
    from nightstack.watch_output import without_nan
    from nightstack.watching import Board
    from reader_drivers import ReaderError, open_reader

    _check_url(url)
    settings, titles = _settings(ports, power), Titles(holdings)
    board, refused = Board(window_s=max(seconds, 0.1)), None
    stopping = Stopping()
    try:
        with handling(stopping.come), open_reader(url) as reader:
            with reaching(reader, quiet=as_json):
                capabilities = asdict(reader.connect())
            stopping.gently()
            if seconds:
                try:
                    _listen(reader, seconds, settings, board, stopping)
                except ReaderError as error:
                    refused = error
    except KeyboardInterrupt:
        raise _stopped(stopping) from None
    if stopping.by:
        raise _stopped(stopping)
    probed = Probed(url, capabilities, board, seconds, titles, power, _asked(url, settings.ports), refused)
    try:
        with telling():
            if as_json:
                typer.echo(json.dumps(without_nan(probed.as_json()), indent=2, default=list))
            else:
                for line in probed.lines():
                    typer.echo(line)
    except OutputGoneError as error:
        if error.terminal:
            raise StoppedError("stopped: its terminal was closed") from None
        return FAILED
    if refused is not None:
        raise refused
    return FAILED if probed.faults else DONE


def _stopped(stopping: Stopping) -> StoppedError:
    by = stopping.by or "the keyboard"
    return StoppedError(f"stopped by {by}; the reader was told to stop reading")


def _listen(
    reader: Reader, seconds: float, settings: ReaderSettings, board: Board, stopping: Stopping
) -> None:
    reader.start(settings)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stopping.by:
        board.add(reader.read(min(left, _STEP_S)))
    reader.stop()
    board.add(reader.read(0.0))


def _asked(url: str, ports: tuple[int, ...]) -> tuple[int, ...]:
    """Return the ports that option or URL name; none: not said."""
    from reader_drivers import targets

    try:
        return ports or targets.ports(dict(parse_qsl(url.partition("?")[2])).get("ports", ""))
    except targets.OptionError:  # a driver of another package may mean something else by it
        return ()


def _settings(ports: str | None, power: float | None) -> ReaderSettings:
    from reader_drivers import ReaderSettings, targets

    try:
        return ReaderSettings(ports=targets.ports(ports.replace(" ", "")) if ports else (), power_dbm=power)
    except targets.OptionError as error:
        raise InputError(f"--ports {ports}: write {error}") from None


@_app.command("watch")
def watch(
    url: Url,
    holdings: HoldingsFile = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long; default: when interrupted.", min=0.1)
    ] = None,
    ports: Ports = None,
    power: Power = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a second.")] = False,
) -> None:
    """
    Show live what a reader hears: tags and titles, what tags say, readings a second, strength, phase.

    A table on a terminal, a line a second elsewhere. Ctrl-C ends it, with status 0; 1 if the reader was gone at the
    end. What tags say beside their numbers is read where the URL has memory=1 or tid=1.
    """
    from nightstack.lasting_output import OutputGoneError, telling
    from nightstack.reaching import reaching
    from nightstack.stopping import Stopping, handling
    from nightstack.tag_says import Titles
    from nightstack.watch_output import Lines, Table
    from nightstack.watching import Board
    from reader_drivers import open_reader
    from recording.words import counted

    _check_url(url)
    settings, titles, board = _settings(ports, power), Titles(holdings), Board()
    stopping, began = Stopping(), time.monotonic()
    try:
        with handling(stopping.come), open_reader(url) as reader:
            with reaching(reader, quiet=as_json):
                can = reader.connect()
            board.strength = can.rssi_step_db > 0
            stopping.gently()
            reader.start(settings)
            began = time.monotonic()
            live = _on_terminal() and not as_json
            with telling():
                title = f"{can.manufacturer} {can.model} at {url}"
                tell = Table(title, titles) if live else Lines(titles, as_json)
            try:
                while not stopping.by and (seconds is None or time.monotonic() - began < seconds):
                    board.add(reader.read(_STEP_S))
                    with telling():
                        tell.update(board, time.monotonic() - began)
            finally:
                with suppress(OSError):  # the terminal may be gone
                    tell.close()
            reader.stop()
            board.add(reader.read(0.0))
        if not as_json:
            heard = f"{counted(len(board.tags), 'tag')}, {counted(board.reads, 'reading')}"
            by = f", stopped by {stopping.by}" if stopping.by else ""
            with telling():
                typer.echo(f"{heard} in {time.monotonic() - began:.0f} s{by}")
    except KeyboardInterrupt:
        raise _stopped(stopping) from None
    except OutputGoneError:  # who read along has seen enough (`watch ... | head`), or has closed the terminal
        pass
    if board.gone is not None:
        raise CommandError(f"{url}: the reader went and did not come back")


def _on_terminal() -> bool:
    return sys.stdout.isatty()


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
    """Be a reader on a small world of its own, in real time.

    Prints `listening ADDRESS`, and in the next line the URL for `readers probe` and `readers watch`.
    """
    from sim.readers.emulators import PROTOCOLS, main_emulate

    if protocol not in PROTOCOLS:
        raise InputError(f"{protocol}: no such emulator; there are: {', '.join(PROTOCOLS)}")
    return main_emulate(protocol, listen, seed, tags)


def _check_url(url: str) -> None:
    """Refuse a URL that no reader can have: a mistake in the arguments, where a reader that is off is not."""
    from reader_drivers import open_reader, schemes

    scheme, there, _ = url.partition("://")
    known = ", ".join(f"{name}://" for name in schemes())
    if not there and re.match(r"/|(?i:com\d+)|[^/]*$", url):
        line = url.startswith("/") or url.upper().startswith("COM")
        such = f"m100://{url}" if line else f"{_USUAL_PORTS.get(url.rpartition(':')[2], 'llrp')}://{url}"
        raise InputError(f"{url}: says no protocol; write {such}, or another of {known} in front")
    if scheme.lower() not in schemes() or not there:
        meant = get_close_matches(scheme.lower(), schemes(), 1)
        hint = f"did you mean {meant[0]}://? It begins" if meant else "it begins"
        raise InputError(f"{url}: no driver for such a URL; {hint} with one of {known}")
    open_reader(url).close()
