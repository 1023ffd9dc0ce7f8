"""Whether positions are of the recording, or of the truth, that they are held against."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nightstack.errors import InputError

if TYPE_CHECKING:
    from localization.positions import Positions
    from recording import Recording, Truth

SLACK_NS = 60 * 10**9
"""Clocks between a reader's stamps and what positions say of when a tag was heard."""
FEWEST_KNOWN = 0.5
"""Positions of which fewer are in the truth are hardly of its library."""


def check_same_run(positions: Positions, recording: Recording, file: Path) -> None:
    """Refuse positions that were not made from a recording: of tags, or of times, that are not in it.

    Parameters
    ----------
    positions : Positions
    recording : Recording
    file : Path
        Where the positions come from, for the error.

    Raises
    ------
    InputError
    """
    if not len(positions):
        return
    of_run = f"run {recording.info.run_id}"
    advice = f"they are of another recording; `nightstack localize {recording.path}` makes its own"
    t = recording.readings.t
    if not len(t):
        raise InputError(f"{file}: has {len(positions)} tags, {of_run} heard none; {advice}")
    begin, end = int(positions.heard_from.min()), int(positions.heard_to.max())
    if begin < int(t.min()) - SLACK_NS or end > int(t.max()) + SLACK_NS:
        raise InputError(
            f"{file}: heard from {_when(begin)} to {_when(end)}, {of_run} from {_when(int(t.min()))} to "
            f"{_when(int(t.max()))}: {advice}"
        )
    unknown = int((~np.isin(positions.epc.astype(str), np.array(recording.readings.tags, str))).sum())
    if unknown:
        raise InputError(
            f"{file}: {unknown} of its {len(positions)} tags were not heard in {of_run}; {advice}"
        )


def strangers(positions: Positions, truth: Truth, file: Path) -> str | None:
    """Return what is strange about holding positions against a truth, in one line; None where nothing is."""
    if not len(positions):
        return None
    known = np.isin(positions.epc.astype(str), truth.epc.astype(str))
    if known.mean() >= FEWEST_KNOWN:
        return None
    return (
        f"{int((~known).sum())} of {len(positions)} tags in {file} are not in the truth: it is hardly of the same "
        "library, or names reference tags only"
    )


def _when(t_ns: int) -> str:
    return f"{datetime.fromtimestamp(t_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
