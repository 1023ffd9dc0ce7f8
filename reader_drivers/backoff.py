"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays that double from `first_s` to `most_s`, each drawn from its upper half.

    The draw keeps robots that lost a network together from coming back together.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    _tries: int = field(default=0, init=False)

    def next_s(self) -> float:
        """Return the next delay, s."""
        whole = min(self.most_s, self.first_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return whole * self.rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with `first_s`: the last try succeeded."""
        self._tries = 0
