"""Sentences on how a run went: what happened on the way, how it ended, and what was not there to judge it by."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from typing import ClassVar

from reports.phrases import Said, say


def _(template: str) -> str:
    """Mark a template for extraction."""
    return template


class R:
    """Sentences with blanks."""

    EVENTS: ClassVar[dict[str, str]] = {
        "reader_missing": _("Reader {source} was not there"),
        "reader_gone": _("Reader {source} was gone"),
        "reader_absent": _("Reader {source} never read in this run"),
        "reader_away": _("Reader {source} did not read for a part of the run"),
        "reader_unreachable": _("Reader {source} could not be reached"),
        "reader_exception": _("Reader {source} reported a fault"),
        "antenna_gone": _("An antenna of {source} was gone"),
        "unknown_antenna": _("Reader {source} has an antenna the settings do not know"),
        "buffer_overflow": _("The buffer of {source} ran over, readings were lost"),
        "clock_stepped": _("The clock of {source} stepped"),
        "base_gone": _("The robot's base did not answer"),
        "blocked": _("The way was blocked"),
        "aisle_blocked": _("An aisle was blocked"),
        "no_way": _("There was no way to a part of the route"),
        "leg_skipped": _("A part of the route was left out"),
        "not_home": _("The robot did not get home"),
        "run_resumed": _("The robot started again in mid-run"),
        "spool_full": _("The robot's store ran full"),
        "batch_refused": _("The robot's store refused a batch"),
        "batch_gone": _("A batch was lost on the robot"),
    }

    REASONS: ClassVar[frozenset[str]] = frozenset(
        {
            _("no readings came from the robot, so no book can be placed"),
            _("no poses came from the robot, so no book can be placed"),
            _("the robot ended it (aborted: no reader answers)"),
            _("the robot ended it (aborted: SIGTERM)"),
            _("the robot ended it (aborted: the spool was full for an hour)"),
        }
    )
    """Reasons that the robot and the service give in these very words; others are told as they were said."""

    @staticmethod
    def event(
        kind: str, source: str, times: int, detail: str, away: tuple[float, bool] | None = None
    ) -> Said:
        """Tell of what happened so many times; `away`: for so many seconds in all, and whether it came back."""
        said = say(R.EVENTS[kind], source=source or say("the robot"))
        if times > 1:
            said = say("{happened} ({n} times)", happened=said, n=times)
        if away is not None:
            said = R._away(said, *away)
        detail = detail.rstrip(".")
        if detail:
            return say("{happened}: {detail}.", happened=said, detail=detail)
        return say("{happened}.", happened=said)

    @staticmethod
    def _away(happened: Said, seconds: float, back: bool) -> Said:
        if seconds >= 90.0:
            happened = say("{happened} for {m:.0f} min in all", happened=happened, m=seconds / 60.0)
        elif seconds >= 0.5:
            happened = say("{happened} for {s:.0f} s in all", happened=happened, s=seconds)
        return happened if back else say("{happened} and did not come back", happened=happened)

    @staticmethod
    def run_ended(state: str, reason: str) -> Said:
        why = reason.strip().rstrip(".")
        why = say(why) if why in R.REASONS else why
        if state == "failed":
            return say("The run could not be worked out: {why}.", why=why) if why else say("The run failed.")
        if why:
            return say("The robot did not finish its route: {why}.", why=why)
        return say("The robot did not finish its route.")

    @staticmethod
    def no_positions() -> Said:
        return say("There are no positions, so nothing can be said about single books.")

    @staticmethod
    def no_plan() -> Said:
        return say("There is no plan of the shelves, so only statuses and unknown tags were looked at.")

    @staticmethod
    def no_coverage() -> Said:
        return say("It is not known which shelves were in reach, so no book is called missing.")

    @staticmethod
    def no_holdings() -> Said:
        return say("There are no holdings, so only what was not scanned is listed.")
