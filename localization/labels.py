"""Shelf labels whose place the plan states, as reference tags within the run itself.

What a run is off by along a face (phase centres, clock, poses) no book can tell, as all of them feel it alike. A label
on its board's edge can: its place is known, so its phases are fitted at its own height and depth, and how far the
fit lies from the stated offset is what the run is off by there (:mod:`localization.label_shift`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.faces import Frames, find_candidates
from localization.hypotheses import Hypotheses
from localization.label_shift import LabelFits, alike_sigma, learn_shift
from localization.observations import Observations
from localization.placing import local_sigma
from localization.positions import Positions
from localization.profile import STEP_M, Fits, image, refine_all, weigh
from localization.signal_model import CORRELATION_M
from recording import Readings, Truth
from recording.words import counted
from stacks.plan import Plan, Shelf

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Half the thickness of a board: where a label hangs whose height the plan does not state.
BELOW_BOARD_M = 0.015
#: How exactly labels hang where the plan says,
HUNG_SIGMA_M = 0.005
#: and across the face and in height, where they bend the phases no less than a book's tag.
DEPTH_SIGMA_M, HEIGHT_SIGMA_M = 0.005, 0.01
#: The fit is looked for so far about the stated place; a label heard farther off hangs elsewhere.
WINDOW_M, ELSEWHERE_M = 0.15, 0.5
#: A label needs so many track cells, and so much of its phases explained.
FEWEST_CELLS, POOREST_SIGMA_M = 4.0, 0.10


def label_shelves(plan: Plan) -> dict[str, tuple[int, Shelf]]:
    """Return face and shelf of every label whose place along its shelf the plan states, by EPC."""
    return {
        shelf.tag.upper(): (number, shelf)
        for number, face in enumerate(plan.faces)
        for shelf in face.shelves
        if shelf.tag is not None and shelf.tag_offset_m is not None
    }


def label_height(shelf: Shelf) -> float:
    """Return the height of a shelf's label."""
    return max(shelf.board_z_m - BELOW_BOARD_M, 0.0) if shelf.tag_z_m is None else shelf.tag_z_m


def label_truth(plan: Plan) -> Truth | None:
    """Return the places of the labels that the plan states; None without any."""
    known = label_shelves(plan)
    if not known:
        return None
    faces = plan.faces
    places = [faces[number].to_map(np.array([shelf.tag_offset_m]), 0.0) for number, shelf in known.values()]
    return Truth(
        epc=np.array(list(known), object),
        x_m=np.array([float(x[0]) for x, _ in places]),
        y_m=np.array([float(y[0]) for _, y in places]),
        z_m=np.array([label_height(shelf) for _, shelf in known.values()]),
        shelf_id=np.array([shelf.id for _, shelf in known.values()], object),
        face=np.array([faces[number].id for number, _ in known.values()], object),
    )


def label_readings(readings: Readings, plan: Plan) -> Ints:
    """Return the rows of labels' readings whose place the plan states, sorted by tag and time, shape (n,)."""
    known = label_shelves(plan)
    is_label = np.array([tag in known for tag in readings.tags], np.bool_)
    rows = np.flatnonzero(is_label[readings.tag]) if len(readings.tags) else np.zeros(0, np.int64)
    return rows[np.argsort(readings.tag[rows], kind="stable")]


def fit_labels(
    observe: Callable[[Ints], Observations], readings: Readings, frames: Frames, plan: Plan
) -> LabelFits:
    """Fit every label that was heard before its own face, at its own height and depth.

    ``observe`` turns rows of readings, shape (n,), sorted by tag, into observations.
    """
    none = np.zeros(0)
    nothing = LabelFits(np.zeros(0, object), np.zeros(0, np.int64), none, none, none)
    rows = label_readings(readings, plan)
    if not len(rows):
        return nothing
    known = label_shelves(plan)
    observations = observe(rows)
    candidates = find_candidates(observations, frames, CORRELATION_M)
    names = [readings.tags[int(observations.tag[tag])] for tag in candidates.tag]
    own = np.array(
        [known[name][0] == face for name, face in zip(names, candidates.face, strict=True)], np.bool_
    )
    chosen = np.flatnonzero(own)
    if not len(chosen):
        return nothing
    candidates = candidates.select(chosen)
    shelves = [known[names[c]][1] for c in chosen.tolist()]
    stated = np.array([float(shelf.tag_offset_m or 0.0) for shelf in shelves])
    weight = weigh(observations, candidates)
    count = len(chosen)
    depth = np.array([-plan.faces[face].tag_depth_m for face in candidates.face.tolist()])
    hypotheses = Hypotheses(
        start=np.arange(count + 1, dtype=np.int64),
        depth_m=depth,
        height_m=np.array([label_height(shelf) for shelf in shelves]),
        depth_sigma_m=np.full(count, DEPTH_SIGMA_M),
        height_sigma_m=np.full(count, HEIGHT_SIGMA_M),
        log_prior=np.zeros(count),
        level=np.array([shelf.level for shelf in shelves], np.int64),
    )
    seen = image(observations, candidates, hypotheses, frames, weight)
    begin = np.empty(count)
    for c in range(count):
        value = seen.value[seen.start[c] : seen.start[c + 1]].astype(np.float64)
        at = seen.low_m[c] + STEP_M * np.arange(len(value))
        begin[c] = at[np.argmax(np.where(np.abs(at - stated[c]) <= WINDOW_M, value, -np.inf))]
    obs = candidates.observation
    phase, k = np.nan_to_num(observations.phase_rad[obs]), observations.wavenumber[obs]
    fitted = refine_all(candidates, np.arange(count), begin, hypotheses, np.arange(count), k, phase, weight)
    sigma = _sigma(fitted, begin, np.add.reduceat(k, candidates.start[:-1]) / np.diff(candidates.start))
    good = (fitted[:, 7] >= FEWEST_CELLS) & (sigma <= POOREST_SIGMA_M)
    good &= np.abs(fitted[:, 0] - stated) <= WINDOW_M
    found = LabelFits(
        np.array([names[c] for c in chosen.tolist()], object), candidates.face.copy(), stated,
        fitted[:, 0] - stated, sigma,
    )  # fmt: skip
    return found.select(good)


def _sigma(fitted: Floats, begin: Floats, wavenumber: Floats) -> Floats:
    return np.hypot(local_sigma(Fits.of(begin, fitted), wavenumber), HUNG_SIGMA_M)


def place_labels(positions: Positions, fits: LabelFits, plan: Plan) -> LabelFits:
    """Put labels where their own fits have them; return the fits of those that hang where the plan says.

    A label that the run puts on another face, or far along, fell off or was moved with its board: no reference.
    """
    row_of = {epc: row for row, epc in enumerate(positions.epc.tolist())}
    rows = np.array([row_of.get(epc, -1) for epc in fits.epc.tolist()], np.int64)
    faces = [face.id for face in plan.faces]
    shelves = label_shelves(plan)
    hangs = np.zeros(len(fits), np.bool_)
    for n, row in enumerate(rows.tolist()):
        face, shelf = shelves[str(fits.epc[n])]
        if row < 0 or positions.face_id[row] != faces[face]:
            continue
        if abs(positions.offset_m[row] - fits.offset_m[n]) > ELSEWHERE_M:
            continue
        hangs[n] = True
        offset = fits.offset_m[n] + fits.error_m[n]
        common = math.sqrt(max(positions.sigma_along_m[row] ** 2 - positions.sigma_local_m[row] ** 2, 0.0))
        x, y = plan.faces[face].to_map(np.array([offset]), 0.0)
        positions.x_m[row], positions.y_m[row], positions.z_m[row] = x[0], y[0], label_height(shelf)
        positions.offset_m[row], positions.shelf_id[row] = offset, shelf.id
        positions.sigma_local_m[row] = fits.sigma_m[n]
        positions.sigma_along_m[row] = math.hypot(fits.sigma_m[n], common)
        positions.alt_shelf_id[row], positions.alt_offset_m[row], positions.p_alt[row] = (
            None,
            math.nan,
            math.nan,
        )
        positions.p_shelf[row] = 1.0
    return fits.select(hangs)


def use_labels(
    positions: Positions,
    observe: Callable[[Ints], Observations],
    readings: Readings,
    frames: Frames,
    plan: Plan,
    calibration: Calibration,
    run_id: str,
    off_m: Floats,
    *,
    shift: bool = True,
) -> tuple[LabelFits, list[str]]:
    """Place the labels of a run by themselves, and everything else by them; return their fits and what to say.

    Parameters
    ----------
    positions : Positions
        Changed in place.
    observe : callable(rows)
        Turns readings (sorted by tag) into observations.
    readings, frames, plan, calibration, run_id
        Of the run.
    off_m : float64 array, shape (f,)
        How far off the places of each face may be together, where that is more than their bars say; NaN: as these say.
    shift : bool
        Whether places are moved by what the labels say.
    """
    notes: list[str] = []
    if untold := sum(shelf.tag is not None and shelf.tag_offset_m is None for shelf in plan.shelves):
        heard = set(readings.tags)
        if any(shelf.tag is not None and shelf.tag.upper() in heard for shelf in plan.shelves):
            notes.append(
                f"the plan names {untold} shelf labels without saying where along the shelf they hang "
                "(tag_offset_m): they are no references"
            )
    fits = fit_labels(observe, readings, frames, plan)
    if not len(fits):
        return fits, notes
    added = np.array([calibration.face_shift_m.get(face.id, 0.0) for face in plan.faces])
    fits = replace(fits, error_m=fits.error_m + added[fits.face])
    heard_on = len(fits)
    fits = place_labels(positions, fits, plan)
    if heard_on > len(fits):
        notes.append(
            f"{heard_on - len(fits)} shelf labels were heard elsewhere than the plan says, and left out"
        )
    # What this very run's labels told the calibration they would tell once more.
    told = calibration.references_of(run_id)
    if shift and any(epc in told for epc in fits.epc.tolist()):
        shift = False
        notes.append("the calibration was learnt from this run's own shelf labels: they are not used again")
    return fits, notes + (shift_by_labels(positions, fits, plan, off_m) if shift else [])


def shift_by_labels(positions: Positions, fits: LabelFits, plan: Plan, off_m: Floats) -> list[str]:
    """Take out of all places what the labels say that the run is off by; return what to say of it.

    ``off_m`` is how far off the run may be on each face, m, shape (faces,).
    """
    moved = take_out(positions, fits, plan, alike_sigma(fits), off_m)
    if not moved:
        return []
    return [
        f"{counted(len(fits), 'shelf label')} on {counted(len(moved), 'face')}: places were moved along by "
        f"{', '.join(f'{-100 * m:+.1f}' for m in moved[:6])} cm{' ...' if len(moved) > 6 else ''}"
    ]


def take_out(positions: Positions, fits: LabelFits, plan: Plan, alike_m: float, off_m: Floats) -> list[float]:
    """Take out of all places what references say that the run is off by; return it for each face that has any.

    Parameters
    ----------
    positions : Positions
        Changed in place.
    fits : LabelFits
        References of the run: labels, or whatever else stands where the plan says.
    plan : Plan
    alike_m : float
        What the references may all be off by together.
    off_m : float64 array, shape (f,)
        How far off the places of each face may be together, where that is more than their bars say; NaN: as these say.
    """
    moved: list[float] = []
    for number, face in enumerate(plan.faces):
        here = np.flatnonzero((positions.face_id == face.id) & positions.placed)
        own = fits.select(fits.face == number)
        if not len(own) or not len(here):
            continue
        common = np.sqrt(
            np.maximum(positions.sigma_along_m[here] ** 2 - positions.sigma_local_m[here] ** 2, 0.0)
        )
        stated = float(np.nanmedian(common))
        shared = float(np.fmax(stated, off_m[number]))
        if not stated > 0.0:
            continue
        learnt = learn_shift(own, shared, alike_m)
        shift, left = learnt.at(positions.offset_m[here])
        ux, uy = face.direction
        positions.offset_m[here] -= shift
        positions.x_m[here] -= shift * ux
        positions.y_m[here] -= shift * uy
        # A place that is surer or less sure of what it shares than others stays so in proportion.
        positions.sigma_along_m[here] = np.hypot(positions.sigma_local_m[here], left * common / stated)
        moved.append(float(np.median(shift)))
        second = np.flatnonzero(np.isfinite(positions.alt_offset_m))
        ids = {shelf.id for shelf in face.shelves}
        second = (
            second[[positions.alt_shelf_id[row] in ids for row in second.tolist()]] if len(second) else second
        )
        positions.alt_offset_m[second] -= learnt.at(positions.alt_offset_m[second])[0]
    return moved
