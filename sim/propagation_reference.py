"""Plain numpy form of the one-way channel, which the compiled one is held equal to."""

from __future__ import annotations

import numpy as np

from sim.propagation import Complexes, Floats, Ints, Pattern, Scene


def channel_reference(
    scene: Scene, tags: Ints, k: float, antenna: Floats, boresight: Floats, pattern: Pattern, shadow: Floats
) -> Complexes:
    """Plain numpy form of `sim.propagation.channel`, equal to it to rounding.

    Parameters
    ----------
    scene : Scene
    tags : int32[c]
    k : float
        Wave number, rad/m.
    antenna, boresight : float64[3]
        Place (m) and unit direction of the antenna.
    pattern : Pattern
    shadow : float64[n]

    Returns
    -------
    complex128[c]
    """

    def antenna_field(way: Floats) -> Floats:
        cosine = way @ boresight / np.linalg.norm(way, axis=-1)
        forward = np.maximum(cosine, 0.0) ** pattern.antenna_exponent
        return pattern.back_lobe + np.where(cosine > 0, (1 - pattern.back_lobe) * forward, 0.0)

    way = scene.tag_m - antenna
    d = np.linalg.norm(way, axis=1)
    side = np.sum(way[:, :2] * scene.tag_normal[:, :2], axis=1)
    horizontal = np.linalg.norm(way[:, :2], axis=1)
    lying, cosine = scene.tag_normal[:, 2], np.maximum(np.abs(side) / d, 0.02)
    along = (way[:, 1] * scene.tag_normal[:, 0] - way[:, 0] * scene.tag_normal[:, 1]) / d
    both, up = along * way[:, 2] / d, way[:, 2] / d
    turned = np.arctan2(both, 1 + cosine - up**2) + np.arctan2(both, 1 + cosine - along**2)
    across = np.where(lying != 0.0, np.sqrt(np.maximum(1 - along**2, 0.0)), horizontal / d)
    tag_field = cosine**pattern.tag_exponent * across
    m = antenna_field(way) * tag_field * np.exp(-1j * (k * d + lying * turned)) / d
    image = way.copy()
    image[:, 2] = -scene.tag_m[:, 2] - antenna[2]
    d_image = np.linalg.norm(image, axis=1)
    m = m - pattern.floor * antenna_field(image) * tag_field * np.exp(-1j * k * d_image) / d_image
    to_scatterer = scene.scatterer_m - antenna
    d_scatterer = np.linalg.norm(to_scatterer, axis=1)
    lit = antenna_field(to_scatterer) * np.exp(-1j * k * d_scatterer) / d_scatterer
    for group in np.unique(scene.tag_group):
        entries = slice(scene.group_start[group], scene.group_start[group + 1])
        who = np.flatnonzero(scene.tag_group == group)
        s = scene.group_scatterer[entries]
        apart = np.linalg.norm(scene.tag_m[who, None] - scene.scatterer_m[None, s], axis=2)
        m[who] += np.exp(-1j * k * apart) @ (scene.group_rho[entries] * lit[s])
    m = shadow * m
    valid = scene.neighbour >= 0
    h = m + np.sum(np.where(valid, scene.kappa * m[scene.neighbour], 0.0), axis=1)
    return h[tags]
