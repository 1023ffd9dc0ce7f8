"""The options of an `llrp://` URL."""

from __future__ import annotations

from dataclasses import dataclass, field

from reader_drivers._reader import ReaderSettings
from reader_drivers.llrp.codec import LLRP_PORT
from reader_drivers.targets import Common, Line, Table, TcpTarget, flag, read_url, sign


@dataclass(frozen=True, slots=True)
class Options:
    """Where a reader is and how to treat it.

    Parameters
    ----------
    where
        The reader, as messages name it.
    target
        Where it listens.
    settings
        What `Reader.start` uses for all that it is not told.
    common
        Time limits.
    phase_sign
        What the reader's own angle is multiplied by so that it grows with distance. 1, the default: Speedway readers'
        phase falls towards the point of closest approach and rises after it (Shangguan et al., STPP, NSDI 2015; Yang
        et al., Tagoram, MobiCom 2014). -1: the reader at hand reports the opposite.
    doppler
        True: ask for the Doppler shift too.
    population
        Tags expected in the field, for the reader's anti-collision.
    """

    where: str
    target: TcpTarget
    settings: ReaderSettings
    common: Common = field(default_factory=Common)
    phase_sign: int = 1
    doppler: bool = False
    population: int = 32


_OWN: Table = {
    "phase_sign": ("phase_sign", sign),
    "doppler": ("doppler", flag),
    "population": ("population", int),
}


def parse_options(url: str) -> Options:
    """Read an `llrp://host:port?option=value` URL; raises ReaderError."""
    read = read_url(url, Line(port=LLRP_PORT), _OWN)
    assert isinstance(read.target, TcpTarget)
    return Options(read.where, read.target, read.settings, read.common, **read.own)
