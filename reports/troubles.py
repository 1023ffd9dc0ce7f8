"""What went wrong on the way of a run, told from how it ended, what there is of it and what happened."""

from __future__ import annotations

from typing import Literal

from localization.positions import Coverage, Positions
from recording import Events
from reports.run_text import R
from stacks.holdings import Holdings
from stacks.plan import Plan

State = Literal["done", "aborted", "failed"]


def troubles_of(
    state: State,
    reason: str,
    events: Events | None,
    positions: Positions | None,
    coverage: Coverage | None,
    plan: Plan | None,
    holdings: Holdings | None,
) -> tuple[str, ...]:
    """Say what went wrong on the way, worst first: how the run ended before anything else."""
    said: list[str] = []
    if state != "done":
        said.append(R.run_ended(state, reason))
    if positions is None:
        said.append(R.no_positions())
    elif plan is None:
        said.append(R.no_plan())
    elif coverage is None:
        said.append(R.no_coverage())
    if positions is not None and (holdings is None or not len(holdings.rows)):
        said.append(R.no_holdings())
    if events is not None and len(events):
        seen: dict[tuple[str, str], list[str]] = {}
        for source, kind, detail in zip(events.source, events.kind, events.detail, strict=True):
            if str(kind) in R.EVENTS:
                seen.setdefault((str(kind), str(source)), []).append(str(detail))
        away = _away(events)
        said.extend(
            R.event(
                kind, source, len(details), details[-1], away.get(source) if kind == "reader_gone" else None
            )
            for (kind, source), details in seen.items()
            # How long a reader was gone is told with its being gone.
            if not (kind == "reader_away" and ("reader_gone", source) in seen)
        )
    return tuple(said)


def _away(events: Events) -> dict[str, tuple[float, bool]]:
    """Return how many seconds each reader that was gone was away, and whether it came back in the end."""
    since: dict[str, int] = {}
    away: dict[str, tuple[float, bool]] = {}
    for t, source, kind in zip(events.t.tolist(), map(str, events.source), events.kind, strict=True):
        if kind == "reader_gone":
            since.setdefault(source, t)
            away[source] = away.get(source, (0.0, False))[0], False
        elif kind == "reader_back" and source in since:
            away[source] = away[source][0] + (t - since.pop(source)) * 1e-9, True
    for source, t in since.items():
        away[source] = away[source][0] + (int(events.t.max()) - t) * 1e-9, False
    return away
