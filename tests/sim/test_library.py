from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.call_numbers import draw_call_numbers
from sim.errors import SimError
from sim.library import Library, load_library, load_mounts, make_library
from sim.trouble import TroubleRates
from stacks.call_numbers import ShelfRanges, sort_key


@pytest.mark.parametrize("scheme", ["lcc", "ddc"])
def test_call_numbers_are_drawn_in_the_order_in_which_stacks_sorts_them(scheme: str) -> None:
    drawn = draw_call_numbers(np.random.default_rng(5), 3000, scheme)
    keys = [sort_key(scheme, number) for number in drawn]
    assert None not in keys
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_two_thousand_books_fill_ten_to_eleven_metres_of_face() -> None:
    made = make_library(2000, seed=3)
    assert 10.0 <= sum(face.length_m for face in made.faces()) <= 11.0
    normals = {face.normal_deg for face in made.faces()}
    assert normals == {90.0, -90.0}
    for _, shelf in made.shelves():
        assert 0.3 <= shelf.clear_m <= 0.33


def test_books_stand_side_by_side_inside_their_shelf(library: Library) -> None:
    tags = library.tags
    faces, shelves = library.faces(), library.shelves()
    widths: list[float] = []
    for s, (f, shelf) in enumerate(shelves):
        mine = np.flatnonzero((tags.shelf == s) & ~tags.label)
        offsets = tags.offset_m[mine]
        assert np.all(np.diff(offsets) > 0.001)
        assert np.all((offsets > shelf.from_m) & (offsets < shelf.to_m))
        z = tags.place_m[mine, 2]
        assert np.all((z > shelf.board_z_m) & (z < shelf.board_z_m + shelf.clear_m))
        along, depth = faces[f].to_face(tags.place_m[mine, 0], tags.place_m[mine, 1])
        assert along == pytest.approx(offsets, abs=1e-9)
        assert np.all((depth > 0.0) & (depth < 0.06))
        widths.extend(np.diff(offsets).tolist())
    assert 0.019 < float(np.median(widths)) < 0.027


def test_what_is_not_planted_stands_in_shelving_order_on_its_home_shelf(library: Library) -> None:
    planted = {
        row.epc for row in library.planted if row.kind in ("wrong_shelf", "wrong_order", "unknown_tag")
    }
    by_epc = {row.epc: row for row in library.holdings}
    shelves = library.shelves()
    ranges = ShelfRanges(library.plan, "lcc")
    keys: dict[int, list[bytes]] = {}
    for epc, s, label in zip(
        library.tags.epc, library.tags.shelf.tolist(), library.tags.label.tolist(), strict=True
    ):
        if label or epc in planted:
            continue
        holding = by_epc[epc]
        assert holding.home_location == shelves[s][1].id
        home = ranges.home(holding.call_number)
        assert home is not None
        assert home.id == holding.home_location
        key = sort_key("lcc", holding.call_number)
        assert key is not None
        keys.setdefault(s, []).append(key)
    assert keys
    for row in keys.values():
        assert row == sorted(row)


def test_every_kind_of_trouble_is_planted_as_said() -> None:
    rates = TroubleRates(near=0.03, far=0.02, missing=0.02, on_loan=0.1, on_shelf_loaned=0.01, unknown=0.01)
    made = make_library(1000, seed=8, rates=rates)
    counts = Counter(row.kind for row in made.planted)
    assert counts == {
        "wrong_order": 30,
        "wrong_shelf": 20,
        "missing": 20,
        "on_shelf_loaned": 10,
        "unknown_tag": 10,
    }
    there = {
        epc: made.shelves()[s][1].id for epc, s in zip(made.tags.epc, made.tags.shelf.tolist(), strict=True)
    }
    catalogue = {row.epc: row for row in made.holdings}
    order = {shelf.id: n for n, (_, shelf) in enumerate(made.shelves())}
    for row in made.planted:
        if row.kind == "missing":
            assert row.epc not in there
            assert catalogue[row.epc].status == "available"
            continue
        assert there[row.epc] == row.shelf
        if row.kind == "unknown_tag":
            assert row.epc not in catalogue
            continue
        assert catalogue[row.epc].barcode == row.barcode
        assert catalogue[row.epc].home_location == row.belongs
        if row.kind == "wrong_shelf":
            assert abs(order[row.shelf] - order[row.belongs]) >= 2
        else:
            assert row.shelf == row.belongs
        assert catalogue[row.epc].status == ("loaned" if row.kind == "on_shelf_loaned" else "available")
    lent = [row for row in made.holdings if row.status == "loaned" and row.epc not in there]
    assert len(lent) == 100


def test_a_book_moved_on_its_shelf_has_passed_three_or_more(library: Library) -> None:
    order = {row.epc: n for n, row in enumerate(library.holdings)}
    moved = {row.epc for row in library.planted if row.kind == "wrong_order"}
    elsewhere = {row.epc for row in library.planted if row.kind == "wrong_shelf"}
    assert moved
    for epc in moved:
        i = library.tags.epc.index(epc)
        row = [
            order[other]
            for other, s in zip(library.tags.epc, library.tags.shelf.tolist(), strict=True)
            if s == library.tags.shelf[i]
            and other in order
            and other not in elsewhere
            and (other == epc or other not in moved)
        ]
        at = row.index(order[epc])
        assert (
            abs(at - sorted(row).index(order[epc])) >= 2
        )  # three places, less another moved book in between


def test_a_library_comes_back_from_its_folder_as_it_was(library: Library, tmp_path: Path) -> None:
    library.save(tmp_path)
    again = load_library(tmp_path)
    assert again.plan == library.plan
    assert again.tags.epc == library.tags.epc
    assert np.array_equal(again.tags.place_m, library.tags.place_m)
    assert np.array_equal(again.tags.label, library.tags.label)
    assert again.planted == library.planted
    assert [row.barcode for row in again.holdings] == [row.barcode for row in library.holdings]
    assert (again.radio, again.seed, again.robot) == (library.radio, library.seed, library.robot)
    assert load_mounts(tmp_path) == library.robot.mounts
    with (tmp_path / "planted.csv").open(encoding="utf-8") as file:
        assert {"kind", "epc", "barcode", "shelf", "belongs"} <= set(csv.DictReader(file).fieldnames or ())


def test_the_same_seed_makes_the_same_library_and_another_seed_another() -> None:
    a, b, c = make_library(200, 4), make_library(200, 4), make_library(200, 5)
    assert a.tags.epc == b.tags.epc
    assert np.array_equal(a.tags.place_m, b.tags.place_m)
    assert a.planted == b.planted
    assert a.tags.epc != c.tags.epc


@pytest.mark.parametrize("books", [1, 7, 40])
def test_small_libraries_work(books: int, tmp_path: Path) -> None:
    made = make_library(books, seed=2)
    made.save(tmp_path)
    assert len(load_library(tmp_path).holdings) == books


def test_a_large_library_spreads_over_floors() -> None:
    made = make_library(40_000, seed=1)
    assert len(made.plan.floors) > 1
    assert sum(face.length_m for face in made.faces()) == pytest.approx(40_000 / 2000 * 10.6, rel=0.05)


def test_wrong_arguments_and_folders_are_named(library: Library, tmp_path: Path) -> None:
    with pytest.raises(SimError, match="0 books"):
        make_library(0)
    with pytest.raises(SimError, match="no radio preset 'quiet'; there are easy"):
        make_library(10, radio="quiet")
    with pytest.raises(SimError, match=r"far is -0\.1"):
        TroubleRates(far=-0.1)
    with pytest.raises(SimError, match=r"plan\.json is missing"):
        load_library(tmp_path)
    library.save(tmp_path)
    text = json.loads((tmp_path / "radio.json").read_text())
    text["parameters"]["coupling"] = "much"
    (tmp_path / "radio.json").write_text(json.dumps(text))
    with pytest.raises(SimError, match="coupling is 'much'"):
        load_library(tmp_path)
    library.save(tmp_path)
    robot = json.loads((tmp_path / "robot.json").read_text())
    robot["mounts"][0]["position_m"] = [0, 1]
    (tmp_path / "robot.json").write_text(json.dumps(robot))
    with pytest.raises(SimError, match=r"robot\.json.*position_m"):
        load_library(tmp_path)
    assert replace(library, seed=1).seed == 1
