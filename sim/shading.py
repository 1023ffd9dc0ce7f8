"""What bookcases keep from the tags behind them."""

from __future__ import annotations

import numba as nb

from sim.propagation import Floats, Ints


@nb.njit(cache=True)
def shadows(tags: Ints, place: Floats, tag_m: Floats, walls: Floats, through: float, shadow: Floats) -> None:
    """Find what stands between the antenna and each tag: every wall crossed on the way costs ``through``.

    Every face has a wall a hand behind its tags, so that a double-faced bookcase has two, whichever way it is crossed,
    and a tag's own face none.

    Parameters
    ----------
    tags : int32[c]
    place : float64[3]
        The antenna.
    tag_m : float64[n, 3]
    walls : float64[f, 4]
        The walls: x and y of one end, then of the other.
    through : float
        Field left after one wall.
    shadow : float64[n]
        Filled for ``tags``.
    """
    for c in range(tags.size):
        i = tags[c]
        px, py = tag_m[i, 0], tag_m[i, 1]
        rx, ry = px - place[0], py - place[1]
        left = 1.0
        for w in range(walls.shape[0]):
            wx, wy = walls[w, 2] - walls[w, 0], walls[w, 3] - walls[w, 1]
            cross = rx * wy - ry * wx
            if cross == 0.0:
                continue
            qx, qy = walls[w, 0] - place[0], walls[w, 1] - place[1]
            along_ray = (qx * wy - qy * wx) / cross
            along_wall = (qx * ry - qy * rx) / cross
            if 0.0 < along_ray < 1.0 and 0.0 <= along_wall <= 1.0:
                left *= through
        shadow[i] = left
