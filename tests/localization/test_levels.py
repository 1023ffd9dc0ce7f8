"""Shelves told by what each antenna heard and did not."""

import numpy as np
import pytest

from localization import Calibration, levels, levels_reference, localize
from localization.ambiguity import find_ambiguity
from localization.delays import find_delays
from localization.faces import Frames, find_candidates
from localization.hypotheses import make_hypotheses
from localization.listening import Listening
from localization.observations import Mounts, driven_m, observe, tag_blocks
from localization.profile import Fits
from localization.signal_model import BEAMWIDTH_DEG, CORRELATION_M

LEVEL_Z = {1: 0.22, 2: 0.62, 3: 1.02}


def books(count, seed):
    rng = np.random.default_rng(seed)
    return [
        ("A", float(offset), z + rng.normal(0, 0.02))
        for z in LEVEL_Z.values()
        for offset in np.linspace(0.1, 1.9, count)
    ]


@pytest.fixture(scope="module")
def prepared():
    """What the likelihood is made of, for a drive past three shelves; and the true hypothesis of each tag."""
    from tests.localization.conftest import World

    tags = books(12, 4)
    recording, plan = World.make(tags, seed=4), World.plan()
    mounts = Mounts.of(recording.info, Calibration(), BEAMWIDTH_DEG)
    frames = Frames.of_plan(plan)
    doubled = find_ambiguity(recording.info, recording.readings, recording.poses).doubled
    delays = find_delays(recording.readings, recording.poses, doubled)
    ((_, rows),) = tag_blocks(recording.readings, 10**9)
    way = driven_m(recording.poses)
    observations = observe(recording.readings, rows, recording.poses, way, mounts, doubled, delays, 0)
    candidates = find_candidates(observations, frames, CORRELATION_M)
    hypotheses = make_hypotheses(candidates, frames)
    listening = Listening.of(recording, frames, mounts, 0)
    number = [int(recording.readings.tags[t][6:], 16) for t in observations.tag]
    level = np.array([1 + number[t] // 12 for t in candidates.tag])
    true = hypotheses.start[:-1] + level - 1
    # Offsets as they are, so that heights alone are asked for.
    nothing = np.zeros(len(hypotheses.level))
    offset = np.repeat([tags[number[t]][1] for t in candidates.tag], np.diff(hypotheses.start))
    fits = Fits(**dict.fromkeys(Fits.__dataclass_fields__, nothing) | {"offset_m": offset})
    law = levels.learn_link(
        observations, candidates, hypotheses, fits, mounts, listening, frames, true[candidates.face == 0]
    )
    return observations, candidates, hypotheses, fits, mounts, listening, frames, law, true


def test_the_kernel_equals_its_reference(prepared):
    observations, candidates, hypotheses, fits, mounts, listening, frames, law, _ = prepared
    found = levels.link_likelihood(observations, candidates, hypotheses, fits, mounts, listening, frames, law)
    for c in range(0, len(candidates.tag), 5):
        for y in range(hypotheses.start[c], hypotheses.start[c + 1]):
            expected = levels_reference.link_likelihood(
                observations, candidates, mounts, listening, frames, law, c, fits.offset_m[y], fits.depth_m[y],
                hypotheses.height_m[y],
            )  # fmt: skip
            assert found[y] == pytest.approx(expected, abs=1e-6)


def test_it_alone_tells_shelves(prepared):
    observations, candidates, hypotheses, fits, mounts, listening, frames, law, true = prepared
    found = levels.link_likelihood(observations, candidates, hypotheses, fits, mounts, listening, frames, law)
    before = np.flatnonzero(candidates.face == 0)
    right = [
        hypotheses.start[c] + found[hypotheses.start[c] : hypotheses.start[c + 1]].argmax() == true[c]
        for c in before
    ]
    assert np.mean(right) > 0.95


def test_the_run_teaches_its_own_law(prepared):
    law = prepared[7]
    # The small world falls by 40 log d and twice the pattern, and its tags have no pattern of their own.
    assert law.term == pytest.approx([-2.0, 2.0, 0.0], abs=0.25)
    assert abs(law.strength_db + 52) < 2


def test_a_run_of_few_tags_teaches_no_law(prepared):
    observations, candidates, hypotheses, fits, mounts, listening, frames, _, true = prepared
    assert (
        levels.learn_link(observations, candidates, hypotheses, fits, mounts, listening, frames, true[:5])
        is None
    )


@pytest.mark.parametrize("heights", [(0.3, 1.0), (0.2, 0.6, 1.1)])
def test_shelves_and_how_sure_at_other_antenna_heights(world, heights):
    tags = books(20, 6)
    found = localize(world.make(tags, heights=heights, seed=6), world.plan()).positions
    number = np.array([int(epc[6:], 16) for epc in found.epc])
    level = np.array([int(str(shelf)[-1]) for shelf in found.shelf_id])
    right = level == 1 + number // 20
    assert right.mean() > 0.96
    # The chances stated are kept: as many are wrong as they admit, give or take.
    assert abs(right.mean() - found.p_shelf.mean()) < 0.03
