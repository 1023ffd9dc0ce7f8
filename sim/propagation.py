"""The one-way channel between a reader antenna and every tag of a scene.

Model (one way, ``k = 2 pi f / c``, antenna at ``a``, tag ``i`` at ``p_i``)::

    m_i = G(p_i) T_i e^{-jk|a - p_i|} / |a - p_i|
        + sum_s rho_s e^{-jk|p_i - q_s|} G(q_s) e^{-jk|a - q_s|} / |a - q_s|
        + floor image
    h_i = m_i + sum_j kappa_ij m_j

``G`` is the antenna's field pattern, ``T`` the tag's, ``q_s`` scatterers in the shelf's plane shared by all tags of a
shelf, ``kappa`` the coupling of neighbouring tags. Backscatter travels both ways through the same channel, so the
reader receives ``h_i**2`` (reciprocity).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

SPEED_OF_LIGHT_MPS: Final = 299_792_458.0

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Scene:
    """Tags and scatterers of one world, as arrays the kernels take.

    Attributes
    ----------
    tag_m : float64[n, 3]
        Electrical centres of the tags, map frame.
    tag_normal : float64[n, 3]
        Unit normal of each tag's face, out into its aisle; then 0 for an upright tag, and for one that lies along the
        shelf the share of `twist` by which its phase turns.
    tag_group : int32[n]
        Which group of scatterers (shelf) a tag hears.
    group_start : int32[g + 1]
        Where each group's entries start in the next two.
    group_scatterer : int32[m]
        Scatterer of each entry.
    group_rho : complex128[m]
        Its amplitude for that group.
    scatterer_m : float64[s, 3]
        Places of the scatterers.
    neighbour : int32[n, w]
        Coupled tags of each tag, -1 where there are fewer than ``w``.
    kappa : complex128[n, w]
        Their amplitudes.
    """

    tag_m: Floats
    tag_normal: Floats
    tag_group: Ints
    group_start: Ints
    group_scatterer: Ints
    group_rho: Complexes
    scatterer_m: Floats
    neighbour: Ints
    kappa: Complexes

    def arrays(self) -> tuple[Floats, Floats, Ints, Ints, Ints, Complexes, Floats, Ints, Complexes]:
        """Return the fields in the kernels' order."""
        return (
            self.tag_m,
            self.tag_normal,
            self.tag_group,
            self.group_start,
            self.group_scatterer,
            self.group_rho,
            self.scatterer_m,
            self.neighbour,
            self.kappa,
        )


def memory(scene: Scene) -> tuple[Ints, Complexes, Floats]:
    """Return an empty memory of the way from scatterers to tags, for `channel`.

    Returns
    -------
    onward_start : int32[n]
        Where a tag's entries start.
    onward : complex128[m]
        Amplitude and phase from each scatterer of its group to the tag.
    onward_k : float64[n]
        Wave number they hold for.
    """
    sizes = np.diff(scene.group_start)[scene.tag_group]
    start = np.concatenate([[0], np.cumsum(sizes)])
    n = scene.tag_group.size
    return start[:n].astype(np.int32), np.zeros(int(start[-1]), np.complex128), np.full(n, -1.0)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Field patterns and losses that do not differ from tag to tag.

    Attributes
    ----------
    antenna_exponent : float
        The antenna's field is ``cos(angle off boresight)**antenna_exponent``.
    back_lobe : float
        Field behind the antenna, as a share of the boresight's.
    tag_exponent : float
        The tag's field is ``cos(angle off the face's normal)**tag_exponent``.
    floor : float
        Field reflected by the floor (z = 0).
    """

    antenna_exponent: float
    back_lobe: float
    tag_exponent: float
    floor: float

    def array(self) -> Floats:
        """Return the fields in the kernels' order."""
        return np.array([self.antenna_exponent, self.back_lobe, self.tag_exponent, self.floor], np.float64)


def pattern_exponent(beamwidth_deg: float) -> float:
    """Exponent of a cosine field pattern with the given half-power beamwidth.

    The field falls to ``1/sqrt(2)`` at half the beamwidth: ``cos(b/2)**n = 2**-0.5``.
    """
    return -0.5 * math.log(2.0) / math.log(math.cos(math.radians(beamwidth_deg) / 2.0))


@nb.njit(cache=True, fastmath=False)
def _antenna_field(
    dx: float, dy: float, dz: float, d: float, bx: float, by: float, bz: float, exponent: float, back: float
) -> float:
    c = (dx * bx + dy * by + dz * bz) / d
    if c <= 0.0:
        return back
    return back + (1.0 - back) * c**exponent


@nb.njit(cache=True)
def twist(along: float, out: float, up: float) -> float:
    """Phase (rad, one way) by which a circular antenna sees a dipole along the shelf turned against an upright one.

    The patch antenna is taken as a Huygens source with two crossed currents a quarter period apart (C. A. Balanis,
    *Antenna Theory*, 4th ed., section 12.5: electric and magnetic current crossed), which looks straight at the face.
    A dipole ``p`` then receives ``(J . p)(1 + out) - (p . (k + y))(k . J)`` from the direction ``k = (along, out, up)``
    with ``J = x + j z``: an upright one is turned by ``-atan(along up / (1 + out - up^2))`` to one side, one along the
    shelf by ``along up / (1 + out - along^2)`` to the other. Zero level with the antenna and right before it.
    """
    both = along * up
    return math.atan2(both, 1.0 + out - up * up) + math.atan2(both, 1.0 + out - along * along)


@nb.njit(cache=True)
def _direct(
    i: int,
    k: float,
    antenna: Floats,
    boresight: Floats,
    pattern: Floats,
    tag_m: Floats,
    tag_normal: Floats,
) -> complex:
    """Return the straight way to a tag and the one by way of the floor."""
    exponent, back, tag_exponent, floor = pattern[0], pattern[1], pattern[2], pattern[3]
    bx, by, bz = boresight[0], boresight[1], boresight[2]
    dx, dy, dz = tag_m[i, 0] - antenna[0], tag_m[i, 1] - antenna[1], tag_m[i, 2] - antenna[2]
    horizontal = math.sqrt(dx * dx + dy * dy)
    d = math.sqrt(horizontal * horizontal + dz * dz)
    cosine = max(abs(dx * tag_normal[i, 0] + dy * tag_normal[i, 1]) / d, 0.02)
    across = horizontal / d
    turned = 0.0
    if tag_normal[i, 2] != 0.0:
        along = (dy * tag_normal[i, 0] - dx * tag_normal[i, 1]) / d
        across = math.sqrt(max(1.0 - along * along, 0.0))
        turned = tag_normal[i, 2] * twist(along, cosine, dz / d)
    tag_field = cosine**tag_exponent * across
    reach = _antenna_field(dx, dy, dz, d, bx, by, bz, exponent, back) * tag_field / d
    re, im = reach * math.cos(k * d + turned), -reach * math.sin(k * d + turned)
    if floor > 0.0:
        dz = -tag_m[i, 2] - antenna[2]
        d = math.sqrt(horizontal * horizontal + dz * dz)
        reach = floor * _antenna_field(dx, dy, dz, d, bx, by, bz, exponent, back) * tag_field / d
        re -= reach * math.cos(k * d)
        im += reach * math.sin(k * d)
    return complex(re, im)


@nb.njit(cache=True)
def _lit(
    s: int, k: float, antenna: Floats, boresight: Floats, pattern: Floats, scatterer_m: Floats
) -> complex:
    """Return the field at a scatterer."""
    ux, uy, uz = (
        scatterer_m[s, 0] - antenna[0],
        scatterer_m[s, 1] - antenna[1],
        scatterer_m[s, 2] - antenna[2],
    )
    d = math.sqrt(ux * ux + uy * uy + uz * uz)
    reach = (
        _antenna_field(ux, uy, uz, d, boresight[0], boresight[1], boresight[2], pattern[0], pattern[1]) / d
    )
    return complex(reach * math.cos(k * d), -reach * math.sin(k * d))


@nb.njit(cache=True)
def _onward(i: int, s: int, k: float, tag_m: Floats, scatterer_m: Floats) -> complex:
    """Return the phase from a scatterer to a tag; how far hardly weakens it."""
    vx, vy, vz = (
        tag_m[i, 0] - scatterer_m[s, 0],
        tag_m[i, 1] - scatterer_m[s, 1],
        tag_m[i, 2] - scatterer_m[s, 2],
    )
    angle = k * math.sqrt(vx * vx + vy * vy + vz * vz)
    return complex(math.cos(angle), -math.sin(angle))


@nb.njit(cache=True)
def coupled(
    i: int,
    k: float,
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
) -> complex:
    """Return ``h_i`` of one tag, its neighbours included; arguments as in `channel`."""
    total = _direct(i, k, antenna, boresight, pattern, tag_m, tag_normal) * shadow[i]
    for w in range(neighbour.shape[1]):
        j = neighbour[i, w]
        if j < 0:
            break
        total += kappa[i, w] * shadow[j] * _direct(j, k, antenna, boresight, pattern, tag_m, tag_normal)
    group = tag_group[i]
    for e in range(group_start[group], group_start[group + 1]):
        s = group_scatterer[e]
        onward = shadow[i] * _onward(i, s, k, tag_m, scatterer_m)
        for w in range(neighbour.shape[1]):
            j = neighbour[i, w]
            if j < 0:
                break
            # Coupled tags are of one group.
            onward += kappa[i, w] * shadow[j] * _onward(j, s, k, tag_m, scatterer_m)
        total += group_rho[e] * onward * _lit(s, k, antenna, boresight, pattern, scatterer_m)
    return total


@nb.njit(cache=True)
def channel(
    tags: Ints,
    k: float,
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
    onward_start: Ints,
    onward: Complexes,
    onward_k: Floats,
) -> Complexes:
    """One-way channel of many tags at one antenna place.

    Parameters
    ----------
    tags : int32[c]
        The tags wanted.
    k : float
        Wave number, rad/m.
    antenna, boresight : float64[3]
        Place (m) and unit direction of the antenna, map frame.
    pattern : float64[4]
        `Pattern.array`.
    tag_m, ..., kappa
        `Scene.arrays`.
    shadow : float64[n]
        Field each tag gets through what stands in between, 1 where nothing does (`sim.shading.shadows`).
    onward_start, onward, onward_k
        Memory of the way from scatterers to tags, which changes with the channel only: `memory`.

    Returns
    -------
    complex128[c]
        ``h`` in 1/m (free space at one metre on boresight: 1).
    """
    n = tag_m.shape[0]
    m = np.empty(n, np.complex128)
    have = np.zeros(n, np.bool_)
    lit = np.empty(scatterer_m.shape[0], np.complex128)
    is_lit = np.zeros(scatterer_m.shape[0], np.bool_)
    out = np.empty(tags.size, np.complex128)
    for t in range(tags.size):
        i = tags[t]
        for w in range(-1, neighbour.shape[1]):
            j = i if w < 0 else neighbour[i, w]
            if j < 0:
                break
            if have[j]:
                continue
            have[j] = True
            total = _direct(j, k, antenna, boresight, pattern, tag_m, tag_normal)
            begin, end, at = group_start[tag_group[j]], group_start[tag_group[j] + 1], onward_start[j]
            if onward_k[j] != k:
                onward_k[j] = k
                for e in range(begin, end):
                    onward[at + e - begin] = group_rho[e] * _onward(
                        j, group_scatterer[e], k, tag_m, scatterer_m
                    )
            for e in range(begin, end):
                s = group_scatterer[e]
                if not is_lit[s]:
                    is_lit[s] = True
                    lit[s] = _lit(s, k, antenna, boresight, pattern, scatterer_m)
                total += lit[s] * onward[at + e - begin]
            m[j] = total * shadow[j]
        total = m[i]
        for w in range(neighbour.shape[1]):
            j = neighbour[i, w]
            if j < 0:
                break
            total += kappa[i, w] * m[j]
        out[t] = total
    return out
