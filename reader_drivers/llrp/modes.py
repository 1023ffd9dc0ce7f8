"""Names of Impinj's link profiles: what its tools call the numbers in a reader's RF mode table."""

from __future__ import annotations

from typing import Final

IMPINJ_MODES: Final = {
    "max-throughput": 0,
    "hybrid": 1,
    "dense-reader-m4": 2,
    "dense-reader-m8": 3,
    "max-miller": 4,
    "dense-reader-m4-two": 5,
    "autoset-dense-reader": 1000,
    "autoset-dense-reader-deep-scan": 1002,
    "autoset-static-fast": 1003,
    "autoset-static-drm": 1004,
}
"""Mode numbers by name (Octane: ReaderMode); autoset ones let the reader choose among profiles as it listens."""

_NAMES: Final = {number: name for name, number in IMPINJ_MODES.items()}


def mode_text(number: int, impinj: bool) -> str:
    """Return a mode as messages show it: its number, and its name where it has one."""
    name = _NAMES.get(number) if impinj else None
    return f"{number} ({name})" if name else str(number)
