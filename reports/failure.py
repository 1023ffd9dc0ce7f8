"""What stands first in the report of a run that failed, was cut short or heard nothing: what that means, what to do.

Noughts of such a run are no results, and are not shown as if they were.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.failure_text import F
from reports.phrases import Said
from reports.report import RunReport
from reports.run_text import R

_NO_ERRAND = ("zone_not_scanned", "low_confidence")


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands first, in the order it is read.

    Attributes
    ----------
    heading : Said
    lines : tuple of str
        What happened, what it means and what to do, a sentence or two each.
    troubles : tuple of str
        The other troubles of the run, which `lines` do not say.
    """

    heading: Said
    lines: tuple[str, ...]
    troubles: tuple[str, ...]


def tells_nothing(report: RunReport) -> bool:
    """Whether a run says nothing of the shelves: it failed, or placed no tag, and sends nobody anywhere."""
    if report.state == "failed":
        return True
    return not report.summary.tags_placed and all(f.kind in _NO_ERRAND for f in report.findings)


def failure_of(report: RunReport) -> Failure | None:
    """Return what stands first; None where the run went through and heard something."""
    ended = report.troubles[:1] if report.state != "done" else ()
    rest = report.troubles[len(ended) :]
    if not tells_nothing(report):
        return None if report.state == "done" else Failure(F.PART, (*ended, F.part(), F.see_to_it()), rest)
    meaning = F.unchecked(), F.earlier(report.still_open)
    without = tuple(text for text in rest if text == R.no_positions())
    rest = tuple(text for text in rest if text not in without)
    if report.state == "failed":
        return Failure(F.FAILED, (*ended, *meaning, F.mend()), rest)
    happened = without or (F.no_places() if report.summary.tags_heard else F.no_tags(),)
    ended = (*ended, *happened)
    return Failure(F.NOTHING, (*ended, *meaning, F.look_at_readers()), rest)
