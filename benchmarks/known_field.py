"""The phases of a simulated library's tags at any place, by one that knows its metal and its tags' coupling.

Of the one-way field ``h`` at a tag (:mod:`sim.propagation`: straight way, floor, scatterers of the shelf, neighbours)
the reader sees ``h**2`` by reciprocity, at phase ``-2 arg h``. How ``h`` changes with the place tells of it as the
distance does: standing waves before the metal make a ruler of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from benchmarks.peers.views import View
from recording import Recording
from sim.air import RobotPose
from sim.propagation import SPEED_OF_LIGHT_MPS, Complexes, Floats, Ints, coupled
from sim.radio import Radio


@dataclass(frozen=True, slots=True)
class Ways:
    """Where each reading's antenna was; arrays of shape (n,) or (n, 3).

    Attributes
    ----------
    tag : int32 array
        Index into the scene's tags.
    port : uint8 array
    k : float64 array
        Wave number of the one way, rad/m.
    antenna_m, boresight : float64 array
        Phase centre and unit direction, map frame.
    """

    tag: Ints
    port: npt.NDArray[np.uint8]
    k: Floats
    antenna_m: Floats
    boresight: Floats


def ways(exact: Recording, radio: Radio) -> Ways:
    """Return where the antennas of an exact recording (:func:`benchmarks.simulated.scan`) truly were.

    Parameters
    ----------
    exact : Recording
        At true poses and times.
    radio : Radio
        Of the library that was scanned.
    """
    r = exact.readings
    at = exact.poses.at(r.t)
    number = {epc: n for n, epc in enumerate(radio.tags)}
    scene_tag = np.array([number[epc] for epc in r.tags], np.int32)
    ports = {mount.id: mount.port for mount in exact.info.antennas}
    port = np.array([ports.get(n, 0) for n in range(256)], np.uint8)[r.antenna]
    c, s = np.cos(at.yaw_rad), np.sin(at.yaw_rad)
    antenna_m, boresight = np.empty((len(r), 3)), np.empty((len(r), 3))
    for one in ports.values():
        (x, y, z), (ahead, left, up) = radio.antenna_place(one, RobotPose(0.0, 0.0, 0.0))
        rows = port == one
        c_here, s_here = c[rows], s[rows]
        antenna_m[rows, 0] = at.x_m[rows] + c_here * x - s_here * y
        antenna_m[rows, 1] = at.y_m[rows] + s_here * x + c_here * y
        antenna_m[rows, 2] = z + (0.0 if at.mast_z_m is None else at.mast_z_m[rows])
        boresight[rows, 0] = c_here * ahead - s_here * left
        boresight[rows, 1] = s_here * ahead + c_here * left
        boresight[rows, 2] = up
    k = 2 * np.pi * r.frequency_khz.astype(np.float64) * 1e3 / SPEED_OF_LIGHT_MPS
    return Ways(scene_tag[r.tag], port, k, antenna_m, boresight)


class KnownField:
    """The phases expected of a place, a model for :func:`benchmarks.oracle.locate`.

    Bookcases in between are left out: they weaken all ways alike, and nobody places a tag by what its own aisle did not
    hear. The tag is supposed to answer where it is: that its electrical centre is off its place by the library's
    scatter of phase centres is not told.

    Parameters
    ----------
    exact : Recording
        At true poses and times.
    radio : Radio
        Of the library that was scanned.
    coupling : bool
        With what the tag's neighbours send on to it, from their own electrical centres; else straight way, floor and
        metal alone.

    Attributes
    ----------
    ways : Ways
    """

    def __init__(self, exact: Recording, radio: Radio, *, coupling: bool) -> None:
        self.ways = ways(exact, radio)
        scene = radio.scene
        self._number = {epc: n for n, epc in enumerate(radio.tags)}
        self._pattern = {port: radio.pattern(port).array() for port in radio.ports}
        none = np.full((len(scene.tag_m), 1), -1, np.int32)
        self._tag_m = scene.tag_m.copy()
        self._scene = (
            scene.tag_normal, scene.tag_group, scene.group_start, scene.group_scatterer, scene.group_rho,
            scene.scatterer_m, scene.neighbour if coupling else none, scene.kappa,
        )  # fmt: skip
        self._shadow = np.ones(len(scene.tag_m))

    def __call__(self, view: View, along_m: float, depth_m: float, height_m: float) -> Floats:
        """Return the expected phases of a view's tag, shape (n,), wrapped."""
        depth = np.array([view.face.tag_depth_m + depth_m])
        (x,), (y,) = view.face.to_map(np.array([along_m]), depth)
        return -2 * np.angle(
            self.field(self._number[view.epc], view.rows, np.array([x, y, height_m], np.float64))
        )

    def field(self, tag: int, rows: npt.NDArray[np.int64], place_m: Floats) -> Complexes:
        """Return the one-way field (1/m) of a tag of the scene, put to a place, at some readings, shape (n,)."""
        out = np.empty(len(rows), np.complex128)
        at, there = self.ways, self._tag_m[tag].copy()
        self._tag_m[tag] = place_m
        for port, pattern in self._pattern.items():
            mine = np.flatnonzero(at.port[rows] == port)
            n = rows[mine]
            out[mine] = _fields(
                tag,
                at.k[n],
                at.antenna_m[n],
                at.boresight[n],
                pattern,
                self._tag_m,
                *self._scene,
                self._shadow,
            )
        self._tag_m[tag] = there
        return out


@nb.njit(cache=True)
def _fields(
    tag: int,
    k: Floats,
    antenna: Floats,
    boresight: Floats,
    pattern: Floats,
    tag_m: Floats,
    tag_normal: Floats,
    tag_group: Ints,
    group_start: Ints,
    group_scatterer: Ints,
    group_rho: Complexes,
    scatterer_m: Floats,
    neighbour: Ints,
    kappa: Complexes,
    shadow: Floats,
) -> Complexes:
    out = np.empty(k.size, np.complex128)
    for n in range(k.size):
        out[n] = coupled(
            tag, k[n], antenna[n], boresight[n], pattern, tag_m, tag_normal, tag_group, group_start,
            group_scatterer, group_rho, scatterer_m, neighbour, kappa, shadow,
        )  # fmt: skip
    return out
