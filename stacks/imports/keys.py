"""Call numbers that have no place in shelving order, counted by scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stacks import call_numbers
from stacks.call_numbers.schemes import SCHEMES as ORDERED
from stacks.plan import Plan

_BLOCK = 50_000
Keys = list[bytes | None]


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


def policy_for(plan: Plan | None) -> Any:
    """Return the plan's own rules for call numbers; None where it has none to say."""
    read: Callable[[Plan], Any] | None = getattr(call_numbers, "policy_of", None)
    return None if read is None or plan is None else read(plan)


def keys_of(scheme: str, texts: Sequence[str], policy: Any = None) -> Keys:
    """
    Return the sort key of each call number, by the fast path for many where there is one.

    Keys compare with others made under the same policy only, such as those of `ShelfRanges` of a plan and
    those made with `policy_for` of that plan.
    """
    more: tuple[Any, ...] = () if policy is None else (policy,)
    many: Callable[..., Keys] | None = getattr(call_numbers, "sort_keys", None)
    if many is not None:
        return many(scheme, texts, *more)
    one: Callable[..., bytes | None] = call_numbers.sort_key
    return [one(scheme, text, *more) for text in texts]


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
            bad += [text for text, key in zip(block, keys_of(scheme, block), strict=True) if key is None]
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
