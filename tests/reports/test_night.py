"""Nights one after the other: what was seen of each copy, and missing as a probability over all of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from localization.positions import Positions, write_positions
from reports.memory import COLUMNS, Memory, MemoryFileError
from reports.night import NOT_LOOKED, RIGHT, SILENT, UNSURE, WRONG, judge_night
from reports.policy import Policy
from stacks.holdings import Holdings

START = datetime(2026, 3, 1, 2, tzinfo=UTC)


def judge(world, night=0, memory=None, **more):
    at = START + timedelta(days=night)
    return judge_night(
        f"r{night}",
        at,
        world.positions(),
        world.coverage(),
        world.plan,
        world.holdings(),
        memory=memory,
        **more,
    )


def looked_at(night, epc):
    (row,) = np.flatnonzero(night.looks.epc == epc)
    looks = night.looks
    return looks.what[row], looks.p_missing[row], looks.p_wrong[row], looks.p_heard[row], looks.shelf_id[row]


def kinds(night, barcode):
    return [f.kind for f in night.findings if f.barcode == barcode]


def barcode_of(world, epc):
    return next(h.barcode for h in world.rows if h.epc == epc)


def test_a_night_says_of_every_copy_what_it_saw(library):
    right = library.on("A-01-1")[2]
    wrong, gone, lent, doubtful = (library.on(s)[5] for s in ("A-01-2", "A-01-3", "A-02-1", "A-02-2"))
    unheard = library.on("A-03-1")[4]
    library.insert(wrong, "A-03-4", library.on("A-03-4")[5])
    library.stands.pop(gone)
    library.stands.pop(unheard)
    library.p_heard["A-03-1", 1.8, 2.7] = 0.1
    library.set_status(lent, "loaned")
    library.stands.pop(lent)
    at = library.at(doubtful)
    library.stands[doubtful] = ("A-03-3", 2.2)
    library.doubt[doubtful] = (0.55, at[0], 0.4)
    night = judge(library)
    assert len(night.looks) == len(library.rows)
    what, p_missing, p_wrong, p_heard, shelf = looked_at(night, right)
    assert (what, shelf) == (RIGHT, "A-01-1")
    assert p_wrong < 0.1
    assert np.isnan(p_missing)
    assert p_heard > 0.9
    what, p_missing, p_wrong, _, shelf = looked_at(night, wrong)
    assert (what, shelf) == (WRONG, "A-03-4")
    assert p_wrong > 0.8
    what, p_missing, p_wrong, p_heard, shelf = looked_at(night, gone)
    assert (what, shelf) == (SILENT, "")
    assert p_missing > 0.5
    assert np.isnan(p_wrong)
    assert p_heard > 0.9
    what, p_missing, *_ = looked_at(night, unheard)
    assert what == NOT_LOOKED
    assert np.isnan(p_missing)
    what, p_missing, _, p_heard, _ = looked_at(night, lent)
    assert what == NOT_LOOKED
    assert np.isnan(p_missing)
    assert np.isnan(p_heard)
    unplaced = library.positions()
    row = unplaced.epc.tolist().index(right)
    for column in (unplaced.offset_m, unplaced.x_m, unplaced.y_m, unplaced.z_m):
        column[row] = np.nan
    unplaced.shelf_id[row] = unplaced.face_id[row] = None
    again = judge_night("r", START, unplaced, library.coverage(), library.plan, library.holdings())
    assert looked_at(again, right)[0] == UNSURE


def test_nights_of_silence_tell_a_lost_book_from_one_in_use(library):
    memory = None
    for night in range(8):
        memory = judge(library, night, memory).memory
    epc = library.on("A-02-2")[5]
    stood = library.stands.pop(epc)
    chances = []
    for night in range(8, 13):
        judged = judge(library, night, memory)
        memory = judged.memory
        chances.append(looked_at(judged, epc)[1])
    # A tag that was heard on every night of eight: on the first silent one it is likelier on a reader's table.
    assert chances[0] < 0.5
    assert all(a < b for a, b in itertools.pairwise(chances))
    assert chances[-1] > 0.7
    (line,) = [f for f in judged.findings if f.kind == "missing"]
    assert "Silent for 5 nights in a row" in line.evidence
    assert "heard on 8 nights before" in line.evidence
    library.stands[epc] = stood
    back = judge(library, 13, memory)
    assert looked_at(back, epc)[0] == RIGHT
    assert back.findings == []


def test_a_zone_not_scanned_is_no_list_of_missing_books_and_teaches_nothing(library):
    memory = judge(library).memory
    for epc in library.on("A-02-2"):
        library.stands.pop(epc)
    library.p_heard["A-02-2", 0.9, 1.8] = 0.05
    night = judge(library, 1, memory)
    assert {f.kind for f in night.findings} == {"zone_not_scanned"}
    rows = night.memory.rows_of(night.looks.barcode, night.looks.epc)
    due = np.array([h.home_location == "A-02-2" for h in library.rows])
    former = memory.rows_of(night.looks.barcode, night.looks.epc)
    assert np.array_equal(night.memory.at[rows[due]], memory.at[former[due]])
    assert not night.memory.silent[rows[due]].any()
    assert (night.memory.at[rows[~due]] > memory.at[former[~due]]).all()


def test_a_tag_that_is_silent_now_and_then_is_weak_and_not_missing(library):
    weak, steady = library.on("A-02-2")[5], library.on("A-02-3")[5]
    stood, memory = library.at(weak), None
    for night in range(9):
        if night % 3 == 2:
            library.stands.pop(weak)
        else:
            library.stands[weak] = stood
        memory = judge(library, night, memory).memory
    library.stands.pop(weak, None)
    library.stands.pop(steady)
    last = judge(library, 9, memory)
    assert looked_at(last, weak)[1] < 0.1
    assert looked_at(last, weak)[3] < looked_at(last, steady)[3]
    assert looked_at(last, steady)[1] > looked_at(last, weak)[1]


def test_a_dead_tag_staff_found_is_to_be_retagged_and_never_missing(library):
    epc = library.on("A-02-2")[5]
    barcode, stood, memory = barcode_of(library, epc), library.stands.pop(epc), None
    first = judge(library)
    assert kinds(first, barcode) == ["missing"]
    memory = first.memory
    for night in range(1, 4):
        judged = judge(library, night, memory, retag={barcode})
        memory = judged.memory
        assert kinds(judged, barcode) == ["dead_tag"]
        assert looked_at(judged, epc)[1] < 0.05
    library.stands[epc] = stood
    judged = judge(library, 4, memory, retag={barcode})
    assert kinds(judged, barcode) == []
    assert looked_at(judged, epc)[0] == RIGHT


def test_a_copy_without_a_tag_is_never_missing(library):
    epc = library.on("A-02-2")[5]
    library.stands.pop(epc)
    library.change(epc, extra={"tagged": "no"})
    night = judge(library)
    assert night.findings == []
    assert looked_at(night, epc)[0] == NOT_LOOKED


def test_a_book_last_heard_on_another_shelf_is_not_missing_while_that_one_is_not_scanned(library):
    epc = library.on("A-01-1")[5]
    library.insert(epc, "A-03-4", library.on("A-03-4")[5])
    memory = judge(library).memory
    for other in [*library.on("A-03-4")]:
        library.stands.pop(other)
    library.p_heard["A-03-4", 1.8, 2.7] = 0.05
    night = judge(library, 1, memory)
    assert {f.kind for f in night.findings} == {"zone_not_scanned"}
    assert looked_at(night, epc)[0] == NOT_LOOKED


def test_two_nights_of_doubt_make_an_accusation_one_does_not(library):
    epc = library.on("A-01-1")[5]
    home = library.at(epc)
    library.stands[epc] = ("A-03-4", 2.25)
    library.doubt[epc] = (0.965, home[0], 0.034)
    chances, memory = [], None
    for night in range(4):
        judged = judge(library, night, memory)
        memory = judged.memory
        chances.append(looked_at(judged, epc)[2])
    assert all(a < b for a, b in itertools.pairwise(chances))
    assert chances[1] - chances[0] < 0.2
    library.stands[epc] = ("A-02-4", 1.25)
    elsewhere = judge(library, 4, memory)
    # Moved since: what was said of the other place says nothing of this one.
    assert looked_at(elsewhere, epc)[2] <= chances[0] + 0.02


def test_a_new_tag_begins_anew(library):
    epc = library.on("A-02-2")[5]
    library.stands.pop(epc)
    memory = None
    for night in range(4):
        memory = judge(library, night, memory).memory
    assert memory.silent.max() == 4
    library.change(epc, epc="30AA00000000000000000001")
    assert judge(library, 4, memory).memory.silent.max() == 1


def test_what_is_known_to_be_missing_does_not_make_a_shelf_deaf(build):
    world = build(per_shelf=12)
    memory = judge(world).memory
    for night in range(1, 8):
        # One book more of a shelf goes every night: by the end more than half of it.
        world.stands.pop(world.on("A-02-2")[0])
        judged = judge(world, 3 * night, memory)
        memory = judged.memory
        assert not [f for f in judged.findings if f.kind == "zone_not_scanned"], night
    assert sum(f.kind == "missing" for f in judged.findings) >= 5


def test_memory_comes_back_from_its_file_and_a_spoiled_one_is_refused_in_one_line(library, tmp_path):
    library.stands.pop(library.on("A-02-2")[5])
    memory = judge(library).memory
    back = Memory.from_bytes(memory.to_bytes())
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(back, name), getattr(memory, name))
    file = memory.to_parquet(tmp_path / "memory.parquet")
    assert len(Memory.read(file)) == len(memory)
    assert len(Memory.read(tmp_path / "none.parquet")) == 0
    file.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(MemoryFileError, match=r"memory\.parquet: no readable Parquet") as caught:
        Memory.read(file)
    assert "\n" not in str(caught.value)
    other = tmp_path / "positions.parquet"
    write_positions(other, Positions.empty(1))
    with pytest.raises(MemoryFileError, match="format"):
        Memory.read(other)


def test_a_part_of_the_catalogue_does_not_wipe_what_is_remembered_of_the_rest(library):
    memory = judge(library).memory
    part = Holdings.of(library.rows[:30])
    at = START + timedelta(days=1)
    night = judge_night("r1", at, library.positions(), library.coverage(), library.plan, part, memory=memory)
    assert sorted(night.memory.barcode) == sorted(memory.barcode)
    after = judge(library, 2, night.memory)
    rows = after.memory.rows_of(after.looks.barcode, after.looks.epc)
    assert after.memory.heard[rows[0]] == 3
    assert after.memory.heard[rows[100]] == 2


def nights_of(world, rng, *, nights, gone, dead, lost, used, policy):
    """Yield for every night what was said of the silent copies, and which of them are gone."""
    holdings, coverage, places = world.holdings(), world.coverage(), world.positions()
    epcs = np.array([h.epc for h in holdings.rows], object)
    row = {e: i for i, e in enumerate(places.epc.tolist())}
    at = np.array([row[e] for e in epcs])
    n = len(epcs)
    silent_here = np.where(rng.random(n) < 0.01, rng.uniform(0.1, 0.6, n), 0.003)
    taken = rng.random(n) < gone
    broken = ~taken & (rng.random(n) < dead)
    away = ~taken & (rng.random(n) < used)
    memory = None
    for night in range(nights):
        if night:
            taken |= rng.random(n) < lost
            away = np.where(
                away, rng.random(n) > policy.back_per_day, rng.random(n) < used * policy.back_per_day
            )
        here = ~taken & ~broken & ~away & (rng.random(n) > silent_here)
        heard = places.select(np.sort(at[here]))
        heard = replace(heard, readings=rng.poisson(14, len(heard)) + 1)
        when = START + timedelta(days=night)
        judged = judge_night(
            "r", when, heard, coverage, world.plan, holdings, memory=memory, policy=policy
        )  # fmt: skip
        memory = judged.memory
        quiet = judged.looks.what == SILENT
        yield night, judged.looks.p_missing[quiet], taken[quiet]


def test_chances_to_be_missing_are_honest_over_nights(build):
    policy = Policy(lost_per_day=0.001, used_share=0.003)
    said, true = [], []
    for seed in range(3):
        world = build(bays=15, faces=("A", "B"), per_shelf=20)
        rng = np.random.default_rng(seed)
        made = nights_of(world, rng, nights=7, gone=0.05, dead=0.003, lost=0.001, used=0.003, policy=policy)
        for night, chance, gone in made:
            if night >= 2:
                said.append(chance)
                true.append(gone)
    p, g = np.concatenate(said), np.concatenate(true)
    sure = p >= 0.9
    assert sure.sum() > 1000
    # Dead tags look the same for ever: no night says more than this.
    assert abs(p[sure].mean() - g[sure].mean()) < 0.03
    unlikely = p < 0.2
    assert unlikely.sum() > 50
    assert g[unlikely].mean() < 0.2
    assert np.mean((p - g) ** 2) < 0.6 * np.mean((g.mean() - g) ** 2)


def test_a_book_returned_the_evening_before_may_wait_on_a_trolley(library):
    back, long_ago, gone = (library.on(s)[5] for s in ("A-01-1", "A-02-2", "A-03-3"))
    for epc, seen in ((back, START - timedelta(hours=5)), (long_ago, START - timedelta(days=60))):
        library.change(epc, extra={"last_activity": f"{seen:%Y-%m-%dT%H:%M:%SZ}"})
    for epc in (back, long_ago, gone):
        library.stands.pop(epc)
    first = judge(library)
    p = {epc: looked_at(first, epc)[1] for epc in (back, long_ago, gone)}
    assert p[back] < 0.2
    assert p[long_ago] == pytest.approx(p[gone], abs=0.02)
    assert kinds(first, barcode_of(library, back)) == []
    assert kinds(first, barcode_of(library, gone)) == ["missing"]
    night, chances = first, [p[back]]
    for n in range(1, 8):
        night = judge(library, n, night.memory)
        chances.append(looked_at(night, back)[1])
    assert chances == sorted(chances), "the longer it does not come, the likelier it is gone"
    assert chances[-1] > 0.5


def test_a_missing_book_that_was_returned_since_is_not_missing(library):
    epc = library.on("A-01-1")[5]
    library.stands.pop(epc)
    night = judge(library)
    for n in (1, 2, 3):
        night = judge(library, n, night.memory)
    assert looked_at(night, epc)[1] > 0.85
    seen = START + timedelta(days=3, hours=12)
    library.change(epc, extra={"last_activity": f"{seen:%Y-%m-%dT%H:%M:%SZ}"})
    assert looked_at(judge(library, 4, night.memory), epc)[1] < 0.5
    library.change(epc, extra={"last_activity": "yesterday"})
    assert looked_at(judge(library, 4, night.memory), epc)[1] > 0.85
