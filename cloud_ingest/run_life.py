"""A run's life: recording, closing, localizing, reporting, reported; failed from anywhere."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cloud_ingest.models import (
    CLOSING,
    FAILED,
    LOCALIZING,
    RECORDING,
    REPORTED,
    REPORTING,
    Run,
    RunEvent,
    RunState,
    Site,
)

_NEXT: dict[RunState | None, frozenset[RunState]] = {
    None: frozenset({RECORDING}),
    RECORDING: frozenset({CLOSING}),
    CLOSING: frozenset({LOCALIZING, FAILED}),
    # Back to localizing: the worker died and another one took the job.
    LOCALIZING: frozenset({LOCALIZING, REPORTING, FAILED}),
    REPORTING: frozenset({LOCALIZING, REPORTED, FAILED}),
    # Batches that came late open the run again.
    REPORTED: frozenset({RECORDING, LOCALIZING}),
    FAILED: frozenset({RECORDING, LOCALIZING}),
}


def enter(session: Session, run: Run, state: RunState, reason: str, at: int) -> None:
    """Take a run into its next state, with time and reason, in the caller's transaction.

    Raises
    ------
    AssertionError
        That state does not follow the one the run is in.
    """
    before: RunState | None = run.__dict__.get("state")
    assert state in _NEXT[before], f"run {run.run_id} cannot go from {before} to {state}"
    run.state = state
    run.reason = reason
    session.flush()
    session.add(RunEvent(run_id=run.run_id, at=at, state=state, reason=reason))


def note(session: Session, run: Run, reason: str, at: int) -> None:
    """Write down something about a run that does not change its state."""
    session.add(RunEvent(run_id=run.run_id, at=at, state=run.state, reason=reason))


def remember_site(session: Session, site: str, at: int) -> None:
    """Make sure that a site has its row."""
    if session.get(Site, site) is None:
        session.add(Site(site=site, first_seen=at))
        session.flush()
