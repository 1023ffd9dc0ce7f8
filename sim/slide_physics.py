"""The field on a simulated slide: a row of tags and the metal about it, every one re-radiating to every other.

Tags hang upright and close together. Each is taken as an upright wire with a current ``I(z) = cos(pi z / L)``, the
half-wave dipole's where ``L`` is half a wave. It answers a field ``E`` with the wave ``T K(s) E``; ``K`` is the mutual
impedance of two such wires over the resistance of one (P. S. Carter, Proc. IRE 20, 1004, 1932; C. A. Balanis, *Antenna
Theory*, section 8.6), summed over both wires from the wave of a short dipole (J. D. Jackson, *Classical
Electrodynamics*, section 9.2, times ``exp(j w t)``; ``x = k r``, ``c`` the cosine between the way and the dipoles)::

    K = <I(z) I(z') P(r)> / <I(z) I(z') Re P(|z - z'|)>
    P = 1.5 j e^{-jx} / x * ((1 - j/x - 1/x^2) - c^2 (1 - 3j/x - 3/x^2))

Half-wave dipoles 4 cm apart are coupled by nearly the resistance of one, so that close tags get nearly one field,
those at the ends no more than those in the middle: as measured. Tags are folded, though, and shorter than half a wave:
straight wires would overlap those of a line 12.5 cm higher. Between lines a tag is taken as a short dipole.

A passive tag has ``T = (S - 1) / 2`` with ``|S| <= 1``: ``S = 0`` is a matched absorber, ``S`` on the unit circle a
lossless re-radiator, so a row never radiates more than it takes. The metal beside the row (posts, the table's edge)
is upright too and taken as thin cylinders, which answer with ``T H0(k s) E`` (``H0`` the outgoing Hankel function).
The fields at all of them solve the Foldy-Lax equations (L. L. Foldy, Phys. Rev. 67, 107, 1945)::

    E_i = G_i e^{-jk d_i} / d_i + sum_{j != i} T_j K_ij E_j

By reciprocity the reader receives ``E_i ** 2``. One law of coupling serves every pitch: tags 20 cm apart hear a fifth
of one another's field, tags 4 cm apart hardly anything else.

``G`` holds what a wall behind the row throws back, an image of the antenna at ``2 W - d``. The wall stays where it is
while the row is moved, so that residuals come again with every half wavelength of depth (stretched a little, as the
waves meet aslant): on the measured slide scans of the same tags 18 and 36 cm apart in depth are alike by .7 to .8,
those 9 and 27 cm apart by .3. Tags and metal belong to a laboratory and are the same in all of its scans
(`Laboratory`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import hankel2

from sim.environment import unit_phasors
from sim.propagation import SPEED_OF_LIGHT_MPS

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

WEAK_WITHIN_M = 0.6
"""Weaker metal stands so near the row's middle."""

NEAREST_BEYOND_M = 0.02
"""The strong metal stands at least so far beyond the row's last tag."""

THICK_M = 0.01
"""Nothing is nearer to a wire's or a cylinder's axis."""

PIECES = 24
"""In so many pieces a tag's current is summed."""


@dataclass(frozen=True, slots=True)
class SlideParameters:
    """How a slide's laboratory behaves; one set serves every pitch, but for the tags: two series were measured.

    Attributes
    ----------
    tag_answer : tuple of float
        Lowest and highest ``|S|`` of a tag.
    tag_answer_rad, tag_answer_sd_rad : float
        Mean and scatter of the angle of ``S`` from tag to tag (detuning).
    tag_length_m : float
        Length ``L`` of a straight dipole that couples with its neighbours in a line as a tag does.
    tag_size_m : float
        To tags of other lines a tag is no wire but small: its wave at distance ``s`` is that of a short dipole at
        ``hypot(s, tag_size_m)``.
    end_metal, weak_metal : tuple of float
        Lowest and highest ``|T|`` of the two strong pieces of metal beyond the row's ends, and of the weaker ones.
    weak_count : tuple of int
        Fewest and most weaker pieces.
    end_beyond_m : tuple of float
        Nearest and farthest place of the strong ones beyond the row's last tag.
    metal_depth_m : float
        Half width of the band about the row that holds the metal.
    wall_m : tuple of float
        Nearest and farthest distance of the wall behind the row from the rail.
    wall_reflection : tuple of float
        Lowest and highest amplitude of what it reflects.
    tag_centre_sd_m : float
        Scatter of a tag's electrical centre about its place along the row.
    shift_sd_m : float
        Scatter, from laboratory to laboratory, of the antenna's phase centre against the rail's zero.
    placing_sd_m, depth_sd_m : float
        Scatter, from scan to scan, of a row's true place about the noted one, along and across.
    hanging_sd_m : float
        Scatter, from scan to scan, of each tag about its place in the row, along and across.
    metal_moved_sd_m : float
        Scatter, from scan to scan, of each piece of metal about its place beside the row, along and across.
    antenna_exponent : float
        Field pattern of antenna and tag together, ``cos**exponent`` of the angle off the antenna's boresight.
    tilt_sd_rad : float
        Scatter, from laboratory to laboratory, of the boresight about the rail's normal.
    margin_db, margin_sd_db : float
        Power of a tag 0.6 m away above its threshold, and its scatter from tag to tag.
    compression : float
        Decibels of backscatter lost per decibel of power 20 dB above the threshold; proportionally less below.
    am_pm_rad_per_db : float
        Phase that the same change of the chip's impedance turns.
    rssi_at_threshold_dbm : float
        RSSI of a tag that just answers.
    noise_scale : float
        Factor on the thermal phase noise (1: as measured).
    cable_m : tuple of float
        Shortest and longest electrical length of the cable, counted as distance.
    channel_phase_sd_rad : float
        What a channel's phase offset keeps beside the cable's straight line.
    """

    tag_answer: tuple[float, float] = (0.85, 0.95)
    tag_answer_rad: float = -0.74
    tag_answer_sd_rad: float = 0.3
    tag_length_m: float = 0.16
    tag_size_m: float = 0.06
    end_metal: tuple[float, float] = (0.65, 0.95)
    weak_metal: tuple[float, float] = (0.06, 0.3)
    weak_count: tuple[int, int] = (2, 6)
    end_beyond_m: tuple[float, float] = (0.25, 0.55)
    metal_depth_m: float = 0.1
    wall_m: tuple[float, float] = (1.05, 1.7)
    wall_reflection: tuple[float, float] = (0.38, 0.72)
    tag_centre_sd_m: float = 0.003
    shift_sd_m: float = 0.01
    placing_sd_m: float = 0.006
    depth_sd_m: float = 0.008
    hanging_sd_m: float = 0.003
    metal_moved_sd_m: float = 0.018
    antenna_exponent: float = 0.7
    tilt_sd_rad: float = 0.25
    margin_db: float = 20.9
    margin_sd_db: float = 1.0
    compression: float = 1.37
    am_pm_rad_per_db: float = 0.054
    rssi_at_threshold_dbm: float = -72.3
    noise_scale: float = 1.0
    cable_m: tuple[float, float] = (8.0, 10.0)
    channel_phase_sd_rad: float = 0.01


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What all scans of one set share: the tags themselves, the metal that stands by the row, the room, the reader.

    Attributes
    ----------
    answer : complex128[n]
        ``S`` of each tag.
    centre_m : float64[n]
        Electrical centre of each tag from its place along the row.
    margin_db : float64[n]
        Power of each tag 0.6 m away above its threshold.
    beyond_m : float64[2]
        The two strong pieces of metal beyond the row's ends.
    weak_m : float64[w]
        The weaker pieces along the row, from its middle.
    behind_m : float64[2 + w]
        Metal behind the row; negative: before it.
    metal : complex128[2 + w]
        ``T`` of the metal.
    wall_m : float
        Distance of the wall from the rail.
    wall : complex
        What it reflects.
    shift_m : float
        Phase centre of the antenna against the rail's zero.
    cable_m : float
        Electrical length of the cable, counted as distance.
    channel_rad : float64[c]
        What each channel's phase keeps beside the cable's straight line.
    tilt_rad : float
        The antenna's boresight, from the rail's normal towards its end.
    """

    answer: Complexes
    centre_m: Floats
    margin_db: Floats
    beyond_m: Floats
    weak_m: Floats
    behind_m: Floats
    metal: Complexes
    wall_m: float
    wall: complex
    shift_m: float
    cable_m: float
    channel_rad: Floats
    tilt_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of tags, its metal, and the wall behind it.

    Attributes
    ----------
    place_m : float64[n + m, 3]
        Along the rail, away from it, up; the ``n`` tags first.
    strength : complex128[n + m]
        ``T`` of each.
    tags : int
        ``n``.
    wall_m : float
        Distance of the wall from the rail.
    wall : complex
        What it reflects; 0: there is none.
    """

    place_m: Floats
    strength: Complexes
    tags: int
    wall_m: float = 2.0
    wall: complex = 0.0


def draw_laboratory(
    rng: np.random.Generator, tags: int, channels: int, parameters: SlideParameters
) -> Laboratory:
    """Draw what differs from one set of scans to another."""
    p = parameters
    angle: Floats = p.tag_answer_rad + p.tag_answer_sd_rad * rng.standard_normal(tags)
    weak = int(rng.integers(p.weak_count[0], p.weak_count[1] + 1))
    size = np.concatenate([rng.uniform(*p.end_metal, 2), rng.uniform(*p.weak_metal, weak)])
    return Laboratory(
        answer=np.asarray(rng.uniform(*p.tag_answer, tags) * np.exp(1j * angle), np.complex128),
        centre_m=p.tag_centre_sd_m * rng.standard_normal(tags),
        margin_db=p.margin_db + p.margin_sd_db * rng.standard_normal(tags),
        beyond_m=rng.uniform(*p.end_beyond_m, 2),
        weak_m=rng.uniform(-WEAK_WITHIN_M, WEAK_WITHIN_M, weak),
        behind_m=rng.uniform(-1.0, 1.0, weak + 2) * p.metal_depth_m,
        metal=size * unit_phasors(rng, weak + 2),
        wall_m=float(rng.uniform(*p.wall_m)),
        wall=complex(rng.uniform(*p.wall_reflection) * unit_phasors(rng, 1)[0]),
        shift_m=float(p.shift_sd_m * rng.standard_normal()),
        cable_m=float(rng.uniform(*p.cable_m)),
        channel_rad=p.channel_phase_sd_rad * rng.standard_normal(channels),
        tilt_rad=float(p.tilt_sd_rad * rng.standard_normal()),
    )


def move_metal(laboratory: Laboratory, by_m: Floats) -> Laboratory:
    """Return a laboratory whose metal stands elsewhere beside the row.

    Parameters
    ----------
    laboratory : Laboratory
    by_m : float64[2, 2 + w]
        How far each piece is moved, along the row (the strong ones: outwards) and away from the rail.
    """
    of = laboratory
    return replace(
        of,
        beyond_m=np.maximum(of.beyond_m + by_m[0, :2], NEAREST_BEYOND_M),
        weak_m=of.weak_m + by_m[0, 2:],
        behind_m=of.behind_m + by_m[1],
    )


def set_up(laboratory: Laboratory, along_m: Floats, depth_m: float | Floats, height_m: Floats) -> Row:
    """Put a laboratory's tags and metal up as one row.

    Parameters
    ----------
    laboratory : Laboratory
    along_m : float64[n]
        Places of the tags along the rail.
    depth_m : float or float64[n]
        True distance from rail to row.
    height_m : float64[n]
        Heights above the antenna.
    """
    of, n = laboratory, along_m.size
    low, high = float(along_m.min()), float(along_m.max())
    tags = np.column_stack([along_m + of.centre_m, np.broadcast_to(depth_m, n), height_m])
    along = np.concatenate([[low - of.beyond_m[0], high + of.beyond_m[1]], (low + high) / 2 + of.weak_m])
    metal = np.column_stack([along, np.mean(depth_m) + of.behind_m, np.zeros(along.size)])
    return Row(
        place_m=np.concatenate([tags, metal]),
        strength=np.concatenate([(of.answer - 1.0) / 2.0, of.metal]),
        tags=n,
        wall_m=of.wall_m,
        wall=of.wall,
    )


def fields(
    row: Row,
    stops_m: Floats,
    frequencies_hz: Floats,
    parameters: SlideParameters,
    shift_m: float,
    tilt_rad: float = 0.0,
) -> Complexes:
    """Return the one-way field at every tag, stop of the antenna and channel.

    Parameters
    ----------
    row : Row
    stops_m : float64[s]
        Places of the antenna along the rail.
    frequencies_hz : float64[f]
    parameters : SlideParameters
    shift_m : float
        Phase centre of the antenna against its place.
    tilt_rad : float
        Its boresight, from the rail's normal towards the rail's end.

    Returns
    -------
    complex128[n, s, f]
        Free space at 1 m on boresight: modulus 1.
    """
    place, n = row.place_m, row.tags
    upright = np.arange(len(place)) >= n  # metal has no height of its own: it is met at the other's
    level = np.where(upright, 0.0, place[:, 2])
    way = np.stack(
        np.broadcast_arrays(stops_m[None, :] + shift_m - place[:, None, 0], place[:, None, 1], level[:, None])
    )
    d = np.sqrt(np.sum(way**2, axis=0))
    ahead = way[1] * np.cos(tilt_rad) - way[0] * np.sin(tilt_rad)  # `way` goes from the place to the antenna
    pattern = np.maximum(ahead / d, 0.0) ** parameters.antenna_exponent / d
    behind = 2.0 * row.wall_m - way[1]  # the antenna's image, as far behind the wall as the rail is before it
    image = np.sqrt(way[0] ** 2 + behind**2 + way[2] ** 2)
    ahead = behind * np.cos(tilt_rad) - way[0] * np.sin(tilt_rad)
    thrown_back = row.wall * np.maximum(ahead / image, 0.0) ** parameters.antenna_exponent / image
    flat = np.hypot(np.hypot(*(place[:, None, :2] - place[None, :, :2]).transpose(2, 0, 1)), THICK_M)
    climb = np.where(upright[:, None] | upright[None, :], 0.0, level[:, None] - level[None, :])
    apart = np.sqrt(flat**2 + climb**2 + parameters.tag_size_m**2)
    off = ~np.eye(len(place), dtype=np.bool_)
    found = np.empty((n, stops_m.size, frequencies_hz.size), np.complex128)
    for f, frequency in enumerate(frequencies_hz):
        k = 2 * np.pi * frequency / SPEED_OF_LIGHT_MPS
        compact = _dipole(k * apart, climb / apart)
        tags = np.where(climb == 0.0, dipoles(k, flat, parameters.tag_length_m), compact)
        wave = np.where(upright[None, :], hankel2(0, k * flat), tags)
        among = np.where(off, wave, 0.0) * row.strength[None, :]
        alone = pattern * np.exp(-1j * k * d) + thrown_back * np.exp(-1j * k * image)
        found[:, :, f] = np.linalg.solve(np.eye(len(place)) - among, alone)[:n]
    return found


def dipoles(k: float, apart_m: Floats, length_m: float) -> Complexes:
    """Return the mutual impedance of two upright dipoles side by side over the resistance of one.

    Parameters
    ----------
    k : float
        Wave number, in radians a metre.
    apart_m : float64[...]
        How far apart they are.
    length_m : float
        Of each; the current is a half cosine.
    """
    current = np.cos(np.pi * np.linspace(-0.5, 0.5, PIECES + 1))
    weight = np.convolve(current, current)
    offset = length_m / PIECES * np.arange(-PIECES, PIECES + 1)
    way = np.hypot(np.asarray(apart_m)[..., None], offset)
    alone = np.maximum(np.abs(offset), 1e-3)  # the real part, which alone counts, is smooth there
    own = _dipole(k * alone, offset / alone).real @ weight
    return np.asarray(_dipole(k * way, offset / way) @ weight / own, np.complex128)


def _dipole(x: Floats, cosine: Floats) -> Complexes:
    """Upright field of an upright short dipole at ``x = k s``; its real part tends to 1 at no distance."""
    across, along = 1.0 - 1j / x - 1.0 / x**2, 1.0 - 3j / x - 3.0 / x**2
    return 1.5j * np.exp(-1j * x) / x * (across - cosine**2 * along)


SLIDE = SlideParameters()
"""The laboratory of the measured slide: bare tags in a row, metal beside them."""

EARLIER_TAGS = replace(SLIDE, tag_answer=(0.9, 0.98), tag_answer_rad=0.3, tag_answer_sd_rad=0.5)
"""The same with the tags of the 20 cm rows.

Those rows were measured a month before the others, with tags numbered otherwise (1000... there, 9427... in all other
rows). Near resonance a tag's answer turns by radians with little detuning. This module's field fitted to eight of those
scans, phases and strengths, from many starts and whether a tag answers as a dipole or as a cylinder, wants the middle
tag at +0.6 to +1.3 rad, the right one at -0.7 to -1.2, the left one between -0.3 and +1, nearly all with ``|S|`` of
0.84 to 0.99; with tags that all answer alike it finds strong metal where the middle one hangs. Such a tag sends its
neighbours a wave that comes in step from the middle of the row: the outer tags are heard best from there.
"""
