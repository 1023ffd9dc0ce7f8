"""The radio's parameters: one frozen set per kind of library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from sim.errors import SimError

CHINA_16_KHZ: Final = tuple(920_625 + 250 * n for n in range(16))
"""The sixteen inner channels of the Chinese 920.5..924.5 MHz band (MIIT 2007, 250 kHz raster)."""

CHINA_8_KHZ: Final = tuple(920_625 + 500 * n for n in range(8))
"""Every second channel of that band, as the measured slide sets used them."""


@dataclass(frozen=True, slots=True)
class RadioParameters:
    """How the radio of one simulated library behaves.

    Amplitudes are one-way field ratios unless the name says otherwise; the backscattered signal is their square.

    Attributes
    ----------
    end_scatterer : tuple of float
        Lowest and highest amplitude of the two scatterers at a shelf's ends (uprights, end panels).
    weak_scatterer : tuple of float
        The same for the weaker ones between them.
    weak_count : tuple of int
        Fewest and most weaker scatterers per shelf.
    end_beyond_m : tuple of float
        How far beyond the shelf's end the two strong ones sit.
    scatterer_depth_m : float
        Half width of the band about the tags' plane that holds the scatterers.
    next_bay_share : float
        Amplitude kept by a scatterer of the neighbouring bay, heard across the upright.
    coupling : float
        Amplitude of the re-radiation of a neighbouring tag at no distance.
    coupling_phase_sd_rad : float
        Scatter of its phase about pi: close parallel dipoles take from one another more than they give.
    coupling_reach_m : float
        Distance over which the coupling falls to 1/e.
    coupling_far : float
        Amplitude that a tag of the same row re-radiates at any distance (used for sparse rows of free tags).
    coupling_most : float
        Upper bound of one coupling's amplitude.
    phase_centre_sd_m : float
        Scatter of a tag's electrical centre about its place.
    antenna_centre_sd_m : float
        Scatter of an antenna's phase centre about its mount, per axis. The three antennas of a measured robot
        (github.com/ComfortCloud/RF-Robot-Workspace) see tags 1.3 cm apart along the way, root mean square.
    compression : float
        Decibels of backscatter lost per decibel above a tag's threshold: its chip reflects less the more power it has.
    am_pm_rad_per_db : float
        Phase the same change of impedance turns.
    floor_reflection : float
        Amplitude of the floor's mirror image.
    tag_loss_db : float
        Median one-way loss of a tag in its book (detuning, paper, polarization).
    tag_loss_sd_db : float
        Its scatter from tag to tag (orientation, inlay).
    metal_edge_loss_db : float
        Extra one-way loss of a tag right beside an upright; falls to 1/e in 2 cm.
    weak_tag_share : float
        Share of tags with 6 dB more loss (bent or half-detached inlays).
    sensitivity_dbm : float
        Median power a tag needs to answer.
    sensitivity_sd_db : float
        Its scatter.
    tag_pattern_exponent : float
        Field pattern ``cos**exponent`` of a tag between books, from the face's normal.
    through_loss_db : float
        One-way loss through a double-faced bookcase.
    back_lobe_db : float
        The reader antenna's field behind it, below its boresight.
    noise_scale : float
        Factor on the thermal phase noise (1: the measured law).
    cable_m : tuple of float
        Shortest and longest electrical length of an antenna's cable, counted as distance (phase 4 pi f L / c).
    channel_phase_sd_rad : float
        What a channel's phase offset keeps beside the cable's straight line.
    pi_flips : bool
        True: the reader reports the phase or the phase + pi, as readers with a pi ambiguity do.
    frequencies_khz : tuple of int
        The channels hopped over.
    hop_s : float
        Dwell on one channel.
    port_dwell_s : float
        Dwell on one antenna port before the next.
    """

    end_scatterer: tuple[float, float] = (0.065, 0.175)
    weak_scatterer: tuple[float, float] = (0.016, 0.055)
    weak_count: tuple[int, int] = (2, 5)
    end_beyond_m: tuple[float, float] = (0.0, 0.03)
    scatterer_depth_m: float = 0.08
    next_bay_share: float = 0.4
    coupling: float = 0.22
    coupling_phase_sd_rad: float = 2.0
    coupling_reach_m: float = 0.035
    coupling_far: float = 0.0
    coupling_most: float = 0.25
    phase_centre_sd_m: float = 0.003
    antenna_centre_sd_m: float = 0.012
    compression: float = 0.5
    am_pm_rad_per_db: float = 0.01
    floor_reflection: float = 0.08
    tag_loss_db: float = 6.0
    tag_loss_sd_db: float = 1.8
    metal_edge_loss_db: float = 5.0
    weak_tag_share: float = 0.004
    sensitivity_dbm: float = -15.0
    sensitivity_sd_db: float = 1.0
    tag_pattern_exponent: float = 0.5
    through_loss_db: float = 9.0
    back_lobe_db: float = -16.0
    noise_scale: float = 1.0
    cable_m: tuple[float, float] = (8.0, 10.0)
    channel_phase_sd_rad: float = 0.01
    pi_flips: bool = True
    frequencies_khz: tuple[int, ...] = CHINA_16_KHZ
    hop_s: float = 0.4
    port_dwell_s: float = 0.1

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, obj: object, source: str = "radio.json") -> RadioParameters:
        """Check and read parameters.

        Parameters
        ----------
        obj : object
            What a JSON reader returned.
        source : str
            Where it came from, for the error.

        Raises
        ------
        SimError
            For an unknown name or a value of the wrong type.
        """
        if not isinstance(obj, Mapping):
            raise SimError(f"{source}: parameters must be a JSON object; make the library again")
        known = {field.name: getattr(cls(), field.name) for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in obj.items():
            if name not in known:
                raise SimError(f"{source}: unknown radio parameter {name!r}; known are {', '.join(known)}")
            values[name] = _checked(name, value, known[name], source)
        return replace(cls(), **values)


def _checked(name: str, value: object, like: object, source: str) -> object:
    if isinstance(like, bool):
        if isinstance(value, bool):
            return value
    elif isinstance(like, tuple):
        if (
            isinstance(value, list | tuple)
            and value
            and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
            and (name == "frequencies_khz" or len(value) == len(like))
        ):
            return tuple(type(like[0])(v) for v in value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise SimError(f"{source}: radio parameter {name} is {value!r}; it must look like {like!r}")


_ORDINARY = RadioParameters()

PRESETS: Final[Mapping[str, RadioParameters]] = {
    "easy": replace(
        _ORDINARY,
        end_scatterer=(0.02, 0.06),
        weak_scatterer=(0.005, 0.02),
        coupling=0.10,
        phase_centre_sd_m=0.0015,
        antenna_centre_sd_m=0.006,
        floor_reflection=0.03,
        tag_loss_db=5.0,
        tag_loss_sd_db=1.0,
        weak_tag_share=0.0,
        through_loss_db=13.0,
        pi_flips=False,
    ),
    "ordinary": _ORDINARY,
    "harsh": replace(
        _ORDINARY,
        end_scatterer=(0.12, 0.32),
        weak_scatterer=(0.03, 0.1),
        weak_count=(2, 6),
        coupling=0.4,
        phase_centre_sd_m=0.006,
        antenna_centre_sd_m=0.024,
        floor_reflection=0.2,
        tag_loss_db=6.5,
        tag_loss_sd_db=2.5,
        weak_tag_share=0.01,
        through_loss_db=6.0,
        back_lobe_db=-12.0,
        noise_scale=1.5,
    ),
}
"""``easy``: wooden shelves, sparse metal. ``ordinary``: a steel library. ``harsh``: as bad as the measured slide."""


def preset(name: str) -> RadioParameters:
    """Return the named parameter set.

    Raises
    ------
    SimError
        When there is none of that name.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise SimError(f"no radio preset {name!r}; there are {', '.join(PRESETS)}") from None
