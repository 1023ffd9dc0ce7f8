"""From log to Parquet: whatever moment the process dies in, every reading is there once."""

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from cloud_ingest import compaction
from cloud_ingest.compaction import Compactor
from cloud_ingest.models import Batch
from cloud_ingest.raw_store import read_batches
from tests.cloud_ingest.conftest import make_batch
from tests.cloud_ingest.test_store import World


@pytest.fixture
def world(tmp_path, database_url):
    made = World(tmp_path / "data", database_url)
    yield made
    made.database.close()


def compactor(world):
    return Compactor(world.database, world.settings.data, 60)  # three batches of 20 rows


def segments(world, kind="readings"):
    folder = world.settings.data / "raw" / "site=site" / "run=run-1" / kind
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def check_all_there(world, count):
    """Each batch is either in the log or in exactly one file that it names, with the values that were sent."""
    with world.database.read() as session:
        rows = session.execute(select(Batch.seq, Batch.file, Batch.payload).order_by(Batch.seq)).all()
    assert [seq for seq, _, _ in rows] == list(range(count))
    assert all((file is None) != (payload is None) for _, file, payload in rows)
    for name in {file for _, file, _ in rows if file is not None}:
        for batch in read_batches(world.settings.data / name):
            assert batch.data.same_as(make_batch(seq=batch.seq).data)


def test_full_segments_are_written_while_the_run_goes_on_and_the_rest_at_its_end(world):
    world.batches(*range(8))
    assert compactor(world).compact("run-1", finish=False) == 2
    assert list(segments(world)) == ["00000000-00000002.parquet", "00000003-00000005.parquet"]
    assert compactor(world).compact("run-1", finish=True) == 1
    check_all_there(world, 8)
    assert list(segments(world))[-1] == "00000006-00000007.parquet"


def test_a_gap_holds_back_what_follows_until_it_is_filled(world):
    world.batches(0, 1, 2, 3, 5, 6, 7, 8)
    assert compactor(world).compact("run-1", finish=False) == 1
    assert compactor(world).compact("run-1", finish=False) == 0
    world.batches(4)
    assert compactor(world).compact("run-1", finish=False) == 2
    check_all_there(world, 9)


def test_a_gap_that_stays_splits_the_segments_and_a_late_batch_gets_its_own(world):
    world.batches(0, 1, 3)
    compactor(world).compact("run-1", finish=True)
    assert list(segments(world)) == ["00000000-00000001.parquet", "00000003-00000003.parquet"]
    world.batches(2)
    compactor(world).compact("run-1", finish=True)
    check_all_there(world, 4)


def test_segments_do_not_depend_on_when_compaction_ran(tmp_path):
    often, once = World(tmp_path / "often", None), World(tmp_path / "once", None)
    for seq in range(11):
        often.batches(seq)
        compactor(often).compact("run-1", finish=False)
        once.batches(seq)
    for world in (often, once):
        compactor(world).compact("run-1", finish=True)
    assert segments(often) == segments(once)
    often.database.close()
    once.database.close()


class Died(BaseException):
    pass


@pytest.mark.parametrize(
    "moment", ["before the file", "while writing", "after the name", "before the commit"]
)
@pytest.mark.parametrize("finish", [False, True])
def test_dying_at_any_step_repeats_to_the_same_bytes(world, monkeypatch, moment, finish):
    world.batches(*range(7))
    real = compaction.write_segment
    calls = 0

    def dying(path, batches):
        nonlocal calls
        calls += 1
        if calls < 2:
            return real(path, batches)
        if moment == "while writing":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.tmp").write_bytes(b"half of")
        elif moment == "after the name":
            real(path, batches)
        elif moment == "before the commit":
            real(path, batches)
            world.batches(7)  # more came meanwhile: the last segment would reach further now
        raise Died

    monkeypatch.setattr(compaction, "write_segment", dying)
    with pytest.raises(Died):
        compactor(world).compact("run-1", finish=finish)
    monkeypatch.undo()
    world.batches(7)
    # A new process: it knows nothing of the one that died.
    compactor(world).compact("run-1", finish=True)
    check_all_there(world, 8)
    assert list(segments(world)) == [
        "00000000-00000002.parquet",
        "00000003-00000005.parquet",
        "00000006-00000007.parquet",
    ]
    folder = world.settings.data / "raw" / "site=site" / "run=run-1" / "readings"
    assert sum(pq.read_metadata(path).num_rows for path in folder.iterdir()) == 160
