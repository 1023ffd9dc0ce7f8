"""All cases of one site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reports.case import Case, subject
from reports.ledger_mornings import Took
from reports.trend import NightFigures


class LedgerError(ValueError):
    """A ledger that cannot be read, or an act that makes no sense: one line with what to do."""


@dataclass(frozen=True)
class Ledger:
    """Every case of one site; never changed, but made anew by `update`, `act` and `mailed`.

    Attributes
    ----------
    cases : mapping of str to Case
        By the id of the finding that opened each.
    site : str
        Whose books these are; empty: not said.
    runs : tuple of str
        The last nights that were taken in, oldest first: the same night twice changes nothing.
    nights : tuple of NightFigures
        The last nights in figures, oldest first.
    mornings : tuple of Took
        How long staff said mornings took, oldest first.
    """

    cases: Mapping[str, Case] = field(default_factory=dict[str, Case])
    site: str = ""
    runs: tuple[str, ...] = ()
    nights: tuple[NightFigures, ...] = ()
    mornings: tuple[Took, ...] = ()

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def open(self) -> list[Case]:
        """Cases with something left to do, assigned ones too, in the order they were opened."""
        return [c for c in self.cases.values() if c.state != "resolved"]

    @property
    def retag(self) -> frozenset[str]:
        """Barcodes of copies that staff have found on their shelf although silent: their tag is dead."""
        return frozenset(c.finding.barcode for c in self.cases.values() if c.dead_tag and c.finding.barcode)

    @property
    def false_alarms(self) -> list[Case]:
        """Cases that staff last called a false alarm; the same claim stays quiet."""
        return [c for c in self.cases.values() if c.resolution == "false_alarm"]

    def find(self, finding_id: str) -> Case | None:
        """Return the case that a finding's id belongs to, also by the id of a kind it has outgrown."""
        case = self.cases.get(finding_id)
        if case is not None:
            return case
        at = self._also.get(finding_id)
        return None if at is None else self.cases[at]

    @cached_property
    def by_subject(self) -> Mapping[str, str]:
        """The case's id of everything that has a case (`reports.case.subject`)."""
        return {subject(c.finding): i for i, c in self.cases.items()}

    @cached_property
    def _also(self) -> Mapping[str, str]:
        return {other: i for i, c in self.cases.items() for other in c.also}

    def to_json(self) -> dict[str, Any]:
        """Return an object for ``json.dumps``; `from_json` makes the same ledger of it."""
        from reports.ledger_json import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, obj: object, source: str = "ledger.json") -> Ledger:
        """Return the ledger of `to_json`'s object; raises LedgerError, one line naming `source`."""
        from reports.ledger_json import from_json

        return from_json(obj, source)
