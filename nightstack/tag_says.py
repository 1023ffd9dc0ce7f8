"""What tags say, for the commands that show what a reader hears: item, owner, security, TID."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stacks.tag_data import TagContents, identify
from stacks.tag_data.contents import BLANK, FOREIGN, PATRON_CARD, UNREAD

if TYPE_CHECKING:
    from pathlib import Path

    from reader_drivers import TagData

_MEMORY_ONLY = frozenset({BLANK, FOREIGN, UNREAD})
"""Problems that are told of tags whose memory was read: an EPC alone need not be a library's."""


@dataclass(frozen=True, slots=True)
class TagSaid:
    """One tag: what a reader read of it, and what that means.

    Parameters
    ----------
    data
        What was read beside its number; None: nothing.
    contents
        What number and memory mean.
    """

    data: TagData | None
    contents: TagContents

    @property
    def item(self) -> str:
        """The item's identifier, in most libraries the barcode."""
        return "" if self.contents.patron_card else self.contents.item_id

    @property
    def security(self) -> str:
        """Whether a gate would sound, and AFI and EAS where they were read."""
        told = {True: "on", False: "off", None: ""}[self.contents.security]
        seen: list[str] = [told] if told else []
        if self.data is not None and self.data.afi is not None:
            seen.append(f"AFI {self.data.afi:02X}")
        if self.data is not None and self.data.eas is not None:
            seen.append(f"EAS {'on' if self.data.eas else 'off'}")
        return ", ".join(seen)

    @property
    def tid(self) -> str:
        """The chip's own identification, hexadecimal."""
        return "" if self.data is None else self.data.tid.hex().upper()

    @property
    def problem(self) -> str:
        """What is wrong with it."""
        told = self.contents.problem
        if self.contents.patron_card:
            return PATRON_CARD
        unread = self.data is None or not self.data.memory
        return "" if unread and told in _MEMORY_ONLY else told

    def words(self) -> str:
        """Return it as one line; empty: it says nothing."""
        parts = (
            ("item", self.item), ("owner", self.contents.owner), ("part", _part(self.contents)),
            ("security", self.security), ("TID", self.tid), ("problem:", self.problem),
        )  # fmt: skip
        return ", ".join(f"{name} {value}" for name, value in parts if value)

    def as_json(self) -> dict[str, Any]:
        """Return it for a program."""
        data = self.data
        return {
            "item_id": self.item, "owner": self.contents.owner, "format": self.contents.format,
            "parts": self.contents.parts, "part": self.contents.part, "security": self.contents.security,
            "problem": self.problem, "afi": None if data is None else data.afi,
            "eas": None if data is None else data.eas, "dsfid": None if data is None else data.dsfid,
            "tid": self.tid, "memory": "" if data is None else data.memory.hex().upper(),
        }  # fmt: skip


def _part(contents: TagContents) -> str:
    return f"{contents.part} of {contents.parts}" if contents.part and (contents.parts or 1) > 1 else ""


class TagsSay:
    """What each tag says; decoded once, and again when more of it was read."""

    def __init__(self) -> None:
        self._data: dict[str, TagData] = {}
        self._said: dict[str, TagSaid] = {}

    def add(self, data: TagData) -> None:
        """Take what a reader read; what it did not read this time stays as it was."""
        before = self._data.get(data.epc)
        if before is not None:
            read = {name: getattr(data, name) for name in ("afi", "eas", "dsfid", "memory", "tid")}
            read = {name: value for name, value in read.items() if value not in (None, b"")}
            if data.memory:
                read["block_bytes"] = data.block_bytes
            data = replace(before, t=data.t, antenna=data.antenna, **read)
        self._data[data.epc] = data
        self._said.pop(data.epc, None)

    def read(self) -> list[str]:
        """Return the tags of which more than the number was read."""
        return list(self._data)

    def of(self, epc: str) -> TagSaid:
        """Return what a tag says."""
        if epc not in self._said:
            data = self._data.get(epc)
            if data is None:
                contents = identify(epc)
            else:
                contents = identify(
                    epc, memory=data.memory or None, dsfid=data.dsfid, afi=data.afi, eas=data.eas,
                    block_bytes=data.block_bytes or 4,
                )  # fmt: skip
            self._said[epc] = TagSaid(data, contents)
        return self._said[epc]


class Titles:
    """Call number and title of a tag: by its number, else by the barcode that it carries.

    Parameters
    ----------
    holdings
        ``holdings.csv``; None: no titles.
    """

    def __init__(self, holdings: Path | None = None) -> None:
        self._by_epc: dict[str, str] = {}
        self._by_item: dict[str, str] = {}
        if holdings is None:
            return
        from nightstack.inputs import holdings_file
        from stacks.holdings import read_holdings

        holdings_file(holdings)
        for book in read_holdings(holdings):
            text = f"{book.call_number}  {book.title}".strip()
            if book.epc:
                self._by_epc[book.epc.upper()] = text
            if book.barcode:
                # A barcode that stands twice names no copy.
                self._by_item[book.barcode] = "" if book.barcode in self._by_item else text

    def of(self, epc: str, said: TagSaid) -> str:
        """Return a tag's title; empty: none is known."""
        return self._by_epc.get(epc) or (self._by_item.get(said.item, "") if said.item else "")
