"""Where everything is kept. Names from outside never reach the file system as they came."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

from recording.files import sync
from recording.run_info import is_name

_COMPONENT_BYTES = 200  # file systems allow 255 bytes; suffixes and temporary names need some of them


def safe_name(name: str) -> str:
    """Turn any text into one path component, distinct texts into distinct ones.

    A name as `recording` accepts it stays as it is. In any other everything but letters, digits and ``_ - .``
    is percent-encoded (RFC 3986, 2.1), a leading dot too, so that no name is hidden or leads upwards. What
    would be too long for a file system ends in its SHA-256.
    """
    text = name
    if not is_name(name) or "%" in name:
        text = quote(name, safe="")
        if text.startswith("."):
            text = "%2E" + text[1:]
    if len(text.encode()) > _COMPONENT_BYTES:
        return quote(name, safe="")[:100] + "%" + hashlib.sha256(name.encode()).hexdigest()
    return text or "%"


def site_folder(data: Path, site: str) -> Path:
    """``DATA/sites/<site>``: its plan and holdings, unless settings name others."""
    return data / "sites" / safe_name(site)


def run_folder(data: Path, run_id: str) -> Path:
    """``DATA/runs/<run_id>``: the recording, positions and documents of a run."""
    return data / "runs" / safe_name(run_id)


def snapshot_folder(data: Path, run_id: str) -> Path:
    """``DATA/runs/<run_id>/expected``: plan and holdings as they were when the run opened."""
    return run_folder(data, run_id) / "expected"


NOTES = ".notes"
"""In a letter's folder where its documents hold notes of staff's lists, which only staff may see."""


def letter_folder(data: Path, run_id: str, kind: str, recipient: str) -> Path:
    """``DATA/runs/<run_id>/mail/<kind>-<recipient>``: the documents of one letter."""
    return run_folder(data, run_id) / "mail" / f"{safe_name(kind)}-{safe_name(recipient)}"


def raw_folder(data: Path, site: str, run_id: str, kind: str) -> Path:
    """``DATA/raw/site=<site>/run=<run_id>/<kind>``: the Parquet segments of one kind of batch."""
    return data / "raw" / f"site={safe_name(site)}" / f"run={safe_name(run_id)}" / safe_name(kind)


def write_durably(path: Path, payload: bytes) -> None:
    """Write a file so that after a crash it is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, path)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished, synced file its name, and make the name itself durable."""
    temporary.replace(path)
    sync(path.parent)
