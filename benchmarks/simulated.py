"""Simulated libraries, each defined here by its figures, and what of each figure came out.

``ordinary`` is books of 0.8 to 5 cm (median 2.3) on five levels, three antennas, 0.2 m/s, some 300 readings a second
shared by all tags in the beam, as many passes as give 40 to 60 readings a tag, a pose that wanders by 1 cm, a reader's
clock that is late by an unknown time, and phases as wrong as on the measured slide's rows of 8 cm pitch: the same metal
and the same coupling, with the books shielding neighbours as if they stood 8 cm apart. ``easy`` and ``harsh`` have half
and twice of each trouble.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.peers.views import ONE_SERIES, View, views
from recording import AntennaMount, Poses, Recording, Truth, read_recording, write_recording
from sim.air import Listening, RobotPose
from sim.library import Library, make_library
from sim.motion import Drift
from sim.oddities import OddityRates
from sim.presets import RadioParameters
from sim.propagation import SPEED_OF_LIGHT_MPS
from sim.radio import Radio
from sim.record import START_NS, record
from sim.robot import RobotDescription
from stacks.plan import read_plan

Floats = npt.NDArray[np.float64]

DAY_NS: Final = 86_400 * 10**9
PITCH_M: Final = 0.08  # of the slide's rows whose residuals the books' tags have
MEDIAN_BOOK_M: Final = 0.023
END_METAL: Final = (0.19, 0.44)
WEAK_METAL: Final = (0.0, 0.02)
COUPLING, COUPLING_MOST, COUPLING_REACH_M = 0.53, 0.16, 0.14  # of free tags in a row
TWIN_CABLE_M: Final = 9.0
RF_MODE: Final = 4  # Miller 4 at 640 kHz: some 350 readings a second
YAW_RAD_PER_M: Final = 0.87  # a pose that is 1 cm off is turned by half a degree
HEIGHTS_M: Final[Mapping[int, tuple[float, ...]]] = {
    2: (0.55, 1.30),
    3: (0.40, 0.95, 1.50),
    4: (0.30, 0.75, 1.20, 1.65),
}
"""Heights of the antennas by how many there are."""


@dataclass(frozen=True, slots=True)
class World:
    """A simulated library and its scan.

    Attributes
    ----------
    trouble : float
        Factor on metal, coupling, scatter, noise, pose drift and clock error; 1 is ``ordinary``.
    antennas : int
        A key of ``HEIGHTS_M``.
    books, passes, seed : int
    readings_per_s : float
        While listening; the air carries some more, of which that many are kept at random.
    speed_mps : float
    drift_m : float
        Standard deviation of the pose's wandering error at a trouble of 1; its yaw errs by half a degree a
        centimetre.
    latency_s : float
        By how much the reader's stamps are late, at a trouble of 1; the estimator is not told.
    oddities : OddityRates
        Lying books and the like; none by default.
    back_and_forth : bool
        Whether every second pass is driven backward: what is late then comes out the other way.
    """

    trouble: float = 1.0
    antennas: int = 3
    books: int = 600
    passes: int = 4
    seed: int = 7
    readings_per_s: float = 300.0
    speed_mps: float = 0.2
    drift_m: float = 0.01
    latency_s: float = 0.1
    oddities: OddityRates = field(default_factory=OddityRates)
    back_and_forth: bool = False


WORLDS: Final[Mapping[str, World]] = {
    "easy": World(trouble=0.5),
    "ordinary": World(),
    "harsh": World(trouble=2.0),
    "ordinary, two antennas": World(antennas=2),
    "ordinary, four antennas": World(antennas=4),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """What a library's scan came to.

    Attributes
    ----------
    readings_per_tag : float
        Median over the tags heard.
    readings_per_s : float
        While an antenna listened.
    gap_cm : float
        Median distance of neighbouring tags of one shelf.
    drift_cm, latency_s : float
        Rms of the pose error along x and y; how late the stamps are.
    residual_rad : float
        Rms of the phases less those of the true distances, one constant a tag removed.
    heard : int
        Tags heard, of ``tags``.
    tags : int
    """

    readings_per_tag: float
    readings_per_s: float
    gap_cm: float
    drift_cm: float
    latency_s: float
    residual_rad: float
    heard: int
    tags: int

    def to_json(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)

    def sentence(self) -> str:
        """Return the figures in one line."""
        return (
            f"{self.heard} of {self.tags} tags heard, {self.readings_per_tag:.0f} readings a tag (median),"
            f" {self.readings_per_s:.0f} a second; {self.gap_cm:.1f} cm from tag to tag (median); pose drift"
            f" {self.drift_cm:.2f} cm; stamps {self.latency_s:.2f} s late; phase residual {self.residual_rad:.2f} rad"
        )


@dataclass(frozen=True, slots=True)
class Scanned:
    """A library's scan as an estimator gets it, and as only an oracle does.

    Attributes
    ----------
    path : Path
        The recording folder: drifting poses, late stamps.
    for_peers : Path
        The same with the cables' phases taken off, so that channels and passes of an antenna make one series: a pass
        gives an antenna and channel less than one reading of a tag, from which no published method can unwrap.
    exact : Recording
        The same readings, with cables of one known length taken off, at true poses and times.
        Its mounts are where the antennas' phase centres are.
    drift_m : float64[n, 2]
        Error of each pose.
    latency_s : float
    library : Library
        What was scanned, with its metal.
    """

    path: Path
    for_peers: Path
    exact: Recording
    drift_m: Floats
    latency_s: float
    library: Library


def radio_of(trouble: float) -> RadioParameters:
    """Return the radio whose tags are disturbed like the slide's at 8 cm pitch, times ``trouble``.

    At a trouble of 1 the phases' residual is the slide's measured 0.86 rad (:class:`Reached` tells what came out).
    """
    usual = RadioParameters()
    return replace(
        usual,
        end_scatterer=_times(trouble, END_METAL),
        weak_scatterer=_times(trouble, WEAK_METAL),
        coupling=trouble * COUPLING,
        coupling_most=trouble * COUPLING_MOST,
        # Books shield: the n-th neighbour couples like the slide's n-th, 8 cm away each.
        coupling_reach_m=COUPLING_REACH_M * MEDIAN_BOOK_M / PITCH_M,
        coupling_phase_sd_rad=1.5,
        phase_centre_sd_m=trouble * 0.006,
        antenna_centre_sd_m=trouble * usual.antenna_centre_sd_m,
        compression=0.7,
        am_pm_rad_per_db=trouble * 0.04,
        floor_reflection=trouble * usual.floor_reflection,
        noise_scale=trouble,
        pi_flips=False,
    )


def _times(factor: float, span: tuple[float, float]) -> tuple[float, float]:
    return factor * span[0], factor * span[1]


def mounts_of(antennas: int) -> tuple[AntennaMount, ...]:
    """Return that many antennas, one above the other, otherwise like the simulated robot's own."""
    pattern = RobotDescription().mounts[0]
    x, y, _ = pattern.position_m
    return tuple(
        replace(pattern, id=n, port=n, position_m=(x, y, z)) for n, z in enumerate(HEIGHTS_M[antennas], 1)
    )


def library_of(world: World, *, labels: bool = False) -> Library:
    """Return the library; its robot reports exact poses. With ``labels`` every shelf has a tagged one."""
    exact = RobotDescription(
        mounts=mounts_of(world.antennas), sigma_xy_m=1e-9, sigma_yaw_rad=1e-9, pose_lag_s=0.0
    )
    made = make_library(world.books, seed=world.seed, robot=exact, labels=labels, oddities=world.oddities)
    return replace(made, radio=radio_of(world.trouble))


def scan(world: World, folder: Path) -> Scanned:
    """Make a library, scan it into ``folder``, and return what an estimator gets, and an oracle."""
    library = library_of(world)
    recording, kept = _kept(_driven(library, world, folder / "scan"), world)
    # The same seed hears the same; with all cables alike and without scatter of the channels only phases differ.
    one_cable = replace(
        library.radio, cable_m=(TWIN_CABLE_M, TWIN_CABLE_M), channel_phase_sd_rad=0.0, pi_flips=False
    )
    twin = _driven(replace(library, radio=one_cable), world, folder / "twin")
    twin = replace(twin, readings=twin.readings.select(kept))
    poses, drift = _drifting(recording.poses, world)
    latency_s = world.trouble * world.latency_s
    spoiled = _late(replace(recording, poses=poses), latency_s)
    exact = _as_it_was(twin, library)
    joined = replace(
        spoiled,
        info=replace(spoiled.info, extra={**spoiled.info.extra, ONE_SERIES: True}),
        readings=replace(spoiled.readings, phase_rad=exact.readings.phase_rad),
    )
    path, for_peers = (
        write_recording(folder / name, one, plan=recording.plan_path, holdings=recording.holdings_path)
        for name, one in (("recording", spoiled), ("for-peers", joined))
    )
    return Scanned(path, for_peers, exact, drift, latency_s, library)


def night(world: World, library: Library, number: int, folder: Path) -> Path:
    """Scan a library on one more night, into ``folder``: the same metal, robot and clock, other noise, path and drift.

    Parameters
    ----------
    world : World
        How it is scanned.
    library : Library
        What is scanned (:func:`library_of` of the world).
    number : int
        Of the night, from 0.
    folder : Path
    """
    tonight = replace(world, seed=world.seed + 1000 * (number + 1))
    started_ns = START_NS + number * DAY_NS
    recording, _ = _kept(_driven(library, tonight, folder / "scan", started_ns), tonight)
    poses, _ = _drifting(recording.poses, tonight)
    return write_recording(
        folder / "recording",
        _late(replace(recording, poses=poses), world.trouble * world.latency_s),
        plan=recording.plan_path,
        holdings=recording.holdings_path,
    )


def _late(recording: Recording, latency_s: float) -> Recording:
    """Return the recording with the reader's stamps late."""
    late, activity = round(latency_s * 1e9), recording.activity
    assert activity is not None
    return replace(
        recording,
        readings=replace(recording.readings, t=recording.readings.t + late),
        activity=replace(activity, t_start=activity.t_start + late, t_end=activity.t_end + late),
    )


def reached(scanned: Scanned) -> Reached:
    """Return the figures of a library's scan."""
    exact, truth = scanned.exact, scanned.exact.truth
    activity = exact.activity
    assert truth is not None and activity is not None
    seen = views(exact, read_plan(scanned.path / "plan.json"))
    there = np.ones(len(truth.epc), np.bool_) if truth.present is None else truth.present
    shelf, offset = truth.shelf_id, truth.offset_m
    assert shelf is not None and offset is not None
    rows = np.flatnonzero(there)
    rows = rows[np.lexsort((offset[rows], shelf[rows].astype(str)))]
    same = shelf[rows][1:] == shelf[rows][:-1]
    counts = np.bincount(exact.readings.tag, minlength=len(exact.readings.tags))
    listened_s = float(np.sum(activity.t_end - activity.t_start)) * 1e-9
    residuals = [residual(view, *place) for view, place in zip(seen, places_of(seen, truth), strict=True)]
    return Reached(
        readings_per_tag=float(np.median(counts)),
        readings_per_s=len(exact.readings) / listened_s,
        gap_cm=float(100 * np.median(np.diff(offset[rows])[same])),
        drift_cm=float(100 * np.sqrt(np.mean(scanned.drift_m**2))),
        latency_s=scanned.latency_s,
        residual_rad=float(np.sqrt(np.mean(np.concatenate(residuals) ** 2))),
        heard=len(exact.readings.tags),
        tags=len(rows),
    )


def places_of(seen: Sequence[View], truth: Truth) -> list[tuple[float, float, float]]:
    """Return each view's true place: along its face, behind the plan's tag plane, above the floor."""
    row = {epc: n for n, epc in enumerate(truth.epc.tolist())}
    found: list[tuple[float, float, float]] = []
    for view in seen:
        n = row[view.epc]
        along, depth = view.face.to_face(truth.x_m[n : n + 1], truth.y_m[n : n + 1])
        found.append((float(along[0]), float(depth[0]) - view.face.tag_depth_m, float(truth.z_m[n])))
    return found


def way_m(view: View, along_m: float, depth_m: float, height_m: float) -> Floats:
    """Return the distance from each of a view's antenna places to a place, shape (n,)."""
    return np.sqrt(
        (along_m - view.along_m) ** 2 + (depth_m + view.away_m) ** 2 + (height_m - view.height_m) ** 2
    )


def residual(view: View, along_m: float, depth_m: float, height_m: float) -> Floats:
    """Return what is left of the phases when the distance and one constant for the tag are taken off, wrapped."""
    turn = np.exp(1j * (view.phase_rad - view.wavenumber * way_m(view, along_m, depth_m, height_m)))
    return np.angle(turn * np.conj(turn.mean()))


def _driven(library: Library, world: World, folder: Path, started_ns: int = START_NS) -> Recording:
    """Return a library's scan."""
    return read_recording(
        record(
            library,
            folder,
            passes=world.passes,
            speed_mps=world.speed_mps,
            seed=world.seed + 1,
            listening=Listening(rf_mode=RF_MODE),
            started_ns=started_ns,
            back_and_forth=world.back_and_forth,
        )
    )


def _kept(recording: Recording, world: World) -> tuple[Recording, npt.NDArray[np.bool_]]:
    """Return the recording thinned to the world's rate, and which readings stayed."""
    activity = recording.activity
    assert activity is not None
    wanted = world.readings_per_s * float(np.sum(activity.t_end - activity.t_start)) * 1e-9
    kept = np.random.default_rng([world.seed, 0x7]).random(len(recording.readings)) * len(
        recording.readings
    ) < min(wanted, len(recording.readings))
    return replace(recording, readings=recording.readings.select(kept)), kept


def _drifting(poses: Poses, world: World) -> tuple[Poses, Floats]:
    """Return the poses as a base reports them whose place wanders, and the error, shape (n, 2)."""
    sigma_m = world.trouble * world.drift_m
    sigma_rad = sigma_m * YAW_RAD_PER_M
    robot = RobotDescription(sigma_xy_m=sigma_m, sigma_yaw_rad=sigma_rad)
    drift = Drift(robot, np.random.default_rng([world.seed, 0xD]))
    steps = np.diff(poses.t, prepend=poses.t[:1]) * 1e-9
    errors = [drift.step(step) for step in steps.tolist()]
    table = np.array([(e.x_m, e.y_m, e.yaw_rad) for e in errors])
    n = len(poses)
    wrong = replace(
        poses,
        x_m=poses.x_m + table[:, 0],
        y_m=poses.y_m + table[:, 1],
        yaw_rad=poses.yaw_rad + table[:, 2],
        sigma_xy_m=np.full(n, sigma_m, np.float32),
        sigma_yaw_rad=np.full(n, sigma_rad, np.float32),
    )
    return wrong, table[:, :2]


def _as_it_was(twin: Recording, library: Library) -> Recording:
    """Return the twin's recording without its cable's phase and with mounts at the true phase centres."""
    r = twin.readings
    cable = 4 * np.pi * TWIN_CABLE_M * 1e3 / SPEED_OF_LIGHT_MPS * r.frequency_khz.astype(np.float64)
    phase = np.mod(r.phase_rad - cable, 2 * np.pi).astype(np.float32)
    radio, origin = Radio(library), RobotPose(0.0, 0.0, 0.0)
    mounts = tuple(
        replace(
            mount,
            position_m=tuple(radio.antenna_place(mount.port, origin)[0].tolist()),
            phase_ambiguity="none",
        )
        for mount in twin.info.antennas
    )
    return replace(
        twin,
        info=replace(twin.info, antennas=mounts),
        readings=replace(r, phase_rad=np.where(phase >= np.float32(2 * np.pi), np.float32(0.0), phase)),
    )
