"""How the peers fare on the measured robot runs by how far along the face their readings reach.

The cut is a gift to them: a scan's readings far from a tag mislead a plain fit. No choice of it is theirs, so the
figures are given for several.
"""

from __future__ import annotations

from typing import Any

from benchmarks.measured import measured_folder, measured_sets, why_absent
from benchmarks.peers import JUDGES, views
from benchmarks.scoring import score

WIDTHS_M = (0.5, 0.7, 1.0, 1.2, 1.5, 9.0)


def main() -> dict[str, Any]:
    """Print mean error and adjacent order of the two judges for each cut; return the figures."""
    folder = measured_folder()
    if folder is None:
        print(f"  {why_absent()}")
        return {}
    runs = measured_sets(folder)["robot"]
    figures: dict[str, Any] = {}
    usual = views.BESIDE_M
    try:
        for width in WIDTHS_M:
            views.BESIDE_M = width
            for name in JUDGES:
                found = score(name, "robot", runs).evaluation
                figures[f"{name}, {width} m"] = {"mean_cm": found.error.mean_cm, "order": found.order.right}
                print(
                    f"  within {width} m  {name:18} {found.error.mean_cm:6.2f} cm mean,"
                    f" {found.order.right}/{found.order.pairs} in order"
                )
    finally:
        views.BESIDE_M = usual
    return figures
