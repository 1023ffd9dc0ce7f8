"""What a worker process is told, and what it says: JSON, so that neither side imports the other's world."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ENDED = "ended.json"
"""In a run's folder: `Task.facts` and how its report came out, so that whoever reports it again knows how it ended."""


@dataclass(frozen=True, slots=True)
class NightTask:
    """What a run is judged on beside its own readings. Paths are relative to the data folder; times ns UTC.

    Attributes
    ----------
    ledger
        The site's ledger before this run, as JSON; None: a later night is in it already, and it stays as it is.
    memory
        What earlier nights taught of each tag (Parquet); None: nothing.
    step
        The last step of staff or mails that `ledger` has.
    not_before
        When the newest other night of the site was; None: there is none.
    not_after
        When the service last heard of the run: robots' clocks may be ahead.
    policy
        The site's own thresholds.
    keep_days
        How long what nights taught of a copy outlives its place in the catalogue.
    newest
        The newest night of the site and its revision when this one was begun; "": there was none.
    tags
        The site's own rules of tags (`cloud_ingest.tag_settings.TagRules`).
    """

    ledger: str | None
    memory: str | None
    step: int
    not_before: int | None
    not_after: int
    policy: Mapping[str, float] = field(default_factory=dict[str, float])
    keep_days: float = 730.0
    newest: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class NightResult:
    """That a run was judged as a night of its site, and when that was (ns UTC)."""

    at: int


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
    data
        The data folder.
    night
        What it is judged on; None: it is judged by itself.
    holdings_now
        The catalogue as it is now; None: there is none.
    base_url
        Where the API serves this run's documents.
    inventory
        Whether the books that were heard are to be named, for the library system.
    facts
        How the run ended: `complete`, `reason`, `notes`, counts of batches.
    lists
        Staff's lists as they are now (`StaffList.to_json`), and ``at``, when each was put there.
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
    data: str
    base_url: str
    night: NightTask | None = None
    holdings_now: str | None = None
    inventory: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lists: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Task:
        """Read it back."""
        read = json.loads(line)
        read["night"] = None if read.get("night") is None else NightTask(**read["night"])
        return cls(**read)


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
    night
        The night it was judged as: ledger and memory after it are in the work folder; None: it was not.
    notes
        What recording, localization and reports had to say.
    positions
        Tags placed.
    lists
        What became of each of staff's lists: its counts, and ``said``, the sentence with its phrases.
    """

    documents: list[Document]
    findings: list[dict[str, Any]]
    notes: list[str]
    positions: int
    night: NightResult | None = None
    lists: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read it back."""
        read = json.loads(text)
        read["night"] = None if read.get("night") is None else NightResult(**read["night"])
        read["documents"] = [Document(**entry) for entry in read["documents"]]
        return cls(**read)
