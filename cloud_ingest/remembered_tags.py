"""What nights before a run had read of its site's tags, beside the run: its letters count the same books as it did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloud_ingest.paths import write_durably

if TYPE_CHECKING:
    from reports.known_tags import Remembered

KNOWN = "known_tags.arrow"
"""In the run's folder, where there is any; no document, and nobody is shown it."""


def write_remembered(folder: Path, remembered: Remembered | None) -> None:
    """Write it; what a former attempt left goes."""
    file = folder / KNOWN
    if remembered is None or not len(remembered):
        file.unlink(missing_ok=True)
    else:
        write_durably(file, remembered.to_bytes())


def read_remembered(folder: Path) -> Remembered | None:
    """Read it back, None where there is none; raises ValueError and OSError."""
    from reports.known_tags import Remembered

    file = folder / KNOWN
    return Remembered.from_bytes(file.read_bytes()) if file.is_file() else None
