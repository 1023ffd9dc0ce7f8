"""Sentences of the mails the service writes itself, for each reader's language."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from reports.phrases import Said, say

STATES: dict[str, Said] = {
    "recording": say("still being recorded"),
    "closing": say("being closed"),
    "localizing": say("being worked out"),
}


class M:
    """Subjects and sentences with blanks."""

    @staticmethod
    def failed_subject(run_id: str) -> Said:
        return say("stocktake {run} failed", run=run_id)

    @staticmethod
    def failed(site: str, run_id: str, reason: str) -> Said:
        return say(
            "The stocktake {run} of {site} could not be worked out: {reason}",
            run=run_id,
            site=site,
            reason=reason,
        )

    @staticmethod
    def stored(url: str) -> Said:
        return say("What the robot sent is stored and stays stored. The run's state and data: {url}", url=url)

    @staticmethod
    def ended(reason: str) -> Said:
        return say("It ended so: {reason}.", reason=reason)

    @staticmethod
    def morning_subject(date: str) -> Said:
        return say("no stocktake report this morning ({date})", date=date)

    @staticmethod
    def no_report(site: str, date: str) -> Said:
        return say("There is no stocktake report of {site} for the night to {date}.", site=site, date=date)

    @staticmethod
    def on_its_way(run_id: str, state: str, reason: str) -> Said:
        return say(
            "Run {run} is {state} ({reason}); its report follows by mail when it is done.",
            run=run_id,
            state=STATES.get(state, state),
            reason=reason,
        )

    @staticmethod
    def over(run_id: str, when: str, state: str, reason: str) -> Said:
        if state == "failed":
            return say("Run {run} of {when} has failed: {reason}", run=run_id, when=when, reason=reason)
        return say("Run {run} of {when} has reported: {reason}", run=run_id, when=when, reason=reason)

    @staticmethod
    def none_since(when: str) -> Said:
        return say("No stocktake has begun since {when}.", when=when)

    @staticmethod
    def last_one(run_id: str, when: str) -> Said:
        return say(" The last one was {run}, begun {when}.", run=run_id, when=when)

    @staticmethod
    def done_subject(run_id: str) -> Said:
        return say("stocktake {run} is done", run=run_id)

    @staticmethod
    def done(site: str, run_id: str, outcome: str) -> Said:
        return say(
            "The report of the stocktake {run} of {site} is done: {outcome}.",
            run=run_id,
            site=site,
            outcome=outcome,
        )

    @staticmethod
    def unwritten(error: str) -> Said:
        return say(
            "This mail could not be written in full: {error}.",
            error=error or say("for a reason the log knows"),
        )

    @staticmethod
    def documents_at(url: str) -> Said:
        return say("The report and its documents: {url}", url=url)
