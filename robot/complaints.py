"""What a driver keeps complaining of: told once, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

_MOST_KINDS: Final = 20


class Complaints:
    """Tells each complaint once, and counts it from then on.

    Parameters
    ----------
    tell
        Told one sentence.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.last = ""
        """What was said last."""
        self._tell = tell
        self._again: Counter[str] = Counter()

    def say(self, what: str) -> None:
        """Tell this, where it was not told since `over`; of too many kinds the further ones are not."""
        self.last = what
        if what not in self._again and len(self._again) < _MOST_KINDS:
            self._again[what] = 0
            self._tell(what)
        elif what in self._again:
            self._again[what] += 1

    def over(self) -> None:
        """Say how often complaints came again, and forget them."""
        for what, times in self._again.items():
            if times:
                self._tell(f"{times} times more: {what}")
        self._again.clear()
