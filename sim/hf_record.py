"""A scan by HF antennas, or by HF and UHF antennas together, straight into a recording folder."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from recording import Activity, AntennaMount, Readings, Recording, RunInfo, write_recording
from sim.air import Listening, Reads, RobotPose, between
from sim.errors import SimError
from sim.hf_presets import HfParameters, hf_preset
from sim.hf_radio import HF_KHZ, NOT_POWERED_DB, HfRadio, is_uid
from sim.library_folder import HoldingsText, truth_of
from sim.model import Library
from sim.motion import Drift
from sim.presets import preset as named_preset
from sim.radio import Radio
from sim.record import (
    OVERRUN_M,
    START_NS,
    STEP_S,
    Progress,
    _activity,
    _path,
    _poses,
    _readings,
    _tour,
    record,
)

Floats = npt.NDArray[np.float64]

HF_PREFIX: Final = "E004"
"""An ISO 15693 UID's first bytes: E0, and the maker's code (04: NXP, ISO/IEC 7816-6)."""
FIRST_ID: Final = 101
_LATTICE_S: Final = 0.1
_SPAN_S: Final = 1.0
_RSSI_STEP_DB: Final = 4.0
_RSSI_LOWEST_DBM, _NO_RSSI_DBM = -70.0, -60.0
_TAG_ABOVE_BOARD_M: Final = 0.115


def hf_library(library: Library, share: float = 1.0) -> Library:
    """Return the library with HF tags (UIDs) in so many of its books; catalogue, truth and trouble follow.

    Parameters
    ----------
    share : float
        1: all books. Shelf labels, which the plan names, stay what they are.
    """
    labels = {epc for epc, label in zip(library.tags.epc, library.tags.label.tolist(), strict=True) if label}
    names = sorted(({h.epc for h in library.holdings if h.epc} | set(library.tags.epc)) - labels)
    rng = np.random.default_rng([library.seed, 0xE004])
    chosen = rng.random(len(names)) < share
    middle = rng.permutation(len(names))
    noise = rng.integers(0, 1 << 16, len(names))
    new = {epc: epc for epc in labels} | {
        name: f"{HF_PREFIX}01{n:04X}{m & 0xFFFFFF:06X}" if there else name
        for name, there, m, n in zip(names, chosen.tolist(), middle.tolist(), noise.tolist(), strict=True)
    }
    return replace(
        library,
        tags=replace(library.tags, epc=tuple(new[epc] for epc in library.tags.epc)),
        holdings=tuple(replace(h, epc=new[h.epc] if h.epc else h.epc) for h in library.holdings),
        planted=tuple(replace(p, epc=new.get(p.epc, p.epc)) for p in library.planted),
    )


def has_hf(library: Library) -> bool:
    """Say whether any tag of the library is an HF one, by its UID."""
    return any(is_uid(epc) for epc in library.tags.epc)


def scan_by_tags(
    library: Library,
    out: str | Path,
    passes: int,
    speed_mps: float,
    preset: str,
    seed: int = 1,
    progress: Progress | None = None,
    started_ns: int = START_NS,
) -> Path:
    """Scan a library by the antennas that its tags need: HF ones before HF tags, the robot's own before all others.

    Parameters are those of `sim.record.record`; the preset is that of either radio.

    Raises
    ------
    SimError
        When an argument makes no scan, or for a preset that is none.
    """
    if not has_hf(library):
        return record(
            library, out, passes=passes, speed_mps=speed_mps, preset=preset, seed=seed, progress=progress,
            started_ns=started_ns,
        )  # fmt: skip
    uhf = not all(is_uid(epc) for epc in library.tags.epc)
    if uhf:
        library = replace(library, radio=named_preset(preset), radio_preset=preset)
    return record_hf(
        library, out, passes=passes, speed_mps=speed_mps, parameters=hf_preset(preset), seed=seed,
        progress=progress, uhf=uhf, started_ns=started_ns,
    )  # fmt: skip


def hf_mounts(library: Library, parameters: HfParameters) -> tuple[AntennaMount, ...]:
    """Return the HF antennas: one before each level's tags, ``gap_m`` from the spines, shared out to the readers."""
    boards = sorted({shelf.level: shelf.board_z_m for _, shelf in library.shelves()}.items())
    away = library.robot.standoff_m - parameters.gap_m
    return tuple(
        AntennaMount(
            id=FIRST_ID + n,
            reader=f"hf{n % max(parameters.readers, 1) + 1}",
            port=n // max(parameters.readers, 1) + 1,
            air="iso15693",
            position_m=(0.0, -away, round(board + _TAG_ABOVE_BOARD_M + parameters.lift_m, 4)),
            boresight_deg=(-90.0, 0.0),
            phase_ambiguity="unknown",
            extra={"loop_m": [parameters.width_m, parameters.height_m]},
        )
        for n, (_, board) in enumerate(boards[: parameters.levels])
    )


def record_hf(
    library: Library,
    out: str | Path,
    passes: int = 1,
    speed_mps: float = 0.1,
    parameters: HfParameters | None = None,
    seed: int = 1,
    progress: Progress | None = None,
    *,
    uhf: bool = False,
    overrun_m: float = OVERRUN_M,
    mounts: tuple[AntennaMount, ...] | None = None,
    started_ns: int = START_NS,
) -> Path:
    """Scan a library by HF into a recording folder.

    The robot drives as in `sim.record.record`. Readers run one inventory after the other, each on its next antenna.

    Parameters
    ----------
    library : Library
        Of `hf_library`; its other tags answer the UHF antennas.
    out : path
    passes : int
    speed_mps : float
    parameters : HfParameters, optional
    seed : int
        Of the answers, the drift and the path; tags and antennas are the library's own.
    progress : callable, optional
    uhf : bool
        The robot's own UHF antennas listen, too.
    overrun_m : float
    mounts : tuple of AntennaMount, optional
        Instead of `hf_mounts`.
    started_ns : int

    Returns
    -------
    Path

    Raises
    ------
    SimError
        When an argument makes no scan.
    """
    if passes < 1 or not 0.005 <= speed_mps <= library.robot.max_v_mps:
        raise SimError(
            f"{passes} passes at {speed_mps} m/s make no scan; "
            f"take at least one, at 0.005 to {library.robot.max_v_mps} m/s"
        )
    parameters = parameters or HfParameters()
    mounts = hf_mounts(library, parameters) if mounts is None else mounts
    if not mounts:
        raise SimError("no HF antenna to scan with; let levels be 1 or more, or name mounts")
    hf = HfRadio(library, parameters, mounts)
    radio = Radio(library, seed=seed) if uhf else None
    path_rng, drift_rng, air = (np.random.default_rng([seed, n]) for n in (2, 3, 4))
    drift = Drift(library.robot, drift_rng)
    t_ns = started_ns
    poses: list[tuple[int, float, float, float, str]] = []
    reads: list[Reads] = []
    found = _Found([], [], [], [], [])
    tour = [leg for _ in range(passes) for leg in _tour(library)]
    lag_m = speed_mps * library.robot.pose_lag_s
    for n, (floor, face) in enumerate(tour):
        if progress:
            progress(n / len(tour), f"face {face.id}")
        way = _path(path_rng, face, floor, speed_mps, library.robot.standoff_m, overrun_m)
        begin = t_ns
        for step, pose in enumerate(way):
            error = drift.step(STEP_S)
            poses.append(
                (
                    t_ns,
                    pose.x_m - lag_m * math.cos(pose.yaw_rad) + error.x_m,
                    pose.y_m - lag_m * math.sin(pose.yaw_rad) + error.y_m,
                    pose.yaw_rad + error.yaw_rad,
                    library.plan.floors[floor].id,
                )
            )
            if step + 1 < len(way):
                end = t_ns + round(STEP_S * 1e9)
                if radio is not None:
                    reads.append(radio.read(t_ns, end, pose, way[step + 1]))
                t_ns = end
        _listen(hf, air, way, begin, found)
        t_ns += 8_000_000_000
        for _ in range(8):
            drift.step(1.0)
    own = library.robot.mounts if uhf else ()
    info = RunInfo(
        run_id=f"sim-hf-{seed}-{datetime.fromtimestamp(started_ns // 10**9, UTC):%Y%m%d-%H%M}",
        site=library.plan.site,
        started_at=datetime.fromtimestamp(started_ns // 10**9, UTC),
        robot_id=library.robot.id,
        antennas=(*own, *mounts),
        extra={"simulated": {"library_seed": library.seed, "seed": seed, "radio": "hf"}},
    )
    readings, activity = found.readings(library.tags.epc), found.activity()
    if radio is not None:
        readings = Readings.concat([_without(_readings(radio, reads), set(readings.tags)), readings]).sorted()
        activity = _joined(_activity(radio, reads, Listening()), activity)
    recording = Recording(
        info=info,
        readings=readings,
        poses=_poses(poses, library),
        activity=activity,
        truth=truth_of(library),
    )
    out = Path(out)
    write_recording(out, recording, plan=library.plan.to_json(), holdings=HoldingsText(library))
    if progress:
        progress(1.0, f"{len(readings)} readings")
    return out


class _Found:
    """Readings and spans as they come."""

    def __init__(self, t: list[npt.NDArray[np.int64]], tag: list[npt.NDArray[np.int64]],
                 antenna: list[npt.NDArray[np.int64]], rssi: list[Floats],
                 spans: list[tuple[int, int, int, int]]) -> None:  # fmt: skip
        self.t, self.tag, self.antenna, self.rssi, self.spans = t, tag, antenna, rssi, spans

    def readings(self, epc: tuple[str, ...]) -> Readings:
        """Return the readings by time."""
        if not self.t:
            return Readings.empty()
        tag = np.concatenate(self.tag)
        n = len(tag)
        return Readings(
            t=np.concatenate(self.t),
            tag=tag.astype(np.uint32),
            tags=epc,
            antenna=np.concatenate(self.antenna).astype(np.uint8),
            frequency_khz=np.full(n, HF_KHZ, np.uint32),
            rssi_dbm=np.concatenate(self.rssi).astype(np.float32),
            phase_rad=np.full(n, np.nan, np.float32),
        ).sorted().compact()  # fmt: skip

    def activity(self) -> Activity:
        """Return when each antenna listened, by time."""
        rows = np.array(sorted(self.spans), np.int64).reshape(-1, 4)
        n = len(rows)
        return Activity(
            t_start=rows[:, 0].copy(),
            t_end=rows[:, 1].copy(),
            antenna=rows[:, 2].astype(np.uint8),
            power_dbm=np.full(n, np.nan, np.float32),
            session=np.zeros(n, np.uint8),
            rounds=rows[:, 3].astype(np.uint32),
        )


def _listen(
    hf: HfRadio, air: np.random.Generator, way: list[RobotPose], begin_ns: int, found: _Found
) -> None:
    """Let all readers run their inventories along one way."""
    long_s = (len(way) - 1) * STEP_S
    lattice = np.arange(0.0, long_s + _LATTICE_S, _LATTICE_S)
    steps = np.clip(lattice / STEP_S, 0, len(way) - 1)
    seen = [_at(way, float(step)) for step in steps]
    for reader in sorted({mount.reader for mount in hf.mounts}):
        mine = [mount for mount in hf.mounts if mount.reader == reader]
        tables = [_excess(hf, mount, seen) for mount in mine]
        now, turn = float(air.random()) * 0.1, 0
        open_at = {mount.id: [now, now, 0] for mount in mine}
        while now < long_s - 0.5:
            mount, (tags, table) = mine[turn % len(mine)], tables[turn % len(mine)]
            k = min(int(now / _LATTICE_S), len(lattice) - 2)
            near = np.minimum(table[k], table[k + 1]) > NOT_POWERED_DB
            per_s = np.where(near, table[k + 1] - table[k], 0.0) / _LATTICE_S
            start = table[k] + per_s * (now - lattice[k])
            result = hf.inventory(air, tags[near], start[near], per_s[near])
            found.t.append(begin_ns + np.round((now + result.at_s) * 1e9).astype(np.int64))
            found.tag.append(result.tag)
            found.antenna.append(np.full(len(result.tag), mount.id))
            found.rssi.append(_rssi(hf.parameters, tags[near], start[near], result.tag))
            end = now + result.seconds
            span = open_at[mount.id]
            if len(mine) > 1 or span[1] - span[0] >= _SPAN_S:
                _close(found, span, begin_ns, mount.id)
                span[:] = [now, now, 0]
            span[1], span[2] = end, span[2] + 1
            now, turn = end, turn + 1
        for number, span in open_at.items():
            _close(found, span, begin_ns, number)


def _close(found: _Found, span: list[float], begin_ns: int, antenna: int) -> None:
    if span[2]:
        found.spans.append(
            (begin_ns + round(span[0] * 1e9), begin_ns + round(span[1] * 1e9), antenna, int(span[2]))
        )


def _excess(hf: HfRadio, mount: AntennaMount, seen: list[RobotPose]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the tags an antenna comes near on its way, and the excess field in each, shape (times, tags)."""
    parts = [hf.excess_db(mount, pose) for pose in seen]
    tags = np.unique(np.concatenate([rows for rows, _ in parts]))
    table = np.full((len(seen), len(tags)), NOT_POWERED_DB)
    for k, (rows, excess) in enumerate(parts):
        table[k, np.searchsorted(tags, rows)] = np.maximum(excess, NOT_POWERED_DB)
    return tags, table


def _rssi(
    parameters: HfParameters, tags: npt.NDArray[np.int64], excess: Floats, heard: npt.NDArray[np.int64]
) -> Floats:
    """Return what the reader says of strength: its few bits, of the way there and back."""
    if parameters.rssi_bits == 0 or not len(heard):
        return np.full(len(heard), _NO_RSSI_DBM)
    order = np.argsort(tags)
    strength = 2.0 * excess[order[np.searchsorted(tags[order], heard)]]
    level = np.clip(np.floor(strength / _RSSI_STEP_DB), 0, 2**parameters.rssi_bits - 1)
    return np.asarray(_RSSI_LOWEST_DBM + _RSSI_STEP_DB * level, np.float64)


def _at(way: list[RobotPose], step: float) -> RobotPose:
    k = min(int(step), len(way) - 2)
    return between(way[k], way[k + 1], step - k)


def _without(readings: Readings, tags: set[str]) -> Readings:
    """Return the readings of tags that are no HF tags."""
    deaf = np.array([name in tags or name.startswith(HF_PREFIX) for name in readings.tags], np.bool_)
    return readings.select(~deaf[readings.tag]).compact() if len(readings) else readings


def _joined(a: Activity, b: Activity) -> Activity:
    columns = {name: np.concatenate([values, getattr(b, name)]) for name, values in a.columns()}
    both = Activity(**columns)
    return both.select(np.argsort(both.t_start, kind="stable"))
