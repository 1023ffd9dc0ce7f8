"""Shelf labels whose place the plan states, as reference tags within the run itself.

What a run is off by along a face (phase centres, clock, poses) no book can tell, as all of them feel it alike. A label
on its board's edge can: its place is known, so its phases are fitted at its own height and depth, and how far the
fit lies from the stated offset is what the run is off by there. Between labels the error is a Gaussian process along
the face: a constant, as wide as the run itself says it may be off, and what poses wander by (kriging; Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.calibration import Calibration
from localization.faces import Frames, find_candidates
from localization.hypotheses import Hypotheses
from localization.observations import Observations
from localization.placing import local_sigma
from localization.positions import Positions
from localization.profile import STEP_M, Fits, image, refine_all, weigh
from localization.signal_model import CORRELATION_M
from recording import Readings, Truth
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
#: Poses wander over about this way; by how much is looked for among these, against what the run shares in all.
WANDER_REACH_M = 1.0
WANDER_SHARES: Floats = np.array([0.02, 0.1, 0.3, 0.6])
#: Labels stand beside the uprights, whose metal pulls them by more or less than their bars say: looked for among these.
NOISE_FACTORS: Floats = np.array([0.7, 1.0, 1.4, 2.0, 2.8])
#: Labels hang alike, beside like metal, and are pulled alike: a deviation of so much of what they scatter by, which no
#: number of labels averages out.
ALIKE = 0.6
#: Labels scatter by no less than this share of their bars, and no more than so many times.
SCATTER_SHARES = (0.5, 3.0)
#: A residual beyond so many deviations counts no more than at them (Huber).
HUBER = 1.345
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class LabelFits:
    """Labels fitted at their own height and depth; ``n`` of them.

    Attributes
    ----------
    epc : object array of str, shape (n,)
    face : int64 array, shape (n,)
        Index into the plan's faces.
    offset_m : float64 array, shape (n,)
        Where the plan says they hang.
    error_m, sigma_m : float64 array, shape (n,)
        How far the fit lies from there, and its own bar.
    """

    epc: npt.NDArray[np.object_]
    face: Ints
    offset_m: Floats
    error_m: Floats
    sigma_m: Floats

    def __len__(self) -> int:
        return len(self.epc)

    def select(self, rows: npt.NDArray[np.bool_] | Ints) -> LabelFits:
        """Return some of them."""
        return LabelFits(
            self.epc[rows], self.face[rows], self.offset_m[rows], self.error_m[rows], self.sigma_m[rows]
        )


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
    """Return the readings of labels whose place the plan states, sorted by tag and time."""
    known = label_shelves(plan)
    is_label = np.array([tag in known for tag in readings.tags], np.bool_)
    rows = np.flatnonzero(is_label[readings.tag]) if len(readings.tags) else np.zeros(0, np.int64)
    return rows[np.argsort(readings.tag[rows], kind="stable")]


def fit_labels(
    observe: Callable[[Ints], Observations], readings: Readings, frames: Frames, plan: Plan
) -> LabelFits:
    """Fit every label that was heard before its own face, at its own height and depth."""
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
    ones = np.ones(len(fitted))
    fits = Fits(
        start_m=begin, refined=fitted, offset_m=fitted[:, 0], depth_m=fitted[:, 1], height_m=fitted[:, 2],
        variance=fitted[:, 3], scale_rad=fitted[:, 4], log_likelihood=-fitted[:, 5] * fitted[:, 6],
        cells=fitted[:, 7], peak_share=ones, other_m=fitted[:, 0], read_likelihood=0.0 * ones,
    )  # fmt: skip
    return np.hypot(local_sigma(fits, wavenumber), HUNG_SIGMA_M)


@dataclass(frozen=True, slots=True)
class Shift:
    """What a run is off by along one face, as labels tell it.

    Attributes
    ----------
    labels_m, weight_m : float64 array, shape (n,)
        Offsets of the labels, and what each adds to the estimate by its covariance with a place.
    solved : float64 array, shape (n, n)
        Inverse covariance of the labels' errors.
    constant_m2, wander_m2 : float64
        Variances of the shift: alike along the face, and wandering.
    """

    labels_m: Floats
    weight_m: Floats
    solved: Floats
    constant_m2: float
    wander_m2: float

    def at(self, offset_m: Floats) -> tuple[Floats, Floats]:
        """Return the shift at places, and the deviation that is left, two of shape (m,)."""
        gain = _covariance(offset_m, self.labels_m, self.constant_m2, self.wander_m2)
        left = self.constant_m2 + self.wander_m2 - np.einsum("ij,jk,ik->i", gain, self.solved, gain)
        return gain @ self.weight_m, np.sqrt(np.maximum(left, 0.0))


def learn_shift(fits: LabelFits, shared_m: float, alike_m: float = 0.0) -> Shift:
    """Learn the shift along one face from its labels.

    Parameters
    ----------
    fits : LabelFits
        Of one face; one or more.
    shared_m : float
        What the run says that places of the face may be off by together.
    alike_m : float
        What the labels themselves may all be off by together.
    """
    variance = shared_m**2
    best, found = -math.inf, (0.5, 1.0)
    # How much wanders, and how much worse labels are than their bars, by marginal likelihood; few labels keep to one.
    for share in WANDER_SHARES.tolist():
        for factor in NOISE_FACTORS.tolist():
            value = (
                _evidence(fits, variance, share, factor, alike_m)
                - 0.5 * math.log(factor) ** 2 / math.log(2.0) ** 2
            )
            if value > best:
                best, found = value, (share, factor)
    share, factor = found
    noise = (factor * fits.sigma_m) ** 2
    weight = np.ones(len(fits))
    covariance = _covariance(fits.offset_m, fits.offset_m, (1.0 - share) * variance, share * variance)
    # Seen in the labels, but no part of what places are off by.
    seen = covariance + alike_m**2
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(seen + np.diag(noise / weight))
        told = inverse @ fits.error_m
        left = fits.error_m - seen @ told
        weight = np.minimum(1.0, HUBER * np.sqrt(noise) / np.maximum(np.abs(left), 1e-9))
    inverse = np.asarray(np.linalg.inv(seen + np.diag(noise / weight)), np.float64)
    return Shift(fits.offset_m, inverse @ fits.error_m, inverse, (1.0 - share) * variance, share * variance)


def _covariance(a_m: Floats, b_m: Floats, constant_m2: float, wander_m2: float) -> Floats:
    return constant_m2 + wander_m2 * np.exp(-0.5 * ((a_m[:, None] - b_m[None, :]) / WANDER_REACH_M) ** 2)


def _evidence(fits: LabelFits, variance: float, share: float, factor: float, alike_m: float) -> float:
    constant = (1.0 - share) * variance + alike_m**2
    covariance = _covariance(fits.offset_m, fits.offset_m, constant, share * variance)
    covariance += np.diag((factor * fits.sigma_m) ** 2)
    factored = np.linalg.cholesky(covariance)
    return float(
        -0.5 * np.sum(np.linalg.solve(factored, fits.error_m) ** 2) - np.log(np.diag(factored)).sum()
    )


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
    """Take out of all places what the labels say that the run is off by; return what to say of it."""
    moved = take_out(positions, fits, plan, alike_sigma(fits), off_m)
    if not moved:
        return []
    return [
        f"{len(fits)} shelf labels on {len(moved)} faces: places were moved along by "
        f"{', '.join(f'{-100 * m:+.1f}' for m in moved[:6])} cm{' ...' if len(moved) > 6 else ''}"
    ]


def alike_sigma(fits: LabelFits) -> float:
    """Return what all labels may be off by together, by how much those of one face scatter against their bars."""
    if not len(fits):
        return 0.0
    away = [
        (own.error_m - np.median(own.error_m)) / own.sigma_m * np.sqrt(len(own) / (len(own) - 1.0))
        for own in (fits.select(fits.face == face) for face in np.unique(fits.face))
        if len(own) > 1
    ]
    # Single labels show no scatter: theirs is taken to be what their bars say.
    scatter = 1.4826 * float(np.median(np.abs(np.concatenate(away)))) if away else 1.0
    return ALIKE * float(np.clip(scatter, *SCATTER_SHARES)) * float(np.median(fits.sigma_m))


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
