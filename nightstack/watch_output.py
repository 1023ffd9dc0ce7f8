"""What `readers watch` tells: a line a second for programs and files, a table on a terminal."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any, Final

import typer

from nightstack.tag_says import Titles
from nightstack.watching import Board, Heard, plain
from recording.words import counted

_LAST_PHASE_RAD: Final = 6.2831


def without_nan(value: Any) -> Any:
    """Return a value for JSON, which has no NaN: None stands for it."""
    if isinstance(value, dict):
        return {name: without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value


class Lines:
    """A line a second, for whoever is no terminal."""

    def __init__(self, titles: Titles, as_json: bool) -> None:
        self._titles, self._as_json, self._said = titles, as_json, 0

    def update(self, board: Board, now_s: float) -> None:
        """Tell what is heard now, once a second."""
        second = int(now_s)
        if second > self._said:
            self._said = second
            self._say(second, board, *board.now(time.time_ns()))

    def close(self) -> None:
        """Nothing is left to do."""

    def _say(self, second: int, board: Board, rate: float, tags: list[Heard]) -> None:
        events = list(board.events)
        board.events.clear()
        if self._as_json:
            rows = [self._row(tag, board) for tag in tags]
            told = [asdict(event) for event in events]
            said = {
                "second": second, "readings_per_s": round(rate, 1), "reader_gone": board.gone is not None,
                "tags": rows, "events": told,
            }  # fmt: skip
            # NaN is no JSON: a reader without phase has none.
            typer.echo(json.dumps(without_nan(said)))
            return
        typer.echo(self._line(second, board, rate, tags))
        for event in events:
            typer.echo(f"{second} s: {event.kind}: {plain(event.detail)}")

    def _row(self, tag: Heard, board: Board) -> dict[str, Any]:
        said = board.says.of(tag.epc)
        # Hundredths of a dBm are the finest that readers tell; what rounds up to a whole turn is 0.
        numbers = {
            "rate": round(tag.rate, 2), "rssi_dbm": round(tag.rssi_dbm, 2),
            "phase_rad": 0.0 if tag.phase_rad > _LAST_PHASE_RAD else round(tag.phase_rad, 4),
        }  # fmt: skip
        return {**asdict(tag), **numbers, "title": self._titles.of(tag.epc, said), "says": said.as_json()}

    def _line(self, second: int, board: Board, rate: float, tags: list[Heard]) -> str:
        gone = ", the reader is gone" if board.gone is not None else ""
        best = ""
        if tags:
            tag, said = tags[0], board.says.of(tags[0].epc)
            strength = f"{tag.rssi_dbm:.0f} dBm" if tag.rssi_dbm == tag.rssi_dbm else ""
            best = " ".join(p for p in (tag.epc, strength, self._titles.of(tag.epc, said)) if p)
            best = "; " + ", ".join(p for p in (best, said.words()) if p)
        return f"{second} s: {rate:.0f} readings/s of {counted(len(tags), 'tag')}{gone}{best}"


class Table:
    """The live table on a terminal."""

    def __init__(self, title: str, titles: Titles) -> None:
        from rich.console import Console
        from rich.live import Live

        from nightstack.watch_screen import Screen

        self._screen = Screen(title, titles)
        self._live = Live(console=Console(), auto_refresh=False, transient=False)
        self._live.start()

    def update(self, board: Board, _now_s: float) -> None:
        """Draw what is heard now.

        Raises
        ------
        OSError
            The terminal is closed, of which drawing alone would say nothing: it only looks like no terminal then.
        """
        from rich.console import Group

        if not sys.stdout.isatty():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        now = time.time_ns()
        size = self._live.console.size
        lines = self._screen.draw(board, *board.now(now), now, (size.width, size.height))
        self._live.update(Group(*lines), refresh=True)

    def close(self) -> None:
        """Leave the last table standing."""
        self._live.stop()
