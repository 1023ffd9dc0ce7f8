"""What the metal and the neighbours of a simulated library do to each phase, and readings freed of it.

A tag that hears the antenna straight only has the one-way field ``u = e^{-jkd}`` times something positive. With the
floor's image, the shelf's scatterers and the neighbours' coupling it has ``h`` (:mod:`sim.propagation`), and the reader
sees ``h**2`` by reciprocity. Its phase grows with the distance, so that ``2 arg(h / u)`` added to a reading leaves the
straight way alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba as nb
import numpy as np
import numpy.typing as npt

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


def field(found: Ways, radio: Radio, *, coupling: bool) -> Complexes:
    """Return the one-way field of each reading's tag, 1/m, shape (n,).

    Bookcases in between are left out: they weaken all ways alike, and nobody places a tag by what its own aisle did not
    hear.

    Parameters
    ----------
    found : Ways
    radio : Radio
    coupling : bool
        With what the tag's neighbours send on to it; else straight way, floor and metal alone.
    """
    scene = radio.scene
    if not coupling:
        scene = replace(scene, neighbour=np.full((len(scene.tag_m), 1), -1, np.int32))
    out = np.empty(len(found.tag), np.complex128)
    shadow = np.ones(len(scene.tag_m))
    for port in np.unique(found.port).tolist():
        rows = np.flatnonzero(found.port == port)
        out[rows] = _fields(
            found.tag[rows], found.k[rows], found.antenna_m[rows], found.boresight[rows],
            radio.pattern(port).array(), *scene.arrays(), shadow,
        )  # fmt: skip
    return out


def freed(exact: Recording, radio: Radio, *, coupling: bool) -> Recording:
    """Return the recording with phases that floor and metal, and with ``coupling`` the neighbours, do not turn.

    What they do is taken at each tag's true electrical centre, which is off its place by the library's scatter of
    phase centres. The receiver's noise and the chip's turn with power stay.
    """
    found = ways(exact, radio)
    apart = np.linalg.norm(radio.scene.tag_m[found.tag] - found.antenna_m, axis=1)
    turned = 2 * np.angle(field(found, radio, coupling=coupling) * np.exp(1j * found.k * apart))
    phase = np.mod(exact.readings.phase_rad + turned, 2 * np.pi).astype(np.float32)
    phase[phase >= np.float32(2 * np.pi)] = 0.0
    return replace(exact, readings=replace(exact.readings, phase_rad=phase))


@nb.njit(cache=True)
def _fields(
    tag: Ints,
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
    out = np.empty(tag.size, np.complex128)
    for n in range(tag.size):
        out[n] = coupled(
            tag[n], k[n], antenna[n], boresight[n], pattern, tag_m, tag_normal, tag_group, group_start,
            group_scatterer, group_rho, scatterer_m, neighbour, kappa, shadow,
        )  # fmt: skip
    return out
