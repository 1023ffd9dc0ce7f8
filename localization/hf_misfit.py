"""How far single tags' footprints differ from the one they share, which no posterior from that one knows of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from localization.hf_footprint import CHANCE, CLASSES, REACH, Answers, Footprint
from localization.hf_rounds import Asked

Floats = npt.NDArray[np.float64]

#: Tags looked at.
MOST_TAGS = 600
#: An edge tells something with this much information on its logits, and no deviation counts for more.
TELLING, LARGEST = 1.0, 8.0
#: A place and a class are spent on each tag.
SPENT = 2.0


def edge_scatter(asked: Asked, footprint: Footprint, answers: Answers, level: npt.NDArray[np.int64], place: Floats,
                 strength: Floats, usual: float) -> float:  # fmt: skip
    """Return how much single edges of single tags' footprints deviate from the shared one, logits (standard deviation).

    The score of a shift of one edge's logits over its information estimates that shift, with variance
    ``1 / information``; what its square exceeds that by, on average over edges, is the scatter's square.

    Parameters
    ----------
    level : int64 array, shape (tags,)
    place, strength : float64 array, shape (tags,)
        Fitted place (bins of the face's lattice) and class of each tag.
    usual : float
        What is taken where too few tags tell.
    """
    edges = [_edges(f) for f in footprint.f]
    squares, number, tags = 0.0, 0.0, 0
    rows = np.arange(len(answers.tag))[:: max(len(answers.tag) // MOST_TAGS, 1)]
    for i in rows.tolist():
        face = int(answers.face[i])
        size = int(asked.start[face + 1] - asked.start[face])
        at = round(float(place[i]))
        own = slice(int(answers.start[i]), int(answers.start[i + 1]))
        g = float(np.interp(strength[i], np.arange(len(CLASSES)), CLASSES))
        score, information = np.zeros(0), np.zeros(0)
        for channel in np.unique(answers.channels[own]).tolist():
            row = int(footprint.curve[face, int(level[i]), channel])
            if row == 0:
                continue
            mine = answers.bins[own][answers.channels[own] == channel]
            near = np.arange(max(at - REACH + 1, 0), min(at + REACH, size))
            lag = np.abs(near - at)
            s = expit(footprint.f[row, lag] + g)
            p = CHANCE + (footprint.plateau - CHANCE) * s
            slope = (footprint.plateau - CHANCE) * s * (1.0 - s)
            if not len(near) or mine.min() < near[0] or mine.max() > near[-1]:
                # Heard from where no place this near explains it: nothing is to be learnt of the footprint's shape.
                continue
            found = np.bincount(mine - near[0], minlength=len(near))
            asked_here = asked.rounds[channel, asked.start[face] + near]
            edge = np.where(near < at, edges[row].max() + 1, 0) + edges[row][lag]
            each = slope / (p * (1.0 - p))
            score = np.append(score, np.bincount(edge, (found - asked_here * p) * each))
            information = np.append(information, np.bincount(edge, asked_here * slope * each))
        told = information > TELLING
        if told.sum() <= SPENT:
            continue
        shift = np.clip(score[told] / information[told], -LARGEST, LARGEST)
        squares += float((shift**2 - 1.0 / information[told]).sum())
        number += float(told.sum()) - SPENT
        tags += 1
    return float(np.sqrt(max(squares, 0.0) / number)) if tags >= 10 else usual


def _edges(f: Floats) -> npt.NDArray[np.int64]:
    """Return the numbers of the stretches over which ``f`` rises or falls, shape (REACH + 1,)."""
    return np.concatenate([[0, 0], np.cumsum(np.diff(np.sign(np.diff(f))) != 0)]).astype(np.int64)
