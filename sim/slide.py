"""A simulated slide: one antenna on a metre of rail before a row of tags, and how wrong its phases are.

The geometry is that of the public AdaRF slide measurements (IMWUT 2019): 50 stops 2 cm apart, eight channels from
920.625 to 924.125 MHz, rows of 3 to 10 tags at pitches of 20 to 4 cm, 0.45 to 0.9 m away, and twenty tags 4 cm apart
on three lines 12.5 cm one above the other. What counts there is not the thermal noise (0.01 to 0.1 rad) but what is
left of the phase after the true distance is taken out: 0.4 to 1.1 rad, smooth over 8 to 14 cm and shared by
neighbours. One set of parameters (`SLIDE`) serves every pitch; what makes close tags so much worse is that they hear
one another (`sim.slide_physics`). The 20 cm rows were measured with other tags (`EARLIER_TAGS`).
``python -m sim.slide`` prints simulated and measured figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim.propagation import SPEED_OF_LIGHT_MPS, Floats
from sim.slide_physics import (
    EARLIER_TAGS,
    SLIDE,
    SlideParameters,
    draw_laboratory,
    fields,
    move_metal,
    set_up,
)  # fmt: skip
from sim.slide_scan import CHANNELS_KHZ, STOPS_M, Scan, from_recording, to_recording
from sim.slide_statistics import Residuals, residual_statistics

__all__ = [
    "EARLIER_TAGS",
    "MEASURED",
    "SLIDE",
    "STOPS_M",
    "TAGS_PER_ROW",
    "Residuals",
    "Scan",
    "SlideParameters",
    "from_recording",
    "main",
    "parameters_at",
    "residual_statistics",
    "scan_row",
    "slide",
    "table",
    "three_lines",
    "to_recording",
]

MEASURED: Final[Mapping[float, Residuals]] = {
    0.20: Residuals(0.466, 0.041, 0.134, 1.74, 0.09),
    0.10: Residuals(0.810, 0.166, 0.080, 3.53, 0.21),
    0.08: Residuals(0.895, 0.220, 0.084, 3.76, 0.28),
    0.06: Residuals(1.090, 0.336, 0.085, 4.32, 0.35),
    0.04: Residuals(1.060, 0.310, 0.098, 3.66, 0.56),
}
"""The same statistics of 49 measured rows, by pitch in metres, as ``python -m benchmarks slide`` computes them."""

TAGS_PER_ROW: Final[Mapping[float, int]] = {0.20: 3, 0.10: 6, 0.08: 10, 0.06: 6, 0.04: 6}
"""How many tags the measured rows had."""

EARLIER_PITCH_M: Final = 0.20
"""The pitch of the rows that were measured with the earlier tags."""

LABORATORY: Final = 7
"""Sets a laboratory's stream of chance apart from a scan's of the same seed."""

LINES: Final = ((10, 0.0), (5, 0.125), (5, -0.125))
"""Tags and height (m) of each of the three lines."""


def parameters_at(pitch_m: float) -> SlideParameters:
    """Return the laboratory with the tags that were measured at a pitch; `SLIDE` at pitches that were not."""
    return EARLIER_TAGS if round(pitch_m, 2) == EARLIER_PITCH_M else SLIDE


def scan_row(
    along_m: Floats,
    depth_m: float,
    seed: Sequence[int],
    parameters: SlideParameters = SLIDE,
    height_m: Floats | None = None,
    line: NDArray[np.int64] | None = None,
    laboratory: Sequence[int] | None = None,
) -> Scan:
    """Simulate one pass along tags at given places.

    Parameters
    ----------
    along_m : float64[n]
        Places of the tags along the rail.
    depth_m : float
        From the rail to the row, as noted.
    seed : sequence of int
    parameters : SlideParameters
    height_m : float64[n], optional
        Above the rail; 0 by default.
    line : int64[n], optional
        Which line each tag hangs in; by default those of one height hang in one.
    laboratory : sequence of int, optional
        Seed of what scans of one set share (`sim.slide_physics.Laboratory`); by default the scan has its own.

    Returns
    -------
    Scan
        NaN where a fade took the power from a tag.
    """
    p, rng, n = parameters, np.random.default_rng(list(seed)), along_m.size
    shared = np.random.default_rng([*(seed if laboratory is None else laboratory), LABORATORY])
    room = draw_laboratory(shared, n, CHANNELS_KHZ.size, p)
    height = np.zeros(n) if height_m is None else height_m
    moved, across = p.placing_sd_m * rng.standard_normal(), p.depth_sd_m * rng.standard_normal()
    hung = p.hanging_sd_m * rng.standard_normal((2, n))
    room = move_metal(room, p.metal_moved_sd_m * rng.standard_normal((2, room.metal.size)))
    row = set_up(room, along_m + moved + hung[0], depth_m + across + hung[1], height)
    frequencies = 1e3 * CHANNELS_KHZ.astype(np.float64)
    h = fields(row, STOPS_M, frequencies, p, room.shift_m, room.tilt_rad)
    spare = 20 * np.log10(np.maximum(0.6 * np.abs(h), 1e-9)) + room.margin_db[:, None, None]
    dark = spare < 0
    lost = p.compression * spare**2 / 40.0  # its slope is `compression` 20 dB above the threshold
    rssi = p.rssi_at_threshold_dbm + 2 * spare - lost
    sigma = p.noise_scale * np.sqrt(1e-4 + (0.056 * 10 ** (-(rssi + 62.5) / 20)) ** 2)
    phase = -2 * np.angle(h) + 2 * np.pi * rng.random(n)[:, None, None] + p.am_pm_rad_per_db * spare
    phase += sigma * rng.standard_normal(h.shape)
    phase += 4 * np.pi * frequencies / SPEED_OF_LIGHT_MPS * room.cable_m + room.channel_rad
    rssi += 0.32 * 10 ** (-(rssi + 62.5) / 50) * rng.standard_normal(h.shape)
    return Scan(
        along_m=along_m,
        away_m=np.hypot(depth_m, height),
        line=np.unique(height, return_inverse=True)[1].astype(np.int64) if line is None else line,
        phase_rad=np.where(dark, np.nan, np.remainder(phase, 2 * np.pi)),
        rssi_dbm=np.where(dark, np.nan, rssi),
        frequency_khz=CHANNELS_KHZ,
    )


def slide(
    pitch_m: float,
    depth_m: float,
    seed: int,
    parameters: SlideParameters | None = None,
    tags: int | None = None,
    middle_m: float = 0.5,
    laboratory: Sequence[int] | None = None,
) -> Scan:
    """Simulate one pass along one row.

    Parameters
    ----------
    pitch_m : float
        Distance between neighbouring tags.
    depth_m : float
        From the rail to the row, as noted.
    seed : int
    parameters : SlideParameters, optional
        By default those at that pitch (`parameters_at`).
    tags : int, optional
        Tags in the row; by default as measured at that pitch, else 6.
    middle_m : float
        Middle of the row on the rail.
    laboratory : sequence of int, optional
        As in `scan_row`.
    """
    n = tags or TAGS_PER_ROW.get(round(pitch_m, 2), 6)
    along = middle_m + pitch_m * _spread(n)
    own = (seed, round(pitch_m * 1000), round(depth_m * 1000))
    used = parameters_at(pitch_m) if parameters is None else parameters
    return scan_row(along, depth_m, own, used, laboratory=laboratory)


def three_lines(
    depth_m: float,
    seed: int,
    parameters: SlideParameters = SLIDE,
    pitch_m: float = 0.04,
    laboratory: Sequence[int] | None = None,
) -> Scan:
    """Simulate one pass along twenty tags on three lines, one above the other.

    Ten hang at the rail's height and five each 12.5 cm above and below, the lines' middles at the rail's; the
    distances are taken as noted, from the rail aslant to each line.
    """
    along = [0.5 + pitch_m * _spread(n) for n, _ in LINES]
    height = [np.full(n, z, np.float64) for n, z in LINES]
    return scan_row(
        np.concatenate(along),
        depth_m,
        (seed, round(pitch_m * 1000), round(depth_m * 1000), len(LINES)),
        parameters,
        np.concatenate(height),
        laboratory=laboratory,
    )


def _spread(n: int) -> Floats:
    """Places of ``n`` tags one apart, their middle at 0."""
    return np.arange(n, dtype=np.float64) - (n - 1) / 2


def table(rows: int = 40, seed: int = 1, parameters: SlideParameters | None = None) -> dict[float, Residuals]:
    """Return the statistics by pitch of ``rows`` simulated rows each, 0.45 to 0.9 m away; see `slide`."""
    depths = np.linspace(0.45, 0.9, rows)
    return {
        pitch: residual_statistics(
            [slide(pitch, float(depth), seed + n, parameters) for n, depth in enumerate(depths)]
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
