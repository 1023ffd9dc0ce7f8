"""Sentences of the life of cases."""

from __future__ import annotations

from reports.phrases import Said, say, say_n
from reports.recheck_text import R


class L:
    """Why a case changed, and what a known case adds to its line."""

    @staticmethod
    def opened(run_id: str) -> Said:
        """Return why a scan opened or reopened it."""
        return say("Seen by the scan {run}.", run=run_id)

    @staticmethod
    def became(run_id: str) -> Said:
        """Return why it is about something else now."""
        return say("The scan {run} sees the same book differently.", run=run_id)

    @staticmethod
    def seen_right(run_id: str) -> Said:
        """Return why it closed: a scan saw the book where it belongs."""
        return say("The scan {run} sees it where it belongs.", run=run_id)

    @staticmethod
    def secured() -> Said:
        """Return why a case of security that is off closed."""
        return say("Its security was read again and is on.")

    @staticmethod
    def heard(run_id: str) -> Said:
        """Return why a missing book's case closed: it was heard, if not placed for certain."""
        return say("The scan {run} heard it again.", run=run_id)

    @staticmethod
    def not_seen(run_id: str, nights: int) -> Said:
        """Return why it closed: scans looked and no longer saw the trouble."""
        return say_n(
            "The scan {run} looked there and does not see it any more.",
            "{n} scans, the last of them {run}, looked there and did not see it any more.",
            nights,
            run=run_id,
        )

    @staticmethod
    def status_now(status: str) -> Said:
        """Return why it closed: the catalogue does not expect it any more."""
        return say("The catalogue now says {status}.", status=R.status(status))

    @staticmethod
    def not_in_catalogue() -> Said:
        """Return why it closed: its record is gone."""
        return say("The catalogue has no such copy any more.")

    @staticmethod
    def new_tag() -> Said:
        """Return why it closed: the record names another tag."""
        return say("The catalogue now names another tag for it.")

    @staticmethod
    def found_again() -> Said:
        """Return why a book that was marked missing is a case again."""
        return say("It was marked missing and is heard again.")

    @staticmethod
    def asked_for() -> Said:
        """Return what is added where a reader waits for such a book."""
        return say(" Perhaps missing, and a reader waits for it: look today.")

    @staticmethod
    def perhaps_missing() -> Said:
        """Return what is added to the evidence of a book that was silent too few nights."""
        return say(" Perhaps missing: wait for another night unless a reader asks for it.")
