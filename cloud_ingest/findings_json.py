"""A run's findings as the worker leaves them for its letters: with their phrases, for each reader's language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud_ingest.paths import write_durably

if TYPE_CHECKING:
    from reports import Finding

FINDINGS = "findings.json"
"""In the run's folder."""

_TEXTS = ("belongs", "evidence")


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Write the findings of a run."""
    from reports.phrases import to_json

    made: list[dict[str, Any]] = []
    for finding in findings:
        row: dict[str, Any] = {f.name: getattr(finding, f.name) for f in fields(finding)}
        made.append({**row, **{name: to_json(row[name]) for name in _TEXTS}})
    write_durably(folder / FINDINGS, json.dumps(made).encode())


def read_findings(folder: Path) -> list[Finding]:
    """Read them back; a run of before that has none gives none."""
    from reports import Finding
    from reports.phrases import from_json

    file = folder / FINDINGS
    if not file.is_file():
        return []
    known = {f.name for f in fields(Finding)}
    made: list[Finding] = []
    for row in json.loads(file.read_bytes()):
        texts = {name: from_json(row[name]) for name in _TEXTS}
        made.append(Finding(**{**{k: v for k, v in row.items() if k in known}, **texts}))
    return made
