"""The radio's physics as numbers: wavenumber, noise, antenna pattern.

Sources: the two-way phase ``4 pi d / lambda + const`` and the free-space RSSI slope are those of any backscatter
link; the noise figures are what public linear-slide measurements show (203,434 cells, median 81 readings each).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LIGHT_MPS = 299_792_458.0

#: Multipath, not the receiver, limits the phase: a shelf's scatterers move it by about half a radian, alike over
#: some centimetres of track. Two readings nearer than this are one witness, not two.
CORRELATION_M = 0.10
#: Root mean square phase residual of a tag in a filled shelf (slide: .44 rad at 20 cm pitch, .8 at 8 cm).
MULTIPATH_RAD = 0.6
#: Taken twice, a phase's residual grows by less than two: half-turn fades drop out (robot: .44 rad modulo pi).
DOUBLED_FACTOR = 1.5
#: How far a fade moves RSSI off the pattern and distance law, standard deviation in dB.
FADING_DB = 4.0
#: Half-power beamwidth taken where the mount states none: a common 8 dBi patch.
BEAMWIDTH_DEG = 70.0
#: Beyond this distance a shelf antenna hears tags by reflection more than directly.
RANGE_M = 4.0


def wavenumber(frequency_khz: npt.ArrayLike) -> Floats:
    """Two-way phase per metre of distance, ``4 pi f / c``, rad/m; same shape as the input."""
    return np.asarray(frequency_khz, np.float64) * (4e3 * math.pi / LIGHT_MPS)


def thermal_phase_rad(rssi_dbm: npt.ArrayLike) -> Floats:
    """Return the standard deviation of one reading's phase from receiver noise, rad, of the argument's shape.

    ``sigma^2 = 0.010^2 + (0.056 * 10^(-(rssi + 62.5) / 20))^2``, fitted to the slide measurements named above.
    """
    rssi = np.asarray(rssi_dbm, np.float64)
    return np.hypot(0.010, 0.056 * 10.0 ** (-(rssi + 62.5) / 20.0))


def pattern_db(cos_off_boresight: npt.ArrayLike, beamwidth_deg: npt.ArrayLike) -> Floats:
    """One-way gain below the maximum, dB (never above 0), floor at -20 dB, of the arguments' common shape.

    The parabolic main lobe ``-12 (angle / beamwidth)^2`` of 3GPP TR 36.942, section 4.2.1, with its 20 dB
    front-to-back limit.
    """
    angle = np.degrees(np.arccos(np.clip(cos_off_boresight, -1.0, 1.0)))
    return -np.minimum(12.0 * (angle / np.asarray(beamwidth_deg, np.float64)) ** 2, 20.0)
