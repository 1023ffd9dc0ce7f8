"""Identifiers out of many frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TagColumns:
    """Which tag each read names, one row a read; a protocol's own table of reads adds what else it tells.

    Attributes
    ----------
    row : int64[n]
        The frame each came in.
    tag : uint32[n]
        Index into `tags`.
    tags : tuple of bytes
        EPCs (of ISO 15693 UIDs, first byte first), each once.
    """

    row: Ints
    tag: NDArray[np.uint32]
    tags: tuple[bytes, ...]


def number_tags(
    data: NDArray[np.uint8], start: Ints, length: Ints
) -> tuple[NDArray[np.uint32], tuple[bytes, ...]]:
    """Give each identifier a number.

    Parameters
    ----------
    data : uint8[bytes]
    start, length : int64[n]
        Where each identifier stands, and how long it is; within `data`.

    Returns
    -------
    tag : uint32[n]
        Number of each identifier.
    tags : tuple of bytes
        The identifiers, each once.
    """
    if not len(start):
        return np.empty(0, np.uint32), ()
    most = max(int(length.max()), 1)
    place = np.arange(most)
    inside = place < length[:, None]
    rows = np.where(inside, data[np.where(inside, start[:, None] + place, 0)], 0).astype(np.uint8)
    # Behind the bytes their number: an identifier is not one that goes on with zeros.
    rows = np.ascontiguousarray(np.hstack([rows, length.astype(np.uint8)[:, None]]))
    _, first, tag = np.unique(rows.view(f"V{most + 1}").ravel(), return_index=True, return_inverse=True)
    tags = tuple(rows[i, : int(length[i])].tobytes() for i in first.tolist())
    return tag.astype(np.uint32), tags
