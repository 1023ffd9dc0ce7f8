"""Run methods over recordings and pool what they score."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import wrongly_surveyed
from localization import localize
from localization.evaluate import Evaluation, evaluate, pool
from localization.positions import Positions
from recording import Recording, read_recording, read_truth
from stacks.plan import Plan, read_plan

OURS = "Nightstack"
Locate = Callable[[Recording, Plan], Positions]


@dataclass(frozen=True, slots=True)
class Score:
    """What one method did on one group of recordings."""

    method: str
    group: str
    evaluation: Evaluation
    per_recording: tuple[Evaluation, ...]
    seconds: float


def locate_ours(path: Path, plan: Plan) -> Positions:
    """Return our positions of a recording folder; the estimator never sees the truth."""
    return localize(read_recording(path, truth=False), plan).positions


def score(method: str, group: str, paths: Iterable[Path], peers: Mapping[str, Locate]) -> Score:
    """Return a method's pooled errors over recordings that carry a plan and a truth."""
    found: list[Evaluation] = []
    seconds = 0.0
    for path in paths:
        truth, plan = read_truth(path), read_plan(path / "plan.json")
        recording = None if method == OURS else read_recording(path)
        start = time.perf_counter()
        positions = locate_ours(path, plan) if recording is None else peers[method](recording, plan)
        seconds += time.perf_counter() - start
        found.append(evaluate(positions, truth, plan, wrongly_surveyed(truth), label=path.name))
    return Score(method, group, pool(found, label=f"{method}, {group}"), tuple(found), seconds)
