"""One interface to every library system; a back end is a folder beside this file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from types import TracebackType
from typing import ClassVar, Self

from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError, IlsSettingsError
from stacks.ils.items import IlsItem
from stacks.ils.journal import DONE, FAILED, UNKNOWN, Journal
from stacks.ils.settings import Settings

_EVERYTHING = frozenset({"call_number", "scheme", "title", "home_location", "status"})
_SPOILED_SHARE = 0.01
_SPOILED_MOST = 10


class Ils(ABC):
    """
    A connection to a library system.

    It is used by one thread at a time, and as a context manager or with `close`.

    Attributes
    ----------
    kind : str
        Which system.
    lists : bool
        It can list its items; else only single ones can be asked for.
    tells : frozenset of str
        Which columns of a holding it knows; the others are the library's own.
    can_write : frozenset of str
        What can be written back to it at all.
    notes : list of str
        What the last pull left out, a sentence each.
    unread : set of str
        Barcodes of items whose record could not be read in the last pull.
    """

    kind: ClassVar[str]
    lists: ClassVar[bool] = True
    tells: ClassVar[frozenset[str]] = _EVERYTHING
    can_write: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, settings: Settings, clock: Clock) -> None:
        impossible = [what for what in settings.writes if what not in self.can_write]
        if impossible:
            raise IlsSettingsError(
                f"ils.writes: {self.kind} cannot be told {', '.join(impossible)}; take it out (docs/ils.md)"
            )
        self.notes: list[str] = []
        self.unread: set[str] = set()
        self.clock = clock
        self.journal = Journal(settings.journal, clock)
        self._writes = frozenset(settings.writes)

    @abstractmethod
    def items(self, since: datetime | None = None) -> Iterator[list[IlsItem]]:
        """
        List the items, page by page.

        Parameters
        ----------
        since : datetime or None
            Only what changed since then (UTC); a system that cannot tell gives more, never less.

        Raises
        ------
        IlsError
            The system does not answer, or answers what cannot be used.
        """

    @abstractmethod
    def item(self, barcode: str) -> IlsItem | None:
        """Return one item as it is now; None: the system has no such barcode. Raises IlsError."""

    def items_of(self, barcodes: Iterable[str]) -> Iterator[list[IlsItem]]:
        """Ask for single items, one after the other; those that the system does not have are left out."""
        for barcode in barcodes:
            found = self.item(barcode)
            if found is not None:
                yield [found]

    def record_inventory(self, barcode: str, when: date | datetime) -> None:
        """
        Write back that an item was seen in the stocktake.

        Raises
        ------
        IlsError
            The site has not turned that on, an earlier write of it is of unknown outcome, or it failed.
        """
        self._write("inventory_date", barcode, when.isoformat(), lambda: self._send_inventory(barcode, when))

    def mark_missing(self, barcode: str, note: str = "") -> None:
        """Write back that an item is missing; raises IlsError as `record_inventory` does."""
        self._write("missing", barcode, note, lambda: self._send_missing(barcode, note))

    def close(self) -> None:  # noqa: B027 (some have nothing to end)
        """End the connection; it cannot be used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send_inventory(self, barcode: str, when: date | datetime) -> str:  # noqa: ARG002 (for those who can)
        raise IlsError(f"{self.kind} cannot be told inventory dates")

    def _send_missing(self, barcode: str, note: str) -> str:  # noqa: ARG002 (for those who can)
        raise IlsError(f"{self.kind} cannot be told what is missing")

    def _write(self, what: str, barcode: str, value: str, send: Callable[[], str]) -> None:
        if what not in self._writes:
            raise IlsError(
                f"{barcode}: {what} is not written back: the site has not turned it on (ils.writes = [{what!r}])"
            )
        before = self.journal.unknown(what, barcode)
        if before is not None:
            raise IlsError(
                f"{barcode}: {what} of {before.at:%Y-%m-%d %H:%M} UTC is of unknown outcome; look in the "
                f"library system, then: nightstack stacks journal --settle {before.id} --as done (or failed)"
            )
        write_id = self.journal.begin(self.kind, what, barcode, value)
        try:
            said = send()
        except IlsError as error:
            self.journal.end(write_id, UNKNOWN if error.maybe_done else FAILED, str(error))
            raise
        except BaseException as error:
            # A bug or Ctrl-C: it may have been sent.
            self.journal.end(write_id, UNKNOWN, f"{type(error).__name__} while it was being sent")
            raise
        self.journal.end(write_id, DONE, said)

    def _begin_pull(self) -> None:
        self.notes.clear()
        self.unread.clear()

    def _judge_spoiled(self, spoiled: int, read: int, example: str) -> None:
        """Refuse a pull of which more than a few records cannot be read: then it is us who misread them."""
        if spoiled > max(_SPOILED_MOST, _SPOILED_SHARE * (spoiled + read)) or (spoiled and not read):
            raise IlsError(
                f"{self.kind}: {spoiled} of {spoiled + read} items cannot be read, such as {example}"
            )
