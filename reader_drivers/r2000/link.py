"""A connection to an R2000 board: set up, asked for one round after the other, and looked after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reader_drivers._reader import Capabilities, ReaderError, ReaderSettings, SettingsError
from reader_drivers.framing import Frames
from reader_drivers.inbox import Inbox
from reader_drivers.polled_link import PolledLink
from reader_drivers.r2000.codec import (
    FRAMES,
    PHASE_STEPS,
    REGIONS,
    TABLE_KHZ,
    Command,
    Ends,
    Plan,
    Status,
    Tags,
    data_of,
    decode_inventory,
    decode_plan,
    encode,
    encode_plan,
    error_words,
    region_of,
)
from reader_drivers.r2000.options import Options
from reader_drivers.setting_checks import check_gen2, check_ports, check_run_of_channels
from reader_drivers.targets import Address
from reader_drivers.transport import LinkLostError, Wake

LEAST_DBM: Final = 0
MOST_DBM: Final = 33

_CHECKED_EACH_S: Final = 2.0
_LOW_RETURN_LOSS_DB: Final = 3
_WELL: Final = (Status.SUCCESS, Status.NO_TAG, Status.ANTENNA_MISSING)  # a round that ends so did not fail


class R2000Link(PolledLink):
    """A board that answers.

    Parameters
    ----------
    address, clock, inbox, wake
        As of `SerialLink`.
    options
        The driver's own.
    """

    patience_s = 1.5  # a round of one antenna takes some tenths of a second

    def __init__(
        self, address: Address, options: Options, clock: Callable[[], int], inbox: Inbox, wake: Wake
    ) -> None:
        self.options = options
        super().__init__(address, FRAMES, clock, inbox, wake)

    def set_up(self) -> Capabilities:
        """Learn firmware, name and frequencies; a round that is under way ends by itself."""
        self._antennas = 8 if self.options.eight_ports else 4
        self._health_at = 0.0
        self._check_at = 0.0
        version = self._ask(Command.VERSION, b"", "its version")
        name = self._ask(Command.IDENTIFIER, b"", "its name", refused_is_fine=True)
        self._flash_dbm = self._power()
        self._plan, region = self._region(self.address.settings.region)
        powers = range(LEAST_DBM, max(MOST_DBM, *self._flash_dbm) + 1)
        return Capabilities(
            manufacturer="R2000",
            model=name.decode("ascii", "replace").strip("\0 \ufffd") if len(name) == 12 else "",
            firmware=".".join(str(part) for part in version),
            air="gen2",
            antennas=self._antennas,
            phase=self.options.phase,
            phase_ambiguity="unknown",
            rssi_step_db=1.0,
            frequencies_khz=self._frequencies_khz,
            powers_dbm=tuple(float(power) for power in powers),
            region=region,
        )

    def begin(self, settings: ReaderSettings) -> dict[int, float]:
        """Set power and frequencies, look at temperature and antennas, and ask for the first round."""
        ports = settings.ports or tuple(range(1, self._antennas + 1))
        if settings.region not in (None, self.capabilities.region):
            self._plan, region = self._region(settings.region)
            self.capabilities = replace(
                self.capabilities, region=region, frequencies_khz=self._frequencies_khz
            )
        self._set_channels(settings)
        dbm = self._set_power(settings, ports)
        self._used = ports
        self._table = np.array(self._plan.table, np.uint32)
        if self.options.health_s:
            self._look(ports)
        self.begin_rounds(ports, "A" if self.options.inventory == "fast" else settings.flags)
        return {port: float(dbm[port - 1]) for port in ports}

    def end(self) -> None:
        """Ask for no more rounds; what the last one brings has arrived when this returns."""
        self.end_rounds()
        self._ask(Command.GET_ANTENNA, b"", "the end of the round")

    def alive(self) -> None:
        """Ask anew: the end of a round was lost, or the board booted."""
        # Commands are done one after the other, so what is under way has ended when this is answered.
        self.round_lost()
        self._check_set()
        self.ask_next()

    def _check_set(self) -> None:
        """Find out a board that booted between two rounds: it answers as if nothing had been, at its own power."""
        self._check_at = time.monotonic() + _CHECKED_EACH_S
        if self._power() != self._set_dbm or self._antenna() != self._working:
            raise LinkLostError(f"{self.where}: it booted, and forgot what was set")

    def on_frames(self, frames: Frames, t: NDArray[np.int64]) -> None:
        """Take reads and ends of rounds."""
        if not self.power_dbm:
            return
        tags, ends = decode_inventory(frames, phase=self.options.phase, eight=self.options.eight_ports)
        beyond = tags.index >= len(self._table)
        left_out = tags.bad + int(np.count_nonzero(beyond))
        if left_out:
            self.inbox.add_left_out("bad_message", left_out)
        self._take(tags, t, ~beyond)
        if len(t):
            self.note_listening(int(t[-1]))
        self._take_ends(ends)

    def _take(self, tags: Tags, t: NDArray[np.int64], good: NDArray[np.bool_]) -> None:
        turn = 2 * np.pi / PHASE_STEPS
        phase = (self.options.phase_sign * tags.phase % PHASE_STEPS * turn).astype(np.float32)
        for port in np.unique(tags.antenna).tolist():
            self.antenna_there(port)
        self.add_readings(
            tags.tags,
            t[tags.row[good]],
            tag=tags.tag[good],
            antenna=tags.antenna[good],
            frequency_khz=self._table[tags.index[good]],
            rssi_dbm=tags.rssi_dbm[good],
            phase_rad=np.where(tags.phase < 0, np.float32(np.nan), phase)[good],
        )

    def _take_ends(self, ends: Ends) -> None:
        fast = self.options.inventory == "fast"
        for error, antenna in zip(ends.error.tolist(), ends.antenna.tolist(), strict=True):
            if not self.asked:
                return
            if error == Status.ANTENNA_MISSING:
                self.antenna_missing(antenna or self._working + 1)
            elif error == Status.SUCCESS and not fast:
                self.antenna_there(self._working + 1)
            elif antenna:
                self.turn_failed(antenna)
            # Where antennas are switched an error of one of them ends its turn alone.
            if not antenna:
                self.round_over("" if error in _WELL else error_words(error))

    # Rounds

    def before_round(self) -> None:
        """Look after the board now and then."""
        if time.monotonic() >= self._check_at:
            self._check_set()
        if self.options.health_s and time.monotonic() >= self._health_at:
            self._look(())

    def ports_of_round(self, port: int) -> tuple[int, ...]:
        """Return which ports listen in a round."""
        return self._used if self.options.inventory == "fast" else (port,)

    def ask(self, port: int, flag: str) -> None:
        """Ask for a round."""
        how = self.options.inventory
        if how == "fast":
            # Antenna and rounds of each slot, then the pause between antennas, ms, and how often in all.
            turns = [used - 1 for used in self._used] + [0xFF] * (self._antennas - len(self._used))
            command = Command.FAST_SWITCH
            data = b"".join(bytes([turn, turn != 0xFF]) for turn in turns) + b"\0\x01"
        else:
            self._work_on(port - 1)
            kind = bytes([self.session, flag == "B"])
            command = Command.REALTIME if how == "realtime" else Command.SESSION
            # With phase: SL flag (any), phase (yes), rounds.
            more = b"\0\x01\x01" if self.options.phase else b"\x01"
            data = b"\x01" if how == "realtime" else kind + more
        self.client.send(encode(command, data, self.options.address))

    def _work_on(self, antenna: int) -> None:
        if antenna != self._working:
            self._ask(Command.SET_ANTENNA, bytes([antenna]), f"antenna {antenna + 1}")
            self._working = antenna

    # Settings

    def _set_power(self, settings: ReaderSettings, ports: tuple[int, ...]) -> list[int]:
        now = self._power()
        usual = now if settings.power_dbm is None else [int(settings.power_dbm)] * self._antennas
        wanted = [int(settings.port_power_dbm.get(n + 1, usual[n])) for n in range(self._antennas)]
        used = {wanted[port - 1] for port in ports}
        if len(used) == 1:
            # One power for all is kept in memory alone; flash wears out.
            wanted = [used.pop()] * self._antennas
            if set(now) != set(wanted):
                self._ask(Command.TEMPORARY_POWER, bytes(wanted[:1]), "power")
        elif now != wanted:
            command = Command.SET_POWER_8 if self._antennas == 8 else Command.SET_POWER
            self._ask(command, bytes(wanted), "power of each port")
        self._set_dbm = self._power()
        self._working = self._antenna()
        self._check_at = time.monotonic() + _CHECKED_EACH_S
        return wanted

    def _set_channels(self, settings: ReaderSettings) -> None:
        region = region_of(self._plan.region)
        if not settings.channels or region is None:
            return
        _, low, _ = REGIONS[region]
        first, last = low + min(settings.channels) - 1, low + max(settings.channels) - 1
        self._set_plan(Plan(self._plan.region, first, last, TABLE_KHZ))

    def _set_plan(self, plan: Plan) -> None:
        # It is kept in flash, so it is written only where it differs.
        if plan != self._plan:
            self._ask(Command.SET_REGION, encode_plan(plan), "region and frequencies")
            self._plan = plan

    @property
    def _frequencies_khz(self) -> tuple[int, ...]:
        """The channels of the plan's region, whichever of them are in use."""
        plan = self._plan
        region = region_of(plan.region)
        _, low, high = (plan.region, plan.first, plan.last) if region is None else REGIONS[region]
        return plan.table[low : high + 1]

    def _region(self, wanted: str | None) -> tuple[Plan, str]:
        """Set the region asked for; without one, learn which the board is in."""
        said = self._ask(Command.GET_REGION, b"", "its region")
        plan = decode_plan(said)
        if plan is None:
            raise ReaderError(
                f"{self.where}: it names no frequencies ({said.hex(' ')}); set its region first"
            )
        self._plan = plan
        if wanted is not None and wanted != region_of(plan.region):
            number, low, high = REGIONS[wanted]
            self._set_plan(Plan(number, low, high, TABLE_KHZ))
        return self._plan, region_of(self._plan.region) or "own"

    def _power(self) -> list[int]:
        """Return the power of each port, dBm: one byte where all have the same."""
        said = self._ask(Command.GET_POWER, b"", "its power")
        return list(said if len(said) == self._antennas else said[:1] * self._antennas)

    def _antenna(self) -> int:
        return self._ask(Command.GET_ANTENNA, b"", "its antenna")[0]

    # Health

    def _look(self, ports: tuple[int, ...]) -> None:
        """Tell the temperature, and the return loss of these ports: how much of the power an antenna sends back."""
        self._health_at = time.monotonic() + self.options.health_s
        said = self._ask(Command.TEMPERATURE, b"", "its temperature", refused_is_fine=True)
        if len(said) == 2:
            degrees = said[1] if said[0] else -said[1]
            self.inbox.add_event("temperature", f"{self.where}: {degrees} °C")
        middle = (self._plan.first + self._plan.last) // 2
        for port in ports:
            self._work_on(port - 1)
            loss = self._ask(Command.RETURN_LOSS, bytes([middle]), "return loss", refused_is_fine=True)
            if loss[0] != Status.NO_RETURN_LOSS:
                low = "; is an antenna there?" if loss[0] < _LOW_RETURN_LOSS_DB else ""
                khz = self._plan.table[middle]
                self.inbox.add_event(
                    "return_loss", f"{self.where}: port {port}: {loss[0]} dB at {khz / 1000:g} MHz{low}"
                )

    def _ask(self, command: Command, data: bytes, what: str, *, refused_is_fine: bool = False) -> bytes:
        """Ask for something and return the data of the answer; never empty."""
        frame = encode(command, data, self.options.address)
        answer = data_of(self.client.request(frame, lambda f: f[3] == command and len(f) > 5, what))
        # Settings are answered by one byte, and questions by what was asked or by one byte that says why not.
        if data and not refused_is_fine and answer != bytes([Status.SUCCESS]):
            raise ReaderError(f"{self.where}: the board refused {what} ({error_words(answer[0])})")
        return answer


def check_kind(settings: ReaderSettings, options: Options, where: str) -> None:
    """Refuse settings that no board can follow; raises SettingsError."""
    if settings.region is not None and settings.region not in REGIONS:
        raise SettingsError(f"{where}: no region {settings.region}; it has {', '.join(REGIONS)}")
    check_gen2(settings, where)
    if options.inventory != "session" and (settings.session is not None or settings.target is not None):
        raise SettingsError(f"{where}: session and target go with inventory=session alone")
    if options.phase and options.inventory != "session":
        raise SettingsError(f"{where}: phase goes with inventory=session alone")
    if settings.search == "focus":
        raise SettingsError(f"{where}: search focus is not in this protocol; use dual or single")
    if settings.q is not None or settings.rf_mode is not None:
        raise SettingsError(f"{where}: q and mode are the board's own; leave them out")


def check_settings(settings: ReaderSettings, can: Capabilities, where: str) -> None:
    """Refuse settings that a board cannot follow; raises SettingsError."""
    check_ports(settings, can, where)
    low, high = can.powers_dbm[0], can.powers_dbm[-1]
    powers = [p for p in (settings.power_dbm, *settings.port_power_dbm.values()) if p is not None]
    if wrong := [power for power in powers if not low <= power <= high]:
        raise SettingsError(f"{where}: power {wrong[0]:g} dBm is not from {low:g} to {high:g} dBm")
    region = settings.region or can.region
    if settings.channels and region not in REGIONS:
        raise SettingsError(f"{where}: its frequencies are a table of its own; it hops over all of them")
    _, low, high = REGIONS.get(region, (0, 0, -1))
    check_run_of_channels(settings, high - low + 1, where)
