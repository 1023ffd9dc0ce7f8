"""The scene's metal and the tags' own scatter, drawn from a seed for one library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.presets import RadioParameters
from sim.propagation import Complexes, Floats, Ints

Ints64 = NDArray[np.int64]

NEIGHBOURS = 6
"""Coupled tags kept per tag: three on either side."""


@dataclass(frozen=True, slots=True)
class TagRadio:
    """What differs from tag to tag.

    Attributes
    ----------
    loss_db : float64[n]
        One-way loss.
    sensitivity_dbm : float64[n]
        Power needed to answer.
    phase_rad : float64[n]
        The tag's own phase.
    flip_share : float64[n]
        Share of its reads that a reader with a pi ambiguity reports pi off.
    """

    loss_db: Floats
    sensitivity_dbm: Floats
    phase_rad: Floats
    flip_share: Floats


def unit_phasors(rng: np.random.Generator, n: int) -> Complexes:
    """``n`` complex numbers of modulus one and uniform angle."""
    return np.exp(2j * np.pi * rng.random(n))


def draw_tags(rng: np.random.Generator, parameters: RadioParameters, upright_m: Floats) -> TagRadio:
    """Draw the tags' losses, thresholds and phases.

    Parameters
    ----------
    rng : Generator
    parameters : RadioParameters
    upright_m : float64[n]
        Distance from each tag to the nearest upright.
    """
    n = upright_m.size
    loss = parameters.tag_loss_db + parameters.tag_loss_sd_db * rng.standard_normal(n)
    loss = loss + parameters.metal_edge_loss_db * np.exp(-upright_m / 0.02)
    loss = loss + 6.0 * (rng.random(n) < parameters.weak_tag_share)
    # Parity share of pi flips: about a third, in no tag below 2 % (measured on a robot's reader).
    flips = np.maximum(rng.beta(4.0, 8.0, n), 0.02) if parameters.pi_flips else np.zeros(n)
    return TagRadio(
        loss_db=np.maximum(loss, 0.0),
        sensitivity_dbm=parameters.sensitivity_dbm + parameters.sensitivity_sd_db * rng.standard_normal(n),
        phase_rad=2 * np.pi * rng.random(n),
        flip_share=flips,
    )


def own_tags(
    rng: np.random.Generator, parameters: RadioParameters, upright_m: Floats, own: Ints64, register: int
) -> TagRadio:
    """Draw the tags as `draw_tags` does, each by its number in a register, so that a tag stays what it is.

    Parameters
    ----------
    rng : Generator
    parameters : RadioParameters
    upright_m : float64[n]
        Distance from each tag to the nearest upright.
    own : int64[n]
        Number of each tag.
    register : int
        How many there ever are.
    """
    drawn = draw_tags(rng, parameters, np.full(register, np.inf))
    edge = parameters.metal_edge_loss_db * np.exp(-upright_m / 0.02)
    return TagRadio(
        drawn.loss_db[own] + edge, drawn.sensitivity_dbm[own], drawn.phase_rad[own], drawn.flip_share[own]
    )


def coupling(
    rng: np.random.Generator,
    along_m: Floats,
    group: Ints,
    parameters: RadioParameters,
    width: int = NEIGHBOURS,
    heights_m: Floats | None = None,
    own: Ints64 | None = None,
    register: int = 0,
) -> tuple[Ints, Complexes]:
    """Couple each tag with the nearest ones of its group; reciprocal, with random phases.

    Parameters
    ----------
    rng : Generator
    along_m : float64[n]
        Place along the row.
    group : int32[n]
        Shelf of each tag; tags of different groups do not couple.
    parameters : RadioParameters
    width : int
        Neighbours kept.
    heights_m : float64[n], optional
        Heights, where tags of one group stand on several lines.
    own : int64[n], optional
        Number of each tag in a register of ``register`` tags: two neighbours are then coupled the same every night.
    register : int

    Returns
    -------
    neighbour : int32[n, width]
    kappa : complex128[n, width]
    """
    n = along_m.size
    neighbour = np.full((n, width), -1, np.int32)
    kappa = np.zeros((n, width), np.complex128)
    if n == 0:
        return neighbour, kappa
    order = np.lexsort((along_m, group))
    filled = np.zeros(n, np.int32)
    drawn = None
    if own is not None and len(own):
        shape = (register, max(width // 2, 1))
        drawn = rng.uniform(0.5, 1.5, shape)[own], rng.standard_normal(shape)[own]
    for step in range(1, max(width // 2, 1) + 1):
        left, right = order[:-step], order[step:]
        same = group[left] == group[right]
        left, right = left[same], right[same]
        gap = np.abs(along_m[right] - along_m[left])
        if heights_m is not None:
            gap = np.hypot(gap, heights_m[right] - heights_m[left])
        amplitude = parameters.coupling * np.exp(-gap / parameters.coupling_reach_m) + parameters.coupling_far
        strength = rng.uniform(0.5, 1.5, gap.size) if drawn is None else drawn[0][left, step - 1]
        turn = rng.standard_normal(gap.size) if drawn is None else drawn[1][left, step - 1]
        amplitude = np.minimum(amplitude * strength, parameters.coupling_most)
        value = -amplitude * np.exp(1j * parameters.coupling_phase_sd_rad * turn)
        near = amplitude > 0.005
        for a, b in ((left, right), (right, left)):
            # Every tag appears once in `left` and once in `right` of one step, so plain indexing does not collide.
            who, other = a[near], b[near]
            neighbour[who, filled[who]] = other
            kappa[who, filled[who]] = value[near]
            filled[who] += 1
    return neighbour, kappa


@dataclass(frozen=True, slots=True)
class ShelfGeometry:
    """The shelves as the radio needs them, one row each.

    Attributes
    ----------
    from_m, to_m : float64[g, 3]
        The ends of the tags' line on the shelf, map frame.
    normal : float64[g, 2]
        Unit normal of its face.
    left, right : int32[g]
        The same level's shelf of the bay to either side on the face, -1 where none is.
    """

    from_m: Floats
    to_m: Floats
    normal: Floats
    left: Ints
    right: Ints


def scatterers(
    rng: np.random.Generator, shelves: ShelfGeometry, parameters: RadioParameters
) -> tuple[Floats, Ints, Ints, Complexes]:
    """Draw the metal of every shelf: two strong ends and a few weaker pieces; neighbours' metal is heard weaker.

    Parameters
    ----------
    rng : Generator
    shelves : ShelfGeometry
    parameters : RadioParameters

    Returns
    -------
    scatterer_m : float64[s, 3]
    group_start : int32[g + 1]
    group_scatterer : int32[m]
    group_rho : complex128[m]
    """
    n = shelves.from_m.shape[0]
    weak = rng.integers(parameters.weak_count[0], parameters.weak_count[1] + 1, n)
    counts = 2 + weak
    owner = np.repeat(np.arange(n), counts)
    start = np.concatenate([[0], np.cumsum(counts)])
    which = np.arange(owner.size) - start[owner]
    length = np.linalg.norm(shelves.to_m - shelves.from_m, axis=1)
    along = (shelves.to_m - shelves.from_m) / np.maximum(length, 1e-9)[:, None]
    beyond = rng.uniform(*parameters.end_beyond_m, owner.size)
    at = np.where(
        which == 0,
        -beyond,
        np.where(which == 1, length[owner] + beyond, rng.random(owner.size) * length[owner]),
    )
    depth = rng.uniform(-0.5, 1.0, owner.size) * parameters.scatterer_depth_m
    height = rng.uniform(-0.05, 0.05, owner.size)
    places = shelves.from_m[owner] + at[:, None] * along[owner]
    places[:, :2] -= depth[:, None] * shelves.normal[owner]
    places[:, 2] += height
    strong = rng.uniform(*parameters.end_scatterer, owner.size)
    faint = rng.uniform(*parameters.weak_scatterer, owner.size)
    rho = np.where(which < 2, strong, faint) * unit_phasors(rng, owner.size)
    entries: list[NDArray[np.int64]] = []
    values: list[Complexes] = []
    sizes = np.zeros(n, np.int64)
    own = [np.arange(start[g], start[g + 1]) for g in range(n)]
    for g in range(n):
        lists = [own[g]]
        factors = [np.ones(own[g].size)]
        for side in (shelves.left[g], shelves.right[g]):
            if side >= 0 and parameters.next_bay_share > 0:
                lists.append(own[side])
                factors.append(np.full(own[side].size, parameters.next_bay_share))
        entry = np.concatenate(lists)
        entries.append(entry)
        values.append(rho[entry] * np.concatenate(factors))
        sizes[g] = entry.size
    group_start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    joined = np.concatenate(entries).astype(np.int32) if entries else np.empty(0, np.int32)
    return places, group_start, joined, (np.concatenate(values) if values else np.empty(0, np.complex128))
