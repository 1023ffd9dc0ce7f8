"""What the process that writes mails is told, and what it leaves behind: JSON, as for the worker of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

WRITTEN = "written.json"
"""In the work folder: what was written."""


@dataclass(frozen=True, slots=True)
class LetterTask:
    """One recipient's letter.

    Attributes
    ----------
    id
        The letter's.
    recipient, language, floors, kinds, minutes
        Whose it is, and what of the list is theirs.
    folder
        Where this recipient's documents go.
    undelivered
        Address, what and error of others of the site whose mail did not arrive.
    """

    id: int
    recipient: str
    language: str
    floors: list[str]
    kinds: list[str]
    minutes: float | None
    folder: str
    undelivered: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


@dataclass(frozen=True, slots=True)
class ComposeTask:
    """The letters about one run that are due together. Paths are absolute.

    Attributes
    ----------
    run_id, site, info
        Which run, and its ``run.json``.
    folder, work
        ``DATA/runs/<run_id>``, and a folder in it for what is not finished.
    plan, holdings
        As they were when the run opened; None where there is none.
    ledger
        The site's cases as they are now; None: this run is in no ledger, and its own findings are listed.
    link
        The run's page.
    sender
        From address.
    time_zone
        The site's.
    ils
        How to reach the library system; empty: it is not asked. Holds secrets: never written to a file.
    recheck_s
        Seconds for asking it.
    attachment_bytes
        Documents that are larger in all are linked.
    now
        Nanoseconds UTC.
    pace
        What the site sets of its people's pace (`reports.pace.ByHand`).
    """

    run_id: str
    site: str
    info: Mapping[str, Any]
    folder: str
    work: str
    plan: str | None
    holdings: str | None
    ledger: str | None
    link: str
    sender: str
    time_zone: str
    ils: Mapping[str, Any]
    recheck_s: float
    attachment_bytes: int
    now: int
    letters: list[LetterTask]
    pace: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> ComposeTask:
        """Read it back."""
        read = json.loads(line)
        read["letters"] = [LetterTask(**letter) for letter in read["letters"]]
        return cls(**read)


@dataclass(frozen=True, slots=True)
class Written:
    """One letter that is written.

    Attributes
    ----------
    id
        The letter's.
    file
        The mail (RFC 5322), in the work folder.
    shown
        Cases it shows.
    checked
        Items the library system was asked for.
    failed
        Why it could not be asked for all of them; empty: it was, or is not to be asked.
    """

    id: int
    file: str
    shown: list[str]
    checked: int
    failed: str


def write_all(letters: list[Written]) -> str:
    """Write the result as JSON."""
    return json.dumps([asdict(letter) for letter in letters])


def read_all(text: str) -> list[Written]:
    """Read it back."""
    return [Written(**letter) for letter in json.loads(text)]
