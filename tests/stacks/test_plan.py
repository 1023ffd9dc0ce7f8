"""The plan: what it refuses, and how its coordinates hang together."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.plan import Face, Plan, PlanError, read_plan, write_plan


def shelf(name: str, level: int, start: float = 0.0, end: float = 1.0, **more: Any) -> dict[str, Any]:
    place = {
        "bay": "1",
        "level": level,
        "from_m": start,
        "to_m": end,
        "board_z_m": 0.3 * level,
        "clear_m": 0.28,
    }
    return {"id": name} | place | more


def plan_json() -> dict[str, Any]:
    shelves = [shelf("a1", 1, range_start="QA 1", sequence=1), shelf("a2", 2, sequence=2, tag="e280")]
    shelves += [shelf("b1", 1, 1.0, 2.0, bay="2"), shelf("b2", 2, 1.0, 2.0, bay="2", colour="red")]
    face = {"id": "A", "origin_m": [3.0, 1.0], "direction_deg": 180, "normal_deg": 90, "length_m": 2.0}
    other = {
        "id": "B",
        "origin_m": [0, 2],
        "direction_deg": 0,
        "normal_deg": 270,
        "length_m": 3,
        "tag_depth_m": 0,
    }
    floor = {"id": "1", "faces": [face | {"tag_depth_m": 0.1, "shelves": shelves}, other | {"shelves": []}]}
    return {"format": "nightstack-plan/1", "site": "main", "version": 3, "floors": [floor], "surveyor": "Ada"}


def put(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same object with the value at a path replaced; Ellipsis takes it away."""
    made = copy.deepcopy(obj)
    keys: list[Any] = [int(key) if key.isdigit() else key for key in path.split(".")]
    place: Any = made
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return made


FACE = "floors.0.faces.0"
SHELF = f"{FACE}.shelves"
WRONG = [
    ("format", "nightstack-plan/2", "format"),
    ("format", ..., "format"),
    ("site", 7, "site"),
    ("version", -1, "version"),
    ("version", True, "version"),
    ("floors", {}, "floors"),
    ("floors", [], "floors"),
    ("floors.0", 3, "floors[0]"),
    ("floors.0.id", "", "floors[0].id"),
    ("floors.0.faces.1.id", "A", "floors[0].faces[1].id"),
    (f"{FACE}.origin_m", [1], "floors[0].faces[0].origin_m"),
    (f"{FACE}.origin_m", [1, None], "floors[0].faces[0].origin_m[1]"),
    (f"{FACE}.length_m", 0, "floors[0].faces[0].length_m"),
    (f"{FACE}.length_m", -2, "floors[0].faces[0].length_m"),
    (f"{FACE}.length_m", True, "floors[0].faces[0].length_m"),
    (f"{FACE}.length_m", 10**400, "floors[0].faces[0].length_m"),
    (f"{FACE}.direction_deg", 0, "floors[0].faces[0].direction_deg runs right to left"),
    (f"{FACE}.direction_deg", 90, "floors[0].faces[0].direction_deg"),
    (f"{FACE}.normal_deg", "north", "floors[0].faces[0].normal_deg"),
    (f"{FACE}.shelves", ..., "floors[0].faces[0].shelves"),
    (f"{SHELF}.1.id", "a1", "floors[0].faces[0].shelves[1].id"),
    (f"{SHELF}.0.level", 0, "floors[0].faces[0].shelves[0].level"),
    (f"{SHELF}.0.level", 1.5, "floors[0].faces[0].shelves[0].level"),
    (f"{SHELF}.0.from_m", -0.1, "floors[0].faces[0].shelves[0].from_m"),
    (f"{SHELF}.2.to_m", 2.1, "floors[0].faces[0].shelves[2].to_m"),
    (f"{SHELF}.0.to_m", 0.0, "floors[0].faces[0].shelves[0].to_m"),
    (f"{SHELF}.2.from_m", 0.9, "floors[0].faces[0].shelves[2].from_m"),
    (f"{SHELF}.1.board_z_m", 0.2, "floors[0].faces[0].shelves[1].board_z_m"),
    (f"{SHELF}.0.board_z_m", -0.2, "floors[0].faces[0].shelves[0].board_z_m"),
    (f"{SHELF}.0.clear_m", 0.31, "floors[0].faces[0].shelves[0].clear_m"),
    (f"{SHELF}.0.clear_m", 0, "floors[0].faces[0].shelves[0].clear_m"),
    (f"{SHELF}.0.bay", None, "floors[0].faces[0].shelves[0].bay"),
    (f"{SHELF}.0.range_start", 5, "floors[0].faces[0].shelves[0].range_start"),
    (f"{SHELF}.0.sequence", 2, "floors[0].faces[0].shelves[1].sequence"),
    (f"{SHELF}.0.sequence", "1", "floors[0].faces[0].shelves[0].sequence"),
    (f"{SHELF}.0.tag", "E28", "floors[0].faces[0].shelves[0].tag"),
    (f"{SHELF}.0.tag", "E280", "floors[0].faces[0].shelves[1].tag"),
]


@pytest.mark.parametrize(("path", "value", "where"), WRONG, ids=[f"{p}={v!r}"[:60] for p, v, _ in WRONG])
def test_a_wrong_plan_is_refused_in_one_line_that_names_the_place(path: str, value: Any, where: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.from_json(put(plan_json(), path, value), "some.json")
    assert str(caught.value).startswith(f"some.json: {where}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"\xff\xfe", "UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"format": "a", "format": "b"}', "twice"),
        (b'{"format": NaN}', "NaN"),
        (b"[" * 200_000, "JSON"),
        (b'{"format": 1' + b"0" * 5000 + b"}", "JSON"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(data)
    with pytest.raises(PlanError, match=what) as caught:
        read_plan(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_plan_and_a_folder_in_its_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="is missing"):
        read_plan(tmp_path / "plan.json")
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(PlanError, match=r"plan\.json"):
        read_plan(tmp_path)


def test_what_is_written_is_read_again_with_all_it_had(tmp_path: Path) -> None:
    plan = Plan.from_json(plan_json())
    write_plan(tmp_path / "plan.json", plan)
    again = read_plan(tmp_path)
    assert again == plan
    obj = json.loads((tmp_path / "plan.json").read_text())
    assert obj["surveyor"] == "Ada"
    assert obj["floors"][0]["faces"][0]["shelves"][3]["colour"] == "red"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_an_older_plan_stays_where_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    (tmp_path / "plan.json" / "in the way").touch()
    with pytest.raises(PlanError, match="cannot be written"):
        write_plan(tmp_path / "plan.json", Plan.from_json(plan_json()))
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_faces_and_shelves_are_found_by_name() -> None:
    plan = Plan.from_json(plan_json())
    assert [face.id for face in plan.faces] == ["A", "B"]
    face, found = plan.shelf("b2")
    assert (face.id, found.bay, found.level, plan.floor_of("B").id) == ("A", "2", 2, "1")
    assert plan.shelf("a2")[1].tag == "E280"
    with pytest.raises(KeyError, match="nowhere"):
        plan.shelf("nowhere")
    with pytest.raises(KeyError, match="nowhere"):
        plan.face("nowhere")


def test_walking_order_goes_bay_by_bay_and_from_the_top_down() -> None:
    obj = plan_json()
    obj["floors"][0]["faces"][0]["shelves"].reverse()
    assert [s.id for s in Plan.from_json(obj).walking_order] == ["a2", "a1", "b2", "b1"]


def test_left_is_left_for_a_person_in_the_aisle() -> None:
    # Standing north of a face that looks north, one looks south: left is east, and offsets grow westward.
    face = Plan.from_json(plan_json()).face("A")
    x, y = face.to_map([0.0, 2.0], 0.0)
    assert x.tolist() == [3.0, 1.0]
    assert y.tolist() == [1.0, 1.0]
    x, y = face.to_map(0.5)
    assert (float(x), float(y)) == pytest.approx(
        (2.5, 0.9)
    )  # the tag's depth lies behind the face, southward
    offset, depth = face.to_face(2.5, 3.0)
    assert (float(offset), float(depth)) == (0.5, -2.0)  # two metres out in the aisle


@given(
    normal=st.floats(-720, 720),
    origin=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    places=st.lists(st.tuples(st.floats(-100, 100), st.floats(-10, 10)), min_size=1, max_size=20),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_map_and_face_coordinates_are_inverse(
    normal: float, origin: tuple[float, float], places: list[tuple[float, float]]
) -> None:
    face = Face("F", origin, normal + 90.0, normal, 100.0, 0.0, ())
    offset, depth = np.array(places).T
    x, y = face.to_map(offset, depth)
    back = face.to_face(x, y)
    np.testing.assert_allclose(back, (offset, depth), atol=1e-9)
    again = face.to_map(*back)
    np.testing.assert_allclose(again, (x, y), atol=1e-9)
    # Distances are kept, and the normal points away from growing depth.
    np.testing.assert_allclose(np.hypot(x - origin[0], y - origin[1]), np.hypot(offset, depth), atol=1e-9)
    ahead = face.to_map(0.0, -1.0)
    facing = math.atan2(float(ahead[1]) - origin[1], float(ahead[0]) - origin[0])
    assert math.cos(facing - math.radians(normal)) == pytest.approx(1.0, abs=1e-9)


def test_shelf_at_a_place() -> None:
    face = Plan.from_json(plan_json()).face("A")
    offsets = [0.5, 0.5, 1.0, 2.0, 2.01, -0.01, 0.5, 0.5, math.nan]
    heights = [0.35, 0.65, 0.35, 0.60, 0.35, 0.35, 0.59, 0.1, 0.35]
    assert face.shelf_at(offsets, heights).tolist() == [0, 1, 2, 3, -1, -1, -1, -1, -1]
    assert face.shelf_at(0.5, [[0.35, 0.65]]).tolist() == [[0, 1]]
    assert Plan.from_json(plan_json()).face("B").shelf_at([1.0], [1.0]).tolist() == [-1]


@given(offset=st.floats(-1, 3), z=st.floats(-0.5, 1.5))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_place_is_on_one_shelf_at_most_and_inside_it(offset: float, z: float) -> None:
    face = Plan.from_json(plan_json()).face("A")
    index = int(face.shelf_at(offset, z))
    holding = [
        i
        for i, s in enumerate(face.shelves)
        if s.from_m <= offset <= s.to_m and s.board_z_m <= z < s.board_z_m + s.clear_m
    ]
    assert index == (holding[-1] if holding else -1)


def test_boards_of_another_bay_do_not_bind() -> None:
    obj = put(plan_json(), f"{SHELF}.3.board_z_m", 0.9)
    assert Plan.from_json(obj).shelf("b2")[1].board_z_m == 0.9


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(data=_ANYTHING, path=st.sampled_from([p for p, _, _ in WRONG]))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_value_in_any_place_is_taken_or_refused(data: Any, path: str) -> None:
    try:
        plan = Plan.from_json(put(plan_json(), path, data))
    except PlanError as e:
        assert "\n" not in str(e)
    else:
        assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_label_may_say_where_it_hangs() -> None:
    said = put(put(plan_json(), f"{SHELF}.1.tag_offset_m", 0.03), f"{SHELF}.1.tag_z_m", 0.585)
    plan = Plan.from_json(said)
    shelf = plan.shelf("a2")[1]
    assert (shelf.tag, shelf.tag_offset_m, shelf.tag_z_m) == ("E280", 0.03, 0.585)
    assert plan.shelf("a1")[1].tag_offset_m is None
    assert Plan.from_json(plan.to_json()) == plan
    assert "tag_offset_m" not in plan.to_json()["floors"][0]["faces"][0]["shelves"][0]


@pytest.mark.parametrize(
    ("key", "value"), [("tag_offset_m", 1.5), ("tag_offset_m", "left"), ("tag_z_m", -0.1)]
)
def test_a_label_beside_its_shelf_is_refused(key: str, value: object) -> None:
    with pytest.raises(PlanError, match=key):
        Plan.from_json(put(plan_json(), f"{SHELF}.1.{key}", value))
