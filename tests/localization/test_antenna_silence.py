"""What an antenna misses of tags that others heard, drawn from laws that are known."""

import numpy as np
import pytest

from localization.antenna_silence import silence_of_all

SIZE = 4.0
PLACES = np.geomspace(0.5, 50.0, 12)


def usual(mean: np.ndarray) -> np.ndarray:
    return (1.0 + mean / SIZE) ** -SIZE


@pytest.fixture
def tags() -> tuple[np.ndarray, np.ndarray]:
    """Two antennas that hear as is expected of them: means and readings, shape (tags, 2)."""
    rng = np.random.default_rng(3)
    mean = np.exp(rng.uniform(np.log(0.1), np.log(100.0), (6000, 2)))
    return mean, rng.poisson(mean * rng.gamma(SIZE, 1.0 / SIZE, (6000, 1))).astype(float)


def test_antennas_that_hear_as_expected_keep_the_usual_law(tags: tuple[np.ndarray, np.ndarray]) -> None:
    alone = np.column_stack([PLACES, np.zeros(len(PLACES))])
    np.testing.assert_allclose(silence_of_all(alone, *tags, SIZE), usual(PLACES), atol=0.06)


def test_a_weak_antenna_is_as_deaf_as_tags_that_the_other_heard_tell(
    tags: tuple[np.ndarray, np.ndarray],
) -> None:
    mean, readings = tags
    weak = np.column_stack(
        [readings[:, 0], np.random.default_rng(4).binomial(readings[:, 1].astype(int), 0.1)]
    )
    places = np.column_stack([np.zeros(len(PLACES)), PLACES])
    told = silence_of_all(places, mean, weak, SIZE)
    np.testing.assert_allclose(told, usual(0.1 * PLACES), atol=0.08)
    assert np.all(np.diff(told) <= 0.0), "more readings expected, less silence"
    # Beside the other one its weakness costs nothing.
    both = np.column_stack([PLACES, PLACES])
    assert np.all(silence_of_all(both, mean, weak, SIZE) <= usual(PLACES) + 0.06)


@pytest.mark.parametrize("antennas", [1, 2])
def test_without_tags_that_others_heard_the_usual_law_stays(antennas: int) -> None:
    mean = np.tile(PLACES[:, None], (1, antennas))
    heard = np.zeros((0, antennas))
    told = silence_of_all(mean, heard, heard, SIZE)
    np.testing.assert_allclose(told, usual(PLACES) ** antennas, atol=0.03)
    assert silence_of_all(np.zeros((3, antennas)), heard, heard, SIZE).tolist() == [1.0] * 3
