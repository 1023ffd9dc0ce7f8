"""Compile the estimator's kernels while the robot drives: on a fresh machine that takes as long as the drive.

``python -m nightstack.demo.kernels`` scans and localizes a small library; what it compiles stays cached for every
later run of the program.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nightstack.demo.processes import ending_on_signals

#: As few books as have full shelves on all levels, scanned as briefly as teaches a run's laws.
BOOKS, PASSES, SPEED_MPS = 100, 2, 0.2


def compile_kernels() -> None:
    """Localize a small simulated library, for the sake of the compiled code."""
    from localization.estimator import localize
    from recording import read_recording
    from sim.library import make_library
    from sim.record import record
    from stacks.plan import read_plan

    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "scan"
        record(make_library(BOOKS, 1), scan, passes=PASSES, speed_mps=SPEED_MPS)
        localize(read_recording(scan), read_plan(scan / "plan.json"))


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # the robot, the reader and the ingest come first
    with ending_on_signals():  # a demo that ends sooner leaves no folder of this behind
        compile_kernels()
