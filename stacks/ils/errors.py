"""What goes wrong with a library's system, in one line each."""

from __future__ import annotations


class IlsError(OSError):
    """
    A library system that did not do what it was asked: one line saying which, what is wrong and what to do.

    Parameters
    ----------
    text : str
        That line.
    temporary : bool
        The same may work later without anybody changing anything (busy, restarting, cable).
    maybe_done : bool
        Of a write: it may have been carried out all the same; nobody knows until somebody looks.

    Attributes
    ----------
    temporary, maybe_done : bool
        As given.
    """

    def __init__(self, text: str, *, temporary: bool = False, maybe_done: bool = False) -> None:
        super().__init__(text)
        self.temporary = temporary
        self.maybe_done = maybe_done


class IlsSettingsError(IlsError):
    """Settings of a library system that cannot be used: which one, and what to write instead."""
