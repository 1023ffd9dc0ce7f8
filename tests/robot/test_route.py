"""The route: the face on the antennas' side, past both ends, and transfers that cross no bookcase."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording import AntennaMount
from robot.errors import ConfigError
from robot.paths import Shelving
from robot.route import build_route
from robot.settings import RouteTable
from stacks.plan import Face, Floor, Plan


def face(name: str, x: float, y: float, direction: float, length: float = 4.0) -> Face:
    return Face(name, (x, y), direction, direction - 90.0, length, 0.03, ())


def rows(count: int) -> Plan:
    """Rows of double-faced bookcases along x, 0.5 m deep, with aisles of 1.5 m."""
    faces: list[Face] = []
    for row in range(count):
        faces += [face(f"{row}S", 0.0, 2.0 * row, 0.0), face(f"{row}N", 4.0, 2.0 * row + 0.5, 180.0)]
    return Plan("site", "1", (Floor("1", tuple(faces)),))


def mount(yaw_deg: float) -> AntennaMount:
    return AntennaMount(1, "uhf", 1, "gen2", (0.0, 0.0, 1.0), (yaw_deg, 0.0))


def table(**values: object) -> RouteTable:
    return RouteTable.model_validate(values)


@given(
    st.floats(-180, 180),
    st.sampled_from([-90.0, 90.0, -60.0, 120.0]),
    st.integers(1, 4),
    st.floats(0.3, 1.0),
    st.floats(0.3, 2.0),
)
@settings(max_examples=60)
def test_the_antennas_look_at_the_face_all_along(
    direction: float, yaw_deg: float, passes: int, overrun_m: float, standoff_m: float
):
    plan = Plan("site", "1", (Floor("1", (face("F", 3.0, -2.0, direction),)),))
    route = build_route(
        plan, table(passes=passes, overrun_m=overrun_m, standoff_m=standoff_m), [mount(yaw_deg)]
    )
    assert len(route.legs) == passes
    (target,) = plan.floors[0].faces
    for before, leg in zip((None, *route.legs), route.legs, strict=False):
        assert leg.length_m == pytest.approx(4.0 + 2 * overrun_m, abs=1e-4)
        offsets, depths = target.to_face(*np.array([leg.start_m, leg.end_m]).T)
        assert sorted(offsets) == pytest.approx([-overrun_m, 4.0 + overrun_m], abs=1e-4)
        assert depths == pytest.approx([-standoff_m] * 2, abs=1e-4)
        # The boresight, turned into the map, points into the face.
        look = leg.yaw_rad + math.radians(yaw_deg)
        into = math.radians(target.normal_deg) + math.pi
        assert math.cos(look - into) > 0.8
        # The robot looks along the way it drives, or away from it in reverse.
        way = math.atan2(leg.end_m[1] - leg.start_m[1], leg.end_m[0] - leg.start_m[0])
        assert math.cos(way - leg.yaw_rad) == pytest.approx(-1.0 if leg.reverse else 1.0, abs=1e-6)
        if before is not None:
            assert before.end_m == leg.start_m


def test_faces_are_driven_in_the_order_asked_for():
    route = build_route(rows(3), table(faces=("2N", "0S"), passes=1), [mount(-90)])
    assert [leg.face_id for leg in route.legs] == ["2N", "0S"]
    every = build_route(rows(3), table(passes=1), [mount(-90)])
    assert sorted({leg.face_id for leg in every.legs}) == sorted(f.id for f in rows(3).floors[0].faces)
    assert every.key != route.key
    assert every.key == build_route(rows(3), table(passes=1, speed_mps=0.1), [mount(-90)]).key


def test_the_share_done_grows_from_nothing_to_all():
    route = build_route(rows(2), table(passes=2), [mount(90)])
    shares = [route.share(leg, done) for leg in range(len(route.legs)) for done in (0.0, 2.5, 5.0)]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert route.share(len(route.legs), 0.0) == 1.0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"faces": ("00S",)}, "no face '00S' on floor 1; did you mean 0S"),
        ({"floor": "7"}, "no faces on floor '7'; the plan has 1"),
        ({"side": "auto"}, "look neither left nor right"),
    ],
)
def test_what_does_not_fit_the_plan_is_said(values: dict[str, object], says: str):
    with pytest.raises(ConfigError, match=says):
        build_route(rows(2), table(**values), [mount(0.0 if "side" in values else -90.0)])


def test_a_plan_of_several_floors_needs_a_choice():
    floors = (Floor("1", (face("A", 0, 0, 0),)), Floor("2", (face("B", 0, 0, 0),)), Floor("3", ()))
    plan = Plan("site", "1", floors)
    with pytest.raises(ConfigError, match="floors 1, 2"):
        build_route(plan, table(), [mount(90)])
    assert build_route(plan, table(floor="2"), [mount(90)]).floor_id == "2"
    assert build_route(plan, table(faces=("B",)), [mount(90)]).floor_id == "2"
    with pytest.raises(ConfigError, match="no face"):
        build_route(Plan("site", "1", (Floor("1", ()),)), table(), [mount(90)])


def crossed(faces: tuple[Face, ...], a: tuple[float, float], b: tuple[float, float], depth_m: float) -> bool:
    """Whether a straight way enters a bookcase: points along it, judged by the plan's own coordinates."""
    share = np.linspace(0, 1, 400)
    x, y = a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
    for one in faces:
        offset, depth = one.to_face(x, y)
        if np.any((offset > 0) & (offset < one.length_m) & (depth > 0) & (depth < depth_m)):
            return True
    return False


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_ways_go_round_the_bookcases(data: st.DataObject):
    faces = rows(4).floors[0].faces
    aisle = st.tuples(st.floats(-0.9, 4.9), st.sampled_from([-0.7, 1.25, 3.25, 5.25, 7.2]))
    start, goal = data.draw(aisle), data.draw(aisle)
    way = Shelving(faces, 0.25).way(start, goal, 0.3)
    assert way is not None
    assert way[-1] == pytest.approx(goal)
    for a, b in zip((start, *way), way, strict=False):
        assert not crossed(faces, a, b, 0.25)
    # Not longer than round the nearer end by right angles.
    length = sum(math.dist(a, b) for a, b in zip((start, *way), way, strict=False))
    around = min(abs(start[0] - end) + abs(start[1] - goal[1]) + abs(goal[0] - end) for end in (-1.0, 5.0))
    assert length <= max(around, math.dist(start, goal)) + 0.7


def test_a_blocked_aisle_is_left_by_the_other_end():
    faces = rows(3).floors[0].faces
    shelving = Shelving(faces, 0.25)
    start, goal = (1.0, 1.25), (1.0, 3.25)
    way = shelving.way(start, goal, 0.3)
    assert way is not None
    assert min(x for x, _ in way) < 0.0
    shelving.block(1.0, 1.25, math.pi)
    other = shelving.way(start, goal, 0.3)
    assert other is not None
    assert min(x for x, _ in other) > 0.9


def test_where_shelving_closes_every_way_none_is_made_up():
    # Four bookcases around a place, corner to corner.
    box = (
        Face("a", (-1.0, -1.0), 0.0, -90.0, 2.0, 0.03, ()),
        Face("b", (1.0, -1.0), 90.0, 0.0, 2.0, 0.03, ()),
        Face("c", (1.0, 1.0), 180.0, 90.0, 2.0, 0.03, ()),
        Face("d", (-1.0, 1.0), 270.0, 180.0, 2.0, 0.03, ()),
    )
    assert Shelving(box, 0.3).way((0.0, 0.0), (5.0, 0.0), 0.1) is None
