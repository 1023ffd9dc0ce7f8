"""What the tests of whole nights ask of what was heard."""

import math
from collections.abc import Callable

import numpy as np

from recording import Poses, Readings
from tests.robot.conftest import Night
from tests.support.counting_ingest import Counted
from tests.support.scripted_base import ScriptedBase

MakeNight = Callable[..., Night]


def places(seen: Counted, run_id: str) -> tuple[Readings, Poses]:
    """Readings, and the pose at each of them."""
    parts = [batch.data for batch in seen.batches(run_id, "poses")]
    poses = Poses(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name, _ in parts[0].columns()}
    )
    readings = seen.readings(run_id).sorted()
    return readings, poses.at(readings.t)


def heard_all_along(seen: Counted, run_id: str) -> bool:
    """Whether readings were taken from every decimetre of both faces, with the face on the antennas' side."""
    _, at = places(seen, run_id)
    for y_m, yaw in ((-0.7, math.pi), (1.2, 0.0)):
        scanning = (np.abs(at.y_m - y_m) < 0.05) & (np.cos(at.yaw_rad - yaw) > 0.99)
        tenths = np.floor(at.x_m[scanning] * 10).astype(int)
        if not set(range(20)) <= set(tenths.tolist()):
            return False
    return True


def scanning(base: ScriptedBase, face: str, direction: int) -> bool:
    """Whether the base is on a face's line, looks the right way, and drives forward (1) or in reverse (-1)."""
    y_m, yaw = {"S": (-0.7, math.pi), "N": (1.2, 0.0)}[face]
    return (
        abs(base.y_m - y_m) < 0.05 and math.cos(base.yaw_rad - yaw) > 0.99 and base.v_mps * direction > 0.25
    )


def only(seen: Counted) -> str:
    (run_id,) = seen.runs
    return run_id
