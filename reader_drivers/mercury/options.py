"""Options of a ``mercury://`` URL beside those of every reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.mercury.codec import SPEEDS
from reader_drivers.targets import Line, OptionError, Table, flag, number, sign

LINE: Final = Line(port=None, baud=115_200)
"""Network models have no port of their own: it is that of the serial device server."""


def _speed(text: str) -> int:
    if text not in map(str, SPEEDS):
        raise OptionError(f"one of {', '.join(map(str, SPEEDS))}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Options:
    """What a module can be told beside settings.

    Parameters
    ----------
    fast
        Speed to go to once the module is found, baud; 0: stay at that of the URL.
    phase_sign
        What the module's angle is multiplied by so that it grows with distance.
    cycle_ms
        Length of a read cycle; a keep-alive comes with each.
    temperature_s
        Seconds between two looks at the module's temperature; 0: none.
    memory
        Whether to read the beginning of each tag's user memory while it answers.
    memory_words
        How many words of it.
    """

    fast: int = 0
    phase_sign: int = 1
    cycle_ms: int = 1000
    temperature_s: float = 60.0
    memory: bool = False
    memory_words: int = 16


OWN: Final[Table] = {
    "fast": ("fast", _speed),
    "phase_sign": ("phase_sign", sign),
    "cycle": ("cycle_ms", number(100, 60_000)),
    "temperature": ("temperature_s", number(0, 86_400, float, " seconds")),
    "memory": ("memory", flag),
    "memory_words": ("memory_words", number(1, 64)),
}
