"""Accepting messages, on both databases: each batch once, nothing overwritten, nothing unreadable in the way."""

import json
import zlib

import msgpack
import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from cloud_ingest import ServeSettings
from cloud_ingest.database import Database
from cloud_ingest.messages import Arrival
from cloud_ingest.models import Batch, QuarantineRow, Run
from cloud_ingest.store import Store
from recording.topics import End, Status, Topics
from recording.wire import encode_batch
from tests.cloud_ingest.conftest import make_batch
from tests.support.runs import make_info

TOPICS = Topics("site", "robot")


class World:
    def __init__(self, data, url, **settings):
        self.settings = ServeSettings(data, database=url, **settings)
        self.database = Database(self.settings)
        self.store = Store(self.database, self.settings)
        self.now = 1_000_000_000

    def arrival(self, topic, payload, retained=False):
        self.now += 1_000_000
        return Arrival(topic, payload, self.now, retained)

    def take(self, *messages, retained=False):
        return self.store.accept([self.arrival(topic, payload, retained) for topic, payload in messages])

    def batches(self, *seqs, topics=TOPICS, **which):
        made = [make_batch(seq=seq, **which) for seq in seqs]
        return self.take(*((topics.topic(b.kind), encode_batch(b)) for b in made))

    def stored(self):
        with self.database.read() as session:
            return session.execute(select(Batch.kind, Batch.seq).order_by(Batch.kind, Batch.seq)).all()

    def run(self, run_id="run-1"):
        with self.database.read() as session:
            return session.get(Run, run_id)

    def quarantined(self):
        with self.database.read() as session:
            return list(session.scalars(select(QuarantineRow).order_by(QuarantineRow.id)))

    def ack(self, outcome, kind="readings"):
        return {ack.kind: (ack.upto, ack.missing) for _, ack in outcome.acks}[kind]


@pytest.fixture
def world(tmp_path, database_url):
    made = World(tmp_path / "data", database_url)
    yield made
    made.database.close()


def test_the_same_batch_twice_is_stored_once(world):
    assert world.batches(0, 1, 1, 0).stored == 2
    outcome = world.batches(1, 2)
    assert (outcome.stored, outcome.duplicates) == (1, 1)
    assert world.stored() == [("readings", 0), ("readings", 1), ("readings", 2)]
    assert world.run().duplicates == 3
    assert world.ack(outcome) == (2, ())


def test_the_watermark_stops_at_a_gap_and_names_it(world):
    assert world.ack(world.batches(0, 1, 4, 6)) == (1, (2, 3, 5))
    assert world.ack(world.batches(3, 2)) == (4, (5,))
    # The end names batches of which nothing was seen.
    end = End("run-1", {"readings": 9, "poses": 1}).to_json()
    outcome = world.take((TOPICS.end, end))
    assert world.ack(outcome) == (4, (5, 7, 8))
    assert world.ack(outcome, "poses") == (-1, (0,))


def test_the_watermark_survives_a_restart(world):
    world.batches(0, 1, 2, 5)
    again = Store(world.database, world.settings)
    (sender, ack), *more = again.acks("run-1")
    assert (sender.site, sender.robot, ack.kind, ack.upto, ack.missing) == (
        "site",
        "robot",
        "readings",
        2,
        (3, 4),
    )
    assert more == []


def test_another_batch_under_the_same_name_never_overwrites(world):
    world.batches(0)
    outcome = world.batches(0, 1, rows=21)
    assert (outcome.stored, outcome.quarantined) == (1, 1)
    with world.database.read() as session:
        assert session.get(Batch, ("run-1", "readings", 0)).payload == encode_batch(make_batch(seq=0))
    (row,) = world.quarantined()
    assert (row.run_id, row.kind, row.seq) == ("run-1", "readings", 0)
    assert "other bytes" in row.reason
    assert (world.settings.data / row.file).read_bytes() == encode_batch(make_batch(seq=0, rows=21))
    # Two that differ in one and the same transaction.
    outcome = world.take(*((TOPICS.readings, encode_batch(make_batch(seq=9, rows=n))) for n in (5, 6)))
    assert (outcome.stored, outcome.quarantined) == (1, 1)


def test_batches_may_come_before_their_run_and_in_any_order(world):
    world.batches(5, 3)
    run = world.run()
    assert run.info is None
    assert run.state == "recording"
    world.take((TOPICS.run, json.dumps(make_info().to_json()).encode()))
    assert world.run().info["robot"]["id"] == "robot"
    assert world.ack(world.batches(0, 1, 2, 4)) == (5, ())


def test_a_retained_run_alone_opens_nothing_but_is_remembered(world):
    world.take((TOPICS.run, json.dumps(make_info().to_json()).encode()), retained=True)
    assert world.run() is None
    world.batches(0)
    assert world.run().info["run_id"] == "run-1"


def test_a_second_run_json_does_not_replace_the_first(world):
    first, second = make_info(), make_info()
    world.take((TOPICS.run, json.dumps(first.to_json()).encode()))
    changed = {**second.to_json(), "note": "moved antennas"}
    assert world.take((TOPICS.run, json.dumps(changed).encode())).quarantined == 1
    assert world.take((TOPICS.run, json.dumps(first.to_json()).encode())).quarantined == 0
    assert "note" not in world.run().info


def test_another_robot_cannot_write_into_a_run(world):
    world.batches(0)
    outcome = world.batches(1, topics=Topics("site", "other"))
    assert (outcome.stored, outcome.quarantined) == (0, 1)
    assert world.batches(1, topics=Topics("elsewhere", "robot")).quarantined == 1
    assert world.stored() == [("readings", 0)]


def test_an_end_that_announces_less_is_refused_and_one_that_announces_more_is_taken(world):
    world.take((TOPICS.end, End("run-1", {"readings": 5}).to_json()))
    assert world.take((TOPICS.end, End("run-1", {"readings": 4}).to_json())).quarantined == 1
    world.take((TOPICS.end, End("run-1", {"readings": 7, "poses": 1}).to_json()))
    assert world.run().announced == {"readings": 7, "poses": 1}


def test_a_retained_end_is_heeded_for_a_known_run_and_opens_none(world):
    end = (TOPICS.end, End("run-1", {"readings": 1}).to_json())
    world.take(end, retained=True)
    assert world.run() is None
    world.batches(0)
    world.take(end, retained=True)
    assert world.run().announced == {"readings": 1}


def test_a_robot_that_only_repeats_itself_does_not_keep_its_run_open(world):
    end = (TOPICS.end, End("run-1", {"readings": 3}).to_json())
    world.batches(0)
    world.take(end)
    heard_at = world.run().heard_at
    world.batches(0)
    world.take(end, (TOPICS.status, Status("online", "run-1", 6).to_json()))
    assert world.run().heard_at == heard_at


def test_a_cleared_retained_message_is_no_trouble(world):
    outcome = world.take((TOPICS.run, b""), (TOPICS.end, b""), (TOPICS.status, b""), (TOPICS.ack, b"ours"))
    assert outcome.quarantined == 0


def test_offline_is_noted_and_forgotten_when_the_robot_is_back(world):
    world.batches(0)
    world.take((TOPICS.status, Status("offline", "run-1", 5).to_json()))
    assert world.run().offline_at is not None
    # What the broker kept from before tells nothing of now.
    world.take((TOPICS.status, Status("online", "run-1", 5).to_json()), retained=True)
    assert world.run().offline_at is not None
    outcome = world.take((TOPICS.status, Status("online", "run-1", 6).to_json()))
    assert world.run().offline_at is None
    assert world.ack(outcome) == (0, ())


def test_a_robot_asking_for_an_unknown_run_learns_that_nothing_is_stored(world):
    outcome = world.take((TOPICS.status, Status("online", "run-9", 6).to_json()))
    assert {(ack.kind, ack.upto) for _, ack in outcome.acks} == {
        (kind, -1) for kind in ("readings", "poses", "events", "activity", "tags")
    }
    assert world.run("run-9") is None


def bad_messages():
    good = encode_batch(make_batch(seq=0))
    raw = msgpack.unpackb(zlib.decompress(good))

    def changed(**more):
        return zlib.compress(msgpack.packb({**raw, **more}), 1)

    info = make_info().to_json()
    return {
        "empty": (TOPICS.readings, b""),
        "junk": (TOPICS.readings, b"\x00\xff junk"),
        "cut short": (TOPICS.readings, good[: len(good) // 2]),
        "trailing bytes": (TOPICS.readings, good + b"x"),
        "zip bomb": (TOPICS.readings, zlib.compress(b"\0" * (64 << 20), 9)),
        "no map": (TOPICS.readings, zlib.compress(msgpack.packb([1, 2]))),
        "other version": (TOPICS.readings, changed(v=2)),
        "column too short": (TOPICS.readings, changed(n=21)),
        "negative seq": (TOPICS.readings, changed(seq=-1)),
        "seq beyond 63 bits": (TOPICS.readings, changed(seq=2**63)),
        "path as run": (TOPICS.readings, changed(run_id="../../etc/passwd")),
        "nul in run": (TOPICS.readings, changed(run_id="a\0b")),
        "kind of another topic": (TOPICS.poses, good),
        "unknown leaf": ("nightstack/v1/site/robot/nonsense", b"1"),
        "climbing site": ("nightstack/v1/../robot/readings", good),
        "run is no JSON": (TOPICS.run, b"{"),
        "run without antennas": (
            TOPICS.run,
            json.dumps({**info, "robot": {"id": "r", "antennas": []}}).encode(),
        ),
        "run of another site": (TOPICS.run, json.dumps({**info, "site": "elsewhere"}).encode()),
        "run with NaN": (TOPICS.run, json.dumps({**info, "x": float("nan")}).encode()),
        "deep JSON": (TOPICS.end, b"[" * 100_000),
        "end of unknown kind": (TOPICS.end, b'{"run_id": "run-1", "batches": {"sheep": 3}}'),
        "end with negative count": (TOPICS.end, b'{"run_id": "run-1", "batches": {"poses": -3}}'),
        "status of no state": (TOPICS.status, b'{"state": "asleep", "run_id": null, "t": 1}'),
        "text that is not UTF-8": (TOPICS.status, b'{"state": "\xff"}'),
    }


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("bad") / "data", None)
    yield made
    made.database.close()


@pytest.mark.parametrize("number, name", list(enumerate(bad_messages())))
def test_a_bad_message_is_put_aside_with_its_reason_and_the_rest_is_stored(shared_world, number, name):
    world = shared_world
    topic, payload = bad_messages()[name]
    good = [(TOPICS.readings, encode_batch(make_batch(f"good-{number}", seq))) for seq in (0, 1)]
    before = len(world.quarantined())
    outcome = world.take(good[0], (topic, payload), good[1])
    assert (outcome.stored, outcome.quarantined) == (2, 1)
    row = world.quarantined()[-1]
    assert len(world.quarantined()) == before + 1
    assert row.topic == topic
    assert row.reason
    assert "\n" not in row.reason
    assert row.size == len(payload)
    assert (world.settings.data / row.file).read_bytes() == payload
    assert (world.settings.data / row.file).resolve().is_relative_to(world.settings.data.resolve())
    assert not (world.settings.data.parent / "etc").exists()


def test_the_same_bad_message_counts_up_and_the_quarantine_stays_bounded(tmp_path):
    world = World(tmp_path, None, quarantine_files=100, quarantine_bytes=50_000)
    for _ in range(3):
        world.take((TOPICS.readings, b"again"))
    (row,) = world.quarantined()
    assert row.times == 3
    world.take(*((TOPICS.readings, b"bad %d" % i) for i in range(500)))
    assert len(world.quarantined()) <= 100 + 64
    files = list((tmp_path / "quarantine").iterdir())
    assert len(files) == len(world.quarantined())
    world.take(*((TOPICS.readings, bytes([i]) * 1000) for i in range(200)))
    assert sum(f.stat().st_size for f in (tmp_path / "quarantine").iterdir()) <= 50_000 + 64 * 1000
    # The newest is kept: it is what somebody is looking for.
    assert world.quarantined()[-1].size == 1000
    world.database.close()


def test_a_message_larger_than_the_whole_quarantine_leaves_only_its_row(tmp_path):
    world = World(tmp_path, None, quarantine_bytes=1000)
    world.take((TOPICS.readings, b"x" * 2000))
    (row,) = world.quarantined()
    assert (row.file, row.size) == (None, 2000)
    world.database.close()


def test_a_transaction_that_fails_stores_nothing_and_moves_no_watermark(world, monkeypatch):
    world.batches(0)
    monkeypatch.setattr("cloud_ingest.store._Group.insert", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        world.batches(1, 2)
    monkeypatch.undo()
    assert world.stored() == [("readings", 0)]
    ((_, ack),) = world.store.acks("run-1")
    assert ack.upto == 0
    assert world.ack(world.batches(1)) == (1, ())
    with world.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1


@pytest.mark.parametrize("arrived", [False, True])
def test_a_commit_that_fails_claims_nothing_and_hides_nothing(world, arrived):
    """The connection breaks in the middle of COMMIT: either the server had done it, or it had not."""
    world.batches(0)
    again = Store(world.database, world.settings)  # nothing of the run is in its memory yet
    for store in (again, world.store):
        world.store = store
        seqs = (1, 2) if store is again else (3, 4)

        def fail(session):
            if arrived:
                session.connection().exec_driver_sql("COMMIT")
            raise OSError("connection lost")

        event.listen(Session, "before_commit", fail)
        try:
            with pytest.raises(OSError, match="connection lost"):
                world.batches(*seqs)
        finally:
            event.remove(Session, "before_commit", fail)
        ((_, ack),) = store.acks("run-1")
        assert ack.upto == (seqs[-1] if arrived else seqs[0] - 1)
        outcome = world.batches(*seqs)
        assert (outcome.stored, outcome.duplicates) == ((0, 2) if arrived else (2, 0))
        assert world.ack(outcome) == (seqs[-1], ())
    assert world.stored() == [("readings", seq) for seq in range(5)]
