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
    "spill": [("localization.spill", "Spill.add"), ("localization.spill", "Spill._read")],
    "ambiguity and cables": [
        ("localization.estimator", "find_ambiguity"),
        ("localization.estimator", "find_delays"),
        ("localization.fast_run", "find_ambiguity"),
        ("localization.fast_run", "find_delays"),
    ],
    "registration": [("localization.work", "register"), ("localization.fast_run", "register")],
    "listening": [("localization.listening", "_steps"), ("localization.hearing", "Hearing.add")],
    "run's laws": [("localization.placing", "learn_link"), ("localization.fast_run", "teach")],
    "observations": [("localization.work", "observe"), ("localization.fast_run", "observe")],
    "cells": [("localization.fast", "gather_cells")],
    "faces": [("localization.work", "find_candidates")],
    "weights": [("localization.work", "weigh"), ("localization.fast", "weigh")],
    "hypotheses": [("localization.work", "make_hypotheses"), ("localization.fast", "make_hypotheses")],
    "phase grid": [("localization.profile", "profile_grid"), ("localization.fast", "profile_grid")],
    "peaks": [("localization.profile", "find_peaks"), ("localization.fast", "find_peaks")],
    "footprint": [("localization.profile", "footprint")],
    "refinement": [("localization.profile", "refine_all"), ("localization.fast", "refine_all")],
    "shelf": [("localization.placing", "link_likelihood")],
    "RSSI": [("localization.placing", "rssi_likelihood"), ("localization.fast", "rssi_likelihood")],
    "score": [("localization.work", "score"), ("localization.fast", "score")],
    "place": [("localization.work", "place"), ("localization.fast", "place")],
    "shelves' joint fits": [
        ("localization.work", "refine_shelves"),
        ("localization.fast_joint", "refine_shelves"),
    ],
    "joint: fields": [
        ("localization.fast_shelf_fit", "fields_single"),
        ("localization.fast_shelf_fit", "fields_of_few"),
    ],
    "joint: offsets": [("localization.fast_shelf_fit", "profile_single")],
    "joint: pursuit": [("localization.fast_shelf_fit", "pursue_single")],
    "joint: strengths": [("localization.fast_shelf_fit", "strengthen_single")],
    "joint: links": [
        ("localization.fast_shelf_fit", "links_single"),
        ("localization.fast_shelf_fit", "links_to_few"),
        ("localization.fast_shelf_fit", "known_single"),
    ],
    "neighbours": [("localization.work", "place_by_differences")],
    "thermal": [("localization.work", "refine_thermal")],
    "common scatterers": [("localization.work", "refine_dense")],
    "oddities": [("localization.work", "traits_of"), ("localization.estimator", "find_oddities")],
    "fill in": [("localization.estimator", "fill_positions"), ("localization.fast_run", "_fill")],
    "expected readings": [("localization.listening", "expected_readings")],
    "coverage": [("localization.output", "make_coverage"), ("localization.fast_run", "make_coverage")],
    "a block's other steps": [
        ("localization.fast_run", "place_block"),
        ("localization.fast_joint", "place_block"),
    ],
    "ranks": [("localization.estimator", "with_ranks")],
}
#: Floating-point operations, counted in the kernels' loops: of a field, of a reading at an offset (and of each
#: scatterer there), of a reading at a point where a scatterer is looked for.
FIELD_FLOPS, OFFSET_FLOPS, SITE_FLOPS, PURSUIT_FLOPS = 80, 75, 8, 26


class Stages:
    """CPU seconds by stage, over all threads; a stage called by another is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.evaluations = dict.fromkeys(EVALUATIONS, 0.0)
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
                    if stage in EVALUATIONS:
                        self.evaluations[stage] += EVALUATIONS[stage](arguments)

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


def _grid(arguments: tuple[Any, ...]) -> float:
    """Return the cells of ``profile_grid`` times its observations: candidates by candidates."""
    start, x_count, hypotheses = arguments[0], arguments[10], arguments[11]
    size, tried = start[1:] - start[:-1], hypotheses[1:] - hypotheses[:-1]
    return float((size * tried * x_count).sum())


def _fields(arguments: tuple[Any, ...]) -> float:
    """Return the operations of ``fields_single``: fields filled, times what one takes."""
    return FIELD_FLOPS * float(arguments[-1].size)


def _offsets(arguments: tuple[Any, ...]) -> float:
    """Return the operations of ``profile_single``: readings by offsets, times what one takes, scatterers included."""
    weight, rho, out = arguments[6], arguments[-2], arguments[-1]
    return float(len(weight) * out.shape[1]) * (OFFSET_FLOPS + SITE_FLOPS * len(rho))


def _pursuit(arguments: tuple[Any, ...]) -> float:
    """Return the operations of ``pursue_single``: readings by points, times what one takes."""
    return PURSUIT_FLOPS * float(len(arguments[0]) * len(arguments[-1]))


#: What a stage computes: of the phase grid its evaluations, of the joint fits' its floating-point operations.
EVALUATIONS: Final[dict[str, Callable[[tuple[Any, ...]], float]]] = {
    "phase grid": _grid, "joint: fields": _fields, "joint: offsets": _offsets, "joint: pursuit": _pursuit,
}  # fmt: skip


def main() -> None:
    """Localize ``FOLDER`` by ``PATH`` (whole, fast or joint) after ``WARM``, with so many jobs."""
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

    estimator = Localizer(
        read_plan(folder / "plan.json"), jobs=jobs, fast=path != "whole", joint=path == "joint"
    )
    # As the command does: a long run is streamed.
    if RecordingStream.rows_of(folder) > LONG_ROWS:
        made = estimator.fit_stream(RecordingStream(folder)).localization_
    else:
        made = estimator.fit(read_recording(folder, truth=False)).localization_
    write_positions(folder / "positions.parquet", made.positions)
    write_coverage(folder / "coverage.parquet", made.coverage)
    return int(made.positions.readings.sum())
