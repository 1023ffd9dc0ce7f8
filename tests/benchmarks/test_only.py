"""Which groups of a benchmark run when some are named."""

import pytest
from rich.console import Console

from benchmarks import __main__ as runner
from benchmarks import ablation, accuracy
from benchmarks.scoring import wanted


def test_parts_of_names_choose_and_nothing_named_means_all():
    assert wanted("ordinary, one pass", ())
    assert wanted("ordinary, one pass", ("harsh", "one pass"))
    assert not wanted("ordinary, one pass", ("harsh",))


def test_other_seeds_of_the_ordinary_library_are_placed_by_ours_and_the_oracles_alone(monkeypatch):
    placed = {}
    monkeypatch.setattr(
        accuracy,
        "_library",
        lambda console, group, world, folder, peers: placed.setdefault(group, (world.seed, peers)) and {},
    )
    monkeypatch.setattr(accuracy, "record_rows", lambda folder: pytest.fail("no row was asked for"))
    accuracy.main(Console(quiet=True), only=["seed 1"])
    assert placed == {f"simulated library, ordinary, seed {seed}": (seed, ()) for seed in (11, 12)}
    placed.clear()
    accuracy.main(Console(quiet=True), only=["library, harsh"])
    assert list(placed) == ["simulated library, harsh"]
    assert "SAR, known depth" in placed["simulated library, harsh"][1]


def test_thinly_heard_libraries_are_scored_with_the_footprint_and_without(monkeypatch):
    monkeypatch.setattr(ablation, "THIN_PRESETS", ("easy",))
    monkeypatch.setattr(ablation, "THIN_LIBRARIES", ((40, 12, 3),))
    monkeypatch.setattr(ablation, "_group", lambda *_: pytest.fail("no other group was asked for"))
    figures = ablation.main(Console(quiet=True), only=[ablation.THIN])
    (row,) = figures[ablation.THIN].values()
    assert set(figures) == {ablation.THIN}
    assert row["readings"] == 12
    assert row["whole"] > 70  # of 5 levels, by chance 20
    assert 0 <= row["without footprint"] <= 100


def test_the_runner_passes_on_what_is_named(monkeypatch):
    asked = []
    monkeypatch.setattr(ablation, "main", lambda *, only: asked.append(only) or {})
    assert runner.main(["ablation", "--only", "harsh", "--only", "easy"]) == 0
    assert asked == [["harsh", "easy"]]
