"""The flusher: whatever goes wrong on the way into the spool, no row is lost and none is stored twice."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recording import AntennaMount, Events, Poses, RunInfo
from recording.wire import decode_batch
from robot.clock import BaseClock
from robot.collector import Collector
from robot.driver import Progress
from robot.errors import SpoolError
from robot.flusher import Flusher
from robot.spool import Columns, Spool


class StandingDriver:
    """As much of a driver as the flusher asks for."""

    def __init__(self) -> None:
        self.progress = Progress(1, 0.5)
        self.standing = True
        self.holds: list[str] = []

    def hold(self, why: str, _text: str) -> None:
        self.holds.append(why)

    def release(self, why: str) -> None:
        self.holds.remove(why)


class Setup:
    def __init__(self, folder: Path) -> None:
        mount = AntennaMount(1, "uhf", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0))
        self.spool = Spool(folder / "spool.db")
        self.spool.begin(
            RunInfo("run-1", "site", datetime(2026, 1, 1, tzinfo=UTC), "robot", (mount,)), "key", 0
        )
        self.collector = Collector(1)
        self.driver: Any = StandingDriver()
        self.told: list[tuple[str, str, str]] = []
        self.flusher = Flusher(
            "run-1",
            self.spool,
            self.collector,
            self.driver,
            BaseClock(),
            0.05,
            lambda *event: self.told.append(event),
        )

    def add_poses(self, *times: int) -> None:
        for t in times:
            assert self.collector.add_pose((t, 0.0, 0.0, 0.0, 0.1, 0.1))

    def stored(self) -> list[int]:
        """Times of the poses in the spool, in order."""
        batches = [decode_batch(batch.payload).data for batch in self.spool.after(0, 10_000)]
        return [int(t) for data in batches if isinstance(data, Poses) for t in data.t]


@pytest.fixture
def setup(tmp_path: Path):
    made = Setup(tmp_path)
    yield made
    made.spool.close()


class Failing:
    """Stands in for the spool's `add` and fails as told before it lets anything through."""

    def __init__(self, spool: Spool, fails: Any) -> None:
        self._add = spool.add
        self._fails = fails

    def __call__(self, run_id: str, parts: list[tuple[str, Columns]], *rest: Any) -> Any:
        error = self._fails(parts)
        if error is not None:
            raise error
        return self._add(run_id, parts, *rest)


def unsendable() -> tuple[str, Columns]:
    text = np.array(["half a \udcff surrogate"], dtype=object)
    return "events", Events(np.array([1]), text, text, text)


def test_a_batch_that_cannot_be_sent_takes_no_other_with_it(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    take = setup.collector.take
    monkeypatch.setattr(setup.collector, "take", lambda: [*take(), unsendable()])
    setup.add_poses(1, 2, 3)
    setup.flusher.flush()
    assert setup.stored() == [1, 2, 3]
    assert [kind for _, kind, _ in setup.told] == ["batch_refused"]
    assert "1 events" in setup.told[0][2]


def test_what_was_stored_before_the_disk_failed_is_not_stored_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
):
    take = setup.collector.take
    parts = [lambda: [unsendable(), *take()], take]
    monkeypatch.setattr(setup.collector, "take", lambda: parts.pop(0)())
    calls: list[int] = []

    def third_fails(piece: list[tuple[str, Columns]]) -> Exception | None:
        # One whole try that the unsendable batch spoils, that batch, two poses, and then the disk.
        calls.append(len(piece))
        return SpoolError("disk") if len(calls) == 5 else None

    monkeypatch.setattr(setup.spool, "add", Failing(setup.spool, third_fails))
    setup.add_poses(1, 2, 3, 4)
    setup.flusher.flush()
    assert setup.stored() == [1, 2]
    assert setup.driver.holds == ["spool"]
    setup.flusher.flush()
    assert setup.stored() == [1, 2, 3, 4]
    assert setup.driver.holds == []


def test_progress_is_stored_with_the_last_rows_only(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []

    def second_fails(piece: list[tuple[str, Columns]]) -> Exception | None:
        calls.append(len(piece))
        return SpoolError("disk") if len(calls) == 2 else None

    monkeypatch.setattr(setup.spool, "add", Failing(setup.spool, second_fails))
    setup.add_poses(*range(1, 31))
    setup.flusher.flush()
    state = setup.spool.open_run()
    assert state is not None
    assert state.progress == {}
    setup.flusher.flush()
    state = setup.spool.open_run()
    assert state is not None
    assert state.progress == {"leg": 1, "done_m": 0.5}
    assert setup.stored() == list(range(1, 31))


def test_rows_that_never_find_room_are_counted_at_the_end(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(setup.spool, "add", Failing(setup.spool, lambda _parts: SpoolError("disk")))
    setup.add_poses(1, 2, 3)
    assert setup.flusher.stop(0.0) == 3
