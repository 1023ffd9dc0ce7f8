"""Run methods over recordings and pool what they score."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

from benchmarks.measured import wrongly_surveyed
from benchmarks.peers import METHODS
from localization import localize
from localization.evaluate import Evaluation, evaluate, pool
from localization.positions import Positions
from recording import Recording, read_recording, read_truth
from stacks.plan import Plan, read_plan

OURS = "Nightstack"
Groups = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True)
class Score:
    """What one method did on one group of recordings."""

    method: str
    group: str
    evaluation: Evaluation
    per_recording: tuple[Evaluation, ...]
    seconds: float


def wanted(name: str, only: Iterable[str]) -> bool:
    """Return whether a name has one of these parts; without any all names are wanted."""
    parts = tuple(only)
    return not parts or any(part in name for part in parts)


def locate_ours(path: Path, plan: Plan) -> Positions:
    """Return our positions of a recording folder; the estimator never sees the truth."""
    return localize(read_recording(path, truth=False), plan).positions


def score(method: str, group: str, paths: Sequence[Path]) -> Score:
    """Return a method's pooled errors over recordings that carry a plan and a truth."""
    return pooled(method, group, [_score_one(method, path) for path in paths])


def score_groups(method: str, groups: Groups, *, jobs: int) -> dict[str, Score]:
    """Return the scores of several groups, computed by ``jobs`` processes."""
    paths = [path for group in groups.values() for path in group]
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the compiler's threads in mid-work
    with ProcessPoolExecutor(jobs, mp_context=spawn) as workers:
        done = iter(list(workers.map(_score_one, repeat(method), paths)))
    return {name: pooled(method, name, [next(done) for _ in group]) for name, group in groups.items()}


def judge(method: str, recording: Recording, plan: Plan, *, label: str) -> tuple[Evaluation, float]:
    """Return what a method makes of a recording with truth, which ours does not get, and the seconds it took."""
    truth = recording.truth
    if truth is None:
        raise ValueError(f"{label}: a recording without truth cannot be judged")
    start = time.perf_counter()
    if method == OURS:
        positions = localize(replace(recording, truth=None), plan).positions
    else:
        positions = METHODS[method](recording, plan)
    seconds = time.perf_counter() - start
    return evaluate(positions, truth, plan, wrongly_surveyed(truth), label=label), seconds


def _score_one(method: str, path: Path) -> tuple[Evaluation, float]:
    plan = read_plan(path / "plan.json")
    if method != OURS:
        return judge(method, read_recording(path), plan, label=path.name)
    start = time.perf_counter()
    positions = locate_ours(path, plan)
    seconds = time.perf_counter() - start
    truth = read_truth(path)
    return evaluate(positions, truth, plan, wrongly_surveyed(truth), label=path.name), seconds


def pooled(method: str, group: str, found: Sequence[tuple[Evaluation, float]]) -> Score:
    """Return one score of what a method did on several recordings."""
    evaluations = tuple(evaluation for evaluation, _ in found)
    together = pool(evaluations, label=f"{method}, {group}")
    return Score(method, group, together, evaluations, sum(seconds for _, seconds in found))
