"""Everything outside our software: the library, the radio, the readers' and the base's own bytes."""

from sim.errors import SimError
from sim.library import Library, load_library, make_library, save_library
from sim.presets import PRESETS, RadioParameters
from sim.robot import RobotDescription
from sim.trouble import TroubleRates

__all__ = [
    "PRESETS",
    "Library",
    "RadioParameters",
    "RobotDescription",
    "SimError",
    "TroubleRates",
    "load_library",
    "make_library",
    "save_library",
]
