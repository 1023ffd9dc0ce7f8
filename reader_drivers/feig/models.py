"""FEIG's numbers of reader types, as software version (control 65) tells them; HF readers only."""

from __future__ import annotations

from typing import Final

MODELS: Final = {
    30: "ID ISC.M01",
    31: "ID ISC.M02",
    33: "ID ISC.M02.M8",
    40: "ID ISC.LR100",
    41: "ID ISC.LR200",
    42: "ID ISC.LR2000",
    43: "ID ISC.LR2500-B",
    44: "ID ISC.LR2500-A",
    45: "ID ISC.LR1002",
    60: "ID ISC.PRH101",
    61: "ID ISC.PRH101-U",
    62: "ID ISC.PRHD102",
    63: "ID ISC.PRH102",
    71: "ID ISC.PRH100-U",
    72: "ID ISC.PRH100",
    73: "ID ISC.MR100-U",
    74: "ID ISC.MR100/PR100",
    75: "ID ISC.MR200",
    76: "ID ISC.MR101-A",
    77: "ID ISC.MR102",
    78: "ID ISC.MR101-U",
    80: "ID CPR.M02",
    81: "ID CPR.02",
    86: "ID CPR30",
    87: "ID CPR.52",
    88: "ID CPR.04-U",
}
"""Source: the list of reader types in the InlayTester FEIG driver (Olaf Kober, MIT) and FEIG's own SDK headers."""
