"""What HF tags said on former nights is known on the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.known_tags import Remembered
from reports.memory import Memory, MemoryFileError
from reports.night import judge_night
from reports.report import make_report
from stacks.holdings import Holdings
from stacks.tag_data import encode_fixed, identify
from tests.reports.conftest import make_world
from tests.reports.test_tags_tonight import OTHER, OWN, _info, barcode_of, retag

FIRST = datetime(2026, 3, 1, 2, tzinfo=UTC)


class Nights:
    """A library of HF tags that no record knows; each night reads the memories that the test says."""

    def __init__(self, world):
        self.world, self.memory, self.day, self.says = world, None, 0, {}
        for n, epc in enumerate(e for shelf in world.plan.walking_order for e in world.on(shelf.id)):
            barcode = barcode_of(world, epc)
            self.writes(retag(world, epc, f"E00401{n:010X}", record=""), barcode)
        self.uids = sorted(self.says)

    def writes(self, uid, barcode, owner=OWN, **more):
        self.says[uid] = encode_fixed(barcode, owner, **more)

    def barcode(self, uid):
        return identify(uid, memory=self.says[uid]).item_id

    def night(self, read=(), **more):
        """Judge a night on which the memories of some tags are read; all: None."""
        w, heard = self.world, {*self.world.stands, *self.world.strangers}
        read = heard if read is None else heard & set(read)
        said = {uid: identify(uid, memory=self.says[uid], **more) for uid in read}
        at = FIRST + timedelta(days=self.day)
        parts = w.positions(), w.coverage(), w.plan, w.holdings()
        made = judge_night(f"r{self.day}", at, *parts, memory=self.memory, contents=said)
        self.day += 1
        self.memory = Memory.from_bytes(made.memory.to_bytes())
        return made

    def known(self):
        """Copy by tag, as the memory has it."""
        tags = self.memory.tags
        return dict(
            zip((f"{u:016X}" for u in tags.uid.tolist()), self.memory.barcode[tags.row].tolist(), strict=True)
        )


@pytest.fixture
def nights(library):
    return Nights(library)


def said_of(night):
    return [(f.kind, f.barcode) for f in night.findings]


def test_by_the_third_night_missing_books_are_told_though_a_third_of_the_tags_is_read_each_night(build):
    made = Nights(build(bays=8, levels=6, faces=("A", "B"), per_shelf=14))
    rng = np.random.default_rng(4)
    gone = {made.barcode(uid) for uid in rng.choice(made.uids, 14, replace=False).tolist()}
    for uid in [uid for uid in made.uids if made.barcode(uid) in gone]:
        del made.world.stands[uid]
    unread, told = [], []
    for _ in range(3):
        heard = sorted(made.world.stands)
        night = made.night(rng.choice(heard, len(heard) // 3, replace=False).tolist())
        unread.append(night.unread / len(heard))
        assert {f.kind for f in night.findings} <= {"missing"}
        told.append({f.barcode for f in night.findings})
    assert all(lines <= gone for lines in told)
    assert len(told[2]) >= 7
    assert len(told[2]) > len(told[0])
    assert unread == pytest.approx([2 / 3, 4 / 9, 8 / 27], abs=0.03)


def test_a_book_that_vanishes_after_its_tag_was_read_is_told_beside_unread_tags(nights):
    gone = nights.uids[17]
    shelf = nights.world.at(gone)[0]
    beside = [uid for uid in nights.world.on(shelf) if uid != gone][:4]
    read = [uid for uid in nights.uids if uid not in beside]
    nights.night(read)
    del nights.world.stands[gone]
    for _ in range(4):
        night = nights.night()
    assert night.unread == 4
    assert said_of(night) == [("missing", nights.barcode(gone))]
    # Another one, whose tag nobody had read, may be one of the four.
    del nights.world.stands[beside[0]]
    for _ in range(4):
        night = nights.night()
    assert said_of(night) == [("missing", nights.barcode(gone))]


def test_the_first_night_without_a_reading_knows_all_tags_of_the_night_before(nights):
    nights.night(None)
    misplaced = nights.uids[5]
    nights.world.insert(misplaced, "A-03-1", None)
    night = nights.night()
    assert night.unread == 0
    assert said_of(night) == [("wrong_shelf", nights.barcode(misplaced))]


def test_a_tag_read_tonight_as_another_copy_replaces_what_is_known_of_both(nights):
    one, other = nights.uids[3], nights.uids[30]
    mine, theirs = nights.barcode(one), nights.barcode(other)
    nights.night(None)
    # The other copy has lost its tag, and has got the label of the first, whose book is gone.
    place = nights.world.stands.pop(other)
    nights.world.stands[one] = place
    nights.writes(one, theirs)
    nights.night([one])
    assert other not in nights.known()
    assert nights.known()[one] == theirs
    assert mine not in nights.known().values()
    # The old label turns up again: it is an unread tag, and no second book.
    nights.world.strangers[other] = ("A-03-1", 2.6)
    night = nights.night()
    assert night.unread == 1
    assert "duplicate_tag" not in {f.kind for f in night.findings}


@pytest.mark.parametrize(
    "memory",
    [
        bytes(34),
        b"\x12" + encode_fixed("B00003", OWN)[1:],
        b"\xe1\x40" * 17,
        encode_fixed("B00003", OTHER),
        encode_fixed("B00003", OWN, usage=8),
        encode_fixed("nothing of ours", OWN),
    ],
    ids=["blank", "bad CRC", "foreign", "another library's", "patron's card", "unknown item"],
)
def test_what_is_no_copy_is_never_remembered_and_ends_what_was(nights, memory):
    uid = nights.uids[3]
    assert nights.barcode(uid) == "B00003"
    nights.night(None)
    nights.says[uid] = memory
    nights.night([uid])
    assert uid not in nights.known()
    assert len(nights.known()) == 143
    assert nights.night().unread == 1


def test_a_look_that_was_spoiled_makes_no_copy_missing(nights):
    uid = nights.uids[3]
    nights.night(None)
    nights.says[uid] = b"\x12" + nights.says[uid][1:]
    for _ in range(4):
        night = nights.night([uid])
        assert [(f.kind, f.epc) for f in night.findings] == [("unknown_tag", uid)]


def test_records_with_tag_numbers_go_before_what_is_remembered(nights):
    uid, other = nights.uids[3], nights.uids[30]
    mine = nights.barcode(uid)
    nights.night(None)
    # The record has learnt the copy's new tag, which stands there; the old label lies on another shelf.
    new = "E0040100000FFFFF"
    rows = nights.world.rows
    nights.world.rows = [replace(h, epc=new) if h.barcode == mine else h for h in rows]
    nights.world.stands[new] = nights.world.stands.pop(uid)
    nights.world.strangers[uid] = ("A-03-1", 2.6)
    night = nights.night()
    assert said_of(night) == []
    assert night.unread == 1
    # A record that names a tag which said something else before.
    nights.world.strangers.clear()
    theirs = nights.barcode(other)
    nights.world.rows = [replace(h, epc=uid) if h.barcode == theirs else h for h in rows]
    nights.world.stands[uid] = nights.world.stands.pop(other)
    del nights.world.stands[new]
    night = nights.night()
    row = nights.world.holdings().column("barcode").tolist().index(theirs)
    assert night.looks.shelf_id[row] == nights.world.at(uid)[0]
    assert ("wrong_shelf", mine) not in said_of(night)


def test_a_copy_whose_record_names_a_silent_tag_is_not_missing_while_the_one_read_before_is_heard(nights):
    uid = nights.uids[3]
    mine = nights.barcode(uid)
    record = "E0040100000FFFFF"
    nights.world.rows = [replace(h, epc=record) if h.barcode == mine else h for h in nights.world.rows]
    assert said_of(nights.night(None)) == [("unknown_tag", mine)]
    for _ in range(4):
        assert said_of(nights.night()) == []


def test_twins_are_told_on_a_night_that_reads_neither(nights):
    uid = nights.uids[3]
    shelf, at = nights.world.at(uid)
    twin = "E0040100000FFFFF"
    nights.writes(twin, nights.barcode(uid))
    nights.world.strangers[twin] = (shelf, at + 0.01)
    first, second, third = nights.night(None), nights.night(), nights.night([uid])
    assert said_of(first) == said_of(second) == said_of(third)
    assert {kind for kind, _ in said_of(first)} == {"duplicate_tag"}


def test_parts_of_an_item_are_known_as_parts(nights):
    uid = nights.uids[3]
    shelf, at = nights.world.at(uid)
    second = "E0040100000FFFFF"
    barcode = nights.barcode(uid)
    nights.writes(uid, barcode, parts=2, part=1)
    nights.writes(second, barcode, parts=2, part=2)
    nights.world.strangers[second] = (shelf, at + 0.001)
    for read in (None, [], [second], [uid]):
        night = nights.night(read)
        assert (said_of(night), night.unread) == ([], 0)
    assert set(nights.known().values()) >= {barcode}
    assert len(nights.known()) == 145


def test_security_is_not_remembered(nights):
    uid = nights.uids[3]
    w, at = nights.world, FIRST
    said = {u: identify(u, memory=m, afi=0xC2 if u == uid else 0x07) for u, m in nights.says.items()}
    security = {u: c.security for u, c in said.items()}
    parts = w.positions(), w.coverage(), w.plan, w.holdings()
    first = judge_night("r1", at, *parts, contents=said, security=security)
    assert said_of(first) == [("security_off", nights.barcode(uid))]
    again = judge_night("r2", at + timedelta(days=1), *parts, memory=first.memory, contents={}, security={})
    assert said_of(again) == []
    # Its AFI alone was read.
    afi = {uid: identify(uid, afi=0xC2)}
    third = judge_night(
        "r3", at + timedelta(days=2), *parts, memory=again.memory, contents=afi, security={uid: False}
    )
    assert said_of(third) == [("security_off", nights.barcode(uid))]


def test_a_night_older_than_the_memory_is_judged_alone(nights):
    nights.night(None)
    nights.day = -1
    kept = nights.memory
    night = nights.night()
    assert night.remembered is None
    assert np.array_equal(nights.memory.tags.uid, kept.tags.uid)


def test_a_part_of_the_catalogue_does_not_wipe_what_is_known_of_the_rest(nights):
    nights.night(None)
    w = nights.world
    part = Holdings.of(w.rows[:30])
    parts = w.positions(), w.coverage(), w.plan
    said = {nights.uids[100]: identify(nights.uids[100], memory=nights.says[nights.uids[100]])}
    night = judge_night("r1", FIRST + timedelta(days=1), *parts, part, memory=nights.memory, contents=said)
    nights.memory, nights.day = night.memory, 2
    assert len(nights.known()) == 144
    assert nights.night().unread == 0


def test_what_is_known_of_copies_long_gone_is_forgotten_with_them(nights):
    nights.night(None)
    w = nights.world
    left = w.rows[:140]
    barcode = np.array([h.barcode for h in left], object)
    kept = nights.memory.without(barcode, np.array([""] * 140, object), before=FIRST + timedelta(days=900))
    assert (len(kept), len(kept.tags)) == (140, 140)
    assert set(kept.barcode[kept.tags.row]) == set(barcode)


def test_two_copies_of_one_barcode_are_none_that_a_former_night_can_tell(nights):
    uid = nights.uids[3]
    nights.night(None)
    nights.world.rows.append(replace(nights.world.rows[40], barcode=nights.barcode(uid)))
    assert nights.night().unread == 1


def test_a_report_counts_the_copies_known_from_nights_before(nights):
    nights.night(None)
    night, w = nights.night(), nights.world
    assert night.remembered is not None
    known = Remembered.from_bytes(night.remembered.to_bytes())
    parts = {
        "positions": w.positions(), "coverage": w.coverage(), "plan": w.plan, "holdings": w.holdings(),
    }  # fmt: skip
    report = make_report(_info(), **parts, contents={}, remembered=known)
    assert (report.summary.expected, report.summary.expected_heard) == (144, 144)
    assert report.findings == ()


def test_a_file_without_tags_is_read_and_a_spoiled_column_is_refused_in_one_line(nights, tmp_path):
    plain = make_world()
    at, parts = FIRST, (plain.positions(), plain.coverage(), plain.plan, plain.holdings())
    taught = judge_night("r", at, *parts).memory.to_bytes()
    assert "tags" not in pq.read_schema(pa.BufferReader(taught)).names
    assert len(Memory.from_bytes(taught).tags) == 0
    nights.night(None)
    table = pq.read_table(pa.BufferReader(nights.memory.to_bytes()))
    assert table.schema.metadata[b"format"] == b"nightstack-memory/2"
    for wrong in (pa.array(["x"] * 144), pa.array([[{"uid": "x"}]] * 144), pa.array([[1]] * 144)):
        spoiled = table.set_column(table.column_names.index("tags"), "tags", wrong)
        pq.write_table(spoiled, tmp_path / "memory.parquet")
        with pytest.raises(MemoryFileError, match=r"memory\.parquet: column 'tags'") as caught:
            Memory.read(tmp_path / "memory.parquet")
        assert "\n" not in str(caught.value)


def test_more_tags_than_one_block_of_copies_come_back_from_their_file(nights, monkeypatch):
    nights.night(None)
    monkeypatch.setattr("reports.memory._BLOCK", 50)
    back = Memory.from_bytes(nights.memory.to_bytes())
    for name in ("uid", "row", "at", "owner", "part", "parts"):
        np.testing.assert_array_equal(getattr(back.tags, name), getattr(nights.memory.tags, name))
    assert set(back.tags.owner.tolist()) == {OWN}


def test_a_silent_copy_between_two_known_books_is_missing_where_no_unread_tag_stands_between_them(nights):
    shelf = nights.world.on("A-02-2")
    gone, unread = shelf[5], shelf[9]
    del nights.world.stands[gone]
    night = nights.night(set(nights.uids) - {unread})
    assert (said_of(night), night.unread) == ([("missing", nights.barcode(gone))], 1)


def test_a_silent_copy_beside_an_unread_tag_is_not_called_missing(nights):
    shelf = nights.world.on("A-02-2")
    gone, unread = shelf[5], shelf[6]
    del nights.world.stands[gone]
    night = nights.night(set(nights.uids) - {unread})
    assert (said_of(night), night.unread) == ([], 1)


@pytest.mark.parametrize("where", ["A-02-2", "A-03-4"])
def test_a_book_that_stands_wrong_and_was_never_read_is_not_called_missing(nights, where):
    shelf = nights.world.on("A-02-2")
    nights.world.insert(shelf[2], where, nights.world.on(where)[8])
    night = nights.night(set(nights.uids) - {shelf[2]})
    assert (said_of(night), night.unread) == ([], 1)
    # Read once, it is told.
    assert [kind for kind, _ in said_of(nights.night([shelf[2]]))] != []


def test_spoiled_looks_of_a_tag_never_read_make_no_copy_missing(nights):
    uid = nights.uids[3]
    nights.says[uid] = b"\x12" + nights.says[uid][1:]
    assert [(f.kind, f.epc) for f in nights.night(None).findings] == [("unknown_tag", uid)]
