"""The EPC Gen2 air interface: inventory rounds, slotted ALOHA with the Q algorithm, session flags.

Slot times are those of the Gen2 link at one Miller mode (EPC Gen2 v2, 6.3.1.6: T1 + RN16 + T2 + ACK + T1 + PC, EPC
and CRC + T2 for a slot with one tag); the Q algorithm is that of its Annex D. Flags flip A to B and back (dual target),
so tags repeat and share the air: what one tag gains, its neighbours lose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim.propagation import Complexes, Floats, Ints, coupled

FLAG_A: Final = 0
FLAG_B: Final = 1

DUAL: Final = 0
SINGLE: Final = 1
FOCUS: Final = 2

_LONGEST_TARGET_S: Final = 0.3
_CAPTURE_DB: Final = 8.0
"""A reply this much stronger than the next one in its slot is heard all the same."""


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """Air time of each kind of slot, in seconds.

    Attributes
    ----------
    query_s
        Query command with its preamble, and the settling before it.
    empty_s, collision_s, success_s
        QueryRep and what follows it: silence, a garbled RN16, a whole EPC.
    """

    query_s: float
    empty_s: float
    collision_s: float
    success_s: float

    def array(self) -> Floats:
        """Return the fields in the kernel's order."""
        return np.array([self.query_s, self.empty_s, self.collision_s, self.success_s], np.float64)


def link_timing(rf_mode: int) -> LinkTiming:
    """Slot times of a reader mode, numbered as Impinj does.

    Parameters
    ----------
    rf_mode : int
        0: FM0 at 640 kHz; 1: Miller 2 at 640 kHz; 2: Miller 4 at 274 kHz; 3: Miller 8 at 171 kHz; 4: Miller 4 at
        640 kHz; 1000 and above (chosen by the reader) and unknown modes: Miller 4 at 320 kHz.

    Returns
    -------
    LinkTiming
    """
    tari_us, blf_khz, miller = {
        0: (6.25, 640.0, 1),
        1: (6.25, 640.0, 2),
        2: (20.0, 274.0, 4),
        3: (20.0, 171.0, 8),
        4: (6.25, 640.0, 4),
    }.get(rf_mode, (12.5, 320.0, 4))
    reader_bit = 1.25 * tari_us * 1e-6
    tag_bit = miller / (blf_khz * 1e3)
    rtcal = 2.75 * tari_us * 1e-6
    t1 = max(rtcal, 10 / (blf_khz * 1e3))
    t2 = 8 / (blf_khz * 1e3)
    preamble = (10 if miller > 1 else 6) * tag_bit
    query_rep = 4 * reader_bit + 2.2 * rtcal
    rn16 = preamble + 17 * tag_bit
    # PC, 96 EPC bits, CRC-16, a dummy bit; the ACK is 18 bits.
    epc = preamble + 129 * tag_bit
    overhead = 0.2e-3  # decoding and turn-round of a real reader, per occupied slot
    empty = query_rep + t1 + 2 * t2
    collision = query_rep + t1 + rn16 + t2 + overhead
    success = collision + 18 * reader_bit + t1 + epc + t2
    return LinkTiming(22 * reader_bit + 3 * rtcal + 1.0e-3, empty, collision, success)


@nb.njit(cache=True)
def inventory(
    rng: np.random.Generator,
    duration: float,
    now: float,
    timing: Floats,
    session: int,
    search: int,
    port_state: Floats,
    flag: NDArray[np.int8],
    flag_since: Floats,
    powered_at: Floats,
    parity: NDArray[np.int8],
    flip_share: Floats,
    wanted: Ints,
    power_at: Floats,
    sensitivity: Floats,
    forward_db: float,
    budget_db: float,
    compression: float,
    am_pm: float,
    tag_loss: Floats,
    tag_phase: Floats,
    line_phase: float,
    noise_scale: float,
    k: float,
    place0: Floats,
    place1: Floats,
    boresight: Floats,
    pattern: Floats,
    tag_m: Floats,
    tag_normal: Floats,
    tag_group: Ints,
    group_start: Ints,
    group_scatterer: Ints,
    group_rho: Complexes,
    scatterer_m: Floats,
    neighbour: Ints,
    kappa: Complexes,
    shadow: Floats,
    out_t: Floats,
    out_tag: Ints,
    out_rssi: Floats,
    out_phase: Floats,
) -> int:
    """Run inventory rounds on one antenna port and channel; fill the outputs.

    Parameters
    ----------
    rng : Generator
    duration : float
        How long, s.
    now : float
        World time of the start, s; the flags' persistence counts from it.
    timing : float64[4]
        `LinkTiming.array`.
    session : int
        0..3: whether flags fade at once (0), some seconds after the flip (1), or two seconds after power is lost
        (2, 3).
    search : int
        `DUAL`, `SINGLE` or `FOCUS`.
    port_state : float64[3]
        The port's Q (floating), its target flag and the seconds spent on it; kept between calls.
    flag, flag_since, powered_at, parity : [n]
        State of every tag; kept between calls.
    flip_share : float64[n]
        Share of each tag's phases that come out pi off.
    wanted : int32[c]
        Tags near enough to matter.
    power_at : float64[c]
        Power at each of them, dBm.
    sensitivity, tag_loss, tag_phase : float64[n]
        Power a tag needs, dBm; its one-way loss, dB; its own phase, rad.
    forward_db : float
        Power at a tag without loss for ``|h| = 1``, dBm.
    compression, am_pm : float
        Backscatter lost (dB) and phase turned (rad) per decibel above a tag's threshold.
    budget_db : float
        Received power for ``|h| = 1`` and a tag without loss, dBm.
    line_phase : float
        Phase of cables and reader at this port and channel, rad.
    noise_scale : float
        Factor on the thermal noise.
    k : float
        Wave number, rad/m.
    place0, place1, boresight : float64[3]
        The antenna at the start and at the end of the span, and its direction.
    pattern, tag_m, ..., shadow
        As in `sim.propagation.channel`.
    out_t, out_tag, out_rssi, out_phase : [m]
        Seconds from the start, tag, dBm, rad (growing with distance, not wrapped).

    Returns
    -------
    int
        Number of reads written.
    """
    q_step = 0.25
    count = 0
    live = np.empty(wanted.size, np.int32)
    strength_of = np.empty(wanted.size)
    n_live = 0
    for c in range(wanted.size):
        i = wanted[c]
        if power_at[c] < sensitivity[i]:
            continue
        if flag[i] == FLAG_B:
            lost_for = now - powered_at[i]
            if (
                (session == 0 and lost_for > 0.05)
                or (session == 1 and search != FOCUS and now - flag_since[i] > 2.0)
                or (session >= 2 and lost_for > 2.0)
            ):
                flag[i] = FLAG_A
        powered_at[i] = now + duration
        live[n_live] = i
        strength_of[n_live] = (2.0 - compression) * power_at[c]
        n_live += 1
    query_s, empty_s, collision_s, success_s = timing[0], timing[1], timing[2], timing[3]
    ready = np.empty(max(n_live, 1), np.int32)
    following = np.empty(max(n_live, 1), np.int32)
    loudness = np.empty(max(n_live, 1))
    place = np.empty(3)
    t = 0.0
    while t < duration and count < out_t.size:
        target = int(port_state[1])
        begun = t
        n_ready = 0
        for c in range(n_live):
            if flag[live[c]] == target:
                ready[n_ready] = live[c]
                loudness[n_ready] = strength_of[c]
                n_ready += 1
        t += query_s
        q = round(port_state[0])
        slots = 1 << q
        first = np.full(slots, -1, np.int32)
        for c in range(n_ready):
            slot = int(rng.random() * slots)
            following[c] = first[slot]
            first[slot] = c
        heard = False
        for slot in range(slots):
            if t >= duration or count >= out_t.size:
                break
            head = first[slot]
            winner = -1
            if head < 0:
                t += empty_s
                port_state[0] = max(0.0, port_state[0] - q_step)
            else:
                heard = True
                if following[head] < 0:
                    winner = int(ready[head])
                else:
                    port_state[0] = min(15.0, port_state[0] + q_step)
                    best, second = head, -1
                    c = following[head]
                    while c >= 0:
                        if loudness[c] > loudness[best]:
                            best, second = c, best
                        elif second < 0 or loudness[c] > loudness[second]:
                            second = c
                        c = following[c]
                    if loudness[best] - loudness[second] > _CAPTURE_DB:
                        winner = int(ready[best])
                    else:
                        t += collision_s
            if winner >= 0:
                share = (t + 0.5 * success_s) / duration
                for axis in range(3):
                    place[axis] = place0[axis] + share * (place1[axis] - place0[axis])
                h = coupled(
                    winner, k, place, boresight, pattern, tag_m, tag_normal, tag_group, group_start, group_scatterer,
                    group_rho, scatterer_m, neighbour, kappa, shadow,
                )  # fmt: skip
                strength = abs(h)
                level = 20.0 * math.log10(max(strength, 1e-9)) - tag_loss[winner]
                spare = max(0.0, forward_db + level - sensitivity[winner])
                rssi = budget_db + 2.0 * level - compression * spare
                # A reader loses the EPC more and more often over the last few dB above its own sensitivity.
                decoded = rng.random() < 1.0 / (1.0 + math.exp(-(rssi + 80.0) / 1.0))
                if decoded:
                    sigma = noise_scale * math.sqrt(1e-4 + (0.056 * 10 ** (-(rssi + 62.5) / 20.0)) ** 2)
                    phase = line_phase + tag_phase[winner] + am_pm * spare - 2.0 * math.atan2(h.imag, h.real)
                    phase += sigma * rng.normal(0.0, 1.0)
                    if flip_share[winner] > 0.0:
                        # Flips come in runs: half of the reads keep the one before.
                        if rng.random() < 0.5:
                            parity[winner] = 1 if rng.random() < flip_share[winner] else 0
                        phase += math.pi * parity[winner]
                    out_t[count] = min(t + 0.5 * success_s, duration)
                    out_tag[count] = winner
                    out_rssi[count] = rssi + 0.32 * 10 ** (-(rssi + 62.5) / 50.0) * rng.normal(0.0, 1.0)
                    out_phase[count] = phase
                    count += 1
                    flag[winner] = FLAG_B if flag[winner] == FLAG_A else FLAG_A
                    flag_since[winner] = now + t
                    t += success_s
                else:
                    t += collision_s
            if round(port_state[0]) != q:
                break
        exhausted = not heard and q == 0
        port_state[2] += t - begun
        # Another port may refill a target without end, so a target is left after a while in any case.
        if search == DUAL and (exhausted or port_state[2] > _LONGEST_TARGET_S):
            port_state[1] = 1.0 - port_state[1]
            port_state[2] = 0.0
        if exhausted:
            port_state[0] = 2.0
            if search != DUAL:
                t += 5e-3
    return count
