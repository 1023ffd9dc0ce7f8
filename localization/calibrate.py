"""Learn a calibration from scans of one robot in one site: with surveyed tags, with a few of them, or without any.

Without references a run teaches only what :mod:`localization.registration` sees: antennas against each other and the
distances of the faces. With references their mean, the latency and the shift of each face can be seen as well, by the
mixed model of :mod:`localization.calibrate_model`. What is said of the error that remains is always measured on what
was left out: runs, faces or, within the runs themselves, tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.calibrate_model import (
    Cells,
    References,
    Site,
    Solution,
    left_out_faces,
    left_out_runs,
    left_out_tags,
    shared_sigma,
    solve,
    usable,
    weigh_references,
)
from localization.calibration import Calibration, CalibrationError
from localization.estimator import Localizer
from localization.evaluate import true_faces
from localization.positions import Positions
from localization.registered import Geometry, combine, geometry_of
from recording import Recording, Truth
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Progress = Callable[[float, str], None]

#: References left out one by one, at most, to tell what a run's own calibration leaves.
MOST_LEFT_OUT = 200
#: The robot's speed is its way over so long, ns.
SPEED_NS = 1_000_000_000
#: Two faces' direction and speed count as one where they differ by less than this (m/s).
SPEED_APART_MPS = 0.01


@dataclass(frozen=True, slots=True)
class Witness:
    """What one scan says before any truth is looked at; ``n`` tags placed on a face.

    Attributes
    ----------
    run_id, robot_id, site : str
    antennas : tuple of int
    epc, face : object array, shape (n,)
    offset_m, sigma_m : float64 array, shape (n,)
        As estimated without a calibration, with the bar of the tag itself and its poses.
    heading, speed_mps : float64 array, shape (n,)
        Of the robot along the tag's face where the tag was heard.
    geometry : Geometry or None
        What the registration taught.
    """

    run_id: str
    robot_id: str
    site: str
    antennas: tuple[int, ...]
    epc: npt.NDArray[np.object_]
    face: npt.NDArray[np.object_]
    offset_m: Floats
    sigma_m: Floats
    heading: Floats
    speed_mps: Floats
    geometry: Geometry | None


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

    Returns
    -------
    Learnt

    Raises
    ------
    CalibrationError
        The scans are of different robots or sites, or nothing can be learnt from them.
    """
    tell: Progress = progress or (lambda _share, _text: None)
    check_alike([(r.info.run_id, r.info.robot_id, r.info.site) for r in recordings])
    witnesses: list[Witness] = []
    for number, recording in enumerate(recordings):

        def told(share: float, text: str, done: int = number) -> None:
            tell((done + share) / len(recordings) * 0.95, f"{recordings[done].info.run_id}: {text}")

        witnesses.append(witness(recording, plan, jobs=jobs, halves=len(recordings) == 1, progress=told))
    tell(0.95, "putting them together")
    learnt = learn(witnesses, plan, references)
    tell(1.0, "done")
    return learnt


def check_alike(runs: Sequence[tuple[str, str, str]]) -> None:
    """Refuse runs (id, robot, site) of several robots or sites, or one run twice."""
    if not runs:
        raise CalibrationError("no recording was named; name one or more of one robot in one site")
    for what, column in (("robots", 1), ("sites", 2)):
        names = sorted({run[column] for run in runs})
        if len(names) > 1:
            raise CalibrationError(
                f"the recordings are of different {what} ({', '.join(names)}); calibrate each by itself"
            )
    ids = [run[0] for run in runs]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise CalibrationError(
            f"run {twice[0]} was named twice; what it repeats is no evidence, name it once"
        )


def witness(
    recording: Recording,
    plan: Plan,
    *,
    jobs: int = 1,
    halves: bool = False,
    progress: Progress | None = None,
) -> Witness:
    """Localize a scan without calibration and keep what a calibration can be learnt from.

    Parameters
    ----------
    recording : Recording
    plan : Plan
    jobs : int
    halves : bool
        Register two halves of the tags apart, too: with one scan alone, how far they differ is the only evidence of
        how sure the registration is.
    progress : callable(share, text), optional
    """
    # A shared error of zero: what is left of sigma_along_m is the tag's own error and its poses'.
    fitted = Localizer(plan, calibration=Calibration(sigma_m=0.0), jobs=jobs).fit(
        recording, progress=progress
    )
    positions = fitted.localization_.positions
    known = np.array([face is not None for face in positions.face_id], np.bool_) & positions.placed
    positions = positions.select(known)
    heading, speed = _motion(recording, plan, positions)
    info = recording.info
    return Witness(
        info.run_id, info.robot_id, info.site, tuple(sorted(mount.id for mount in info.antennas)),
        positions.epc, positions.face_id, positions.offset_m, positions.sigma_along_m, heading, speed,
        geometry_of(recording, plan, fitted, halves=halves),
    )  # fmt: skip


def learn(witnesses: Sequence[Witness], plan: Plan, references: Truth | None = None) -> Learnt:
    """Put together what scans say; as :func:`calibrate`, from scans already localized."""
    check_alike([(one.run_id, one.robot_id, one.site) for one in witnesses])
    antennas = sorted({antenna for one in witnesses for antenna in one.antennas})
    geometry = combine([one.geometry for one in witnesses])
    notes: list[str] = []
    refs, epcs = _references(witnesses, plan, references, notes)
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
        names = sorted({epcs[tag] for tag in refs.tag[~good]})
        notes.append(
            f"left out, since they stand elsewhere than they are said to: {', '.join(names[:5])}"
            + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        )
        refs = refs.select(good)
    site = _site(plan)
    weighed = weigh_references(refs)
    cells = weighed.cells()
    solution = solve(cells, site)
    notes += _told(solution, cells.speed_mps)
    shift, shift_sigma = solution.faces(site)
    seen = np.unique(cells.face)
    ids = [face.id for face in plan.faces]
    runs = len(np.unique(cells.run))
    by_face = _left_out_faces(cells, site, solution)
    sigma_run = None
    if runs > 1:
        miss, variance = left_out_runs(cells, site)
        kept = cells.repeat * float(np.median(np.diag(cells.noise)))
        sigma = math.hypot(shared_sigma(miss, variance), math.sqrt(kept))
        notes.append(f"sigma_m is what {len(miss)} faces of left-out runs were off by")
    else:
        miss, variance = left_out_tags(weighed, site, solution.model, MOST_LEFT_OUT)
        sigma_run = shared_sigma(miss, variance)
        sigma = sigma_run if math.isnan(by_face) else max(by_face, sigma_run)
        notes.append(
            "one recording: what a face keeps from run to run and what it does not cannot be told apart; sigma_m is "
            "what "
            + ("left-out references" if math.isnan(by_face) else "left-out faces")
            + " were off by, sigma_run_m what left-out references of this run were"
        )
    unseen = {
        ids[f]: round(max(sigma, by_face if math.isfinite(by_face) else math.sqrt(shift_sigma[f] ** 2)), 5)
        for f in range(len(ids))
        if f not in seen
    }
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
    estimates.append(Estimate("sigma_m", sigma, float("nan"), "m"))
    if sigma_run is not None:
        estimates.append(Estimate("sigma_run_m", sigma_run, float("nan"), "m"))
    tags = len(np.unique(refs.tag))
    notes.insert(0, f"{tags} reference tags on {len(seen)} faces in {runs} recording{'s' * (runs > 1)}")
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
        run_ids=tuple(witness.run_id for witness in witnesses),
        sigma_run_m=one("sigma_run_m"),
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


def _left_out_faces(cells: Cells, site: Site, solution: Solution) -> float:
    if len(np.unique(cells.face)) < 2:
        return float("nan")
    return shared_sigma(*left_out_faces(cells, site, solution.model))


def _site(plan: Plan) -> Site:
    angle = np.radians([face.direction_deg for face in plan.faces])
    middle = np.array(
        [np.ravel(face.to_map(np.array([face.length_m / 2]))) for face in plan.faces], np.float64
    )
    return Site(np.stack([np.cos(angle), np.sin(angle)], axis=1), middle - middle.mean(axis=0))


def _references(
    witnesses: Sequence[Witness], plan: Plan, references: Truth | None, notes: list[str]
) -> tuple[References, list[str]]:
    """Match the references with what the scans placed on their faces."""
    number = {face.id: n for n, face in enumerate(plan.faces)}
    rows: list[tuple[int, int, int, float, float, float, float]] = []
    epcs: list[str] = [] if references is None else references.epc.tolist()
    if references is not None:
        faces = true_faces(references, plan)
        there = np.ones(len(epcs), np.bool_) if references.present is None else references.present
        offset = np.full(len(epcs), np.nan)
        for face in plan.faces:
            here = np.flatnonzero(faces == face.id)
            offset[here] = face.to_face(references.x_m[here], references.y_m[here])[0]
        known = {epc: tag for tag, epc in enumerate(epcs) if there[tag] and np.isfinite(offset[tag])}
        for run, one in enumerate(witnesses):
            for row, epc in enumerate(one.epc.tolist()):
                tag = known.get(epc, -1)
                if tag >= 0 and one.face[row] == faces[tag]:
                    error = float(one.offset_m[row] - offset[tag])
                    if np.isfinite(error) and np.isfinite(one.heading[row]):
                        rows.append(
                            (run, number[faces[tag]], tag, error, float(one.sigma_m[row]),
                             float(one.heading[row]), float(one.speed_mps[row]))
                        )  # fmt: skip
        missing = len(known) - len({row[2] for row in rows})
        if missing:
            notes.append(f"{missing} reference tags were not heard, or not placed on the face they stand on")
    table = np.array(rows, np.float64).reshape(-1, 7)
    ints = table[:, :3].astype(np.int64)
    return References(ints[:, 0], ints[:, 1], ints[:, 2], *table[:, 3:].T.copy()), epcs


def _motion(recording: Recording, plan: Plan, positions: Positions) -> tuple[Floats, Floats]:
    """Return the robot's heading and speed along each tag's face, weighed by the power received; two of shape (n,)."""
    readings, poses = recording.readings, recording.poses
    if not len(positions) or not len(readings):
        return np.zeros(0), np.zeros(0)
    row = {epc: n for n, epc in enumerate(positions.epc.tolist())}
    row_of = np.array([row.get(epc, -1) for epc in readings.tags], np.int64)[readings.tag]
    keep = row_of >= 0
    at, t = row_of[keep], readings.t[keep]
    angle = np.radians([plan.face(face).direction_deg for face in positions.face_id])[at]
    before, after = poses.at(t - SPEED_NS // 2), poses.at(t + SPEED_NS // 2)
    # Poses are held at the ends of their span, where half a second of way is all there is.
    span = np.clip(t + SPEED_NS // 2, poses.t[0], poses.t[-1]) - np.clip(
        t - SPEED_NS // 2, poses.t[0], poses.t[-1]
    )
    seconds = np.maximum(span * 1e-9, 0.05)
    along = ((after.x_m - before.x_m) * np.cos(angle) + (after.y_m - before.y_m) * np.sin(angle)) / seconds
    facing = np.cos(poses.at(t).yaw_rad - angle)
    power = 10.0 ** (readings.rssi_dbm[keep].astype(np.float64) / 10.0)
    total = np.bincount(at, power, len(positions))
    total[total == 0.0] = np.nan
    return (
        np.bincount(at, power * facing, len(positions)) / total,
        np.bincount(at, power * along, len(positions)) / total,
    )


def reference_tags(truth: Truth, plan: Plan, per_face: int) -> Truth:
    """Choose so many tags of each face's truth as references: the plan's shelf labels first, then spread evenly.

    Parameters
    ----------
    truth : Truth
    plan : Plan
    per_face : int
        1 or more.
    """
    faces = true_faces(truth, plan)
    there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present
    labels = {shelf.tag.upper() for shelf in plan.shelves if shelf.tag}
    chosen: list[int] = []
    for face in plan.faces:
        here = np.flatnonzero((faces == face.id) & there)
        offset = face.to_face(truth.x_m[here], truth.y_m[here])[0]
        here = here[np.argsort(offset, kind="stable")]
        named = np.array([epc in labels for epc in truth.epc[here].tolist()], np.bool_)
        for group in (here[named], here[~named]):
            wanted = min(per_face - int(np.isin(here, chosen).sum()), len(group))
            chosen += group[
                ((np.arange(wanted) + 0.5) / max(wanted, 1) * len(group)).astype(np.int64)
            ].tolist()
    rows = np.sort(np.array(chosen, np.int64))
    return Truth(
        epc=truth.epc[rows], x_m=truth.x_m[rows], y_m=truth.y_m[rows], z_m=truth.z_m[rows],
        shelf_id=None if truth.shelf_id is None else truth.shelf_id[rows],
        face=None if truth.face is None else truth.face[rows],
    )  # fmt: skip
