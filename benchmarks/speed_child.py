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
    "read Parquet": [("recording.folder", "_read"), ("recording.stream", "cleaned_readings")],
    "write Parquet": [("localization.positions", "_write")],
    "sort by tag": [("localization.source", "sorted_by_tag")],
    "spill": [("localization.source", "Spill.add"), ("localization.source", "Spill._read")],
    "ambiguity and cables": [
        ("localization.estimator", "find_ambiguity"),
        ("localization.estimator", "find_delays"),
        ("localization.fast_run", "find_ambiguity"),
        ("localization.fast_run", "find_delays"),
    ],
    "registration": [("localization.estimator", "register"), ("localization.fast_run", "register")],
    "listening": [("localization.listening", "_steps"), ("localization.listening", "Hearing.add")],
    "run's laws": [("localization.placing", "learn_link"), ("localization.fast_run", "teach")],
    "observations": [("localization.estimator", "observe"), ("localization.fast_run", "observe")],
    "cells": [("localization.fast", "gather_cells")],
    "faces": [("localization.estimator", "find_candidates")],
    "weights": [("localization.estimator", "weigh"), ("localization.fast", "weigh")],
    "hypotheses": [("localization.estimator", "make_hypotheses"), ("localization.fast", "make_hypotheses")],
    "phase grid": [("localization.profile", "profile_grid"), ("localization.fast", "profile_grid")],
    "peaks": [("localization.profile", "find_peaks"), ("localization.fast", "find_peaks")],
    "footprint": [("localization.profile", "footprint")],
    "refinement": [("localization.profile", "refine_all"), ("localization.fast", "refine_all")],
    "shelf": [("localization.placing", "link_likelihood")],
    "RSSI": [("localization.placing", "rssi_likelihood"), ("localization.fast", "rssi_likelihood")],
    "score": [("localization.estimator", "score"), ("localization.fast", "score")],
    "place": [("localization.estimator", "place"), ("localization.fast", "place")],
    "passes": [("localization.estimator", "join_passes")],
    "neighbours": [("localization.estimator", "place_by_differences")],
    "thermal": [("localization.estimator", "refine_thermal")],
    "common scatterers": [("localization.estimator", "refine_dense")],
    "oddities": [("localization.estimator", "traits_of"), ("localization.estimator", "find_oddities")],
    "fill in": [("localization.estimator", "fill_positions"), ("localization.fast_run", "_fill")],
    "expected readings": [("localization.listening", "expected_readings")],
    "coverage": [("localization.output", "make_coverage"), ("localization.fast_run", "make_coverage")],
    "a block's other steps": [("localization.fast_run", "place_block")],
    "ranks": [("localization.estimator", "with_ranks")],
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
    from localization.estimator import LONG_ROWS, Localizer
    from localization.positions import write_coverage, write_positions
    from recording import RecordingStream, read_recording
    from stacks.plan import read_plan

    estimator = Localizer(read_plan(folder / "plan.json"), jobs=jobs, fast=path == "fast")
    # As the command does: a long run is streamed.
    if RecordingStream.rows_of(folder) > LONG_ROWS:
        made = estimator.fit_stream(RecordingStream(folder)).localization_
    else:
        made = estimator.fit(read_recording(folder, truth=False)).localization_
    write_positions(folder / "positions.parquet", made.positions)
    write_coverage(folder / "coverage.parquet", made.coverage)
    return int(made.positions.readings.sum())
