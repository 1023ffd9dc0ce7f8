"""Where a tag would have been heard: what reports need before they call a book missing or a zone not scanned.

The rate learnt from the tags heard, added up over where and when each antenna listened, for every cell of every face.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from localization.antenna_silence import silence_of_all
from localization.faces import Frames
from localization.hypotheses import face_levels, tag_height
from localization.listening import Listening, ReadRate, expected_readings
from localization.positions import UHF_AIR, Coverage

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELL_M = 0.1
#: Tags differ in how often they are read: a negative binomial's size, at most and at least.
SIZE_RANGE = (0.5, 5.0)
#: No tag is certain to be heard: broken, shielded by metal, lying on its chip.
MOST_CERTAIN = 0.995


def make_coverage(
    listening: Listening,
    frames: Frames,
    rate: ReadRate,
    tag_face: Ints,
    tag_offset_m: Floats,
    tag_height_m: Floats,
    tag_readings: Floats,
    jobs: int = 1,
) -> Coverage:
    """Make the coverage of every face of the plan, by UHF antennas.

    Parameters
    ----------
    tag_face, tag_offset_m, tag_height_m : arrays, shape (tags,)
        Tags well placed.
    tag_readings : float64 array, shape (tags, antennas)
        The readings each gave to antennas that look at its face: how much tags differ, and how often each antenna
        alone hears nothing of a tag that it should.
    jobs : int
        Threads.
    """
    face, level, shelf, from_m, to_m, height = _cells(frames)
    if len(face) == 0:
        return Coverage.empty()
    heard = expected_readings(listening, frames, rate, tag_face, tag_offset_m, tag_height_m, jobs)
    size = _dispersion(heard.sum(axis=1), tag_readings.sum(axis=1))
    by_antenna = expected_readings(listening, frames, rate, face, 0.5 * (from_m + to_m), height, jobs)
    # Where most antennas were gone, those left are as good as they are seen to be elsewhere.
    silent = np.maximum(
        silence_of_all(by_antenna, heard, tag_readings, size), (1.0 + by_antenna.sum(axis=1) / size) ** -size
    )
    p_heard = MOST_CERTAIN * (1.0 - silent)
    readings = size * (silent ** (-1.0 / size) - 1.0)
    ids = np.array([frames.ids[f] for f in face], object)
    return Coverage(ids, level, shelf, from_m, to_m, readings, p_heard).of_air(UHF_AIR)


def _cells(frames: Frames) -> tuple[Ints, Ints, npt.NDArray[np.object_], Floats, Floats, Floats]:
    """List the cells of every face: face, level, shelf id, from, to, height of a tag."""
    face: list[int] = []
    level: list[int] = []
    shelf: list[str | None] = []
    start: list[float] = []
    stop: list[float] = []
    height: list[float] = []
    for index, known in enumerate(frames.faces):
        if known is None:
            continue
        edges = np.arange(0.0, known.length_m - 1e-6, CELL_M)
        levels = face_levels(frames, index) or [(0, math.nan, math.nan)]
        for number, board, clear in levels:
            shelves = [s for s in known.shelves if s.level == number]
            for edge in edges:
                end = min(edge + CELL_M, known.length_m)
                holding = [s for s in shelves if s.from_m <= 0.5 * (edge + end) <= s.to_m]
                if shelves and not holding:
                    continue
                face.append(index)
                level.append(number)
                shelf.append(holding[0].id if holding else None)
                start.append(float(edge))
                stop.append(float(end))
                z = tag_height(holding[0].board_z_m, holding[0].clear_m) if holding else math.nan
                height.append(z if holding else tag_height(board, clear) if shelves else math.nan)
    return (
        np.array(face, np.int64), np.array(level, np.int64), np.array(shelf, object),
        np.array(start), np.array(stop), np.array(height),
    )  # fmt: skip


def _dispersion(expected: Floats, readings: Floats) -> float:
    """Return the negative binomial's size from the tags heard: ``var(n / mu) = 1 / mu + 1 / size``."""
    good = expected > 1.0
    if good.sum() < 20:
        return 1.0
    ratio = readings[good] / expected[good]
    excess = float(np.mean((ratio - ratio.mean()) ** 2 - 1.0 / expected[good]))
    return float(np.clip(1.0 / max(excess, 1e-6), *SIZE_RANGE))
