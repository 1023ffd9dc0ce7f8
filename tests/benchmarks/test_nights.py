"""What the benchmark of nights says of tags' errors from night to night."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import nights
from benchmarks.simulated import World, library_of, night
from localization import localize
from localization.nights import Night
from recording import read_recording
from stacks.plan import read_plan


def test_errors_of_two_nights_are_alike_as_far_as_they_are(tmp_path):
    world = World(trouble=0.5, books=60, passes=1, speed_mps=0.1)
    path = night(world, library_of(world), 0, tmp_path)
    scan, plan = read_recording(path), read_plan(path / "plan.json")
    found = localize(replace(scan, truth=None), plan)
    same = Night(scan.info, found.positions, found.coverage)
    # The other night errs as far to the other side.
    row = {epc: n for n, epc in enumerate(scan.truth.epc.tolist())}
    true = np.array([row[epc] for epc in found.positions.epc.tolist()])
    mirrored = replace(
        found.positions,
        x_m=2 * scan.truth.x_m[true] - found.positions.x_m,
        y_m=2 * scan.truth.y_m[true] - found.positions.y_m,
        offset_m=2 * scan.truth.offset_m[true] - found.positions.offset_m,
    )
    other = Night(scan.info, mirrored, found.coverage)
    assert nights.alike([scan, scan, scan], [same, same, other], plan) == pytest.approx([1.0, -1.0, -1.0])
