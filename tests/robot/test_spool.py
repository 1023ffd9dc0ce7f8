"""The spool: what is committed stays, numbers are never used twice, and only the watermark drops."""

import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recording import AntennaMount, Events, Poses, RunInfo
from recording.wire import decode_batch
from robot.errors import SpoolError, SpoolFullError
from robot.spool import Spool
from tests.support.processes import running


def info(run_id: str = "run-1") -> RunInfo:
    mount = AntennaMount(1, "uhf", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0))
    return RunInfo(run_id, "site", datetime(2026, 1, 1, tzinfo=UTC), "robot", (mount,))


def poses(t: int, n: int = 1) -> Poses:
    return Poses(np.arange(t, t + n), np.zeros(n), np.zeros(n), np.random.default_rng(t).normal(size=n))


def event(text: str) -> Events:
    column = np.array([text], dtype=object)
    return Events(np.array([1]), column, column, column)


@pytest.fixture
def spool(tmp_path: Path):
    spool = Spool(tmp_path / "spool.db")
    yield spool
    spool.close()


def test_batches_come_out_in_order_and_as_they_went_in(spool: Spool):
    spool.begin(info(), "key", 5)
    assert spool.add("run-1", [("poses", poses(1)), ("events", event("a")), ("poses", poses(2))]) == [
        ("poses", 0),
        ("events", 0),
        ("poses", 1),
    ]
    batches = spool.after(0, 10)
    assert [(b.kind, b.seq) for b in batches] == [("poses", 0), ("events", 0), ("poses", 1)]
    assert decode_batch(batches[2].payload).data.same_as(poses(2))
    assert spool.after(batches[0].id, 1) == [batches[1]]
    assert spool.used_bytes == sum(len(b.payload) for b in batches)


def test_only_what_the_watermark_covers_is_dropped(spool: Spool):
    spool.begin(info(), "key", 5)
    for t in range(5):
        spool.add("run-1", [("poses", poses(t)), ("events", event(str(t)))])
    assert spool.drop("run-1", "poses", -1) == 0
    assert spool.drop("run-1", "poses", 2) == 3
    assert spool.drop("run-1", "poses", 1) == 0
    assert spool.drop("run-2", "poses", 1) == 0
    assert {(b.kind, b.seq) for b in spool.after(0, 99)} == {("poses", 3), ("poses", 4)} | {
        ("events", n) for n in range(5)
    }
    assert spool.get("run-1", "poses", 2) is None
    assert spool.get("run-1", "poses", 3) is not None
    assert spool.used_bytes == sum(len(b.payload) for b in spool.after(0, 99))


def test_a_watermark_above_what_was_made_is_not_believed(spool: Spool):
    spool.begin(info(), "key", 5)
    spool.add("run-1", [("poses", poses(1))])
    assert spool.drop("run-1", "poses", 1) == 0
    assert spool.waiting() == 1


def test_numbers_go_on_after_everything_was_dropped_and_the_file_reopened(tmp_path: Path):
    first = Spool(tmp_path / "s.db")
    first.begin(info(), "key", 5)
    first.add("run-1", [("poses", poses(1)), ("poses", poses(2))], {"leg": 1, "done_m": 0.5}, 77)
    first.drop("run-1", "poses", 1)
    first.close()
    second = Spool(tmp_path / "s.db")
    state = second.open_run()
    assert state is not None
    assert (state.progress, state.progress_t, state.batches) == ({"leg": 1, "done_m": 0.5}, 77, {"poses": 2})
    assert state.info.to_json() == info().to_json()
    assert second.add("run-1", [("poses", poses(3))]) == [("poses", 2)]
    second.close()


def test_a_run_is_forgotten_only_when_ended_and_delivered(spool: Spool):
    spool.begin(info(), "key", 5)
    spool.add("run-1", [("poses", poses(1))])
    assert not spool.forget("run-1")
    spool.end("run-1", "done")
    spool.end("run-1", "aborted: later")
    assert spool.open_run() is None
    assert spool.runs()[0].end().to_json() == b'{"run_id":"run-1","batches":{"poses":1},"reason":"done"}'
    assert not spool.forget("run-1")
    assert not spool.runs()[0].left
    spool.leave()
    assert spool.runs()[0].left
    spool.drop("run-1", "poses", 0)
    assert spool.forget("run-1")
    assert spool.runs() == []


def test_a_full_spool_refuses_whole_and_still_takes_events(tmp_path: Path):
    spool = Spool(tmp_path / "s.db", max_bytes=20_000)
    spool.begin(info(), "key", 5)
    with pytest.raises(SpoolFullError, match="MB wait"):
        for t in range(100):
            spool.add("run-1", [("poses", poses(t, 200))], {"leg": t}, t)
    kept = spool.waiting()
    state = spool.open_run()
    assert state is not None
    assert state.batches == {"poses": kept}
    assert state.progress == {"leg": kept - 1}
    assert spool.used_bytes <= 20_000
    assert spool.add("run-1", [("events", event("full"))]) == [("events", 0)]
    spool.drop("run-1", "poses", kept - 1)
    assert spool.add("run-1", [("poses", poses(1, 200))]) == [("poses", kept)]
    spool.close()


def test_one_agent_at_a_time(tmp_path: Path):
    spool = Spool(tmp_path / "s.db")
    with pytest.raises(SpoolError, match="another agent"):
        Spool(tmp_path / "s.db")
    spool.close()
    Spool(tmp_path / "s.db").close()


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "s.db"
    path.write_bytes(b"this is no database, and somebody may want it" * 100)
    with pytest.raises(SpoolError, match="move it away"):
        Spool(path)
    assert path.read_bytes().startswith(b"this is no database")
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    with pytest.raises(SpoolError, match="version 99"):
        Spool(path)


def test_threads_do_not_disturb_each_other(spool: Spool):
    spool.begin(info(), "key", 5)
    given: list[tuple[str, int]] = []

    def work(t: int) -> None:
        for _ in range(20):
            given.extend(spool.add("run-1", [("poses", poses(t))]))

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seq for _, seq in given) == list(range(80))
    assert spool.waiting() == 80


_WRITER = """
import sys
from pathlib import Path
from tests.robot.test_spool import info, poses
from robot.spool import Spool
spool = Spool(Path(sys.argv[1]))
if spool.open_run() is None:
    spool.begin(info(), "key", 0)
for t in range(100000):
    (_, seq), = spool.add("run-1", [("poses", poses(t))], {"leg": t}, t)
    print(seq, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_has_said_is_stored(tmp_path: Path):
    path = tmp_path / "s.db"
    said: list[int] = []
    for _ in range(3):
        with running([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            said += [int(writer.stdout.readline()) for _ in range(15)]
            writer.send_signal(signal.SIGKILL)
            left = writer.stdout.read().splitlines(keepends=True)
        said += [int(line) for line in left if line.endswith(b"\n")]
    spool = Spool(path)
    stored = [batch.seq for batch in spool.after(0, 10**6)]
    state = spool.open_run()
    spool.close()
    assert stored == list(range(len(stored)))
    assert len(said) == len(set(said))
    assert set(said) <= set(stored)
    assert state is not None
    assert state.batches["poses"] == len(stored)
