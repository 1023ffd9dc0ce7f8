"""Progress of long work made of steps: told in one direction, from any thread, as shares of a larger whole."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

#: What every long-running function takes: the share done (0..1) and what is being done.
Progress = Callable[[float, str], None]


def silent(_share: float, _text: str) -> None:
    """Tell nobody."""


def steady(tell: Progress | None) -> Progress:
    """Return a callable for any thread, by which the share told never falls; None: nobody listens."""
    if tell is None:
        return silent
    lock, most = Lock(), 0.0

    def told(share: float, text: str) -> None:
        nonlocal most
        with lock:
            most = max(most, share)
            tell(most, text)

    return told


def within(tell: Progress, begin: float, end: float) -> Progress:
    """Return what a part of the work is given, which is all of it from one share to another."""
    return lambda share, text: tell(begin + (end - begin) * min(share, 1.0), text)


def halving(tell: Progress, begin: float, end: float) -> Callable[[], Progress]:
    """Return what to call before each of an unknown number of rounds: each is given half of what is left."""
    left = begin

    def following() -> Progress:
        nonlocal left
        now, left = left, (left + end) / 2.0
        return within(tell, now, left)

    return following


def side_by_side(tell: Progress, number: int, text: str) -> Callable[[int], Progress]:
    """Return what each of a number of parts worked on at once is given: their shares together, under one text."""
    shares, lock = [0.0] * number, Lock()

    def part(index: int) -> Progress:
        def told(share: float, _text: str) -> None:
            with lock:
                shares[index] = max(shares[index], share)
                done = sum(shares) / number
            tell(done, text)

        return told

    return part


def one_by_one(tell: Progress, number: int, text: str) -> Callable[[], None]:
    """Return what to call, from any thread, as each of a number of like things is done."""
    done, lock = 0, Lock()

    def one() -> None:
        nonlocal done
        with lock:
            done += 1
            share = done / max(number, 1)
        tell(share, text)

    return one
