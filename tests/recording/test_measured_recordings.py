"""Recordings measured by others are read without a complaint, where they are present."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.measured import measured_folder, why_absent
from recording import Readings, read_recording, write_recording
from recording.wire import Batch, decode_batch, encode_batch

FOLDER = measured_folder()
RUNS = [] if FOLDER is None else sorted(run.parent for run in FOLDER.rglob("run.json"))
pytestmark = [pytest.mark.measured, pytest.mark.skipif(not RUNS, reason=why_absent())]


@pytest.mark.parametrize("run", RUNS, ids=[run.name for run in RUNS])
def test_a_measured_recording_is_read_written_and_sent_whole(run: Path, tmp_path: Path) -> None:
    made = read_recording(run)
    assert made.notes == ()
    assert made.not_scanned == ()
    assert made.truth is not None
    assert made.poses.covers(made.readings.t).mean() > 0.9
    again = read_recording(write_recording(tmp_path / "rec", made))
    assert again.readings.same_as(made.readings)
    assert again.poses.same_as(made.poses)
    assert again.truth is not None and again.truth.same_as(made.truth)
    assert again.info == made.info
    parts: list[Readings] = []
    for seq, start in enumerate(range(0, len(made.readings), 1000)):
        part = made.readings.select(slice(start, start + 1000))
        data = decode_batch(encode_batch(Batch(made.info.run_id, "readings", seq, part))).data
        assert isinstance(data, Readings)
        parts.append(data)
    assert Readings.concat(parts).same_as(made.readings)
    assert np.isfinite(made.poses.at(made.readings.t).x_m).all()
