"""Counted things in sentences: one book, two books."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Parameters
    ----------
    number : int
    one : str
        The noun for one of them.
    many : str, optional
        For none or several; by default ``one`` with an s.

    Returns
    -------
    str
        ``"1 book"``, ``"0 books"``, ``"2 books"``.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
