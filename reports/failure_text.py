"""Sentences that stand first where a run failed, was cut short or heard nothing: what that means, what to do."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from reports.phrases import Said, say, say_n


class F:
    """Sentences with blanks."""

    FAILED = say("The run failed: nothing was checked")
    NOTHING = say("The run tells nothing of the shelves: nothing was checked")
    PART = say("The run was not finished: only a part was checked")

    @staticmethod
    def unchecked() -> Said:
        return say(
            "Nothing is known about the shelves from this run: no book was looked for, so none was found in its"
            " place, misplaced or missing."
        )

    @staticmethod
    def earlier(still_open: int | None = None) -> Said:
        if not still_open:
            return say(
                "The list of the last night that was worked out still holds, as far as it is not done."
            )
        return say_n(
            "The list of the last night that was worked out still holds: {n} line is open.",
            "The list of the last night that was worked out still holds: {n} lines are open.",
            still_open,
        )

    @staticmethod
    def mend() -> Said:
        return say(
            "Show this to whoever looks after the robot. What the robot sent is kept: once the cause is mended, the"
            " run can be worked out again."
        )

    @staticmethod
    def look_at_readers() -> Said:
        return say(
            "Show this to whoever looks after the robot: before the next run its readers, their antennas and cables,"
            " and where it thinks it is, need a look."
        )

    @staticmethod
    def part() -> Said:
        return say(
            "What is found tonight holds for the shelves that were scanned. The others were not checked: no book of"
            " theirs is newly called missing, and what earlier lists say of them still holds."
        )

    @staticmethod
    def see_to_it() -> Said:
        return say("Show this to whoever looks after the robot, so that the next run gets through.")

    @staticmethod
    def no_tags() -> Said:
        return say("Not one tag was heard.")

    @staticmethod
    def no_places() -> Said:
        return say("Tags were heard, and none of them could be given a place.")
