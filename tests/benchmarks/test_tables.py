"""Tables, thinning, bounds and plots: what the benchmarks print is what they say it is."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from benchmarks import __main__ as runner
from benchmarks import accuracy, free_space, free_space_bounds, thinned
from benchmarks.peers.views import View
from benchmarks.plot import Panel, draw
from benchmarks.scoring import OURS, judge, pooled
from benchmarks.simulated import World
from stacks.plan import Face
from tests.benchmarks.test_peers import straight_pass


def test_a_librarys_table_has_every_method_ours_and_the_oracles(tmp_path):
    console = Console(width=accuracy.TABLE_WIDTH, record=True, quiet=True)
    figures = accuracy._library(console, "small", World(books=60, passes=2), tmp_path)["small"]
    assert {OURS, *accuracy.ORACLES, "constant guess", "Phase ReLock", "SAR, known depth"} < set(figures)
    ours = figures[OURS]
    assert set(ours["order_by_gap"]) == {"under 1.5 cm", "1.5-3 cm", "over 3 cm"}
    assert figures[accuracy.TOLD_METAL]["error"]["mean_cm"] < ours["error"]["mean_cm"]
    assert ours["error"]["mean_cm"] < ours["constant_guess"]["mean_cm"]
    assert figures["reached"]["readings_per_tag"] > 5


def test_what_does_not_apply_is_blank():
    recording, plan = straight_pass(flips=False)
    for name, blank in (("RF-Scanner", True), (OURS, False)):
        score = pooled(name, "x", [judge(name, recording, plan, label="x")])
        table = accuracy.accuracy_table("x", [score])
        cells = {str(column.header): next(iter(column.cells)) for column in table.columns}
        assert (cells["face"] == "") is blank  # a peer is told the face
        assert (cells["in 90 %"] == "") is blank
        assert cells["shelf"] == ""  # there are none
        assert cells["<1.5 cm"] == "" and cells[">3 cm"] == "1/1"
        assert cells["mean"] != ""


def test_thinned_recordings_have_that_many_readings_of_each_tag_and_single_reads_noise():
    recording, _ = straight_pass(flips=False, noise=0.0)
    many = replace(
        recording,
        readings=replace(
            recording.readings,
            seen_count=np.full(len(recording.readings), 81, np.uint32),
            rssi_dbm=np.full(len(recording.readings), -62.5, np.float32),
        ),
    )
    single = thinned.as_single_reads(many)
    assert single.readings.seen_count is None
    turn = np.angle(np.exp(1j * (single.readings.phase_rad - many.readings.phase_rad)))
    assert turn.std() == pytest.approx(np.sqrt((1e-4 + 0.056**2) * (1 - 1 / 81)), rel=0.15)
    assert thinned.as_single_reads(recording) is recording
    assert np.bincount(thinned.thin(single, 20).readings.tag).tolist() == [20, 20]


def test_the_peers_are_told_flips_and_cables_before_the_thinning():
    recording, plan = straight_pass(flips=True)
    told = thinned.for_peers(recording, plan)
    assert told.info.antennas[0].phase_ambiguity == "pi"
    evaluation, _ = judge("SAR, known depth", thinned.thin(told, 40), plan, label="x")
    assert np.abs(evaluation.tags.error_m).max() < 0.02


def test_the_bound_is_the_closed_form_of_an_even_aperture():
    # var(x) >= (lambda sigma / 4 pi)^2 / (N g), g = 1 - (2 D / L) arctan(L / 2 D)
    n, length, away, sigma = 4001, 1.0, 0.5, 0.1
    k, along = 4 * np.pi / 0.325, np.linspace(-length / 2, length / 2, n) + 1.0
    face = Face("A", (0.0, 0.0), 0.0, 270.0, 2.0, 0.0, ())
    flat = np.ones(n)
    view = View(
        "E2", face, along, away * flat, 0.0 * flat, 0.0 * flat, k * flat, -50.0 * flat, np.zeros(n, int), n, 1
    )
    g = 1 - (2 * away / length) * np.arctan(length / (2 * away))
    closed = sigma / (k * np.sqrt(n * g))
    known, unknown = (1e-6, 1e-6), (1.0, 1.0)
    assert free_space_bounds.bound_m(view, (1.0, 0.0, 0.0), sigma * flat, known) == pytest.approx(
        closed, rel=1e-3
    )
    # Seen evenly from both sides, depth and height say nothing of the offset; seen from one, they do.
    assert free_space_bounds.bound_m(view, (1.0, 0.0, 0.0), sigma * flat, unknown) == pytest.approx(
        closed, rel=1e-3
    )
    beside = free_space_bounds.bound_m(view, (1.6, 0.0, 0.0), sigma * flat, unknown)
    assert beside > 2 * free_space_bounds.bound_m(view, (1.6, 0.0, 0.0), sigma * flat, known)


def test_our_error_is_held_against_the_bound():
    held = free_space.held_against_bound(free_space.free_space(4.0, books=60, speed_mps=0.05), 999)
    found = free_space.ratio_of([held, held], 999)
    assert found.tags == 2 * len(held.bound_m) > 40
    assert 0.7 < found.ratio < 1.4
    assert 0.7 < found.best_ratio < 1.4
    assert found.ratio == pytest.approx(found.error_cm / found.bound_cm)
    assert found.wrong == 0.0
    assert found.by_tag == pytest.approx(np.sqrt(np.mean((held.error_m / held.bound_m) ** 2)))
    # One peak, hence the whole posterior's bound is the Cramer-Rao one, and its mean is where the likeliest place is.
    assert found.least_wrong < 1e-6
    assert found.least_cm == pytest.approx(found.bound_cm, rel=0.05)
    assert found.mean_all_cm == pytest.approx(found.best_all_cm, rel=0.05)


def test_the_posterior_is_honest_where_peaks_are_many_and_its_mean_errs_least():
    """Few readings under heavy noise: what it says of its error and of wrong peaks comes true over many draws."""
    rng = np.random.default_rng(3)
    k, away, place, spread = 4 * np.pi / 0.325, 0.6, (0.0, 0.0, 1.0), (0.01, 0.02)
    face = Face("A", (0.0, 0.0), 0.0, 270.0, 2.0, 0.0, ())
    flat = np.ones(5)
    told = []
    for _ in range(200):
        sigma = 0.6 * flat
        # The centroid that the posterior is told scatters as it supposes.
        along = rng.uniform(-0.5, 0.5, 5)
        along += rng.normal(0.0, free_space_bounds.CENTRE_SIGMA_M) - along.mean()
        heights = rng.choice([0.5, 1.2], 5)
        true = (0.0, rng.normal(0.0, spread[0]), 1.0 + rng.normal(0.0, spread[1]))
        way = np.sqrt(along**2 + (true[1] + away) ** 2 + (true[2] - heights) ** 2)
        phase = np.mod(k * way + rng.normal(0.0, sigma) + rng.uniform(0, 6.28), 2 * np.pi)
        view = View(
            "E2", face, along, away * flat, heights, phase, k * flat, -50.0 * flat, np.zeros(5, int), 5, 1
        )
        told.append(free_space_bounds.reached(view, place, 1.0, sigma, spread))

    def rms(name: str) -> float:
        return float(np.sqrt(np.mean([getattr(one, name) ** 2 for one in told])))

    wrong = np.mean([abs(one.likeliest_m) > max(0.03, 3.5 * one.bound_m) for one in told])
    expected = np.mean([one.wrong for one in told])
    assert 0.1 < expected < 0.8
    assert wrong == pytest.approx(expected, abs=0.08)
    assert rms("mean_m") == pytest.approx(rms("sigma_m"), rel=0.15)
    assert rms("mean_m") < rms("likeliest_m")
    assert rms("sigma_m") > 3 * float(np.sqrt(np.median([one.bound_m**2 for one in told])))


def test_another_peak_is_told_apart_from_an_error_on_the_right_one():
    bound = np.full(100, 0.01)
    error = np.random.default_rng(1).normal(0.0, 0.01, 100)
    error[:5] = 0.2
    none, sigma = np.zeros(100), np.full(100, 0.01)
    held = free_space.Held(error, sigma, bound, none, none, bound, none, 0.1)
    found = free_space.ratio_of([held], 10)
    assert found.wrong == pytest.approx(0.05) and found.best_wrong == 0.0
    assert 0.8 < found.ratio < 1.2
    assert found.all_cm > 4.0


def test_the_ratios_standard_error_is_how_it_varies_from_library_to_library():
    def library(rng: np.random.Generator, scale: float) -> free_space.Held:
        bound, none = np.full(40, 0.01), np.zeros(40)
        error = scale * rng.normal(0.0, 0.01, 40)
        return free_space.Held(error, bound, bound, none, none, bound, none, 0.1)

    def nine(seed: int) -> list[free_space.Held]:
        rng = np.random.default_rng(seed)
        return [library(rng, scale) for scale in rng.uniform(0.8, 1.2, 9)]

    spread = np.std([free_space.ratio_of(nine(seed), 10).ratio for seed in range(200)])
    told = np.mean([free_space.standard_error(nine(seed)) for seed in range(4)])
    assert told == pytest.approx(spread, rel=0.3)
    alike = [library(np.random.default_rng(1), 1.0)] * 9
    assert free_space.standard_error(alike) == pytest.approx(0.0, abs=1e-12)


def test_plots_are_svg_with_a_line_for_each_method_and_a_gap_for_what_is_missing(tmp_path):
    panel = Panel("error", {"a": (1.0, 2.0, 3.0), "b & c": (float("nan"), 5.0, 6.0)}, band=(1.0, 2.0))
    path = draw(tmp_path / "deep" / "x.svg", "t", (10, 20, 50), "readings", [[panel, panel]])
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points").split()) for line in lines] == [3, 2, 3, 2]


def test_a_path_that_cannot_be_written_is_refused_before_the_work(monkeypatch, tmp_path, capsys):
    def work(name):
        raise AssertionError(f"{name} was run")

    monkeypatch.setattr(runner.importlib, "import_module", work)
    (tmp_path / "file").write_text("")
    for options in (
        ["--json", str(tmp_path)],
        ["--json", str(tmp_path / "file" / "x.json")],
        ["--out", str(tmp_path / "file")],
    ):
        with pytest.raises(SystemExit) as refused:
            runner.main(["free_space", *options])
        assert refused.value.code == 2
        assert options[0] in capsys.readouterr().err


def test_each_benchmark_named_can_be_run_alone(monkeypatch, tmp_path):
    called = []

    def fake(name):
        class Module:
            @staticmethod
            def main(**options):
                called.append((name, options))
                return {"n": 1}

        return Module

    monkeypatch.setattr(runner.importlib, "import_module", fake)
    assert runner.main(["thinned", "--out", str(tmp_path), "--json", str(tmp_path / "f.json")]) == 0
    assert runner.main(["payload"]) == 0
    assert called == [("benchmarks.thinned", {"out": tmp_path}), ("benchmarks.payload", {})]
    assert '"thinned"' in (tmp_path / "f.json").read_text(encoding="utf-8")
