"""What readers read of tags beside their number, as rows of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reader_drivers import TagData
from recording import NOT_READ, TagMemories


def tag_memories(
    tags: Sequence[TagData], mount: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_]
) -> TagMemories:
    """Return the looks of a reader's antennas that are mounted.

    Parameters
    ----------
    tags
        As drivers hand them out: by port.
    mount : uint8[256]
        Mount id of each port.
    known : bool[256]
        Whether an antenna is mounted there.
    """
    kept = [data for data in tags if 0 <= data.antenna < 256 and known[data.antenna]]
    epc, memory = np.empty(len(kept), object), np.empty(len(kept), object)
    epc[:] = [data.epc for data in kept]
    memory[:] = [data.memory for data in kept]

    def numbers(values: Sequence[int | bool | None]) -> npt.NDArray[np.int16]:
        return np.array([NOT_READ if value is None else int(value) for value in values], np.int16)

    return TagMemories(
        t=np.array([data.t for data in kept], np.int64),
        epc=epc,
        antenna=mount[np.array([data.antenna for data in kept], np.int64)],
        afi=numbers([data.afi for data in kept]),
        eas=numbers([data.eas for data in kept]),
        dsfid=numbers([data.dsfid for data in kept]),
        memory=memory,
        block_bytes=np.array([data.block_bytes for data in kept], np.uint8),
    )
