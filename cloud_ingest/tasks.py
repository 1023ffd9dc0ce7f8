"""What a worker process is told, and what it says: JSON, so that neither side imports the other's world."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ENDED = "ended.json"
"""In a run's folder: `Task.facts`, so that whoever reports it again knows how it ended."""


@dataclass(frozen=True, slots=True)
class Task:
    """One run to be worked out. Paths are absolute.

    Attributes
    ----------
    run_id, site, revision
        Which run; a revision above 0 means that batches came late.
    info
        ``run.json``; None: it never came.
    segments
        Parquet files of each kind, in the order of their batches.
    folder, work
        ``DATA/runs/<run_id>``, and a folder in it for what is not finished.
    plan, holdings
        The frozen copies; None where there is none.
    calibration
        A calibration file of the site, if it has one.
    jobs
        Processes localization may use.
    recipients
        Address and language of each.
    sender
        From address.
    base_url
        Where the API serves this run's documents.
    facts
        How the run ended: `complete`, `reason`, `notes`, counts of batches.
    """

    run_id: str
    site: str
    revision: int
    info: Mapping[str, Any] | None
    segments: Mapping[str, list[str]]
    folder: str
    work: str
    plan: str | None
    holdings: str | None
    calibration: str | None
    jobs: int
    recipients: list[tuple[str, str]]
    sender: str
    base_url: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Task:
        """Read it back."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Document:
    """A file the run produced."""

    name: str
    file: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker leaves behind, as ``result.json`` in its work folder.

    Attributes
    ----------
    documents
        Files by name.
    findings
        Rows of ``exceptions.csv``, in the report's order.
    mails
        Recipient and file (RFC 5322) of each mail.
    notes
        What recording, localization and reports had to say.
    positions
        Tags placed.
    """

    documents: list[Document]
    findings: list[dict[str, Any]]
    mails: list[tuple[str, str]]
    notes: list[str]
    positions: int

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read it back."""
        read = json.loads(text)
        read["documents"] = [Document(**entry) for entry in read["documents"]]
        return cls(**read)
