"""Published methods of RFID localization, each from its paper, to hold ours against.

Every module offers ``locate(recording, plan) -> Positions``. What the methods are given beyond the
recording is said in :mod:`benchmarks.peers.views`.
"""

from benchmarks.peers import baselines, phase_relock, rf_scanner, sar_hologram, stpp, tagoram

METHODS = {
    "constant guess": baselines.locate_middle,
    "RSSI centroid": baselines.locate_centroid,
    "STPP": stpp.locate,
    "Tagoram DAH": tagoram.locate,
    "RF-Scanner": rf_scanner.locate,
    "Phase ReLock": phase_relock.locate,
    "SAR, free depth": sar_hologram.locate_free_depth,
    "SAR, known depth": sar_hologram.locate,
}
JUDGES = ("RF-Scanner", "SAR, known depth")  # those that Nightstack must not lose against

__all__ = ["JUDGES", "METHODS"]
