"""How far neighbours' coupling pulls tags, by what it does to their loudness.

What reaches a tag by way of a neighbour at a distance ``D`` along the shelf comes over nearly the same way as what
reaches it directly. With ``s`` the sine of the direction to the antenna, the field at the tag is

    1 + kappa e^{jkDs},    log of it, to first order,    kappa + j k s kappa D

times what it would be alone. The slope along ``s`` of its phase, ``k Re(kappa D)``, is that of a tag which stands
``Re(kappa D)`` farther along: it pulls the place, and no residual shows it. The slope of its log amplitude,
``-k Im(kappa D)``, is that of no place at all. Both are parts of one complex number whose phase hangs on how tags and
books happen to lie, so that over many tags one is as large as the other (as phase and log amplitude of a weakly
scattered wave are: Tatarskii, *Wave Propagation in a Turbulent Medium*, 1961, ch. 7). How much louder tags are heard
from one side than from the other, beyond what their distance, the antenna's pattern and the shelf's metal make,
therefore tells how far they are pulled, whatever couples them, and without a free constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Decibels of a neper.
NEPER_DB = 8.686
#: Beyond this sine of the direction an antenna looks past the tag, and loudness is its pattern's skirts.
MOST_SINE = 0.85
#: So much of the directions' squares, weighted, is the least that shows a slope, and so many witnesses more than
#: antennas.
LEAST_SPREAD, LEAST_FREE = 0.1, 2.0
#: Decibels of RSSI for one of the field: 2 of a linear tag, less where a chip answers the less the more power it gets.
#: Where RSSI follows the field by less than ``LEAST_FOLLOWED`` it is no loudness.
FOLLOWED, LEAST_FOLLOWED = (0.5, 2.0), 0.25
#: RSSI is told in steps, and noisy: what is left of it is no less than this.
LEAST_LEFT_DB = 0.2


@dataclass(frozen=True, slots=True)
class Swings:
    """How loudness swings along the shelf from tag to tag; columns of shape (p,).

    Attributes
    ----------
    swing_m : float64 array
        The slope of each tag's log amplitude as the shift of a place whose phase would slope so much.
    variance : float64 array
        Of ``swing_m``, by what else moves loudness, m^2; infinite where it is not told.
    """

    swing_m: Floats
    variance: Floats

    def __len__(self) -> int:
        return len(self.swing_m)

    def select(self, rows: Ints) -> Swings:
        """Return those of some tags."""
        return Swings(self.swing_m[rows], self.variance[rows])


def swings(
    start: Ints,
    sine: Floats,
    rssi_dbm: Floats,
    field_db: Floats,
    antenna: Ints,
    weight: Floats,
    wavenumber: float,
) -> Swings:
    """Return the swings of tags' loudness.

    RSSI is fitted by a level for each tag and antenna, a share of the expected field's decibels, a slope along the
    sine for each antenna and a bend for all, and what each tag's own slope is beside that.

    Parameters
    ----------
    start : int64 array, shape (p + 1,)
        Observations ``start[i]:start[i + 1]`` are those of tag ``i``.
    sine : float64 array, shape (n,)
        Of the direction from tag to antenna, along the shelf.
    rssi_dbm, field_db : float64 array, shape (n,)
        What was heard, and the expected one-way field.
    antenna : int64 array, shape (n,)
    weight : float64 array, shape (n,)
        One a witness.
    wavenumber : float
        One way, rad/m.
    """
    tags = len(start) - 1
    none = Swings(np.zeros(tags), np.full(tags, np.inf))
    told = (np.abs(sine) < MOST_SINE) & np.isfinite(rssi_dbm) & np.isfinite(field_db) & np.isfinite(weight)
    weight, sine = np.where(told, weight, 0.0), np.where(told, sine, 0.0)
    if not weight.any():
        return none
    owner = np.repeat(np.arange(tags), np.diff(start))
    known = np.bincount(antenna, minlength=256) > 0
    which = (np.cumsum(known) - 1)[antenna]
    antennas = int(known.sum())
    group = owner * antennas + which
    total = np.bincount(group, weight, tags * antennas)
    share = weight / np.maximum(total, 1e-12)[group]

    def centred(value: Floats) -> Floats:
        return value - np.bincount(group, share * value, tags * antennas)[group]

    across, bend = centred(sine), centred(sine**2)
    heard, field = centred(np.where(told, rssi_dbm, 0.0)), centred(np.where(told, field_db, 0.0))
    square = np.maximum(np.bincount(owner, weight * across**2, tags), 1e-9)

    def slope(value: Floats) -> Floats:
        return np.bincount(owner, weight * across * value, tags) / square

    def level(value: Floats) -> Floats:
        return value - slope(value)[owner] * across

    flat_field, flat_heard = level(field), level(heard)
    followed = float((weight * flat_field * flat_heard).sum() / max((weight * flat_field**2).sum(), 1e-9))
    if followed < LEAST_FOLLOWED:
        return none
    left = heard - followed * field
    common = np.stack([centred(np.where(which == n, sine, 0.0)) for n in range(antennas)] + [bend], axis=1)
    root = np.sqrt(weight)
    left = left - common @ np.linalg.lstsq(common * root[:, None], left * root, rcond=None)[0]
    own = slope(left)
    rest = np.bincount(owner, weight * (left - own[owner] * across) ** 2, tags)
    free = np.bincount(owner, weight, tags) - (total.reshape(tags, antennas) > 0.0).sum(axis=1)
    good = (free > LEAST_FREE) & (square > LEAST_SPREAD)
    if not good.any():
        return none
    noise = max(float(rest[good].sum() / (free[good] - 1.0).sum()), LEAST_LEFT_DB**2)
    metres = 1.0 / (NEPER_DB * wavenumber * float(np.clip(followed, *FOLLOWED)))
    variance = np.where(good, metres**2 * noise / square, np.inf)
    return Swings(np.where(good, metres * own, 0.0), variance)
