"""Which face a tag stands on: the side of the rack, and of faces in one line the right one.

A tag is heard before its own face and, some 10 dB weaker, through the rack from the aisle behind. What was read there
are other readings: how well phases of either fit a place does not compare them, as the metal of the tag's own shelf
spoils the fit where the tag is loud, and many weak readings are explained by chance. The power does: the loudest track
cells, and how strong the tag would have to be at the place that its readings before a face say. On open racks without
metal phases do tell; how often they agree with the power where that leaves no doubt says what they are worth in a run.
Faces that were heard by the same readings (racks in one line) differ in neither; between these phases decide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from localization.faces import Candidates, Frames
from localization.loudness import CENTRE_SIGMA_M, CENTRE_WRONG, loudest_db, power_centre
from localization.observations import Observations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A decibel of the loudest track cells, and of the strength a tag would have, weighs so much between sides. Logistic
#: regression on 4,700 tags heard from both sides of simulated racks (other metals, clocks, noise, speeds) says .7 and
#: .8; racks with less in them hold less back.
LOUDEST_LOG_ODDS, STRENGTH_LOG_ODDS = 0.6, 0.6
#: From so much on power leaves no doubt of the side: what phases say there tells what they are worth in this run.
SURE_LOG_ODDS = 4.0
#: Phase counts for so much at most between faces heard by the same readings: where multipath rules, a wrong face
#: explains them as well by chance.
FACE_PHASE_MOST = 6.0
#: Faces that share so much of the readings of the one with fewer were heard by the same ones.
SAME_READINGS = 0.5


def families_of(candidates: Candidates) -> Ints:
    """Return a number for each candidate that those of its tag heard by the same readings share, shape (c,)."""
    count = len(candidates.tag)
    size = np.diff(candidates.start)
    owner = np.repeat(np.arange(count), size)
    member = coo_array((np.ones(len(owner)), (owner, candidates.observation))).tocsr()
    shared = (member @ member.T).tocoo()
    first, second = shared.coords
    alike = shared.data >= SAME_READINGS * np.minimum(size[first], size[second])
    graph = coo_array((np.ones(int(alike.sum())), (first[alike], second[alike])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def face_scores(
    observations: Observations, candidates: Candidates, phase: Floats, family: Ints, frames: Frames
) -> Floats:
    """Return the log-odds of each candidate's face by power and, among faces heard by the same readings, by phase.

    Parameters
    ----------
    phase : float64 array, shape (c,)
        Log-likelihood of each candidate's phases at its best hypothesis.
    family : int64 array, shape (c,)
        See ``families_of``.
    """
    # A face beside the one a tag stands on is looked at as well, but the tag was heard best beyond its end.
    centre = power_centre(observations, candidates)
    beyond = np.maximum(np.maximum(-centre, centre - frames.length_m[candidates.face]), 0.0)
    power = LOUDEST_LOG_ODDS * loudest_db(observations, candidates)
    power = power + np.logaddexp(-0.5 * (beyond / CENTRE_SIGMA_M) ** 2, CENTRE_WRONG)
    own = _most(phase, family)
    within = np.maximum(phase - own, -FACE_PHASE_MOST)
    told = _phases_told(candidates.tag, family, power, own)
    return np.asarray(power + within + np.maximum(own - _most(own, candidates.tag), -told), np.float64)


def _phases_told(tag: Ints, family: Ints, power: Floats, phase: Floats) -> float:
    """Return what phases have proved to say of the side: their log-odds where power leaves no doubt."""
    order = np.lexsort((-power, tag))
    first = np.flatnonzero(np.append(True, np.diff(tag[order]) != 0))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    best = np.repeat(order[first], np.diff(np.append(first, len(order))))
    other = family[order] != family[best]
    sure = power[best] - power[order] > SURE_LOG_ODDS
    asked = other & sure & (rank > 0)
    right = int((phase[best] > phase[order])[asked].sum())
    odds = (right + 1.0) / (int(asked.sum()) - right + 1.0)
    return float(np.clip(np.log(odds), 0.0, FACE_PHASE_MOST))


def strength_scores(strength_db: Floats, score: Floats, family: Ints) -> Floats:
    """Return the log-odds of each candidate's face by how strong its tag would be.

    Parameters
    ----------
    strength_db : float64 array, shape (c,)
    score : float64 array, shape (c,)
        What else is known of the faces. A family counts with its likeliest face: readings heard once do not choose
        between its faces by the strength they would need.
    family : int64 array, shape (c,)
    """
    order = np.lexsort((score, family))
    last = np.flatnonzero(np.append(np.diff(family[order]) != 0, True))
    return np.asarray(STRENGTH_LOG_ODDS * strength_db[order[last]][family], np.float64)


def _most(value: Floats, family: Ints) -> Floats:
    """Return for each element the largest of its family."""
    most = np.full(int(family.max()) + 1 if len(family) else 0, -np.inf)
    np.maximum.at(most, family, value)
    return most[family]
