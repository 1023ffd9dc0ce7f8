"""A run's findings as the worker leaves them for its letters: with their phrases, for each reader's language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_ingest.paths import write_durably

if TYPE_CHECKING:
    from reports import Finding

FINDINGS = "findings.json"
"""In the run's folder."""


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Write the findings of a run."""
    from reports.ledger_json import finding_to_json

    write_durably(folder / FINDINGS, json.dumps([finding_to_json(f) for f in findings]).encode())


def read_findings(folder: Path) -> list[Finding]:
    """Read them back; a run of before that has none gives none."""
    from reports.ledger_json import finding_from_json

    file = folder / FINDINGS
    if not file.is_file():
        return []
    rows = json.loads(file.read_bytes())
    return [finding_from_json(row, f"{file}[{i}]") for i, row in enumerate(rows)]
