"""What the honesty benchmark says of bars is what bars are."""

import io

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import norm

from benchmarks import __main__ as runner
from benchmarks import honesty


def test_true_bars_are_called_true_and_better_than_any_that_all_tags_share():
    rng = np.random.default_rng(5)
    sigma = np.exp(rng.normal(np.log(0.02), 0.7, 20_000))
    found = honesty.bars(sigma * rng.standard_normal(20_000), sigma)
    assert found.inside == pytest.approx(honesty.LEVELS, abs=0.012)
    assert found.mean_error_cm == pytest.approx(0.798 * found.mean_bar_cm, rel=0.03)
    assert found.score_cm < 0.95 * found.constant_score_cm


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_bars_too_narrow_or_too_wide_score_worse(factor):
    rng = np.random.default_rng(6)
    error = 0.02 * rng.standard_normal(20_000)
    right, wrong = (honesty.bars(error, np.full(20_000, 0.02 * f)) for f in (1.0, factor))
    assert wrong.score_cm > 1.05 * right.score_cm
    assert right.score_cm == pytest.approx(right.constant_score_cm, rel=0.01)
    assert (wrong.inside[-1] < honesty.HELD[0]) is (factor < 1.0)
    assert (wrong.inside[-1] > honesty.HELD[1]) is (factor > 1.0)


def test_the_score_is_the_integral_that_defines_it():
    x = np.linspace(-40.0, 40.0, 400_001)
    for error, sigma in ((0.3, 1.0), (-4.0, 0.5), (2.0, 3.0)):
        integral = np.trapezoid((norm.cdf(x, 0.0, sigma) - (x >= error)) ** 2, x)
        assert honesty.crps(np.array([error]), np.array([sigma]))[0] == pytest.approx(integral, abs=1e-3)


def test_only_the_worlds_asked_for_are_judged_and_the_runner_passes_them_on(monkeypatch):
    console = Console(width=160, record=True, file=io.StringIO())
    figures = honesty.main(console, only=["slide, 20 cm"], seeds=(31,))
    assert list(figures) == ["slide, 20 cm"]
    world = figures["slide, 20 cm"]
    assert world["along"]["tags"] == 3 * honesty.ROWS_EACH
    assert 0.5 <= world["local"]["inside"][-1] <= 1.0
    assert "slide, 20 cm" in console.export_text()
    asked = {}
    monkeypatch.setattr(honesty, "main", lambda **more: asked.update(more) or {})
    runner.main(["honesty", "--only", "easy", "--only", "robot"])
    assert asked == {"only": ["easy", "robot"]}
