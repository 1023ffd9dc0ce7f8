"""By which air interface each copy's tag is heard: UHF (EPC Gen2) or HF (ISO 15693).

A run covers the shelves by each air as well as its antennas of that air listened: an HF reader that is dead hears no
HF tag, however well the shelves were scanned by UHF.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.positions import HF_AIR, Coverage
from reports.books import Catalogue
from stacks.tag_data.keys import uids_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UHF, HF = 0, 1
AIRS = 2


def air_of_rows(coverage: Coverage) -> Ints | None:
    """Return the air of each row, shape (n,); None where none of them tells, and all hold for any tag."""
    told = np.array([air is not None for air in coverage.air.tolist()], bool)
    if not told.any():
        return None
    air = np.where(coverage.air == HF_AIR, HF, UHF).astype(np.int64)
    if not told.all():  # rows of an older file among others
        some = np.unique(air[told])
        air[~told] = some[0] if len(some) == 1 else UHF
    return air


def air_of_copies(c: Catalogue) -> npt.NDArray[np.int8]:
    """Return the air of each copy's tag, shape (n,).

    Its number tells (a UID is eight bytes and begins with E0), the record's or, where that has none, the one of the tag
    that names the copy; of former nights' tags HF ones alone are remembered. Copies whose tag nobody knows have what
    most others without a number in their record have, else what most copies have.
    """
    air = (uids_of(c.epc.tolist()) > 0).astype(np.int8)
    untold = c.epc == ""
    if not untold.any():
        return air
    known = ~untold
    rows = c.tags.copy_of.row
    if len(rows):
        mine = untold[rows]
        air[rows[mine]] = (uids_of(list(c.tags.copy_of)) > 0)[mine]
        known[rows[mine]] = True
    carried = c.tags.carried
    carried = carried[~known[carried]]
    air[carried] = HF
    known[carried] = True
    like = known & untold if (known & untold).any() else known
    usual = HF if 2 * int(air[like].sum()) > int(like.sum()) else UHF
    air[~known] = usual
    return air


def due_of_air(c: Catalogue, air: npt.NDArray[np.int8], places: int) -> Ints:
    """Return how many copies of each air are expected on each place, shape (`AIRS`, places)."""
    rows = np.flatnonzero(c.available & (c.home >= 0) & c.tagged)
    key = c.home[rows] + places * air[rows].astype(np.int64)
    return np.bincount(key, minlength=AIRS * places).reshape(AIRS, places).astype(np.int64)
