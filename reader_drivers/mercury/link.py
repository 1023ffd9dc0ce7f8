"""A connection to a ThingMagic module."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings, SettingsError
from reader_drivers.framing import Frames
from reader_drivers.inbox import Inbox
from reader_drivers.mercury.codec import REPLIES, SPEEDS, STOP, Op, Reply, Status, read_reply, request, wrap
from reader_drivers.mercury.module import Module, capabilities, hop_table, learn, refusal, region_name
from reader_drivers.mercury.options import Options
from reader_drivers.mercury.settings import (
    apply_antennas,
    apply_channels,
    apply_gen2,
    apply_power,
    power_of,
)
from reader_drivers.mercury.stream import Stream
from reader_drivers.serial_link import SerialLink
from reader_drivers.targets import Address, SerialTarget
from reader_drivers.transport import LinkLostError, SerialTransport, Wake

__all__ = ["Known", "MercuryLink"]

_PROBE_S: Final = 0.25
_BEGIN_S: Final = 3.0
_SETTLE_S: Final = 0.1
_MARGIN_S: Final = 0.1


@dataclass(slots=True)
class Known:
    """What outlives a connection.

    Attributes
    ----------
    remembered : set of bytes
        Tags whose memory was told.
    channels : dict of int to tuple of int
        Channels of each region, kHz: a module that was told to stay on some of them lists no others.
    narrowed : bool
        Whether it was.
    region : int
        The region it was in: a module that boots may have none. 0: none yet.
    """

    remembered: set[bytes] = field(default_factory=set[bytes])
    channels: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    narrowed: bool = False
    region: int = 0


class MercuryLink(SerialLink):
    """A module that answers.

    Parameters
    ----------
    address, clock, inbox, wake
        As of `SerialLink`.
    options
        The driver's own.
    known
        What was learnt over former connections; added to.
    """

    module: Module

    def __init__(
        self,
        address: Address,
        options: Options,
        known: Known,
        clock: Callable[[], int],
        inbox: Inbox,
        wake: Wake,
    ) -> None:
        self._options = options
        self._stream: Stream | None = None
        self._booted: bool | None = False
        """True: it booted meanwhile; None: it was told to."""
        self._looked = 0.0
        self._told_temperature: int | None = None
        self._said: dict[int, float] = {}
        self._idle = False
        """True: it was found not to read."""
        self._known = known
        self._region = 0
        self._settings = address.settings
        super().__init__(address, REPLIES, clock, inbox, wake)

    # Set-up

    def set_up(self) -> Capabilities:
        """End a stream that is under way, find the module's speed, and learn what it is."""
        self._find()
        for _ in range(3):
            # A module that boots at the opening of its line, as some boards make it, forgets what it was told.
            self._booted = False
            self.module = learn(self)
            self._set_speed()
            region = self.address.settings.region
            if region is not None:
                self._set_region(region)
            self._read_region()
            if not self._region and self._known.region:
                # Somebody else had set it, and it was forgotten when the module booted.
                self.ask(Op.SET_REGION, bytes([self._known.region]), region_name(self._known.region))
                self._read_region()
            if not self._booted:
                break
        return capabilities(self.module, self._region, self._channels)

    def _read_region(self) -> None:
        told = self.ask(Op.GET_REGION, b"", "its region", fine=tuple(Status))
        self._region = told.data[0] if told.status == 0 and told.data else 0
        self._known.region = self._region or self._known.region
        table = hop_table(self)
        if len(table) > len(self._channels):
            self._known.channels[self._region] = table

    @property
    def _channels(self) -> tuple[int, ...]:
        """The channels of the present region, kHz."""
        return self._known.channels.get(self._region, ())

    def _find(self) -> None:
        """Silence the module at the speed it is at, whichever that is."""
        target = self.address.target
        transport = self.client.transport
        if not isinstance(target, SerialTarget) or not isinstance(transport, SerialTransport):
            self._silence()
            return
        wanted = (target.baud, self._options.fast) if self._options.fast else (target.baud,)
        for speed in dict.fromkeys((*wanted, *SPEEDS)):
            transport.set_baud(speed)
            before = self.client.last_heard
            try:
                self._silence(_PROBE_S, tries=2)
            except LinkLostError:
                # Good frames that were no answer: a stream at this speed, whose backlog comes before the answer.
                if self.client.last_heard == before:
                    continue
                self._silence()
            return
        transport.set_baud(target.baud)
        raise LinkLostError(f"{self.where}: no answer at any speed from {min(SPEEDS)} to {max(SPEEDS)} baud")

    def _silence(self, timeout_s: float | None = None, tries: int = 3) -> None:
        """End a stream; its answer comes behind the last record."""

        def is_end(frame: bytes) -> bool:
            told = read_reply(frame)
            return told.op == Op.MULTI and (told.data[:1] == b"\x02" or told.status != 0)

        self.client.request(STOP, is_end, "stop", timeout_s, tries)

    def _set_speed(self) -> None:
        """Go to the speed asked for; a module that does not come along is met where it was."""
        target, transport = self.address.target, self.client.transport
        if not isinstance(target, SerialTarget) or not isinstance(transport, SerialTransport):
            return
        wanted, present = self._options.fast or target.baud, transport.baud
        if wanted == present:
            return
        told = self.ask(Op.SET_BAUD, wanted.to_bytes(4, "big"), f"speed {wanted} baud", fine=tuple(Status))
        if told.status:
            self.inbox.add_event(
                "reader_exception", str(refusal(self.where, f"speed {wanted} baud", told.status))
            )
            return
        transport.set_baud(wanted)
        time.sleep(_SETTLE_S)
        try:
            self.ask(Op.VERSION, b"", "its version", timeout_s=3 * _PROBE_S)
        except LinkLostError:
            self.inbox.add_event(
                "reader_exception",
                f"{self.where}: no answer at {wanted} baud; it stays at {present}: is the line good for more?",
            )
            self._find()

    def _set_region(self, name: str) -> None:
        number = self.module.region(name)
        if number is None:
            known = ", ".join(self.module.regions)
            raise SettingsError(f"{self.where}: no region {name}; this module has {known}")
        self.ask(Op.SET_REGION, bytes([number]), f"region {name}")

    # Reading

    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Set region, power, antennas and air protocol, and let the module read until it is told to stop."""
        if settings.region is not None:
            self._set_region(settings.region)
            self._read_region()
        count = len(self._channels)
        if any(not 1 <= channel <= count for channel in settings.channels):
            raise SettingsError(f"{self.where}: channels are 1 to {count} in region {settings.region}")
        module = self.module
        ports = settings.ports or module.connected or module.ports
        apply_gen2(self, settings)
        apply_antennas(self, module, ports)
        apply_power(self, settings, module, ports)
        if settings.channels or self._known.narrowed:
            apply_channels(self, self._channels, settings.channels)
            self._known.narrowed = bool(settings.channels)
        stream = Stream(
            self.where,
            self._options,
            ports,
            self.inbox,
            self._known.remembered,
            self._said,
            self.client.send,
        )
        self.patience_s = stream.idle_s + _MARGIN_S
        for port in ports:
            if module.connected and port not in module.connected:
                self.inbox.add_event(
                    "antenna_gone", f"{self.where}: antenna port {port}: nothing is plugged into it"
                )

        def runs(frame: bytes) -> bool:
            # Firmware answers differently, or with the first record alone.
            told = read_reply(frame)
            return told.op == Op.READ_TAGS or (
                told.op == Op.MULTI and told.data[:1] not in (b"\x02", b"\x04")
            )

        self._settings, self._idle = settings, False
        self._stream = stream
        try:
            told = read_reply(self.client.request(stream.start, runs, "start", _BEGIN_S, tries=2))
            if told.op == Op.MULTI and told.status:
                raise refusal(self.where, "to read", told.status)
        except BaseException:
            self._stream = None
            raise
        self._looked = time.monotonic()
        return {port: power_of(settings, module, port) for port in ports}

    def end(self) -> None:
        """Stop reading; the answer comes behind the last record."""
        try:
            self._silence()
        finally:
            self._stream = None
            self._said = {}

    def alive(self) -> None:
        """Ask a module that has been silent for a while whether it is there, and whether it reads."""
        stream = self._stream
        if stream is not None and stream.stopped:
            # A module that reads takes commands in their wrapping alone: one that answers this does not read.
            self.client.send(request(Op.VERSION))
        self._look()

    def pump(self, timeout_s: float) -> None:
        """Handle what comes, for at most `timeout_s`; now and then look at the temperature."""
        period = self._options.temperature_s
        if self._stream is not None and period and time.monotonic() - self._looked > period:
            self._look()
        super().pump(timeout_s)
        if self._idle and self._stream is not None:
            self._begin_again(self._stream)

    def _begin_again(self, stream: Stream) -> None:
        """Set a module up and tell it to read again.

        It may have booted without a word that was heard: then it would read with settings that are not ours, or wait in
        its bootloader.
        """
        stream.tell_stopped()
        self.lapse()
        try:
            self._silence()
            self.start(self._settings)
        except LinkLostError:
            raise
        except ReaderError as error:
            # It forgot more than a start says: a new connection sets it up from the beginning.
            raise LinkLostError(f"{error}; did it boot?") from error

    def _look(self) -> None:
        """Ask for the temperature, as a module that reads can be asked."""
        self._looked = time.monotonic()
        self.client.send(wrap(Op.TEMPERATURE))

    # Frames

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take what the module streams, and what it tells unasked."""
        self._watch(frames)
        stream = self._stream
        if stream is None:
            return
        self._idle = self._idle or (stream.stopped and bool(np.any(frames.byte(2) == Op.VERSION)))
        read = stream.take(frames, t)
        if read is None:
            # A module that does not read answers, too, when it is asked for its temperature.
            if len(rounds := stream.rounds(frames)):
                self.note_listening(int(t[rounds[-1]]))
        else:
            self.add_readings(*read.stamped, **read.columns)
        for celsius in stream.temperatures(frames):
            if self._told_temperature is None or abs(celsius - self._told_temperature) >= 5:
                self._told_temperature = celsius
                self.inbox.add_event(
                    "temperature", f"{self.where}: the module is at {celsius} degrees Celsius"
                )

    def _watch(self, frames: Frames) -> None:
        """Notice a module that booted, or whose firmware failed.

        Raises
        ------
        LinkLostError
            It booted out of turn, and forgot what it was told.
        """
        failed = np.flatnonzero(frames.u16(3) == Status.ASSERT)
        for row in failed.tolist():
            data = read_reply(frames.frame(row)).data
            line, file = int.from_bytes(data[:4], "big"), data[4:].decode("ascii", "replace").strip("\0")
            raise LinkLostError(f"{self.where}: the module's firmware failed (line {line} of {file or '?'})")
        if self._booted is not None and bool(np.any(frames.byte(2) == Op.BOOT_FIRMWARE)):
            self._booted = True
            if self._stream is not None:
                raise LinkLostError(
                    f"{self.where}: the module booted by itself; is its supply strong enough?"
                )

    # For `module` and `settings`

    def ask(
        self, op: Op, data: bytes, what: str, *, fine: tuple[int, ...] = (), timeout_s: float | None = None
    ) -> Reply:
        """Send a command and return its answer.

        Raises
        ------
        ReaderError
            The module refuses, with a status that is not among `fine`.
        LinkLostError
            No answer came.
        """
        before, self._booted = self._booted, None if op == Op.BOOT_FIRMWARE else self._booted
        try:
            frame = self.client.request(request(op, data), lambda frame: frame[2] == op, what, timeout_s)
        finally:
            if op == Op.BOOT_FIRMWARE:
                self._booted = before
        told = read_reply(frame)
        if told.status and told.status not in fine:
            raise refusal(self.where, what, told.status)
        return told
