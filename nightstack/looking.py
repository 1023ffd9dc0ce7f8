"""Pictures for the commands: what a folder holds besides the positions, put together for ``localization.views``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nightstack.errors import InputError
from nightstack.progress import progress

if TYPE_CHECKING:
    from localization.calibration import Calibration
    from localization.evaluation import Evaluation
    from localization.positions import Coverage, Positions
    from localization.registration import Registration
    from localization.upright_posterior import Pinned
    from localization.views import Album
    from recording import Recording, Truth
    from stacks.plan import Plan


def truth_beside(folder: Path) -> Truth | None:
    """Read a recording folder's truth, where it has one; the estimator never sees it."""
    from recording import read_truth

    file = folder / "truth.parquet"
    return read_truth(file) if file.exists() else None


def labels_of(recording: Recording | None) -> Mapping[str, str]:
    """Return call number and title by EPC, from the recording's ``holdings.csv`` where it has one."""
    from stacks.holdings import read_holdings

    if recording is None or recording.holdings_path is None:
        return {}
    books = read_holdings(recording.holdings_path).by_epc
    return {
        epc: " · ".join(part for part in (book.call_number, book.title) if part)
        for epc, book in books.items()
    }


def check(tags: Sequence[str], shelves: Sequence[str], heard: Sequence[str], plan: Plan | None) -> None:
    """Refuse tags and shelves that cannot be shown, before any work is done."""
    from localization.views import ViewError, check_names

    try:
        check_names(tags, shelves, heard, plan)
    except ViewError as error:
        raise InputError(str(error)) from None


def draw(
    title: str,
    positions: Positions,
    *,
    plan: Plan | None,
    coverage: Coverage | None,
    evaluation: Evaluation | None,
    truth: Truth | None,
    recording: Recording | None,
    calibration: Calibration | None,
    registration: Registration | None,
    pinned: Pinned | None = None,
    labels: Mapping[str, str],
    notes: Sequence[str],
    tags: Sequence[str],
    shelves: Sequence[str],
    quiet: bool,
) -> Album:
    """Draw a run's pictures; nothing is written yet.

    Raises
    ------
    InputError
        A named tag or shelf cannot be shown.
    """
    from localization.views import Seen, ViewError, make_album

    seen = Seen(
        title=title,
        positions=positions,
        plan=plan,
        coverage=coverage,
        evaluation=evaluation,
        truth=truth,
        recording=recording,
        calibration=calibration,
        registration=registration,
        pinned=pinned,
        labels=labels,
        notes=tuple(notes),
    )
    try:
        with progress("draw", quiet=quiet, computing=True) as tell:
            return make_album(seen, tags=tags, shelves=shelves, progress=tell)
    except ViewError as error:
        raise InputError(str(error)) from None
