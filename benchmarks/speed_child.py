"""One measured run of ``benchmarks.speed``: localize a folder, and print what it took as one line of JSON."""

from __future__ import annotations

import functools
import importlib
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: Stage, and the functions it is made of (module, name); times are their own, less those of stages inside them.
STAGES: Final = {
    "read Parquet": [("recording.folder", "_read")],
    "write Parquet": [("localization.positions", "_write")],
    "ambiguity and cables": [
        ("localization.estimator", "find_ambiguity"),
        ("localization.estimator", "find_delays"),
    ],
    "registration": [("localization.estimator", "register")],
    "listening": [("localization.estimator", "Listening.of")],
    "observations": [("localization.estimator", "observe")],
    "faces": [("localization.estimator", "find_candidates")],
    "hypotheses": [("localization.estimator", "make_hypotheses")],
    "phase grid": [("localization.profile", "profile_grid")],
    "footprint": [("localization.profile", "footprint")],
    "refinement": [("localization.profile", "refine_all")],
    "peaks": [("localization.estimator", "fit")],
    "law of links": [("localization.placing", "learn_link")],
    "shelf": [("localization.placing", "link_likelihood")],
    "RSSI": [("localization.placing", "rssi_likelihood")],
    "score": [("localization.estimator", "score")],
    "place": [("localization.estimator", "place"), ("localization.estimator", "place_by_rssi")],
    "passes": [("localization.estimator", "join_passes")],
    "neighbours": [("localization.estimator", "place_by_differences")],
    "scatterers": [("localization.estimator", "refine_dense")],
    "coverage": [("localization.estimator", "coverage_of")],
    "ranks": [("localization.estimator", "with_ranks")],
    "counts of tags": [("localization.estimator", "heard_positions")],
}


class Stages:
    """CPU seconds by stage, over all threads; a stage called by another is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.evaluations = 0.0
        self._lock = threading.Lock()
        self._here = threading.local()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time added to the stage."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            outer: list[float] = getattr(self._here, "inside", [])
            self._here.inside = [*outer, 0.0]
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                took = time.thread_time() - began
                own = took - self._here.inside[-1]
                if outer:
                    outer[-1] += took
                self._here.inside = outer
                with self._lock:
                    self.seconds[stage] = self.seconds.get(stage, 0.0) + own
                    if stage == "phase grid":
                        self.evaluations += _evaluations(arguments)

        return timed

    def watch(self) -> None:
        """Put the watch on every stage there is."""
        for stage, functions in STAGES.items():
            for module_name, name in functions:
                owner: Any = importlib.import_module(module_name)
                *path, last = name.split(".")
                for part in path:
                    owner = getattr(owner, part, None)
                if owner is not None and hasattr(owner, last):
                    found = getattr(owner, last)
                    setattr(owner, last, self.wrap(stage, found))


def _evaluations(arguments: tuple[Any, ...]) -> float:
    """Return the cells of ``profile_grid`` times its observations: candidates by candidates."""
    start, x_count, hypotheses = arguments[0], arguments[10], arguments[11]
    size, tried = start[1:] - start[:-1], hypotheses[1:] - hypotheses[:-1]
    return float((size * tried * x_count).sum())


def main() -> None:
    """Localize ``FOLDER`` by ``PATH`` (whole or fast) after ``WARM``, with so many jobs."""
    began = time.perf_counter()
    folder, path, warm, jobs = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    _localize(warm, path, jobs)
    started = time.perf_counter() - began
    stages = Stages()
    stages.watch()
    wall, cpu = time.perf_counter(), time.process_time()
    readings = _localize(folder, path, jobs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    from localization.evaluate import evaluate
    from localization.positions import read_positions
    from recording import read_truth
    from stacks.plan import read_plan

    positions = read_positions(folder / "positions.parquet")
    judged = evaluate(positions, read_truth(folder), read_plan(folder / "plan.json"))
    print(
        json.dumps(
            {
                "tags": len(positions),
                "readings": readings,
                "seconds": wall,
                "start_s": started,
                "peak_gb": peak,
                "cpu_s": cpu,
                "mean_cm": judged.error.mean_cm,
                "p90_cm": judged.error.p90_cm,
                "order": judged.order.share,
                "shelf": judged.shelf_accuracy,
                "stages": stages.seconds,
                "evaluations": stages.evaluations,
            }
        )
    )


def _localize(folder: Path, path: str, jobs: int) -> int:
    from localization.estimator import Localizer
    from localization.positions import write_coverage, write_positions
    from recording import read_recording
    from stacks.plan import read_plan

    recording = read_recording(folder, truth=False)
    made = (
        Localizer(read_plan(folder / "plan.json"), jobs=jobs, fast=path == "fast")
        .fit(recording)
        .localization_
    )
    write_positions(folder / "positions.parquet", made.positions)
    write_coverage(folder / "coverage.parquet", made.coverage)
    return len(recording.readings)
