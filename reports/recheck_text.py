"""Sentences of the last look before mailing."""

from __future__ import annotations

from datetime import datetime

from reports.phrases import Said, say, say_n

_STATUS = {
    "available": say("available"),
    "loaned": say("on loan"),
    "on_hold": say("waiting for a reader to fetch it"),
    "in_transit": say("on its way to another place"),
    "in_process": say("in process"),
    "missing": say("missing"),
    "lost": say("lost"),
    "claimed_returned": say("claimed returned"),
    "withdrawn": say("withdrawn"),
}


class R:
    """Why a line went, what is added to one that stays, and why the list went out unverified."""

    @staticmethod
    def status(status: str) -> Said:
        """Return a status in words."""
        return _STATUS.get(status) or say("{status}", status=status)

    @staticmethod
    def now(barcode: str, status: str) -> Said:
        """Return why a line went: its status changed since the scan."""
        return say(
            "{barcode}: the library system now says {status}.", barcode=barcode, status=R.status(status)
        )

    @staticmethod
    def on_its_way(barcode: str, at: datetime) -> Said:
        """Return why a silent book went: it was returned or used in the last days."""
        return say(
            "{barcode}: returned or used on {day}, so it is probably on its way to its shelf.",
            barcode=barcode,
            day=at.date().isoformat(),
        )

    @staticmethod
    def used_since(barcode: str) -> Said:
        """Return why a misplaced book went: it was used after the scan."""
        return say("{barcode}: used since the scan, so it is no longer where it was heard.", barcode=barcode)

    @staticmethod
    def unknown(barcode: str) -> Said:
        """Return why a missing book went: it has no record any more."""
        return say("{barcode}: the library system has no such item any more.", barcode=barcode)

    @staticmethod
    def no_record() -> Said:
        """Return what is added to a book that stands there and whose record is gone."""
        return say(" The library system has no such item any more.")

    @staticmethod
    def became(status: str) -> Said:
        """Return what is added to a line whose status changed since the scan."""
        return say(" The library system now says {status}.", status=R.status(status))

    @staticmethod
    def failed(why: str, asked: int, left: int) -> Said:
        """Return why not every line could be checked."""
        said = say_n(
            "{n} line was not checked against the library system ({why}).",
            "{n} lines were not checked against the library system ({why}).",
            left,
            why=why.rstrip("."),
        )
        return said if asked else said + say(" The list is as the scan saw it.")

    @staticmethod
    def too_many(left: int) -> Said:
        """Return that the last lines of a long list were not asked for."""
        return say_n(
            "{n} line was not checked against the library system, which is not asked more often.",
            "{n} lines were not checked against the library system, which is not asked more often.",
            left,
        )
