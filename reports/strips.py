"""Shelves drawn to scale: what stands on one, what is wrong on it, and where a moved book belongs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """One finding on a shelf, in metres from the shelf's left end.

    Attributes
    ----------
    at_m : float or None
        Where it stands (a missing book: where it should); None: not on this shelf.
    to_m : float or None
        The gap on this shelf it belongs into; None: elsewhere, or nowhere to be carried.
    left_m, right_m : float or None
        The two books it belongs between, where they stand.
    left, right : str
        Their call numbers.
    """

    number: int
    tone: str
    at_m: float | None
    to_m: float | None = None
    left_m: float | None = None
    right_m: float | None = None
    left: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """A shelf drawn to scale: metres from its left end; `books_m` are the books without a mark."""

    length_m: float
    books_m: tuple[float, ...]
    marks: tuple[Mark, ...]

    @property
    def helps(self) -> bool:
        """Whether it shows more than a small drawing of each move: several books move, or one among others."""
        moves = sum(m.to_m is not None for m in self.marks)
        return moves >= 2 or (moves == 1 and len(self.marks) >= 4)


@dataclass(frozen=True, slots=True)
class GapLabel:
    """The names of the two books beside a gap: on which line below the shelf, and at what place."""

    line: int
    to_m: float
    left: str
    right: str
    tone: str


def neighbours(gap_m: float, books_m: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the books left and right of a gap; `books_m` ascend."""
    at = bisect_left(books_m, gap_m)
    left = books_m[at - 1] if at else None
    return left, books_m[at] if at < len(books_m) else None


def gap_labels(strip: Strip, width_m: Callable[[str], float], lines: int = 3) -> tuple[GapLabel, ...]:
    """Place the names beside each gap so that none overlaps another; those that find no room are left out.

    Parameters
    ----------
    strip
        The shelf.
    width_m
        How wide a text is set, in metres of the shelf.
    lines
        How many lines of text there may be; the marks' numbers are on the first.
    """
    placed: list[GapLabel] = []
    taken: list[list[tuple[float, float]]] = [[] for _ in range(lines)]
    space = width_m("n")
    for mark in strip.marks:  # whose numbers stand on the first line
        if mark.at_m is not None:
            half = width_m(str(mark.number)) / 2
            taken[0].append((mark.at_m - half, mark.at_m + half))
    seen: set[tuple[str, str]] = set()
    for mark in sorted(strip.marks, key=lambda m: -1.0 if m.to_m is None else m.to_m):
        if mark.to_m is None or not (mark.left or mark.right) or (mark.left, mark.right) in seen:
            continue
        a, b = mark.to_m - width_m(mark.left) - space, mark.to_m + width_m(mark.right) + space
        if a < 0.0 or b > strip.length_m + 8 * space:
            continue
        for line, there in enumerate(taken):
            if all(b + space < low or a - space > high for low, high in there):
                there.append((a, b))
                seen.add((mark.left, mark.right))
                placed.append(GapLabel(line, mark.to_m, mark.left, mark.right, mark.tone))
                break
    return tuple(placed)
