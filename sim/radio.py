"""The radio of one reader in one library: who is powered, who answers when, and with what phase and RSSI."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from recording import AntennaMount
from sim import environment
from sim.air import Listening, Reads, RobotPose, between, join
from sim.errors import SimError
from sim.gen2 import DUAL, FOCUS, SINGLE, inventory, link_timing
from sim.model import Library
from sim.moving import SLICE_S, Carried, radio_of
from sim.presets import RadioParameters
from sim.propagation import (
    SPEED_OF_LIGHT_MPS,
    Floats,
    Ints,
    Pattern,
    channel,
    memory,
    pattern_exponent,
)
from sim.scene import before_the_walls, build_scene, to_upright, walls
from sim.shading import shadows

REACH_M: Final = 3.0
"""Tags farther than this from the robot's centre are never asked (they would need 10 dB more)."""

_CELL_M: Final = 1.0
_CABLE_LOSS_DB: Final = 3.0
_POLARIZATION_LOSS_DB: Final = 3.0
_MODULATION_LOSS_DB: Final = 8.0
_MOST_READS_PER_S: Final = 2000
_SEARCH: Final = {"dual": DUAL, "single": SINGLE, "focus": FOCUS}


@dataclass(slots=True)
class _State:
    flag: NDArray[np.int8]
    flag_since: Floats
    powered_at: Floats
    parity: NDArray[np.int8]
    ports: dict[int, Floats] = field(default_factory=dict[int, Floats])
    turn: int = -1
    turn_left_s: float = 0.0
    hop: int = -1
    hop_left_s: float = 0.0


class Radio:
    """The radio of one reader.

    Parameters
    ----------
    library : Library
    mounts : sequence of AntennaMount, optional
        The reader's antennas; the library's robot's, if none are given.
    seed : int
        Of the noise and the hops; the metal and the tags' scatter are the library's. The same seed hears the same.
    parameters : RadioParameters, optional
        Instead of the library's.

    Attributes
    ----------
    scene : Scene
    tag_radio : environment.TagRadio
    frequencies_khz : tuple of int
    ports : tuple of int

    Raises
    ------
    SimError
        Without an antenna, or with two on one port.
    """

    def __init__(
        self,
        library: Library,
        mounts: tuple[AntennaMount, ...] | None = None,
        seed: int | None = None,
        parameters: RadioParameters | None = None,
    ) -> None:
        mounts = library.robot.mounts if mounts is None else mounts
        self._mounts = {mount.port: mount for mount in mounts}
        if not mounts or len(self._mounts) != len(mounts):
            raise SimError("a reader needs at least one antenna, each on a port of its own; see robot.json")
        self.parameters = parameters or library.radio
        self.library = library
        self.frequencies_khz = self.parameters.frequencies_khz
        # The metal and the tags are the library's own and stay from night to night; only the noise takes the seed.
        world = np.random.SeedSequence([library.seed, 0x5EED])
        metal, scatter, couples, lines = (np.random.default_rng(s) for s in world.spawn(4))
        self._rng = np.random.default_rng([library.seed if seed is None else seed, 0xA1])
        self.scene, self._floor_of_tag = build_scene(library, self.parameters, metal, couples)
        upright = to_upright(library)
        shelved = (
            environment.own_tags(scatter, self.parameters, upright, library.own, library.register)
            if library.register
            else environment.draw_tags(scatter, self.parameters, upright)
        )
        own = np.random.default_rng([library.seed, 0x60])
        self._carried = None
        if library.movers:
            self._carried = Carried(library.movers, self.scene, self._floor_of_tag, self.parameters, own)
            self.scene, self._floor_of_tag = self._carried.scene, self._carried.floor_of_tag
        self.tag_radio = radio_of(shelved, self._carried, library.odd.loss_db, self.parameters, own)
        self._shaded_m = before_the_walls(library, self.scene.tag_m)
        self._epc = library.tags.epc + (() if self._carried is None else self._carried.epc)
        n = len(self._epc)
        shape = (256, len(self.frequencies_khz))
        lengths = lines.uniform(*self.parameters.cable_m, shape[0])
        k = 4 * np.pi * np.array(self.frequencies_khz) * 1e3 / SPEED_OF_LIGHT_MPS
        self._line_phase = lengths[
            :, None
        ] * k + self.parameters.channel_phase_sd_rad * lines.standard_normal(shape)
        self._centre = self.parameters.antenna_centre_sd_m * lines.standard_normal((shape[0], 3))
        self._state = _State(
            flag=np.zeros(n, np.int8),
            flag_since=np.full(n, -1e9),
            powered_at=np.full(n, -1e9),
            parity=(self._rng.random(n) < self.tag_radio.flip_share).astype(np.int8),
        )
        self._hops = self._rng.permutation(len(self.frequencies_khz))
        self._walls = walls(library)
        self._memory = memory(self.scene)
        self._shadow = np.ones(n)
        self._cells: dict[tuple[int, int, int], Ints] = {}
        most = int(_MOST_READS_PER_S)
        self._out: tuple[Floats, Ints, Floats, Floats] = (
            np.empty(most),
            np.empty(most, np.int32),
            np.empty(most),
            np.empty(most),
        )

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports with an antenna, in rising order."""
        return tuple(sorted(self._mounts))

    @property
    def tags(self) -> tuple[str, ...]:
        """EPCs, in the order `Reads.tag` counts them."""
        return self._epc

    def mount(self, port: int) -> AntennaMount:
        """Return the antenna on a port."""
        return self._mounts[port]

    def antenna_place(self, port: int, pose: RobotPose) -> tuple[Floats, Floats]:
        """Place (m) and unit boresight of an antenna, map frame."""
        mount = self._mounts[port]
        x, y, z = np.array(mount.position_m) + self._centre[port]
        c, s = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
        yaw, pitch = (math.radians(v) for v in mount.boresight_deg)
        place = np.array([pose.x_m + c * x - s * y, pose.y_m + s * x + c * y, z + pose.mast_z_m])
        boresight = np.array(
            [
                math.cos(pitch) * math.cos(pose.yaw_rad + yaw),
                math.cos(pitch) * math.sin(pose.yaw_rad + yaw),
                math.sin(pitch),
            ]
        )
        return place, boresight

    def pattern(self, port: int) -> Pattern:
        """Return the field patterns that hold for an antenna."""
        p = self.parameters
        return Pattern(
            antenna_exponent=pattern_exponent(self._mounts[port].beamwidth_deg or 70.0),
            back_lobe=10 ** (p.back_lobe_db / 20),
            tag_exponent=p.tag_pattern_exponent,
            floor=p.floor_reflection,
        )

    def restart(self) -> None:
        """Forget the reader's own state, as when an inventory is started anew; the tags keep their flags."""
        self._state.ports.clear()
        self._state.turn_left_s = 0.0
        self._state.turn = -1
        self._state.hop_left_s = 0.0

    def read(
        self, t0_ns: int, t1_ns: int, pose0: RobotPose, pose1: RobotPose, listening: Listening | None = None
    ) -> Reads:
        """Let the reader listen while the robot moves in a straight line.

        Parameters
        ----------
        t0_ns, t1_ns : int
            The span, ns UTC; at most a second.
        pose0, pose1 : RobotPose
            At its start and end.
        listening : Listening, optional

        Returns
        -------
        Reads

        Raises
        ------
        SimError
            For a port without an antenna or a channel that is not there.
        """
        listening = listening or Listening()
        ports = listening.ports or self.ports
        every = tuple(range(1, len(self.frequencies_khz) + 1))
        channels = listening.channels or every
        if not set(ports) <= set(self._mounts) or not set(channels) <= set(every):
            raise SimError(
                f"ports {ports} and channels {channels} asked for; "
                f"there are ports {self.ports} and channels 1 to {every[-1]}"
            )
        state = self._state
        t, whole = 0.0, (t1_ns - t0_ns) * 1e-9
        now = (t0_ns % 10**15) * 1e-9
        pieces: list[tuple[NDArray[np.int64], Ints, int, int, Floats, Floats]] = []
        heard: list[tuple[int, int, int, float]] = []
        shelved = near = self._near(pose0)
        timing = link_timing(listening.rf_mode).array()
        while t < whole - 1e-9:
            if state.turn_left_s <= 1e-9:
                state.turn = (state.turn + 1) % len(ports)
                state.turn_left_s = self.parameters.port_dwell_s
            if state.hop_left_s <= 1e-9:
                state.hop = (state.hop + 1) % len(self._hops)
                if state.hop == 0:
                    self._hops = self._rng.permutation(len(self._hops))
                state.hop_left_s = self.parameters.hop_s
            span = min(whole - t, state.turn_left_s, state.hop_left_s)
            if self._carried is not None:
                span = min(span, SLICE_S)
                here = between(pose0, pose1, (t + 0.5 * span) / whole)
                near = np.append(shelved, self._move(t0_ns + round((t + 0.5 * span) * 1e9), here))
            which = state.turn % len(ports)
            port = ports[which]
            number = channels[int(self._hops[state.hop]) % len(channels)]
            power = (
                listening.power_dbm[which]
                if which < len(listening.power_dbm)
                else self._mounts[port].power_dbm
            )
            power = 30.0 if power is None else power
            start_ns, end_ns = t0_ns + round(t * 1e9), t0_ns + round((t + span) * 1e9)
            heard.append((start_ns, end_ns, port, power))
            count = self._listen(
                port, number, power, span, now + t, between(pose0, pose1, t / whole),
                between(pose0, pose1, (t + span) / whole), near, timing, listening,
            )  # fmt: skip
            if count:
                out_t, out_tag = self._out[0][:count].copy(), self._out[1][:count].copy()
                out_rssi, out_phase = self._out[2][:count].copy(), self._out[3][:count].copy()
                stamps = np.minimum(start_ns + np.round(out_t * 1e9).astype(np.int64), end_ns)
                pieces.append((stamps, out_tag, port, number, out_rssi, out_phase))
            t += span
            state.turn_left_s -= span
            state.hop_left_s -= span
        return join(pieces, tuple(heard))

    def channel(self, port: int, frequency_khz: float, pose: RobotPose, tags: Ints) -> NDArray[np.complex128]:
        """One-way channel of some tags (1/m), coupling included; for tests and figures."""
        place, boresight = self.antenna_place(port, pose)
        self._cast(np.arange(len(self.tags), dtype=np.int32), place, pose.floor)
        k = 2 * np.pi * frequency_khz * 1e3 / SPEED_OF_LIGHT_MPS
        return channel(
            tags,
            k,
            place,
            boresight,
            self.pattern(port).array(),
            *self.scene.arrays(),
            self._shadow,
            *self._memory,
        )

    def _listen(
        self,
        port: int,
        number: int,
        power_dbm: float,
        span: float,
        now: float,
        pose0: RobotPose,
        pose1: RobotPose,
        near: Ints,
        timing: Floats,
        listening: Listening,
    ) -> int:
        place0, boresight = self.antenna_place(port, pose0)
        place1, _ = self.antenna_place(port, pose1)
        frequency = self.frequencies_khz[number - 1] * 1e3
        k = 2 * np.pi * frequency / SPEED_OF_LIGHT_MPS
        pattern = self.pattern(port).array()
        gain = (self._mounts[port].gain_dbi or 8.0) - _POLARIZATION_LOSS_DB - _CABLE_LOSS_DB
        free = 20 * math.log10(SPEED_OF_LIGHT_MPS / frequency / (4 * math.pi))
        forward = power_dbm + gain + free
        tag = self.tag_radio
        self._cast(near, place0, pose0.floor)
        wanted = _hopeful(
            near,
            forward,
            place0,
            boresight,
            pattern,
            self.scene.tag_m,
            self._shadow,
            tag.loss_db,
            tag.sensitivity_dbm,
        )
        h = channel(wanted, k, place0, boresight, pattern, *self.scene.arrays(), self._shadow, *self._memory)
        power_at = forward + 20 * np.log10(np.maximum(np.abs(h), 1e-9)) - tag.loss_db[wanted]
        state = self._state
        port_state = state.ports.setdefault(port, np.array([4.0, 0.0, 0.0]))
        return inventory(
            self._rng, span, now, timing, listening.session, _SEARCH[listening.search], port_state, state.flag,
            state.flag_since, state.powered_at, state.parity, tag.flip_share, wanted, power_at, tag.sensitivity_dbm,
            forward,
            power_dbm + 2 * gain + 2 * free - _MODULATION_LOSS_DB,
            self.parameters.compression,
            self.parameters.am_pm_rad_per_db, tag.loss_db, tag.phase_rad,
            float(self._line_phase[port, number - 1]), self.parameters.noise_scale, k, place0, place1, boresight,
            pattern, *self.scene.arrays(), self._shadow, *self._out,
        )  # fmt: skip

    def _cast(self, tags: Ints, place: Floats, floor: int) -> None:
        # A bookcase is crossed through two walls.
        through = 10 ** (-self.parameters.through_loss_db / 40)
        shadows(tags, place, self._shaded_m, self._walls[floor], through, self._shadow)

    def _move(self, t_ns: int, pose: RobotPose) -> Ints:
        """Put what moves where it is then; return which of its tags are near."""
        assert self._carried is not None
        self._carried.move(t_ns, pose)
        first = self._carried.first
        self._shaded_m[first:] = self.scene.tag_m[first:]
        return self._carried.near(pose, REACH_M)

    def _near(self, pose: RobotPose) -> Ints:
        cell = (pose.floor, math.floor(pose.x_m / _CELL_M), math.floor(pose.y_m / _CELL_M))
        if cell not in self._cells:
            centre = (np.array(cell[1:]) + 0.5) * _CELL_M
            apart = np.hypot(*(self.scene.tag_m[:, :2] - centre).T)
            close = (apart < REACH_M + 0.75 * _CELL_M) & (self._floor_of_tag == pose.floor)
            close[len(self.library.tags) :] = False
            self._cells[cell] = np.flatnonzero(close).astype(np.int32)
        return self._cells[cell]


@nb.njit(cache=True)
def _hopeful(
    near: Ints,
    forward: float,
    place: Floats,
    boresight: Floats,
    pattern: Floats,
    tag_m: Floats,
    shadow: Floats,
    loss_db: Floats,
    sensitivity: Floats,
) -> Ints:
    """Tags that free space and 9 dB of luck could power; the others are not worth a full channel."""
    out = np.empty(near.size, np.int32)
    n = 0
    for c in range(near.size):
        i = near[c]
        dx, dy, dz = tag_m[i, 0] - place[0], tag_m[i, 1] - place[1], tag_m[i, 2] - place[2]
        d = math.sqrt(dx * dx + dy * dy + dz * dz)
        ahead = (dx * boresight[0] + dy * boresight[1] + dz * boresight[2]) / d
        reach = shadow[i] * (pattern[1] + (1.0 - pattern[1]) * max(ahead, 0.0) ** pattern[0]) / d
        if forward + 20.0 * math.log10(reach) - loss_db[i] + 9.0 > sensitivity[i]:
            out[n] = i
            n += 1
    return out[:n]
