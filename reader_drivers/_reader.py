"""What every reader driver offers: settings in, readings and events out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from recording import Activity, Air, PhaseAmbiguity, Readings

if TYPE_CHECKING:
    from reader_drivers.targets import Target


class ReaderError(OSError):
    """A reader that cannot be reached or does not do what it is asked; says what, where (URL) and what to do."""


class SettingsError(ReaderError):
    """What was asked for cannot be, whether no reader of its kind can (a URL, an option's value) or this one cannot.

    The mistake is the caller's: trying again does not help. A reader that fails is a plain `ReaderError`.
    """


class DriverError(ReaderError):
    """A driver of another package is broken, or breaks what `Reader` promises; says whose it is and what failed.

    Parameters
    ----------
    text
        The message.
    package
        Name and version of the package that brings the driver.
    """

    def __init__(self, text: str, package: str) -> None:
        super().__init__(text)
        self.package = package


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a reader says about itself.

    Parameters
    ----------
    manufacturer, model, firmware
        As the reader names them; numbers it gives are turned to names where they are known.
    air
        `gen2` (UHF, EPC) or `iso15693` (HF, UID).
    antennas
        Number of antenna ports.
    phase
        True: readings carry a phase.
    phase_ambiguity
        `pi` where the reported phase may be half a turn off; `unknown` where the maker does not say.
    rssi_step_db
        Resolution of the RSSI, dB; 0: it tells none, and every reading has the same.
    frequencies_khz
        Channel centres in channel order, kHz.
    powers_dbm
        Transmit powers that can be set, dBm, ascending.
    region
        Regulatory region, such as `FCC`, `ETSI`, `CN`.
    """

    manufacturer: str
    model: str
    firmware: str
    air: Air
    antennas: int
    phase: bool
    phase_ambiguity: PhaseAmbiguity
    rssi_step_db: float
    frequencies_khz: tuple[int, ...]
    powers_dbm: tuple[float, ...]
    region: str


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """What a reader is asked to do; what is left out is the reader's (or the URL's) choice.

    Parameters
    ----------
    ports
        Antenna ports to use, 1-based; empty: all.
    power_dbm
        Transmit power, dBm; the nearest power of the reader's table at or below it is set. None: the highest; of
        readers that keep it in flash (r2000, uhfreader18, chafon) the one set.
    session
        Gen2 session, 0..3. None: 1, whose tags come back by themselves.
    search
        `dual`: tags answer again and again, as localization needs; `single`: once for each session persistence;
        `focus`: once and kept silent.
    rf_mode
        The reader's number of a link profile. None: the reader's default.
    channels
        1-based channel indices to stay on, where the region allows it; empty: the reader hops.
    keepalive_s
        Seconds between signs of life; after three without one the reader counts as gone.
    port_power_dbm
        Transmit power of single ports, dBm, where it differs from `power_dbm`.
    region
        Regulatory region to set, such as `EU` or `CN`, where the protocol has it; None: the reader's own.
    q
        Gen2's slot-count exponent to begin with, 0..15; None: the reader's choice.
    target
        Which tags answer: those whose session flag is `A`, `B`, or in turn `AB`. None: as `search` has it.
    """

    ports: tuple[int, ...] = ()
    power_dbm: float | None = None
    session: int | None = None
    search: Literal["dual", "single", "focus"] = "dual"
    rf_mode: int | None = None
    channels: tuple[int, ...] = ()
    keepalive_s: float = 5.0
    port_power_dbm: Mapping[int, float] = field(default_factory=dict[int, float])
    region: str | None = None
    q: int | None = None
    target: Literal["A", "B", "AB"] | None = None

    @property
    def gen2_session(self) -> int:
        """Return the session to read in."""
        return 1 if self.session is None else self.session

    @property
    def flags(self) -> Literal["A", "B", "AB"]:
        """Return which tags answer, where the host chooses: without `target` those that `search` needs."""
        return self.target or ("AB" if self.search == "dual" else "A")


@dataclass(frozen=True, slots=True)
class ReaderEvent:
    """Something that happened to a reader.

    Parameters
    ----------
    t
        Host time, ns UTC.
    kind
        `reader_gone`, `reader_unreachable`, `reader_back`, `antenna_gone`, `antenna_back`, `buffer_warning`,
        `buffer_overflow`, `reader_exception`, `clock_stepped`, `clock_drift`, `bad_message`, `bad_reading`,
        `connection_attempted`, `temperature`, `return_loss`.
    detail
        One sentence.
    """

    t: int
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class TagData:
    """What a tag's memory says, beyond its identifier; a driver that reads it does so once for each tag it hears.

    Parameters
    ----------
    t
        Host time, ns UTC.
    epc
        The tag as its readings name it, upper-case hexadecimal: EPC or UID.
    antenna
        Port it was read on.
    afi
        Application family identifier, 0..255; None: not read.
    eas
        Whether the chip's EAS bit is on; None: not read, or the chip has none.
    dsfid
        Data storage format identifier, 0..255: how `memory` is laid out; None: not read.
    memory
        User memory from its beginning, in the order of the tag's own bytes; empty: not read.
    block_bytes
        Size of its blocks (ISO 15693); 0: it has none.
    tid
        Tag identification memory from its beginning (Gen2); empty: not read.
    """

    t: int
    epc: str
    antenna: int
    afi: int | None = None
    eas: bool | None = None
    dsfid: int | None = None
    memory: bytes = b""
    block_bytes: int = 0
    tid: bytes = b""


@dataclass(frozen=True, slots=True)
class ReaderBatch:
    """What was heard since the last call of `Reader.read`.

    Parameters
    ----------
    readings
        `readings.antenna` is the reader's own port number; phase grows with distance.
    events
        In order of time.
    activity
        When each port listened: what is in no span it did not. None: the driver does not know. `antenna` is the port
        number.
    tags
        Memories of tags that were read (options `memory=1`, `tid=1`, `fastid=1` of drivers that can).
    """

    readings: Readings = field(default_factory=Readings.empty)
    events: tuple[ReaderEvent, ...] = ()
    activity: Activity | None = None
    tags: tuple[TagData, ...] = ()


class Reader(ABC):
    """A reader, opened by `open_reader`. Not to be shared by threads, except that `close` may come from any."""

    air: Air | None = None
    """Air interface, where all readers of the protocol have the same; None: `Capabilities` tell it."""
    target: Target | None = None
    """Where the reader is, known before it answers; None: the driver does not say."""
    timeout_s: float | None = None
    """Limit for connecting and for each answer, s; None: the driver does not say."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def connect(self) -> Capabilities:
        """Reach the reader and put it into a known, silent state.

        Raises
        ------
        ReaderError
            It cannot be reached, is held by another client, or refuses.
        """

    def check_settings(self, settings: ReaderSettings) -> None:
        """Refuse settings that no reader of this kind can follow, before one is reached.

        What only the reader itself can tell is refused by `start`. Drivers override it that know more than what holds
        for readers of all kinds: ports and channels are counted from 1.

        Raises
        ------
        SettingsError
            Which, and what to do.
        """
        ports = (*settings.ports, *settings.port_power_dbm)
        for what, named in (("antenna port", ports), ("channel", settings.channels)):
            if wrong := [number for number in named if number < 1]:
                raise SettingsError(f"{self.url}: no {what} {wrong[0]}; they are counted from 1")

    @abstractmethod
    def start(self, settings: ReaderSettings | None = None) -> None:
        """Begin to read tags; the reader goes on, over lost connections too, until `stop`.

        Raises
        ------
        SettingsError
            It cannot follow these settings, or those of the URL.
        ReaderError
            It fails, or is not connected.
        """

    @abstractmethod
    def read(self, timeout_s: float) -> ReaderBatch:
        """Return what has come in, waiting at most `timeout_s` for something to come.

        Never raises for a lost reader: events tell, and the driver reconnects by itself.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop reading tags. What was heard before is still handed out by `read`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the reader. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
