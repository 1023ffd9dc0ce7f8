"""What `readers probe` tells of a reader: what it is and can do, what it heard, what tags say, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from nightstack.tag_says import Titles
from nightstack.watching import Board, plain
from reader_drivers import ReaderEvent
from recording.words import counted

_MOST_TAGS: Final = 20
"""Tags whose contents are told in lines."""

_BAD: Final = (
    "reader_gone",
    "reader_unreachable",
    "antenna_gone",
    "buffer_overflow",
    "reader_exception",
    "bad_message",
)
_OF_TAGS: Final = ("memory", "tid", "fastid")
"""Options of URLs that ask for more of tags than their numbers."""


@dataclass(frozen=True, slots=True)
class Probed:
    """One look at a reader.

    Parameters
    ----------
    url
        As it was opened.
    can
        What it says of itself: `Capabilities` as a dictionary.
    board
        What it heard.
    seconds
        How long it was listened to; 0: not at all.
    titles
        Of tags.
    asked_dbm
        The power asked for; None: none.
    ports
        The ports asked for; empty: all.
    refused
        Why it would not read; None: it did.
    """

    url: str
    can: dict[str, Any]
    board: Board
    seconds: float
    titles: Titles
    asked_dbm: float | None = None
    ports: tuple[int, ...] = ()
    refused: Exception | None = None
    faults: list[str] = field(init=False)
    """What is wrong with it."""

    def __post_init__(self) -> None:
        if self.refused is not None:
            found = [str(self.refused)]
        else:
            found = faults_of(self.board, self.can, self.ports) if self.seconds else []
        object.__setattr__(self, "faults", found)

    def as_json(self) -> dict[str, Any]:
        """Return it for a program."""
        board = self.board
        said: dict[str, Any] = {"url": self.url, **self.can}
        if self.seconds:
            said |= {
                "seconds": self.seconds, "readings": board.reads, "tags": len(board.tags),
                "ports": dict(sorted(board.ports.items())),
                "power_dbm": {port: round(dbm, 2) for port, dbm in sorted(board.powers.items())},
                "events": [asdict(event) for event in board.events],
                "faults": self.faults, "healthy": not self.faults,
                "contents": {
                    epc: board.says.of(epc).as_json() | {"title": self.titles.of(epc, board.says.of(epc))}
                    for epc in sorted(board.says.read())
                },
            }  # fmt: skip
        return said

    def lines(self) -> list[str]:
        """Return it for people; why the reader would not read is left to the error that ends the command."""
        told: list[tuple[str, str]] = []
        for name, value in self.can.items():
            untold = name == "rssi_step_db" and not value > 0
            told.append((name, "none: it tells no strength" if untold else _shown(value)))
        if self.seconds and self.refused is None:
            told += self._heard()
        if self.refused is None:
            told += [("fault", plain(fault)) for fault in self.faults]
        if self.seconds:
            told.append(("healthy", "no" if self.faults else "yes"))
        return [f"{name:16} {value}" for name, value in told if value]

    def _heard(self) -> list[tuple[str, str]]:
        board = self.board
        known = {port: dbm for port, dbm in sorted(board.powers.items()) if dbm == dbm}
        told = [("power_used", _powers(known))]
        if self.asked_dbm is not None and known and max(known.values()) < self.asked_dbm:
            told.append(("note", f"{self.asked_dbm:g} dBm was asked for, and is more than it can"))
        by_port = ", ".join(f"port {port}: {n}" for port, n in sorted(board.ports.items())) or "none"
        tags, readings = counted(len(board.tags), "tag"), counted(board.reads, "reading")
        told.append(("heard", f"{tags}, {readings} in {self.seconds:g} s ({by_port})"))
        said = sorted(board.says.read())
        for epc in said[:_MOST_TAGS]:
            what = board.says.of(epc)
            words = f"{epc}: {what.words() or 'says nothing'}"
            told.append(("tag", ", ".join(part for part in (words, self.titles.of(epc, what)) if part)))
        if len(said) > _MOST_TAGS:
            told.append(("tag", f"{len(said) - _MOST_TAGS} more, which --json tells"))
        if board.tags and not said and (asked := _asked_of_tags(self.url)):
            told.append(
                ("note", f"{asked} asks for more than tags' numbers, and no tag that was heard gave any")
            )
        told += [
            ("event", f"{event.kind}: {plain(event.detail)}")
            for event in _once(board.events)
            if event.kind not in _BAD
        ]
        return told


def _powers(by_port: dict[int, float]) -> str:
    if len(set(by_port.values())) <= 1:
        return "".join(f"{dbm:g} dBm" for dbm in set(by_port.values()))
    return ", ".join(f"{dbm:g} dBm (port {port})" for port, dbm in by_port.items())


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]} .. {value[-1]} ({len(value)})" if len(value) > 4 else ", ".join(map(str, value))
    return str(value)


def _once(events: Iterable[ReaderEvent]) -> list[ReaderEvent]:
    """Return the first event of each kind and wording."""
    seen: dict[tuple[str, str], ReaderEvent] = {}
    for event in events:
        seen.setdefault((event.kind, event.detail), event)
    return list(seen.values())


def _asked_of_tags(url: str) -> str:
    """Return the options of a URL that ask for more of tags, as it has them."""
    options = parse_qsl(url.partition("?")[2])
    return " and ".join(
        f"{name}={value}"
        for name, value in options
        if name in _OF_TAGS and value.lower() not in ("0", "false")
    )


def faults_of(board: Board, can: dict[str, Any], asked: Sequence[int] = ()) -> list[str]:
    """Return what is wrong with a reader that was listened to.

    Parameters
    ----------
    board
        What it heard.
    can
        Its capabilities.
    asked
        Ports that were to be used; empty: those that it says it used, else all.
    """
    faults = [f"{e.kind}: {plain(e.detail)}" for e in _once(board.events) if e.kind in _BAD]
    used = tuple(asked) or tuple(sorted(board.powers)) or tuple(range(1, can["antennas"] + 1))
    if not board.reads and can.get("air") == "iso15693":
        faults.append(
            "no tag was heard: hold one flat before an antenna, at most a hand's length away; look at the antenna's "
            "cable and at the power in the reader's own configuration"
        )
    elif not board.reads:
        faults.append("no tag was heard: hold one before an antenna, and look at power and region")
    elif deaf := [port for port in used if port not in board.ports]:
        named = ", ".join(map(str, deaf))
        faults.append(f"nothing was heard on port {named}: no antenna, no cable, or no tag before it")
    return faults
