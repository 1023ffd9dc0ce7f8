"""What is known of a site's pace, as plain data: for the page, the API and the command line."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cloud_ingest import casebook
from cloud_ingest.settings import ServeSettings
from reports.pace import HANDLING_S, Pace
from stacks.plan import Plan, read_plan

_SHOWN = 10


def show_pace(session: Session, site: str, settings: ServeSettings) -> dict[str, Any]:
    """Tell the pace that a site's lists are planned with, and what it is learnt from.

    Nothing is told of single people: the pace is the site's.
    """
    # It brings a compiler and solvers, which a service that nobody asks for the pace does not load.
    from reports.pace_learning import study_pace

    own = settings.site(site)
    ledger = casebook.load(session, site)
    learnt = study_pace(ledger, _plan(settings, site), own.pace)
    pace, usual = learnt.pace, Pace()
    return {
        "site": site,
        "learns": own.pace.learn,
        "level": round(learnt.level, 3),
        "mornings": learnt.mornings,
        "times": learnt.times,
        "left_out": {"together": learnt.together, "breaks": learnt.breaks, "unknown": learnt.unknown},
        "said": learnt.said,
        "walk_mps": round(pace.walk_mps, 3),
        "floor_s": round(pace.floor_s, 1),
        "block_s": round(pace.block_s, 1),
        "trip_s": round(pace.trip_s, 1),
        "assumed": {"walk_mps": usual.walk_mps, "floor_s": usual.floor_s},
        "by_hand": sorted(learnt.by_hand),
        "kinds": [
            {
                "kind": kind,
                "assumed_s": assumed,
                "seconds": round(pace.handling(kind), 1),
                "times": learnt.by_kind.get(kind, 0),
                "by_hand": kind in learnt.by_hand,
            }
            for kind, assumed in HANDLING_S.items()
        ],
        "reports": [
            {"at": told.at.isoformat(timespec="minutes"), "minutes": told.minutes, "lines": len(told.lines)}
            for told in reversed(ledger.mornings[-_SHOWN:])
        ],
    }


def plan_time(settings: ServeSettings, site: str) -> int:
    """Return when a site's plan was changed last (ns UTC); 0 where there is none."""
    file = settings.site(site).plan
    try:
        return 0 if file is None else file.stat().st_mtime_ns
    except OSError:
        return 0


def _plan(settings: ServeSettings, site: str) -> Plan | None:
    file = settings.site(site).plan
    try:
        return read_plan(file) if file is not None and file.is_file() else None
    except (ValueError, OSError):
        return None  # the run that needs it says what is wrong with it
