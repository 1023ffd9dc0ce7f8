"""In which order tags are handled: those of one shelf one after the other, so that one block holds them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.faces import Frames
from localization.faces_in_view import LOOKS_AT
from localization.observations import Mounts
from recording import Poses

Ints = npt.NDArray[np.int64]

#: An antenna this far before a face and beyond its ends may still hear its tags.
BEFORE_M, BEYOND_M = 4.0, 1.0


def tags_along_faces(t: Ints, antenna: Ints, poses: Poses, frames: Frames, mounts: Mounts) -> Ints:
    """Return the tags in the order of the faces and offsets before which each was heard loudest.

    Parameters
    ----------
    t, antenna : int64 array, shape (tags,)
        When (ns) and by which antenna each tag was heard loudest; -1 where it was not heard.

    Returns
    -------
    int64 array, shape (tags,)
        A permutation of the tags' numbers; tags heard before no face come last.
    """
    tags = np.flatnonzero(antenna >= 0)
    where, look = mounts.place(poses.at(t[tags]), antenna[tags])
    key, nearest = np.full(len(t), np.inf), np.full(len(t), np.inf)
    for face in range(len(frames.ids)):
        gap = where[:, :2] - frames.origin_m[face]
        along, out = gap @ frames.direction[face], gap @ frames.normal[face]
        before = (out > 0.0) & (out < BEFORE_M) & (-(look[:, :2] @ frames.normal[face]) > LOOKS_AT)
        before &= (along > -BEYOND_M) & (along < frames.length_m[face] + BEYOND_M)
        chosen = before & (out < nearest[tags])
        better = tags[chosen]
        nearest[better] = out[chosen]
        key[better] = face * 1e4 + along[chosen]
    return np.argsort(key, kind="stable")
