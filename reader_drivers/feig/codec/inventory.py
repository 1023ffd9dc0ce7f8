"""Inventories: the request, and the tags of its answers as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers.feig.codec._kernels import walk
from reader_drivers.framing import Frames
from reader_drivers.framing.tags import TagColumns, number_tags

Ints = NDArray[np.int64]

MORE, ANT = 0x80, 0x10
"""Bits of the request's MODE: go on with the inventory before; name antennas."""

ISO15693 = 0x03
"""Transponder type of ISO 15693 tags."""

PHASE_STEPS: Final = 4096
_INVENTORY: Final = 0x01


def inventory_request(more: bool = False, antennas: int | None = None) -> bytes:
    """Return the data of an inventory request (`Control.ISO`).

    Parameters
    ----------
    more
        True: what the answer before had no room for.
    antennas
        Bit field of antennas to ask by, bit 0 the first; None: whichever the reader uses. Proven for UHF readers only.
    """
    if antennas is None:
        return bytes([_INVENTORY, MORE if more else 0])
    return bytes([_INVENTORY, ANT | (MORE if more else 0), antennas])


@dataclass(frozen=True, slots=True)
class AntennaSeen:
    """An antenna's block of seven bytes: number, status, RSSI (positive), phase in 4096 steps, two reserved."""

    number: int
    rssi: int = 0
    phase: int = 0
    status: int = 0

    def encode(self) -> bytes:
        """Return the block."""
        return bytes([self.number, self.status, self.rssi]) + self.phase.to_bytes(2, "big") + b"\0\0"


@dataclass(frozen=True, slots=True)
class Sets(TagColumns):
    """Tags of inventory answers as columns, one row a tag and antenna.

    Attributes
    ----------
    kind, dsfid, antenna : int64[n]
        Transponder type, data storage format, and antenna (0: not told).
    rssi_dbm, phase_rad : float32[n]
        NaN where the answer has none; the sign of the phase is the reader's own.
    bad : int
        Sets left out.
    """

    kind: Ints
    dsfid: Ints
    antenna: Ints
    rssi_dbm: NDArray[np.float32]
    phase_rad: NDArray[np.float32]
    bad: int

    def __len__(self) -> int:
        return len(self.row)


def decode_sets(frames: Frames, data_at: int, ant: bool = False) -> Sets:
    """Return the tags of inventory answers.

    Parameters
    ----------
    frames
        Answers to inventories whose status says that tags follow.
    data_at
        `Layout.data_at`.
    ant
        Whether antennas were asked for.
    """
    begin = frames.offset + data_at
    rows, bad = walk(frames.data, begin, np.maximum(frames.offset + frames.length - 2, begin), ant)
    row, place, length, kind, dsfid, antenna, rssi, phase = rows.T
    tag, tags = number_tags(frames.data, place, length)
    # 0 is no strength a reader could tell.
    dbm = np.where(rssi > 0, -rssi, np.nan).astype(np.float32)
    turn = np.where(phase >= 0, (phase % PHASE_STEPS) * (2 * np.pi / PHASE_STEPS), np.nan).astype(np.float32)
    return Sets(row, tag, tags, kind, dsfid, antenna, dbm, turn, int(bad))


def encode_sets(
    tags: Iterable[tuple[bytes, int]], antennas: Iterable[tuple[AntennaSeen, ...]] | None = None
) -> bytes:
    """Return the data of an inventory answer: tags as (UID, DSFID), and which antennas saw each, if asked."""
    tags = list(tags)
    sets = [bytes([ISO15693, dsfid]) + uid for uid, dsfid in tags]
    if antennas is not None:
        sets = [
            b"\0" + one + bytes([len(seen)]) + b"".join(antenna.encode() for antenna in seen)
            for one, seen in zip(sets, antennas, strict=True)
        ]
    return bytes([len(tags)]) + b"".join(sets)


def is_uid(tag: bytes) -> bool:
    """Tell whether an identifier is an ISO 15693 UID (ISO/IEC 15693-3, section 4.1)."""
    return len(tag) == 8 and tag[0] == 0xE0
