"""The field on a simulated slide: a row of tags and the metal about it, every one re-radiating to every other.

Tags hang upright and close together. Each is taken as a short upright dipole that answers a field ``E`` with the wave
of a dipole, ``T K(s) E`` at distance ``s`` level with it (J. D. Jackson, *Classical Electrodynamics*, section 9.2,
times ``exp(j w t)``; ``x = k s``, ``c`` the cosine between the way and the dipoles)::

    K = 1.5 j e^{-jx} / x * ((1 - j/x - 1/x^2) - c^2 (1 - 3j/x - 3/x^2))

A passive tag has ``T = (S - 1) / 2`` with ``|S| <= 1``: ``S = 0`` is a matched absorber, ``S`` on the unit circle a
lossless re-radiator, so a row never radiates more than it takes. The metal beside the row (posts, the table's edge)
is upright too and taken as thin cylinders, which answer with ``T H0(k s) E`` (``H0`` the outgoing Hankel function).
The fields at all of them solve the Foldy-Lax equations (L. L. Foldy, Phys. Rev. 67, 107, 1945)::

    E_i = G_i e^{-jk d_i} / d_i + sum_{j != i} T_j K_ij E_j

By reciprocity the reader receives ``E_i ** 2``. One strength of the tags serves every pitch: tags 20 cm apart hear
little of one another, tags 4 cm apart hardly anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import hankel2

from sim.environment import unit_phasors
from sim.propagation import SPEED_OF_LIGHT_MPS

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class SlideParameters:
    """How a slide's laboratory behaves; one set serves every pitch.

    Attributes
    ----------
    tag_answer : tuple of float
        Lowest and highest ``|S|`` of a tag.
    tag_answer_rad, tag_answer_sd_rad : float
        Mean and scatter of the angle of ``S`` from tag to tag (detuning).
    tag_size_m : float
        A tag is no point: its wave at distance ``s`` is that of a point at ``hypot(s, tag_size_m)``.
    end_metal, weak_metal : tuple of float
        Lowest and highest ``|T|`` of the two strong pieces of metal beyond the row's ends, and of the weaker ones.
    weak_count : tuple of int
        Fewest and most weaker pieces.
    end_beyond_m : tuple of float
        Nearest and farthest place of the strong ones beyond the row's last tag.
    metal_depth_m : float
        Half width of the band about the row that holds the metal.
    tag_centre_sd_m : float
        Scatter of a tag's electrical centre about its place along the row.
    shift_sd_m, depth_sd_m : float
        Scatter, from row to row, of the antenna's phase centre against the rail's zero, along and across.
    antenna_exponent : float
        Field pattern of antenna and tag together, ``cos**exponent`` of the angle off the rail's normal.
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

    tag_answer: tuple[float, float] = (0.67, 0.97)
    tag_answer_rad: float = -0.9
    tag_answer_sd_rad: float = 0.3
    tag_size_m: float = 0.06
    end_metal: tuple[float, float] = (0.4, 0.99)
    weak_metal: tuple[float, float] = (0.025, 0.1)
    weak_count: tuple[int, int] = (2, 6)
    end_beyond_m: tuple[float, float] = (0.0, 0.4)
    metal_depth_m: float = 0.06
    tag_centre_sd_m: float = 0.0094
    shift_sd_m: float = 0.014
    depth_sd_m: float = 0.03
    antenna_exponent: float = 0.44
    margin_db: float = 21.4
    margin_sd_db: float = 1.0
    compression: float = 1.3
    am_pm_rad_per_db: float = 0.054
    rssi_at_threshold_dbm: float = -68.0
    noise_scale: float = 1.0
    cable_m: tuple[float, float] = (8.0, 10.0)
    channel_phase_sd_rad: float = 0.01


@dataclass(frozen=True, slots=True)
class Row:
    """One row of tags and its metal.

    Attributes
    ----------
    place_m : float64[n + m, 3]
        Along the rail, away from it, up; the ``n`` tags first.
    strength : complex128[n + m]
        ``T`` of each.
    tags : int
        ``n``.
    """

    place_m: Floats
    strength: Complexes
    tags: int


def draw_row(
    rng: np.random.Generator, along_m: Floats, depth_m: float, height_m: Floats, parameters: SlideParameters
) -> Row:
    """Draw what differs from row to row: the tags' answers and electrical centres, and the metal.

    Parameters
    ----------
    rng : Generator
    along_m : float64[n]
        Places of the tags along the rail.
    depth_m : float
        True distance from rail to row.
    height_m : float64[n]
        Heights above the antenna.
    parameters : SlideParameters
    """
    p, n = parameters, along_m.size
    centre = along_m + p.tag_centre_sd_m * rng.standard_normal(n)
    tags = np.column_stack([centre, np.full(n, depth_m), height_m])
    angle: Floats = p.tag_answer_rad + p.tag_answer_sd_rad * rng.standard_normal(n)
    answer = rng.uniform(*p.tag_answer, n) * (np.cos(angle) + 1j * np.sin(angle))
    weak = int(rng.integers(p.weak_count[0], p.weak_count[1] + 1))
    beyond = rng.uniform(*p.end_beyond_m, 2)
    along = np.concatenate(
        [[along_m.min() - beyond[0], along_m.max() + beyond[1]], rng.uniform(-0.1, 1.1, weak)]
    )
    across = depth_m + rng.uniform(-1.0, 1.0, weak + 2) * p.metal_depth_m
    size = np.concatenate([rng.uniform(*p.end_metal, 2), rng.uniform(*p.weak_metal, weak)])
    metal = np.column_stack([along, across, np.zeros(weak + 2)])
    return Row(
        place_m=np.concatenate([tags, metal]),
        strength=np.concatenate([(answer - 1.0) / 2.0, size * unit_phasors(rng, weak + 2)]),
        tags=n,
    )


def fields(
    row: Row, stops_m: Floats, frequencies_hz: Floats, parameters: SlideParameters, shift_m: float
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
    pattern = (place[:, None, 1] / d) ** parameters.antenna_exponent / d
    flat = np.hypot(*(place[:, None, :2] - place[None, :, :2]).transpose(2, 0, 1))
    climb = np.where(upright[:, None] | upright[None, :], 0.0, level[:, None] - level[None, :])
    apart = np.sqrt(flat**2 + climb**2 + np.where(upright, 0.01, parameters.tag_size_m)[None, :] ** 2)
    off = ~np.eye(len(place), dtype=np.bool_)
    found = np.empty((n, stops_m.size, frequencies_hz.size), np.complex128)
    for f, frequency in enumerate(frequencies_hz):
        k = 2 * np.pi * frequency / SPEED_OF_LIGHT_MPS
        wave = np.where(upright[None, :], hankel2(0, k * apart), _dipole(k * apart, climb / apart))
        among = np.where(off, wave, 0.0) * row.strength[None, :]
        alone = pattern * np.exp(-1j * k * d)
        found[:, :, f] = np.linalg.solve(np.eye(len(place)) - among, alone)[:n]
    return found


def _dipole(x: Floats, cosine: Floats) -> Complexes:
    """Upright field of an upright unit dipole at ``x = k s``; its real part tends to 1 at no distance."""
    across, along = 1.0 - 1j / x - 1.0 / x**2, 1.0 - 3j / x - 3.0 / x**2
    return 1.5j * np.exp(-1j * x) / x * (across - cosine**2 * along)


SLIDE = SlideParameters()
"""The laboratory of the measured slide: bare tags in a row, metal beside them."""
