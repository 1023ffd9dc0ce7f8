"""The screen of `readers watch`: what fits a terminal of any size, rows that stay where they are, events in sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from nightstack.tag_says import Titles
from nightstack.watching import Board, Heard, bar, plain
from recording.words import counted

_KEPT_NS: Final = 5_000_000_000
"""A tag keeps its row for so long after it was last heard."""

_BELOW, _BELOW_GONE = 2, 4
"""Lines of a terminal that stay free: for the line at the end (with the error, where the reader is gone), and for the
prompt behind it."""

_GAP: Final = "  "
_LEAST_TITLE: Final = 12


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how its cells read, and how soon it gives way on a narrow terminal (0: never).

    What is wrong with a tag goes last: it is what staff look for.
    """

    name: str
    gives_way: int
    cell: Callable[[Heard, Board, Titles], str]
    right: bool = False
    shrinks: bool = False


def _number(value: float, form: str) -> str:
    return "" if value != value else format(value, form)


COLUMNS: Final = (
    Column("tag", 0, lambda tag, _b, _t: tag.epc),
    Column("item", 2, lambda tag, board, _t: board.says.of(tag.epc).item),
    Column("title", 3, lambda tag, board, titles: titles.of(tag.epc, board.says.of(tag.epc)), shrinks=True),
    Column("owner", 8, lambda tag, board, _t: board.says.of(tag.epc).contents.owner),
    Column("security", 4, lambda tag, board, _t: board.says.of(tag.epc).security),
    Column("problem", 1, lambda tag, board, _t: board.says.of(tag.epc).problem),
    Column("TID", 6, lambda tag, board, _t: board.says.of(tag.epc).tid),
    Column("reads/s", 0, lambda tag, _b, _t: f"{tag.rate:.1f}", right=True),
    Column("", 9, lambda tag, _b, _t: bar(tag.rssi_dbm)),
    Column("RSSI", 0, lambda tag, _b, _t: _number(tag.rssi_dbm, ".0f"), right=True),
    Column("phase", 10, lambda tag, _b, _t: _number(tag.phase_rad, ".2f"), right=True),
    Column("ports", 7, lambda tag, _b, _t: ",".join(map(str, tag.ports))),
)
"""In the order in which they stand."""


@dataclass(slots=True)
class Screen:
    """What is drawn, from one moment to the next.

    Parameters
    ----------
    title
        The reader.
    titles
        Of the tags.
    """

    title: str
    titles: Titles
    _rows: dict[str, Heard] = field(default_factory=dict[str, Heard])
    """Tags that have a row, in the order of their rows."""

    def draw(
        self, board: Board, rate: float, tags: list[Heard], now_ns: int, size: tuple[int, int]
    ) -> list[Text]:
        """Return the lines to show.

        Parameters
        ----------
        board
        rate, tags
            Of `Board.now`.
        now_ns
            Host time, ns UTC.
        size
            Columns and lines of the terminal.
        """
        width, lines = size[0], max(size[1] - (_BELOW if board.gone is None else _BELOW_GONE), 4)
        events = list(board.events)[-min(3, max(2 if lines > 5 else 1, lines // 4)) :]
        room = max(lines - 3 - len(events), 1)
        self._seat(tags, now_ns, room)
        hidden = len(tags) - sum(tag.rate > 0 for tag in self._rows.values())
        head = f"{rate:.0f} readings/s of {counted(len(tags), 'tag')}, {len(board.tags)} in all"
        if hidden > 0:
            head += f", {hidden} not shown"
        style = ""
        if board.gone is not None:
            away_s = max(0, now_ns - board.gone.t) // 1_000_000_000
            head, style = f"the reader has been gone for {away_s} s; {head}", "bold red"
        drawn = [Text(_fit(self.title, width), style="bold"), Text(_fit(head, width), style=style)]
        drawn += self._table(board, width)
        drawn += [
            Text(_fit(f"{_ago(now_ns - e.t)} {e.kind}: {plain(e.detail)}", width), style="yellow")
            for e in events
        ]
        return drawn[-lines:]

    def _seat(self, tags: list[Heard], now_ns: int, room: int) -> None:
        """Give rows to tags: who has one keeps it while it is heard; free ones go to those heard most."""
        heard = {tag.epc: tag for tag in tags}
        kept = {
            epc: heard.get(epc) or replace(old, rate=0.0)
            for epc, old in self._rows.items()
            if epc in heard or now_ns - old.last_ns < _KEPT_NS
        }
        waiting = [tag for tag in tags if tag.epc not in kept]
        if len(kept) + len(waiting) > room:
            # Where rows are scarce, those that are not heard any more go first.
            for epc in [epc for epc, tag in kept.items() if not tag.rate]:
                if len(kept) + len(waiting) <= room:
                    break
                del kept[epc]
        for tag in waiting:
            kept[tag.epc] = tag
        self._rows = dict(list(kept.items())[:room])

    def _table(self, board: Board, width: int) -> list[Text]:
        rows = list(self._rows.values())
        cells = {c.name: [c.cell(tag, board, self.titles) for tag in rows] for c in COLUMNS}
        shown = [c for c in COLUMNS if c.name == "tag" or any(cells[c.name])]
        widths = {c.name: max(map(cell_len, (c.name, *cells[c.name]))) for c in shown}

        def over() -> int:
            return sum(widths.values()) + len(_GAP) * (len(widths) - 1) - width

        shrinking = next((c.name for c in shown if c.shrinks), None)
        while over() > 0:
            if shrinking and shrinking in widths and widths[shrinking] - over() >= _LEAST_TITLE:
                widths[shrinking] -= over()
                break
            least = max((c for c in shown if c.name in widths), key=lambda c: c.gives_way)
            if least.gives_way == 0:
                break
            del widths[least.name]
        if (too_much := over()) > 0:
            widths["tag"] = max(8, widths["tag"] - too_much)
        kept = [c for c in shown if c.name in widths]

        def line(texts: list[str]) -> str:
            made = [
                _fit(text, widths[c.name]).rjust(widths[c.name]) if c.right else _pad(text, widths[c.name])
                for c, text in zip(kept, texts, strict=True)
            ]
            return _fit(_GAP.join(made).rstrip(), width)

        drawn = [Text(line([c.name for c in kept]), style="bold")]
        for at, tag in enumerate(rows):
            drawn.append(Text(line([cells[c.name][at] for c in kept]), style="" if tag.rate else "dim"))
        return drawn


def _ago(ns: int) -> str:
    return f"{max(0, ns) // 1_000_000_000:3d} s ago"


def _fit(text: str, width: int) -> str:
    """Return a text that is no wider than so many cells; its end is marked where it was cut."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def _pad(text: str, width: int) -> str:
    return set_cell_size(_fit(text, width), width)
