"""HF readers before shelves: which tags the loop powers, and ISO 15693 inventories of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recording import AntennaMount
from sim.air import RobotPose
from sim.hf_field import flux, loop_wires, mutual, response
from sim.hf_presets import HfParameters
from sim.model import Library
from sim.scene import to_upright

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HF_KHZ: Final = 13_560
NOT_POWERED_DB: Final = -99.0
SLOTS: Final = 16
REQUEST_S, OCCUPIED_S, EMPTY_S = 0.0016, 0.0046, 0.0007
"""Inventory request of 40 bits; a slot with an answer of 96 bits, t1 and t2 around it; a slot without (t3).

ISO/IEC 15693-3, sections 7 to 10, at 26.48 kbit/s and 1 out of 4 coding.
"""
_NEAR_M: Final = 0.5
_DEEPEST: Final = 15  # a UID has sixteen nibbles


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one inventory of one antenna brought: times after its begin (s) and tags, and how long it took."""

    at_s: Floats
    tag: Ints
    seconds: float


class HfRadio:
    """The field of a robot's HF antennas in one library.

    Parameters
    ----------
    library : Library
        Tags with a UID (16 hexadecimal digits from E0) are HF tags; others are deaf here.
    parameters : HfParameters

    Attributes
    ----------
    mounts : tuple of AntennaMount
    hf : bool array, shape (tags,)
    """

    def __init__(self, library: Library, parameters: HfParameters, mounts: tuple[AntennaMount, ...]) -> None:
        self.library, self.parameters, self.mounts = library, parameters, mounts
        tags, p = library.tags, parameters
        self.hf = np.array([is_uid(epc) for epc in tags.epc], np.bool_)
        rng = np.random.default_rng([library.seed, 0x15693])
        n = len(tags)
        self._wires = loop_wires(p.width_m, p.height_m, figure_eight=p.figure_eight)
        plain = loop_wires(p.width_m, p.height_m)
        axial = np.array([[0.0, 0.0, 1.0]])
        needed = abs(float(flux(plain, np.array([[0.0, 0.0, p.reach_m]]), axial, p.tag_side_m)[0]))
        near_upright = p.upright_db * np.exp(-((to_upright(library) / 0.03) ** 2))
        self._needed_db = 20.0 * np.log10(needed) + p.threshold_sd_db * rng.standard_normal(n) + near_upright
        lean = np.radians(p.lean_sd_deg) * rng.standard_normal(n)
        turn = np.radians(p.lean_sd_deg) * rng.standard_normal(n)
        detuning = p.detuned_by + p.detuned_sd * rng.standard_normal(n)
        angle = np.radians([face.direction_deg for face in library.faces()])
        along = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(len(angle))])[tags.face]
        normal = np.column_stack([-along[:, 1], along[:, 0], np.zeros(n)])
        axis = along + turn[:, None] * normal + lean[:, None] * np.array([0.0, 0.0, 1.0])
        self._axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
        self._shelves: list[tuple[Ints, npt.NDArray[np.complex128]]] = []
        spans: list[tuple[float, ...]] = []
        for shelf in np.unique(tags.shelf):
            rows = np.flatnonzero((tags.shelf == shelf) & self.hf)
            if not len(rows):
                continue
            place = tags.place_m[rows]
            local = np.column_stack([tags.offset_m[rows], (place * normal[rows]).sum(axis=1), place[:, 2]])
            k = mutual(local, 0.62 * p.tag_side_m, p.coupling)
            self._shelves.append((rows, response(k, detuning[rows], p.quality)))
            spans.append((*place.min(axis=0), *place.max(axis=0)))
        self._spans = np.array(spans).reshape(-1, 6)
        floors = [k for k, floor in enumerate(library.plan.floors) for _ in floor.faces]
        self._floor = np.array([floors[int(tags.face[rows[0]])] for rows, _ in self._shelves], np.int64)
        self._nibbles = nibbles_of(tags.epc)

    def excess_db(self, mount: AntennaMount, pose: RobotPose) -> tuple[Ints, Floats]:
        """Return the tags near an antenna and how far the field in each exceeds its threshold, dB."""
        cos, sin = np.cos(pose.yaw_rad), np.sin(pose.yaw_rad)
        x, y, z = mount.position_m
        where = np.array([pose.x_m + cos * x - sin * y, pose.y_m + sin * x + cos * y, z + pose.mast_z_m])
        away = np.maximum(np.maximum(self._spans[:, :3] - where, where - self._spans[:, 3:]), 0.0)
        near = np.flatnonzero((np.hypot(away[:, 0], np.hypot(away[:, 1], away[:, 2])) < _NEAR_M)
                              & (self._floor == pose.floor))  # fmt: skip
        yaw = pose.yaw_rad + np.radians(mount.boresight_deg[0])
        ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        frame = np.array([[-ahead[1], ahead[0], 0.0], [0.0, 0.0, 1.0], ahead])
        tags: list[Ints] = [np.empty(0, np.int64)]
        excess: list[Floats] = [np.empty(0)]
        for shelf in near.tolist():
            rows, network = self._shelves[shelf]
            place = (self.library.tags.place_m[rows] - where) @ frame.T
            through = flux(self._wires, place, self._axis[rows] @ frame.T, self.parameters.tag_side_m)
            taken = np.abs(network @ through)
            tags.append(rows)
            excess.append(20.0 * np.log10(np.maximum(taken, 1e-9)) - self._needed_db[rows])
        return np.concatenate(tags), np.concatenate(excess)

    def answer_chance(self, excess_db: Floats) -> Floats:
        """Return the chance that tags answer a request; shape of ``excess_db``."""
        return (1.0 - self.parameters.miss) / (1.0 + np.exp(-excess_db / self.parameters.slope_db))

    def inventory(self, rng: np.random.Generator, tags: Ints, begin: Floats, per_s: Floats) -> Inventory:
        """Play one inventory: 16 slots by the UID's last nibble, then anew under each slot in which answers collided.

        Tags with the same nibble always collide there and are told apart by the next one, as the standard has it.

        Parameters
        ----------
        tags : int64 array, shape (n,)
        begin, per_s : float64 array, shape (n,)
            Excess field (dB) at the begin, and its change.
        """
        played = play_inventory(rng, self._nibbles[tags], self.parameters, begin, per_s)
        return Inventory(played.at_s, tags[played.tag], played.seconds)


def nibbles_of(uids: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return the hexadecimal digits of UIDs from the last to the first, shape (n, 16); 0 for what is no UID."""
    digits = [[int(c, 16) for c in reversed(uid)] if is_uid(uid) else [0] * 16 for uid in uids]
    return np.array(digits, np.int8).reshape(-1, 16)


def play_inventory(
    rng: np.random.Generator,
    nibbles: npt.NDArray[np.int8],
    p: HfParameters,
    begin: Floats,
    per_s: Floats,
) -> Inventory:
    """Play an inventory of some tags; see `HfRadio.inventory`.

    Parameters
    ----------
    nibbles : int8 array, shape (n, 16)
        Of `nibbles_of`.
    p : HfParameters
    begin, per_s : float64 array, shape (n,)

    Returns
    -------
    Inventory
        Its `tag` counts from 0 to n - 1.
    """
    n = len(nibbles)
    now = 0.0
    at: list[Floats] = [np.empty(0)]
    heard: list[Ints] = [np.empty(0, np.int64)]
    queue = [(np.arange(n), 0)]
    # Power comes and goes slowly: what a tag makes of it stays for the inventory.
    luck = rng.random(n)
    while queue:
        members, depth = queue.pop(0)
        now += p.host_s
        powered = luck[members] < 1.0 / (1.0 + np.exp(-(begin[members] + per_s[members] * now) / p.slope_db))
        answer = members[powered & (rng.random(len(members)) >= p.miss)]
        slot = nibbles[answer, depth].astype(np.int64)
        count = np.bincount(slot, minlength=SLOTS)
        ends = now + REQUEST_S + np.cumsum(np.where(count > 0, OCCUPIED_S, EMPTY_S))
        single = count[slot] == 1
        at.append(ends[slot[single]])
        heard.append(answer[single])
        now = float(ends[-1])
        if depth < _DEEPEST:
            nibble = nibbles[members, depth]
            queue += [(members[nibble == s], depth + 1) for s in np.flatnonzero(count > 1).tolist()]
    at_s, tag = np.concatenate(at), np.concatenate(heard)
    order = np.argsort(at_s, kind="stable")
    return Inventory(at_s[order], tag[order], now)


def is_uid(epc: str) -> bool:
    """Tell whether an identifier is an ISO 15693 UID: eight bytes, the first E0 (ISO/IEC 15693-3, section 4.1)."""
    return len(epc) == 16 and epc.startswith("E0")
