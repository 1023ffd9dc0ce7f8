"""Learn a calibration from scans of one robot in one site: with surveyed tags, with a few of them, or without any.

Without references a run teaches only what :mod:`localization.registration` sees: antennas against each other and the
distances of the faces. With references their mean, the latency and the shift of each face can be seen as well, by the
mixed model of :mod:`localization.calibrate_model`. What is said of the error that remains is measured on what was
left out: runs or faces; within the runs themselves it is what the references leave, held against halves of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.calibrate_left_out import (
    LeftOut,
    halves_factor,
    left_out_faces,
    left_out_runs,
    less_spare,
    unseen_sigma,
)
from localization.calibrate_model import Site, Weighed, left_out_notes, usable, weigh_references
from localization.calibrate_nights import evidence_of, places_of
from localization.calibrate_solve import Solution, solve
from localization.calibration import OTHER_NIGHT_M, Calibration, CalibrationError
from localization.label_shift import ALIKE
from localization.labels import label_shelves
from localization.registered import Geometry, combine
from localization.steps import Progress
from localization.witness import Witness, matched, witness
from recording import Recording, RunInfo, Truth
from recording.words import counted
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number of a calibration, for a table: its name, value and deviation (NaN: not told), and their unit."""

    name: str
    value: float
    sigma: float
    unit: str


@dataclass(frozen=True, slots=True)
class Learnt:
    """What scans taught.

    Attributes
    ----------
    calibration : Calibration
    estimates : tuple of Estimate
    notes : tuple of str
        What was told, left out and assumed, one sentence each.
    """

    calibration: Calibration
    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...]


def calibrate(
    recordings: Sequence[Recording],
    plan: Plan,
    references: Truth | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    before: Calibration | None = None,
    source: str = "calibration",
) -> Learnt:
    """Learn a calibration from scans of one robot in one site.

    Parameters
    ----------
    recordings : sequence of Recording
        Their own truth is not looked at.
    plan : Plan
    references : Truth, optional
        Tags whose places are known. None: only what the runs teach of themselves.
    jobs : int
        Threads.
    progress : callable(share, text), optional
    before : Calibration, optional
        Whose nights are learnt from as well, the older the less (``calibrate_update``).
    source : str
        Its name, for errors.

    Returns
    -------
    Learnt

    Raises
    ------
    CalibrationError
        The scans are of different robots or sites, or nothing can be learnt from them.
    """
    tell: Progress = progress or (lambda _share, _text: None)
    check_alike([recording.info for recording in recordings])
    witnesses: list[Witness] = []
    for number, recording in enumerate(recordings):

        def told(share: float, text: str, done: int = number) -> None:
            tell((done + share) / len(recordings) * 0.95, f"{recordings[done].info.run_id}: {text}")

        witnesses.append(witness(recording, plan, jobs=jobs, halves=len(recordings) == 1, progress=told))
    tell(0.95, "putting them together")
    if before is None:
        learnt = learn(witnesses, plan, references)
    else:
        # Here, as that module learns by this one.
        from localization.calibrate_update import update

        learnt = update(before, witnesses, plan, references, source=source)
    tell(1.0, "done")
    return learnt


def check_alike(infos: Sequence[RunInfo]) -> None:
    """Refuse runs of several robots or sites, of a robot whose antennas were moved, or one run twice.

    Raises
    ------
    CalibrationError
    """
    if not infos:
        raise CalibrationError("no recording was named; name one or more of one robot in one site")
    robots, sites = sorted({one.robot_id for one in infos}), sorted({one.site for one in infos})
    for what, names in (("robots", robots), ("sites", sites)):
        if len(names) > 1:
            raise CalibrationError(
                f"the recordings are of different {what} ({', '.join(names)}); calibrate each by itself"
            )
    ids = [one.run_id for one in infos]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise CalibrationError(f"run {twice[0]} was named twice, which is no more evidence; name it once")
    mounts = [{(m.id, m.position_m, m.boresight_deg) for m in one.antennas} for one in infos]
    for info, other in zip(infos[1:], mounts[1:], strict=True):
        if other != mounts[0]:
            raise CalibrationError(
                f"run {info.run_id}: its antennas are mounted otherwise than in run {ids[0]}; calibrate each by itself"
            )


def learn(
    witnesses: Sequence[Witness],
    plan: Plan,
    references: Truth | None = None,
    *,
    forgotten_m2: Floats | None = None,
) -> Learnt:
    """Put together what scans say; as :func:`calibrate`, from scans already localized.

    ``forgotten_m2`` is the variance that the word of each of them has gained since, shape (witnesses,); None: none.
    """
    learnt = _learn(witnesses, plan, references, forgotten_m2)
    places = places_of(references, plan)
    kept = tuple(evidence_of(one, places, plan) for one in witnesses)
    return replace(learnt, calibration=replace(learnt.calibration, nights=kept))


def _learn(
    witnesses: Sequence[Witness], plan: Plan, references: Truth | None, forgotten_m2: Floats | None
) -> Learnt:
    check_alike([one.info for one in witnesses])
    # HF tells no phase, hence has no phase centre: its loops are where they were measured to be.
    antennas = sorted(mount.id for mount in witnesses[0].info.antennas if mount.air == "gen2")
    geometry = combine([one.geometry for one in witnesses])
    notes: list[str] = []
    refs, epcs = matched(witnesses, plan, references, notes)
    if not len(refs):
        if references is not None:
            raise CalibrationError(
                "none of the reference tags was placed on its face in these recordings; name tags that they hear"
            )
        if geometry is None:
            raise CalibrationError(
                "without reference tags too few tags are placed to learn anything; name reference tags or other scans"
            )
        notes.append(
            "no reference tags: antennas' mean phase centre, latency and faces' shifts were not looked for"
        )
        return _without(witnesses, antennas, geometry, notes)
    good = usable(refs)
    if not good.all():
        notes += left_out_notes(good, sorted({epcs[tag] for tag in refs.tag[~good]}))
        refs = refs.select(good)
    site = site_of(plan)
    weighed = weigh_references(refs, forgotten_m2)
    cells = weighed.cells()
    solution = solve(cells, site)
    notes += _told(solution, cells.speed_mps)
    shift, shift_sigma = solution.faces(site)
    seen = np.unique(cells.face)
    ids = [face.id for face in plan.faces]
    runs = len(np.unique(cells.run))
    by_face = left_out_faces(weighed, site, solution.model) if len(seen) > 1 else None
    alike = _alike(weighed, epcs, plan)
    remaining = {
        name: math.hypot(value, alike) if name.startswith("shift_sigma") else value
        for name, value in _remaining(weighed, site, solution, by_face, notes).items()
    }
    spread = max(solution.model.face_spread_m, 0.0 if by_face is None else by_face.shared_sigma())
    far = unseen_sigma(cells, site, solution.model, spread)
    # On another night such a face is no surer than those that references told of.
    far = np.maximum(far, remaining["shift_sigma_m"])
    unseen = {ids[f]: round(float(far[f]), 5) for f in range(len(ids)) if f not in seen}
    if unseen:
        notes.append(
            f"{counted(len(unseen), 'face')} without references: bars there take in a map that is shifted and "
            f"turned, up to {100 * max(unseen.values()):.0f} cm"
        )
    centre, centre_sigma = float(solution.mean[0]), math.sqrt(solution.covariance[0, 0])
    latency = float(solution.mean[1]) if solution.model.latency else 0.0
    latency_sigma = math.sqrt(solution.covariance[1, 1]) if solution.model.latency else float("nan")
    estimates = [Estimate("latency_s", latency, latency_sigma, "s")]
    estimates += _antenna_estimates(antennas, geometry, centre, centre_sigma)
    moved = set(range(len(ids))) if solution.model.shifted else set(seen.tolist())
    estimates += [
        Estimate(f"face_shift_m.{ids[f]}", -float(shift[f]), float(shift_sigma[f]), "m")
        for f in sorted(moved)
    ]
    estimates += _depth_estimates(geometry)
    estimates += [Estimate(name, value, float("nan"), "m") for name, value in remaining.items()]
    tags = len(np.unique(refs.tag))
    notes.insert(
        0, f"{counted(tags, 'reference tag')} on {counted(len(seen), 'face')} in {counted(runs, 'recording')}"
    )
    return _made(witnesses, estimates, unseen, notes)


def _without(
    witnesses: Sequence[Witness], antennas: Sequence[int], geometry: Geometry, notes: list[str]
) -> Learnt:
    estimates = [*_antenna_estimates(antennas, geometry, 0.0, 0.0), *_depth_estimates(geometry)]
    return _made(witnesses, estimates, {}, notes)


def _made(
    witnesses: Sequence[Witness], estimates: Sequence[Estimate], unseen: Mapping[str, float], notes: list[str]
) -> Learnt:
    """Put the numbers into a calibration, to the hundredth of a millimetre."""
    values: dict[str, dict[str, float]] = {}
    deviations: dict[str, dict[str, float]] = {}
    for estimate in estimates:
        name, _, key = estimate.name.partition(".")
        values.setdefault(name, {})[key] = round(estimate.value, 5)
        if math.isfinite(estimate.sigma):
            deviations.setdefault(name, {})[key] = round(estimate.sigma, 5)

    def by_antenna(name: str) -> dict[int, float]:
        return {int(key): value for key, value in values.get(name, {}).items()}

    def one(name: str) -> float | None:
        return values[name][""] if name in values else None

    calibration = Calibration(
        latency_s=one("latency_s") or 0.0,
        phase_centre_m=by_antenna("phase_centre_m"),
        face_shift_m=values.get("face_shift_m", {}),
        sigma_m=one("sigma_m"),
        phase_centre_left_m=by_antenna("phase_centre_left_m"),
        face_depth_m=values.get("face_depth_m", {}),
        face_sigma_m=unseen,
        run_ids=tuple(one.info.run_id for one in witnesses),
        sigma_run_m=one("sigma_run_m"),
        shift_sigma_m=one("shift_sigma_m"),
        shift_sigma_run_m=one("shift_sigma_run_m"),
        deviations={name: held.get("", held) for name, held in deviations.items()},
    )
    return Learnt(calibration, tuple(estimates), tuple(notes))


def _antenna_estimates(
    antennas: Sequence[int], geometry: Geometry | None, centre_m: float, centre_sigma_m: float
) -> list[Estimate]:
    estimates: list[Estimate] = []
    for antenna in antennas:
        ahead, ahead_sigma, left, left_sigma = (
            (0.0, 0.0, 0.0, 0.0) if geometry is None else geometry.antenna(antenna)
        )
        sigma = math.hypot(ahead_sigma, centre_sigma_m)
        estimates.append(Estimate(f"phase_centre_m.{antenna}", centre_m + ahead, sigma, "m"))
        if left:
            estimates.append(Estimate(f"phase_centre_left_m.{antenna}", left, left_sigma, "m"))
    return estimates


def _depth_estimates(geometry: Geometry | None) -> list[Estimate]:
    if geometry is None:
        return []
    return [
        Estimate(f"face_depth_m.{name}", value, sigma, "m")
        for name, (value, sigma) in geometry.depths().items()
        if value
    ]


def _told(solution: Solution, speed: Floats) -> list[str]:
    model, notes = solution.model, list[str]()
    if model.latency:
        notes.append(
            f"latency and phase centre told apart by speeds of {speed.min():.2f} to {speed.max():.2f} m/s "
            "along the faces"
        )
    else:
        notes.append(
            "latency and phase centre cannot be told apart at these speeds: their sum was put into phase_centre_m "
            f"and holds at {float(np.median(np.abs(speed))):.2f} m/s; scan at two speeds to tell them"
        )
    notes.append(
        f"the map is turned against the survey by {math.degrees(solution.mean[4]):.2f} degrees, "
        "which foretells left-out faces; it is in face_shift_m"
        if model.shifted
        else "no turn of the map was taken: it does not foretell left-out faces"
    )
    return notes


def _remaining(
    weighed: Weighed, site: Site, solution: Solution, by_face: LeftOut | None, notes: list[str]
) -> dict[str, float]:
    """Return the errors that calibrated runs share by name, and those of the runs themselves where no two saw one face.

    ``shift_sigma_m`` is how far what is applied may be off; ``sigma_m`` what of it tags' own bars do not hold already.
    """
    if len(np.unique(weighed.references.run)) > 1:
        by_run = left_out_runs(weighed, site)
        if len(by_run):
            seen = by_run.seen_sigma()
            notes.append(
                f"sigma_m is from {counted(len(by_run), 'face')} in left-out runs"
                + _spare(seen, by_run.unused_m2)
            )
            return {"sigma_m": by_run.shared_sigma(), "shift_sigma_m": seen}
    # In the runs themselves, what all references together do not know; halves of them tell whether that is all.
    cells = weighed.cells()
    unsure = solution.predict(site, cells.face, cells.heading, cells.speed_mps)[1]
    off_run = halves_factor(weighed, site, solution.model) * math.sqrt(
        float(np.mean(np.maximum(unsure, 0.0)))
    )
    sigma_run = less_spare(off_run, weighed.unused_m2)
    if by_face is None:
        sigma, off = math.hypot(sigma_run, OTHER_NIGHT_M), off_run
    else:
        sigma, off = max(by_face.shared_sigma(), sigma_run), max(by_face.seen_sigma(), off_run)
    notes.append(
        "no face was seen in two runs: what it keeps from run to run cannot be told apart from what it does not; "
        f"sigma_m is {'supposed' if by_face is None else 'from left-out faces'}, sigma_run_m, for these runs "
        "themselves, what their references leave" + _spare(off_run, weighed.unused_m2)
    )
    return {
        "sigma_m": sigma,
        "sigma_run_m": sigma_run,
        "shift_sigma_m": math.hypot(off, OTHER_NIGHT_M),
        "shift_sigma_run_m": off_run,
    }


def _alike(weighed: Weighed, epcs: Sequence[str], plan: Plan) -> float:
    """Return what shelf labels among the references are off by alike, every night, which no left-out one shows."""
    labels = label_shelves(plan)
    named = np.array([epcs[tag] in labels for tag in weighed.references.tag.tolist()], np.bool_)
    if not named.any():
        return 0.0
    return ALIKE * float(np.median(weighed.sigma_m[named]) * named.mean())


def _spare(seen_m: float, unused_m2: float) -> str:
    """Say where a bar is narrower than the error shared."""
    if unused_m2 <= 0.0:
        return ""
    return (
        f"; their tags shared {100 * seen_m:.1f} cm, of which tags' own bars, wider than their errors, "
        f"hold {100 * math.sqrt(unused_m2):.1f} cm already"
    )


def site_of(plan: Plan) -> Site:
    """Return the faces of a plan as the mixed model takes them."""
    angle = np.radians([face.direction_deg for face in plan.faces])
    middle = np.array(
        [np.ravel(face.to_map(np.array([face.length_m / 2]))) for face in plan.faces], np.float64
    )
    return Site(np.stack([np.cos(angle), np.sin(angle)], axis=1), middle - middle.mean(axis=0))
