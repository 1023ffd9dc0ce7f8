"""Books heard through or over their bookcase, or in passing, while their own shelf was not scanned.

Localization can put such a book only where antennas have listened: on the scanned side of a double-faced bookcase,
or on the last shelf before the robot stopped. The catalogue knows better where it stands.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from reports.books import Catalogue, Shelved
from reports.places import Places
from reports.policy import Policy
from reports.zones import Heard

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NEAR_M = 1.0  # from one side of a bookcase through to the other, and over its top: always within reach of an antenna
_ACROSS_M = 3.0  # the other side of an aisle: within reach of some antennas, as the run's own books tell
_HEARD = 0.3  # share of the books of a near shelf that are heard although it is not scanned
_PRIOR_BOOKS = 20.0  # how many books that share is worth against the shelf's own count
_ALIKE = 2.0  # tags with up to this times more or fewer readings are heard alike


def heard_from_behind(
    s: Shelved, catalogue: Catalogue, places: Places, heard: Heard, policy: Policy
) -> Floats:
    """Return the probability that each tag stands on its own shelf, which was not scanned, and was placed elsewhere.

    Bayes' rule sets the books at home that are heard from afar against the misplaced ones. Of a shelf
    within reach of where its books were placed, nearly a third are heard though nobody drove past it, more or fewer as
    its own books tell; of one across an aisle only as many as there are more than chance misplacements. A shelf of
    which a part was not scanned counts by that part; so does one that was read far less than others of its level.

    Returns
    -------
    float64 array, shape (n,)
        0 where the home was scanned as others were, is not known, is out of reach, or is where the tag was placed.
    """
    behind = np.zeros(len(s))
    unheard = np.maximum(heard.unheard_share(), heard.thin_share())
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0))
    if not len(rows) or not unheard.any():
        return behind
    home = np.full(len(s), -1, np.int64)
    home[rows] = s.home[rows]
    _nearest_of_named(home, rows, s, catalogue, places)
    asked = (home >= 0) & (home != s.place)
    cover = heard.cover_of(home, s.copy)
    asked[asked] = unheard[cover[asked]] > 0.0
    if not asked.any():
        return behind
    p = s.positions
    away_m = places.distance_m(np.where(asked, home, -1), p.x_m, p.y_m, p.z_m)
    reach_m = np.maximum(_NEAR_M, 3.0 * np.nan_to_num(p.sigma_along_m, nan=0.1))
    near = asked & ~(away_m > reach_m)
    across = asked & ~near & (away_m <= _ACROSS_M)
    due_rows = np.flatnonzero(catalogue.available & (catalogue.home >= 0))
    due_at = heard.cover_of(catalogue.home[due_rows], due_rows)
    due = np.bincount(due_at, minlength=heard.covers).astype(np.float64)
    for group, usual, sure in ((near, _HEARD, 0.0), (across, 0.0, 1.5)):
        seen = np.bincount(cover[group], minlength=heard.covers).astype(np.float64)
        surely = np.maximum(seen - sure * np.sqrt(seen), 0.0)
        rate = (surely + usual * _PRIOR_BOOKS) / (np.maximum(due, seen) + _PRIOR_BOOKS)
        at_home = (unheard * rate)[cover[group]]
        behind[group] = at_home / (at_home + policy.misshelved_share)
    return behind


def misled(s: Shelved, places: Places, behind: Floats) -> Floats:
    """Return the chance that a tag at no known home stands on a shelf nearby that was not scanned, shape (n,).

    The share of books heard from behind among those placed on the same face with about as many readings.
    """
    out = np.zeros(len(s))
    rows = np.flatnonzero((s.place >= 0) & (s.place != s.home))
    known = np.flatnonzero((s.copy >= 0) & (s.place >= 0))
    if not len(rows) or not behind.any():
        return out
    face = places.face_index[np.maximum(s.place, 0)]
    order = known[np.lexsort((s.positions.readings[known], face[known]))]
    most = float(s.positions.readings.max()) * _ALIKE + 2.0
    key = face[order] * most + s.positions.readings[order]
    total = np.concatenate([[0.0], np.cumsum(behind[order])])
    readings = s.positions.readings[rows].astype(np.float64)
    first = np.searchsorted(key, face[rows] * most + readings / _ALIKE, side="left")
    last = np.searchsorted(key, face[rows] * most + readings * _ALIKE, side="right")
    out[rows] = np.divide(
        total[last] - total[first], last - first, out=np.zeros(len(rows)), where=last > first
    )
    return out


def _nearest_of_named(home: Ints, rows: Ints, s: Shelved, catalogue: Catalogue, places: Places) -> None:
    """Fill in the nearest shelf of the home of copies whose record names a face or a location and no shelf."""
    named: dict[str, list[int]] = defaultdict(list)
    for row in rows[home[rows] < 0].tolist():
        named[catalogue.rows[int(s.copy[row])].home_location].append(row)
    p = s.positions
    for name, members in named.items():
        shelves = [i for i, r in enumerate(places.rows) if name and name in (r.face.id, places.location[i])]
        if not shelves:
            continue
        at = np.array(members, np.int64)
        x, y, z = p.x_m[at], p.y_m[at], p.z_m[at]
        away = [places.distance_m(np.full(len(at), i, np.int64), x, y, z) for i in shelves]
        home[at] = np.array(shelves, np.int64)[np.argmin(np.nan_to_num(np.array(away), nan=np.inf), axis=0)]
