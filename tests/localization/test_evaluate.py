"""The error figures, judged on places chosen so that every figure is known beforehand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from localization.evaluate import EvaluationError, evaluate, pool, true_faces
from localization.positions import Positions
from recording import Truth
from stacks.plan import Face, Floor, Plan, Shelf


def face(name="A", origin=(0.0, 0.0), direction=0.0, length=2.0, depth=0.1, shelves=()):
    normal = (direction - 90.0) % 360.0
    return Face(
        id=name, origin_m=origin, direction_deg=direction, normal_deg=normal, length_m=length,
        tag_depth_m=depth, shelves=tuple(shelves),
    )  # fmt: skip


def plan_of(*faces):
    return Plan(site="s", version=1, floors=(Floor(id="1", faces=tuple(faces)),))


def shelf(name, level, from_m=0.0, to_m=2.0):
    return Shelf(id=name, bay="1", level=level, from_m=from_m, to_m=to_m, board_z_m=0.4 * level, clear_m=0.35)


def epcs(n):
    return np.array([f"E2{k:022X}" for k in range(n)], object)


def truth_on(face_, offset, z=None, **columns):
    offset = np.asarray(offset, float)
    x, y = face_.to_map(offset, np.full(len(offset), face_.tag_depth_m))
    z = np.full(len(offset), 1.0) if z is None else np.asarray(z, float)
    columns = {"shelf_id": None, "face": None, "offset_m": None, "present": None} | columns
    columns = {k: np.array(v, object) if isinstance(v, list) else v for k, v in columns.items()}
    return Truth(epc=epcs(len(offset)), x_m=x, y_m=y, z_m=z, **columns)


def positions_on(face_, offset, truth, *, named=True, **columns):
    n = len(truth.epc)
    out = Positions.empty(n)
    x, y = face_.to_map(np.asarray(offset, float), np.full(n, face_.tag_depth_m))
    out = replace(
        out, epc=truth.epc.copy(), x_m=x, y_m=y, z_m=truth.z_m + 0.02, offset_m=np.asarray(offset, float)
    )
    if named:
        out = replace(out, face_id=np.full(n, face_.id, object))
    return replace(out, **columns)


ERROR = np.array([0.01, 0.03, 0.02, -0.02, 0.06])
PLACE = np.array([0.20, 0.305, 0.31, 0.33, 1.90])


@pytest.mark.parametrize("direction", [0.0, 180.0, 90.0, 37.0])
def test_errors_run_along_the_face(direction):
    a = face(direction=direction, origin=(3.0, -2.0))
    truth = truth_on(a, PLACE)
    result = evaluate(positions_on(a, PLACE + ERROR, truth), truth, plan_of(a))
    assert result.tags.error_m == pytest.approx(ERROR)
    assert result.error.mean_cm == pytest.approx(2.8)
    assert result.error.median_cm == pytest.approx(2.0)
    assert result.error.p90_cm == pytest.approx(4.8)
    assert result.local_error.mean_cm == pytest.approx(np.mean(np.abs(ERROR - 0.02)) * 100)
    assert result.height.mean_cm == pytest.approx(2.0)
    assert result.constant_guess.mean_cm == pytest.approx(np.mean(np.abs(PLACE - 1.0)) * 100)
    # 0.31 and 0.33 came out at 0.33 and 0.31, and 0.305 and 0.31 at 0.335 and 0.33
    assert (result.order.right, result.order.pairs) == (2, 4)
    assert {gap: (o.right, o.pairs) for gap, o in result.order_by_gap.items()} == {
        "under 1.5 cm": (0, 1), "1.5-3 cm": (0, 1), "over 3 cm": (2, 2),
    }  # fmt: skip


def test_an_error_across_the_face_is_not_counted():
    a = face()
    truth = truth_on(a, PLACE)
    positions = positions_on(a, PLACE, truth)
    result = evaluate(replace(positions, y_m=positions.y_m + 0.5), truth, plan_of(a))
    assert result.error.mean_cm == pytest.approx(0.0, abs=1e-9)
    assert evaluate(replace(positions, y_m=positions.y_m + 0.5), truth).error.mean_cm == pytest.approx(
        0, abs=1e-9
    )


def test_without_a_plan_x_counts():
    a = face(direction=90.0)
    truth = truth_on(a, PLACE)
    positions = replace(positions_on(a, PLACE, truth, named=False))
    result = evaluate(replace(positions, x_m=positions.x_m - 0.04), truth)
    assert result.tags.error_m == pytest.approx(np.full(5, -0.04))
    assert np.isnan(result.face_accuracy)


def test_medians_are_those_of_each_face():
    a, b = face("A"), face("B", origin=(0.0, 5.0), direction=180.0, length=1.5)
    ta, tb = truth_on(a, PLACE), truth_on(b, PLACE)
    both = Truth(
        epc=epcs(10), x_m=np.r_[ta.x_m, tb.x_m], y_m=np.r_[ta.y_m, tb.y_m], z_m=np.r_[ta.z_m, tb.z_m],
        shelf_id=None, face=None, offset_m=None, present=None,
    )  # fmt: skip
    xa, ya = a.to_map(PLACE + 0.07, np.full(5, 0.1))
    xb, yb = b.to_map(PLACE - 0.05, np.full(5, 0.1))
    positions = replace(
        positions_on(a, np.zeros(10), both), x_m=np.r_[xa, xb], y_m=np.r_[ya, yb],
        face_id=np.array(["A"] * 5 + ["B"] * 4 + ["A"], object),
    )  # fmt: skip
    result = evaluate(positions, both, plan_of(a, b))
    assert true_faces(both, plan_of(a, b)).tolist() == ["A"] * 5 + ["B"] * 5
    assert result.error.mean_cm == pytest.approx(6.0)
    assert result.local_error.mean_cm == pytest.approx(0.0, abs=1e-9)
    assert result.face_accuracy == pytest.approx(0.9)
    # a tag named on another face is not in order with its neighbour, wherever it lies along the face
    assert (result.order.right, result.order.pairs) == (7, 8)


def test_intervals_count_errors_within_1645_sigma():
    a = face()
    truth = truth_on(a, PLACE)
    sigma = np.array([0.01, 0.01, 0.01, 0.02, np.nan])
    local = np.array([0.01, 0.002, 0.01, 0.02, 0.04])  # less the median 0.02: 0.01, 0.01, 0, 0.04, 0.04
    result = evaluate(
        positions_on(a, PLACE + ERROR, truth, sigma_along_m=sigma, sigma_local_m=local), truth, plan_of(a)
    )
    assert result.coverage_along == pytest.approx(2 / 4)
    assert result.coverage_local == pytest.approx(3 / 5)
    assert result.sigma_along_cm == pytest.approx(1.0)


def test_shelves_make_neighbours_and_are_judged():
    a = face(shelves=[shelf("A1", 1), shelf("A2", 2)])
    where = [0.1, 0.2, 0.3, 0.4]
    z = [0.5, 0.9, 0.5, 0.9]  # shelves A1, A2, A1, A2: neighbours are 0.1-0.3 and 0.2-0.4
    truth = truth_on(a, where, z)
    said = np.array(["A1", "A2", "A2", None], object)
    result = evaluate(positions_on(a, where, truth, shelf_id=said), truth, plan_of(a))
    assert result.tags.shelf.tolist() == ["A1", "A2", "A1", "A2"]
    assert result.shelf_accuracy == pytest.approx(0.5)
    assert result.neighbours.gap_m == pytest.approx([0.2, 0.2])
    named = truth_on(a, where, z, shelf_id=["A1"] * 4)
    assert evaluate(positions_on(a, where, named), named, plan_of(a)).order.pairs == 3


def test_rows_of_a_rack_are_told_apart_by_height():
    a = face()
    z = [0.40, 1.40, 0.50, 1.50, 0.62]  # 0.40 - 0.50 - 0.62 below, 1.40 - 1.50 above
    truth = truth_on(a, [0.1, 0.2, 0.3, 0.4, 0.5], z)
    result = evaluate(positions_on(a, [0.1, 0.2, 0.3, 0.4, 0.5], truth), truth, plan_of(a))
    pairs = set(zip(result.neighbours.left, result.neighbours.right, strict=True))
    e = truth.epc
    assert pairs == {(e[0], e[2]), (e[2], e[4]), (e[1], e[3])}


def test_what_was_not_heard_not_placed_absent_or_foreign_is_counted():
    a = face()
    truth = truth_on(a, [0.1, 0.2, 0.3, 0.4, 0.5], present=np.array([True, True, True, True, False]))
    full = positions_on(a, [0.1, 0.2, np.nan, 0.4, 0.5], truth)
    heard = replace(full.select([1, 2, 3, 4, 0]), epc=np.array([*truth.epc[1:], "FF00"], object))
    result = evaluate(heard, truth, plan_of(a))
    assert (result.present, result.heard, result.placed) == (4, 3, 2)
    assert result.missing_placed == (truth.epc[4],)
    assert result.not_in_truth == ("FF00",)
    assert (result.order.pairs, result.pairs_not_judged) == (0, 3)
    assert np.isfinite(result.error.mean_cm)


def test_excluded_tags_are_left_out_and_said():
    a = face()
    truth = truth_on(a, PLACE)
    off = ERROR.copy()
    off[2] = 0.9
    positions = positions_on(a, PLACE + off, truth)
    result = evaluate(positions, truth, plan_of(a), exclude=[truth.epc[2].lower()])
    assert result.present == 4
    assert result.error.mean_cm == pytest.approx(3.0)
    assert truth.epc[2] in result.notes[0]
    assert not result.not_in_truth


def test_a_tag_in_two_places_is_left_out():
    a = face()
    truth = truth_on(a, PLACE)
    twin = replace(truth, epc=np.array([*truth.epc[:4], truth.epc[0]], object))
    positions = positions_on(a, PLACE, truth).select(range(4))
    result = evaluate(positions, twin, plan_of(a))
    assert result.present == 3
    assert "more than one place" in result.notes[0]


def test_a_face_that_the_plan_does_not_know_is_taken_from_the_place():
    a = face()
    truth = truth_on(a, PLACE, face=["Z"] * 5)
    assert true_faces(truth, plan_of(a)).tolist() == ["A"] * 5


def test_pooling_weighs_tags_and_keeps_medians():
    a = face()
    truth = truth_on(a, PLACE)
    one = evaluate(positions_on(a, PLACE + 0.03, truth), truth, plan_of(a), label="one")
    two = evaluate(positions_on(a, PLACE - 0.01, truth).select([0, 1]), truth, plan_of(a), label="two")
    both = pool([one, two])
    assert both.error.mean_cm == pytest.approx((5 * 3.0 + 2 * 1.0) / 7)
    assert both.local_error.mean_cm == pytest.approx(0.0, abs=1e-9)
    assert (both.present, both.placed) == (10, 7)
    assert both.order.pairs == one.order.pairs + two.order.pairs
    with pytest.raises(EvaluationError, match="nothing to pool"):
        pool([])


def test_json_and_table_say_the_same():
    a = face()
    truth = truth_on(a, PLACE)
    result = evaluate(positions_on(a, PLACE + ERROR, truth), truth, plan_of(a), label="night 7")
    out = json.loads(json.dumps(result.to_json(per_tag=True), allow_nan=False))
    assert out["error"]["mean_cm"] == pytest.approx(2.8)
    assert out["coverage_along"] is None
    assert out["order"] == {"right": 2, "pairs": 4, "share": 0.5}
    assert out["tags"][1]["error_m"] == pytest.approx(0.03)
    assert "tags" not in result.to_json()
    text = result.table()
    assert "night 7" in text and "2.80" in text and "2 / 4" in text


def test_what_cannot_be_judged_is_refused():
    a = face()
    truth = truth_on(a, PLACE)
    positions = positions_on(a, PLACE, truth)
    with pytest.raises(EvaluationError, match="more than one row"):
        evaluate(positions.select([0, 0, 1]), truth, plan_of(a))
    with pytest.raises(EvaluationError, match="no tag"):
        evaluate(positions, truth, plan_of(a), exclude=truth.epc)


def test_nothing_heard_is_an_evaluation_too():
    a = face()
    truth = truth_on(a, PLACE)
    result = evaluate(Positions.empty(0), truth, plan_of(a))
    assert (result.present, result.heard, result.placed) == (5, 0, 0)
    assert np.isnan(result.error.mean_cm)
    assert "0 / 0" in result.table()
