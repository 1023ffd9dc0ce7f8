"""Two methods without phase, as floors: the middle of the face, and the power-weighted centroid."""

from __future__ import annotations

from benchmarks.peers.views import centroid, to_positions, views
from localization.positions import Positions
from recording import Recording
from stacks.plan import Plan


def locate_middle(recording: Recording, plan: Plan) -> Positions:
    """Say the middle of the face, whatever was heard."""
    seen = views(recording, plan)
    return to_positions(seen, [view.face.length_m / 2 for view in seen])


def locate_centroid(recording: Recording, plan: Plan) -> Positions:
    """Say the mean place of the antenna, weighted by the power it received."""
    seen = views(recording, plan)
    return to_positions(seen, [centroid(view) for view in seen])
