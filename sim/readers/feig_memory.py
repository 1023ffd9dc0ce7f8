"""What an emulated FEIG reader answers to commands for single tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reader_drivers.feig.codec import (
    Iso,
    IsoError,
    Status,
    SystemInfo,
    encode_blocks,
    encode_system_info,
    reverse_blocks,
)
from sim.readers.hf_tags import HfTag

MOST_BYTES: Final = 128
"""That the reader takes from a tag, or gives to it, at once."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: status and data, and bits that went over the air for it."""

    status: int
    data: bytes = b""
    bits: int = 96


def refused(error: IsoError) -> Said:
    """Return a tag's own error."""
    return Said(Status.ISO_ERROR, bytes([error]))


def obey(tag: HfTag, command: int, values: bytes, reverse: bool = False) -> Said:
    """Do what a command within `Control.ISO` asks of one tag.

    Parameters
    ----------
    tag
    command
        One of `Iso`.
    values
        What stands behind mode and UID.
    reverse
        The reader gives each block's bytes from the last to the first.
    """
    size = tag.block_bytes
    match command, list(values):
        case Iso.READ_BLOCKS, [first, count]:
            if not count or count * size > MOST_BYTES:
                return Said(Status.PARAMETER_RANGE, bits=0)
            if first + count > tag.blocks:
                return refused(IsoError.NO_BLOCK)
            data = bytes(tag.memory[first * size : (first + count) * size])
            security = bytes(int(first + k in tag.locked) for k in range(count))
            shown = reverse_blocks(data, size) if reverse else data
            return Said(Status.OK, encode_blocks(shown, size, security), 64 + 8 * count * (size + 1))
        case Iso.WRITE_BLOCKS, [first, count, told, *_]:
            data = values[3:]
            if told != size or len(data) != count * size:
                return Said(Status.LENGTH_ERROR, bits=0)
            if first + count > tag.blocks:
                return refused(IsoError.NO_BLOCK)
            if any(first + k in tag.locked for k in range(count)):
                return refused(IsoError.LOCKED)
            tag.memory[first * size : (first + count) * size] = (
                reverse_blocks(data, size) if reverse else data
            )
            return Said(Status.OK, bits=300 * count)
        case Iso.LOCK_BLOCKS, [first, count]:
            if first + count > tag.blocks:
                return refused(IsoError.NO_BLOCK)
            tag.locked.update(range(first, first + count))
        case Iso.WRITE_AFI, [afi]:
            tag.afi = afi
        case Iso.WRITE_DSFID, [dsfid]:
            tag.dsfid = dsfid
        case Iso.SYSTEM_INFO, []:
            info = SystemInfo(tag.dsfid, tag.uid, tag.afi, tag.blocks, size, tag.ic)
            return Said(Status.OK, encode_system_info(info), 160)
        case ((Iso.SELECT | Iso.RESET_TO_READY | Iso.STAY_QUIET), []):
            pass
        case _:
            return Said(Status.LENGTH_ERROR if command in set(Iso) else Status.UNKNOWN_COMMAND, bits=0)
    return Said(Status.OK)


_NXP, _SET_EAS, _RESET_EAS, _EAS_ALARM = 0x04, 0xA2, 0xA3, 0xA5


def obey_custom(tag: HfTag, maker: int, command: int) -> Said:
    """Do what a `Control.CUSTOM` command asks of one tag: NXP's EAS bit."""
    if maker != _NXP or tag.eas is None:
        return refused(IsoError.NOT_SUPPORTED)
    if command in (_SET_EAS, _RESET_EAS):
        tag.eas = command == _SET_EAS
        return Said(Status.OK)
    if command == _EAS_ALARM:
        return Said(Status.OK if tag.eas else Status.NO_TRANSPONDER, bits=300)
    return refused(IsoError.NOT_SUPPORTED)
