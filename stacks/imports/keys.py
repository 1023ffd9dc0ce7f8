"""Call numbers that have no place in shelving order, counted by scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stacks.call_numbers import SCHEMES as ORDERED
from stacks.call_numbers import sort_keys

_BLOCK = 50_000


@dataclass(frozen=True, slots=True)
class Unreadable:
    """
    What cannot be sorted of one scheme.

    Attributes
    ----------
    copies : int
        All of the scheme.
    empty : int
        Without a call number.
    unreadable : int
        Whose call number cannot be read.
    examples : tuple of str
        A few of these.
    ordered : bool
        False: this scheme has no shelving order here, and nothing of it was tried.
    """

    copies: int
    empty: int
    unreadable: int
    examples: tuple[str, ...]
    ordered: bool


def unreadable(
    schemes: Sequence[str], texts: Sequence[str], tell: Callable[[float], None] | None = None
) -> dict[str, Unreadable]:
    """
    Count by scheme which call numbers have no key.

    Parameters
    ----------
    schemes, texts : sequence of str
        Each copy's scheme and call number.
    tell : callable, optional
        Told the share done.
    """
    made: dict[str, Unreadable] = {}
    for scheme in dict.fromkeys(schemes):
        mine = [text for text, its in zip(texts, schemes, strict=True) if its == scheme]
        count: dict[str, int] = {}
        for text in mine:
            count[text] = count.get(text, 0) + 1
        empty = count.pop("", 0)
        if scheme not in ORDERED:
            made[scheme] = Unreadable(len(mine), empty, 0, (), ordered=False)
            continue
        bad: list[str] = []
        done = 0
        for block in _blocks(list(count)):
            bad += [text for text, key in zip(block, sort_keys(scheme, block), strict=True) if key is None]
            done += len(block)
            if tell is not None:
                tell(done / len(count))
        made[scheme] = Unreadable(
            len(mine), empty, sum(count[text] for text in bad), tuple(bad[:5]), ordered=True
        )
    return made


def _blocks(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _BLOCK):
        yield texts[start : start + _BLOCK]
