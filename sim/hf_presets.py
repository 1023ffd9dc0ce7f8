"""How an HF (ISO 15693) antenna, its readers and the book tags of one simulated library behave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sim.errors import SimError


@dataclass(frozen=True, slots=True)
class HfParameters:
    """Antennas, readers and tags.

    Air times are ISO/IEC 15693-3's at 26.48 kbit/s, 1 out of 4 coding, 16 slots. What a reader and its host lose
    besides is set so that 15 to 40 tags a second come out, as practice has it. Everything about tags in books is
    an assumption.

    Attributes
    ----------
    width_m, height_m : float
        Of every antenna's loop.
    figure_eight : bool
        Two loops of opposite current instead of one.
    gap_m : float
        From the loop to the face's line (the spines).
    levels : int
        Antennas, one before each of the lowest levels' tags.
    lift_m : float
        How much higher than the tags' usual height each antenna hangs.
    readers : int
        That many readers share the antennas, each stepping through its own.
    reach_m : float
        A lone, tuned tag of median threshold on the loop's axis, and turned to it, is just powered at this distance.
    threshold_sd_db : float
        Scatter of the tags' thresholds.
    slope_db : float
        How much more field takes a tag from one answer in two to three in four (times 1.1).
    miss : float
        Share of answers lost however strong the field.
    quality : float
        Loaded quality factor of a tag: how strongly neighbours and its own tolerance detune it.
    coupling : float
        Coupling coefficient of two tags lying on each other.
    tag_side_m : float
        Side of the tag's square loop.
    detuned_by, detuned_sd : float
        A tag's resonance above the carrier, and its scatter, relative.
    lean_sd_deg : float
        How much books lean.
    upright_db : float
        Field lost within 3 cm of a steel upright.
    host_s : float
        Lost on each round between reader and host.
    rssi_bits : int
        3: eight levels of 4 dB (as TI's TRF796x front end); 0: no RSSI, a constant is reported.
    """

    width_m: float = 0.30
    height_m: float = 0.20
    figure_eight: bool = False
    gap_m: float = 0.05
    levels: int = 5
    lift_m: float = 0.0
    readers: int = 5
    reach_m: float = 0.35
    threshold_sd_db: float = 2.0
    slope_db: float = 1.0
    miss: float = 0.05
    quality: float = 8.0
    coupling: float = 0.35
    tag_side_m: float = 0.045
    detuned_by: float = 0.01
    detuned_sd: float = 0.015
    lean_sd_deg: float = 3.0
    upright_db: float = 3.0
    host_s: float = 0.06
    rssi_bits: int = 3


HF_PRESETS: Final[Mapping[str, HfParameters]] = {
    "easy": HfParameters(
        threshold_sd_db=1.0, slope_db=0.5, miss=0.025, quality=4.0, detuned_sd=0.0075, lean_sd_deg=1.5,
        upright_db=1.5, host_s=0.03,
    ),
    "ordinary": HfParameters(),
    "harsh": HfParameters(
        threshold_sd_db=4.0, slope_db=2.0, miss=0.10, quality=16.0, detuned_sd=0.03, lean_sd_deg=6.0,
        upright_db=6.0, host_s=0.12, rssi_bits=0,
    ),
}  # fmt: skip
"""Libraries by name; ``easy`` and ``harsh`` have half and twice of each trouble of ``ordinary``."""


def hf_preset(name: str) -> HfParameters:
    """Return a preset by its name.

    Raises
    ------
    SimError
        For a name that is none.
    """
    if name not in HF_PRESETS:
        raise SimError(f"no HF preset {name!r}; there are {', '.join(HF_PRESETS)}")
    return HF_PRESETS[name]
