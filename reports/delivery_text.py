"""Sentences about mails that did not reach somebody, and lists that could not be made as asked."""

from __future__ import annotations

from reports.phrases import Said, say


def not_delivered(address: str, what: str, error: str) -> Said:
    """Say that somebody else of the site did not get the last mail."""
    if what == "bounced":
        return say("The last mail to {address} came back: {error}.", address=address, error=_bare(error))
    if what == "waiting":
        return say(
            "The last mail to {address} has not been taken yet: {error}.", address=address, error=_bare(error)
        )
    return say("The last mail to {address} was refused: {error}.", address=address, error=_bare(error))


def no_such_floor(floor: str, known: str) -> Said:
    """Say that a recipient's settings name a floor that the plan does not have."""
    return say(
        "Your settings name floor {floor}, which the plan does not have (it has {known}); ask whoever keeps them.",
        floor=floor,
        known=known,
    )


def _bare(error: str) -> str:
    return error.rstrip(". ")
