"""How much of a tag's error is new every night.

A tag's error is ``e = z_tag sqrt(1 - w) s + z_night sqrt(w) s`` with ``s`` what its bar says: what belongs to the tag
and to the metal about it comes back whenever the robot drives by the same way, the rest is new. Pairs of nights tell
``w`` without any truth, as what comes back cancels in their difference (``python -m benchmarks nights`` prints it);
only that much averages out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.night_coverage import Hearing
from localization.night_shifts import Shifts
from localization.night_table import NightTable
from localization.normal import Z90

Floats = npt.NDArray[np.float64]

#: What bars are taken to hold that is new every night, before pairs of tags tell; worth so many pairs.
USUAL_SHARE, USUAL_PAIRS = 0.3, 20.0
#: However alike nights are, so much is new; and however much they differ, so much of a bar comes back.
LEAST_SHARE, LEAST_BACK = 0.02, 0.5
#: A night drove past a place where it expects so many readings of a usual tag, and so many of the most that any does.
PASSED_READINGS, PASSED_OF_BEST = 3.0, 0.7
#: Two nights so many deviations apart are not explained by bars; that is so rare, worth so many pairs, and at most so
#: frequent.
GROSS, GROSS_USUAL, GROSS_PAIRS, GROSS_MOST = 4.0, 0.002, 400.0, 0.05
#: What a tag moves by when its book is taken out and put back in the same place.
REPLACED_M = 0.004


@dataclass(frozen=True, slots=True)
class Errors:
    """What differs from night to night.

    Attributes
    ----------
    own_share : float
        Share of a bar's variance that is new every night; over 1 where bars are too narrow even for that. From the
        90 % quantile, so that rare large differences count.
    core_share : float
        The same for most tags (from the median): how near two nights put a tag that was not touched.
    pairs : int
        Pairs of a tag's nights that it was told from.
    gross_share : float
        Share of places that no bar explains (another peak of the phase). A book moved along its own shelf looks the
        same: it counts here until another night confirms it.
    """

    own_share: float
    core_share: float
    pairs: int
    gross_share: float

    def combined(self, weight: Floats, sigma_m: Floats) -> Floats:
        """Return the deviation of a weighted mean over nights (weights sum to 1), shape (t,)."""
        sigma = np.where(weight > 0.0, np.nan_to_num(sigma_m), 0.0)
        back = max(1.0 - self.own_share, LEAST_BACK)
        # What comes back is no less than in the surest of the nights: another night's wide bar does not widen it.
        mean = (weight * sigma).sum(axis=1)
        return np.sqrt(back * mean**2 + self.own_share * (weight**2 * sigma**2).sum(axis=1))


def learn_errors(table: NightTable, shifts: Shifts, hearing: Hearing) -> Errors:
    """Learn what is new every night from the tags that several nights drove past and have on one shelf."""
    offset = table.offset_m - shifts.own
    passed = np.ones(offset.shape, np.bool_)
    for k in range(offset.shape[1]):
        expected = hearing.readings(table.place[:, k], table.offset_m[:, k], table.hf)
        most = np.max(np.nan_to_num(expected), axis=1)
        # A night without coverage does not say what it drove past.
        passed[:, k] = ~(expected[:, k] < np.maximum(PASSED_READINGS, PASSED_OF_BEST * most))
    found: list[Floats] = [np.zeros(0)]
    count = offset.shape[1]
    for a in range(count):
        for b in range(a + 1, count):
            same = (table.place[:, a] >= 0) & (table.place[:, a] == table.place[:, b])
            same &= passed[:, a] & passed[:, b]
            spread = np.hypot(table.sigma_local_m[same, a], table.sigma_local_m[same, b])
            found.append(np.abs(offset[same, a] - offset[same, b]) / np.maximum(spread, 1e-4))
    z = np.concatenate(found)
    if not len(z):
        return Errors(USUAL_SHARE, USUAL_SHARE, 0, GROSS_USUAL)

    def shrunk(share: float) -> float:
        told = (len(z) * share + USUAL_PAIRS * USUAL_SHARE) / (len(z) + USUAL_PAIRS)
        return float(max(told, LEAST_SHARE))

    gross = (float((z > GROSS).sum()) + GROSS_PAIRS * GROSS_USUAL) / (len(z) + GROSS_PAIRS)
    return Errors(
        shrunk(float(np.quantile(z, 0.9) / Z90) ** 2), shrunk(float(np.median(z) / 0.6745) ** 2), len(z),
        min(gross, GROSS_MOST),
    )  # fmt: skip
