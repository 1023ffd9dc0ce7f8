"""On scans measured by others, Nightstack places tags no worse than the published methods it is held
against.

Both peers are computed here, in the same run, from the same recordings; they are told each tag's face, ours
is not.
"""

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measured import measured_folder, measured_sets, why_absent, wrongly_surveyed
from benchmarks.peers import JUDGES
from benchmarks.scoring import OURS, Score, score, score_groups
from localization.evaluate import evaluate
from localization.positions import read_positions
from recording import read_recording, read_truth
from stacks.plan import read_plan

FOLDER = measured_folder()
SETS = measured_sets(FOLDER) if FOLDER is not None else {}

pytestmark = [
    pytest.mark.measured,
    pytest.mark.slow,
    pytest.mark.skipif(FOLDER is None, reason=why_absent()),
]

each_set = pytest.mark.parametrize("group", SETS or ["none"])


@functools.cache
def scored(method: str, group: str) -> Score:
    return _all_of_ours()[group] if method == OURS else score(method, group, SETS[group])


@functools.cache
def _all_of_ours() -> dict[str, Score]:
    return score_groups(OURS, SETS, jobs=2)


@each_set
def test_recordings_read_without_a_loss(group):
    for path in SETS[group]:
        recording = read_recording(path)
        assert recording.notes == (), path.name
        assert recording.not_scanned == (), path.name
        assert len(recording.readings) > 0


@each_set
@pytest.mark.parametrize("peer", JUDGES)
def test_mean_error_is_no_worse_than_a_peers(group, peer, capsys):
    ours, theirs = scored(OURS, group).evaluation, scored(peer, group).evaluation
    with capsys.disabled():
        print(
            f"\n  {group}: ours {ours.error.mean_cm:.2f} cm, {peer} {theirs.error.mean_cm:.2f} cm; "
            f"{100 * ours.coverage_along:.0f} % of errors inside the 90 % interval"
        )
    assert ours.placed >= theirs.placed
    assert ours.error.mean_cm <= theirs.error.mean_cm, f"ours {ours.error} against {theirs.error}"


@each_set
@pytest.mark.parametrize("peer", JUDGES)
def test_adjacent_order_is_no_worse_than_a_peers(group, peer, request):
    ours, theirs = scored(OURS, group).evaluation, scored(peer, group).evaluation
    assert ours.order.share >= theirs.order.share, f"{ours.order} against {theirs.order}"


@each_set
def test_peers_see_what_others_reported_of_them(group):
    """A peer that did badly by our fault would be no peer: each must beat the constant guess by far."""
    for peer in JUDGES:
        theirs = scored(peer, group).evaluation
        assert theirs.placed >= 0.9 * theirs.present
        assert theirs.error.median_cm < 0.35 * theirs.constant_guess.median_cm


@each_set
def test_the_command_says_what_the_call_says(group, tmp_path):
    path = SETS[group][0]
    out = tmp_path / "positions.parquet"
    done = subprocess.run(
        [Path(sys.executable).with_name("nightstack"), "localize", path, "--out", out],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    truth, plan = read_truth(path), read_plan(path / "plan.json")
    again = evaluate(read_positions(out), truth, plan, wrongly_surveyed(truth))
    called = scored(OURS, group).per_recording[0]
    assert again.error.mean_cm == pytest.approx(called.error.mean_cm, abs=0.02)

    judged = subprocess.run(
        [
            Path(sys.executable).with_name("nightstack"), "evaluate", out, path / "truth.parquet",
            "--plan", path / "plan.json", "--json",
            *(argument for epc in wrongly_surveyed(truth) for argument in ("--exclude", epc)),
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stderr
    figures = json.loads(judged.stdout)
    assert figures["error"]["mean_cm"] == pytest.approx(again.error.mean_cm, abs=1e-6)
