"""The options of an `llrp://` URL."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from urllib.parse import parse_qsl

from reader_drivers._reader import ReaderSettings, SettingsError
from reader_drivers.llrp.codec import LLRP_PORT, LLRP_TLS_PORT, Version
from reader_drivers.llrp.modes import IMPINJ_MODES
from reader_drivers.targets import Common, Line, Table, TcpTarget, choice, flag, number, read_url, sign
from reader_drivers.transport import Tls


@dataclass(frozen=True, slots=True)
class Choices:
    """What is asked of an LLRP reader beyond `ReaderSettings`.

    Parameters
    ----------
    doppler
        True: ask for the Doppler shift too.
    population
        Tags expected in the field, for the reader's anti-collision.
    search_mode
        Number of Impinj's InventorySearchMode; None: as `ReaderSettings.search` has it. 0 is the reader's own choice.
    profile
        Impinj's name of a link profile; None: as `ReaderSettings.rf_mode` has it.
    sensitivity
        Receive sensitivity: 0 and more, dB below the most sensitive; below 0, dBm. None: the reader's own.
    hop_table
        HopTableID of a reader that has several; None: its first.
    tid
        True: hand out tags' TID memory.
    memory
        True: hand out tags' TID and user memory.
    words
        How many words of user memory; 0: all of it.
    """

    doppler: bool = False
    population: int = 32
    search_mode: int | None = None
    profile: str | None = None
    sensitivity: float | None = None
    hop_table: int | None = None
    tid: bool = False
    memory: bool = False
    words: int = 0


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
    version
        LLRP version to speak; None: the latest that both know.
    tls
        How to make the connection secret; None: in the clear.
    choices
        What else is asked of the reader.
    """

    where: str
    target: TcpTarget
    settings: ReaderSettings
    common: Common = field(default_factory=Common)
    phase_sign: int = 1
    version: Version | None = None
    tls: Tls | None = None
    choices: Choices = field(default_factory=Choices)


def _version(text: str) -> Version | None:
    known = {"auto": None, "1.0.1": Version.V1_0_1, "1.1": Version.V1_1}
    return known[choice(*known)(text)]


_OWN: Table = {
    "phase_sign": ("phase_sign", sign),
    "version": ("version", _version),
    "doppler": ("doppler", flag),
    "population": ("population", number(1, 0xFFFF)),
    "search_mode": ("search_mode", number(0, 0xFFFF)),
    "profile": ("profile", choice(*IMPINJ_MODES)),
    "sensitivity": ("sensitivity", number(-128, 128, float, " dB or dBm")),
    "hop_table": ("hop_table", number(0, 255)),
    "tid": ("tid", flag),
    "memory": ("memory", flag),
    "words": ("words", number(0, 0xFFFF)),
    "tls": ("tls", flag),
    "ca": ("ca", str),
    "cert": ("cert", str),
    "verify": ("verify", flag),
}

_CHOICES = {item.name for item in fields(Choices)}


def parse_options(url: str) -> Options:
    """Read an `llrp://host:port?option=value` URL; raises SettingsError."""
    # The port where none is named depends on an option.
    secret = dict(parse_qsl(url.partition("?")[2])).get("tls") in ("1", "true")
    read = read_url(url, Line(port=LLRP_TLS_PORT if secret else LLRP_PORT), _OWN)
    assert isinstance(read.target, TcpTarget)
    own = dict(read.own)
    tls = Tls(own.pop("ca", None), own.pop("cert", None), own.pop("verify", True))
    if not own.pop("tls", False):
        if tls != Tls():
            raise SettingsError(f"{url}: ca, cert and verify are of connections over TLS; add tls=1")
        tls = None
    if own.get("profile") is not None and read.settings.rf_mode is not None:
        raise SettingsError(f"{url}: mode and profile both name a link profile; leave one out")
    choices = Choices(**{name: own.pop(name) for name in _CHOICES & own.keys()})
    return Options(read.where, read.target, read.settings, read.common, tls=tls, choices=choices, **own)
