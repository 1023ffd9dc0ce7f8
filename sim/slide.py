"""A simulated slide: one antenna on a metre of rail before a row of tags, and how wrong its phases are.

The geometry is that of the public AdaRF slide measurements (IMWUT 2019): 50 stops 2 cm apart, eight channels from
920.625 to 924.125 MHz, rows of 3 to 10 tags at pitches of 20 to 4 cm, 0.45 to 0.9 m away. What counts there is not
the thermal noise (0.01 to 0.1 rad) but what is left of the phase after the true distance is taken out: 0.4 to 1.1 rad,
smooth over 8 to 14 cm and shared by neighbours. ``python -m sim.slide`` prints both tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim import environment
from sim.presets import CHINA_8_KHZ, RadioParameters
from sim.propagation import SPEED_OF_LIGHT_MPS, Floats, Pattern, Scene, channel, memory

STOPS_M: Final = 0.02 * np.arange(1, 51)

SLIDE: Final = RadioParameters(
    end_scatterer=(0.22, 0.51),
    weak_scatterer=(0.0, 0.025),
    weak_count=(2, 6),
    end_beyond_m=(0.06, 0.255),
    scatterer_depth_m=0.078,
    next_bay_share=0.0,
    coupling=0.53,
    coupling_phase_sd_rad=1.5,
    coupling_reach_m=0.14,
    coupling_far=0.0,
    coupling_most=0.16,
    phase_centre_sd_m=0.0064,
    tag_pattern_exponent=0.0,
    compression=0.7,
    am_pm_rad_per_db=0.041,
    floor_reflection=0.0,
    pi_flips=False,
    frequencies_khz=CHINA_8_KHZ,
)
"""What the slide's laboratory is like: bare tags in a row that re-radiate to one another, metal at the row's ends."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One pass of the slide along one row.

    Attributes
    ----------
    along_m : float64[n]
        True places of the tags along the rail.
    depth_m : float
        From the rail to the row.
    phase_rad, rssi_dbm : float64[n, 50, 8]
        Per tag, stop and channel; the phase grows with distance.
    """

    along_m: Floats
    depth_m: float
    phase_rad: NDArray[np.float64]
    rssi_dbm: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Residuals:
    """Statistics of many scans at one pitch.

    Attributes
    ----------
    rms_rad : float
        Root mean square of the phase less that of the true distance, each tag's and channel's offset removed.
    over_1_rad : float
        Share of it beyond one radian.
    length_m : float
        Distance along the rail over which its correlation falls to 1/e.
    rssi_sd_db : float
        Scatter of the RSSI along the rail after ``40 log10`` of the distance.
    neighbours : float
        Correlation of adjacent tags' residuals.
    """

    rms_rad: float
    over_1_rad: float
    length_m: float
    rssi_sd_db: float
    neighbours: float


MEASURED: Final[Mapping[float, Residuals]] = {
    0.20: Residuals(0.44, 0.04, 0.14, 1.6, 0.09),
    0.10: Residuals(0.78, 0.17, 0.08, 3.4, 0.17),
    0.08: Residuals(0.86, 0.22, 0.09, 3.7, 0.24),
    0.06: Residuals(1.09, 0.35, 0.09, 4.2, 0.31),
    0.04: Residuals(1.06, 0.32, 0.10, 3.6, 0.53),
}
"""The same statistics of the measured rows, by pitch in metres."""

TAGS_PER_ROW: Final[Mapping[float, int]] = {0.20: 3, 0.10: 6, 0.08: 10, 0.06: 6, 0.04: 6}
"""How many tags the measured rows had."""


@dataclass(frozen=True, slots=True)
class Rail:
    """What the slide's own hands add.

    Attributes
    ----------
    shift_sd_m : float
        Scatter, from row to row, of the antenna's phase centre against the rail's zero.
    depth_sd_m : float
        Scatter of the row's true distance about the noted one.
    antenna_exponent : float
        Field pattern ``cos**exponent`` of the antenna.
    guide_m : float
        Pitch at which a row of tags carries half as much along itself to the metal at its ends as one without gaps.
    margin_db : float
        Power of a tag 0.6 m away above its threshold.
    """

    shift_sd_m: float = 0.022
    depth_sd_m: float = 0.0165
    antenna_exponent: float = 0.14
    guide_m: float = 0.195
    margin_db: float = 20.0


def slide(
    pitch_m: float,
    depth_m: float,
    seed: int,
    parameters: RadioParameters = SLIDE,
    rail: Rail | None = None,
    tags: int | None = None,
) -> Scan:
    """Simulate one pass.

    Parameters
    ----------
    pitch_m : float
        Distance between neighbouring tags.
    depth_m : float
        From the rail to the row, as noted.
    seed : int
    parameters : RadioParameters
    rail : Rail, optional
    tags : int, optional
        Tags in the row; by default as measured at that pitch, else 6.

    Returns
    -------
    Scan
        NaN where a fade took the power from a tag.
    """
    rail = rail or Rail()
    rng = np.random.default_rng([seed, round(pitch_m * 1000), round(depth_m * 1000)])
    n = tags or TAGS_PER_ROW.get(round(pitch_m, 2), 6)
    middle = 0.5 + rng.uniform(-0.02, 0.02)
    along = np.linspace(middle - pitch_m * (n - 1) / 2, middle + pitch_m * (n - 1) / 2, n, dtype=np.float64)
    shift, depth_error = rail.shift_sd_m * rng.standard_normal(), rail.depth_sd_m * rng.standard_normal()
    guided = 1.0 / (1.0 + (pitch_m / rail.guide_m) ** 2)
    scene = _row(rng, along, depth_m + depth_error, parameters, guided)
    tag = environment.draw_tags(rng, parameters, np.full(n, 1.0))
    pattern = Pattern(
        rail.antenna_exponent, 0.0, parameters.tag_pattern_exponent, parameters.floor_reflection
    ).array()
    frequencies = np.array(parameters.frequencies_khz) * 1e3
    h = np.empty((n, STOPS_M.size, frequencies.size), np.complex128)
    everyone, open_sky = np.arange(n, dtype=np.int32), np.ones(n)
    boresight, kept = np.array([0.0, 1.0, 0.0]), memory(scene)
    for s, x in enumerate(STOPS_M):
        place = np.array([x + shift, 0.0, 1.0])
        for f, frequency in enumerate(frequencies):
            k = 2 * np.pi * frequency / SPEED_OF_LIGHT_MPS
            h[:, s, f] = channel(everyone, k, place, boresight, pattern, *scene.arrays(), open_sky, *kept)
    level = 20 * np.log10(np.maximum(np.abs(h), 1e-9)) - (tag.loss_db - parameters.tag_loss_db)[:, None, None]
    spare = level + 20 * np.log10(0.6) + rail.margin_db
    rssi = -54.0 + 2 * (level + 20 * np.log10(0.6)) + parameters.compression * (rail.margin_db - spare)
    sigma = parameters.noise_scale * np.sqrt(1e-4 + (0.056 * 10 ** (-(rssi + 62.5) / 20)) ** 2)
    phase = -2 * np.angle(h) + tag.phase_rad[:, None, None] + parameters.am_pm_rad_per_db * spare
    phase += sigma * rng.standard_normal(h.shape)
    phase += 4 * np.pi * frequencies / SPEED_OF_LIGHT_MPS * rng.uniform(*parameters.cable_m)
    phase += parameters.channel_phase_sd_rad * rng.standard_normal(frequencies.size)
    rssi += 0.32 * 10 ** (-(rssi + 62.5) / 50) * rng.standard_normal(h.shape)
    dark = spare < 0
    return Scan(
        along, depth_m, np.where(dark, np.nan, np.remainder(phase, 2 * np.pi)), np.where(dark, np.nan, rssi)
    )


def _row(
    rng: np.random.Generator, along: Floats, depth_m: float, parameters: RadioParameters, guided: float
) -> Scene:
    """One row of free tags, each coupled with all others, and the metal at the ends of its board, a metre long."""
    n = along.size
    row = environment.ShelfGeometry(
        from_m=np.array([[0.0, depth_m, 1.0]]),
        to_m=np.array([[1.0, depth_m, 1.0]]),
        normal=np.array([[0.0, -1.0]]),
        left=np.array([-1], np.int32),
        right=np.array([-1], np.int32),
    )
    scatterer_m, start, scatterer, rho = environment.scatterers(rng, row, parameters)
    group = np.zeros(n, np.int32)
    neighbour, kappa = environment.coupling(rng, along, group, parameters, width=2 * (n - 1))
    tag_m = np.column_stack([along, np.full(n, depth_m), np.ones(n)])
    tag_m[:, 0] += parameters.phase_centre_sd_m * rng.standard_normal(n)
    return Scene(
        tag_m=tag_m,
        tag_normal=np.tile([0.0, -1.0], (n, 1)),
        tag_group=group,
        group_start=start,
        group_scatterer=scatterer,
        group_rho=guided * rho,
        scatterer_m=scatterer_m,
        neighbour=neighbour,
        kappa=kappa,
    )


def residual_statistics(scans: Sequence[Scan], frequencies_khz: Sequence[int] = CHINA_8_KHZ) -> Residuals:
    """Compare the phases and strengths of scans with those of the true distances.

    Parameters
    ----------
    scans : sequence of Scan
        Rows of one pitch.
    frequencies_khz : sequence of int

    Returns
    -------
    Residuals
    """
    k = 4 * np.pi * np.array(frequencies_khz) * 1e3 / SPEED_OF_LIGHT_MPS
    lags = np.arange(1, 26)
    squares, beyond, correlations, pairs, fades = [], [], [], [], []
    for scan in scans:
        d = np.hypot(STOPS_M[None, :] - scan.along_m[:, None], scan.depth_m)
        turn = np.exp(1j * (scan.phase_rad - d[:, :, None] * k))
        mean = np.nanmean(turn, axis=1, keepdims=True)
        r = np.angle(turn * np.conj(mean / np.abs(mean)))
        squares.append(np.nanmean(r**2, axis=(1, 2)))
        beyond.append(np.nanmean(np.abs(r) > 1.0, axis=(1, 2)))
        centred = r - np.nanmean(r, axis=1, keepdims=True)
        power = np.nanmean(centred**2, axis=1)
        correlations.append(
            np.array([np.nanmean(np.nanmean(centred[:, g:] * centred[:, :-g], axis=1) / power) for g in lags])
        )
        a, b = centred[:-1], centred[1:]
        pairs.append(
            np.nanmean(
                np.nanmean(a * b, axis=1) / np.sqrt(np.nanmean(a**2, axis=1) * np.nanmean(b**2, axis=1))
            )
        )
        level = scan.rssi_dbm + 40 * np.log10(d)[:, :, None]
        fades.append(np.nanvar(level, axis=1).mean(axis=1))
    curve = np.mean(correlations, axis=0)
    below = int(np.argmax(curve < np.exp(-1))) if np.any(curve < np.exp(-1)) else lags.size - 1
    above = curve[below - 1] if below else 1.0
    share = (above - np.exp(-1)) / max(above - curve[below], 1e-9)
    return Residuals(
        rms_rad=float(np.sqrt(np.mean(np.concatenate(squares)))),
        over_1_rad=float(np.mean(np.concatenate(beyond))),
        length_m=float(0.02 * (below + share)),
        rssi_sd_db=float(np.sqrt(np.mean(np.concatenate(fades)))),
        neighbours=float(np.mean(pairs)),
    )


def table(
    rows: int = 40, seed: int = 1, parameters: RadioParameters = SLIDE, rail: Rail | None = None
) -> dict[float, Residuals]:
    """Return the statistics by pitch of ``rows`` simulated rows each, 0.45 to 0.9 m away."""
    depths = np.linspace(0.45, 0.9, rows)
    return {
        pitch: residual_statistics(
            [slide(pitch, float(depth), seed + n, parameters, rail) for n, depth in enumerate(depths)]
        )
        for pitch in MEASURED
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print simulated and measured statistics side by side."""
    parser = argparse.ArgumentParser(prog="python -m sim.slide", description=main.__doc__)
    parser.add_argument("--rows", type=int, default=40, help="simulated rows a pitch")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    lines = ["pitch   rms rad       P(>1 rad)     1/e length cm   RSSI sd dB      neighbours"]
    lines.append("  cm     sim  meas     sim  meas      sim   meas      sim   meas      sim   meas")
    for pitch, sim in table(options.rows, options.seed).items():
        real = MEASURED[pitch]
        pairs = (
            (sim.rms_rad, real.rms_rad, "4.2f"),
            (sim.over_1_rad, real.over_1_rad, "4.2f"),
            (100 * sim.length_m, 100 * real.length_m, "5.1f"),
            (sim.rssi_sd_db, real.rssi_sd_db, "5.1f"),
            (sim.neighbours, real.neighbours, "5.2f"),
        )
        lines.append(f"{100 * pitch:4.0f}" + "".join(f"    {a:{form}}  {b:{form}}" for a, b, form in pairs))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
