"""Pictures judged from outside: what they state is what positions and truth say, and every one is well-formed."""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from localization import Localizer, Positions, localize
from localization.evaluate import evaluate
from localization.views import (
    Seen,
    TagLooker,
    ViewError,
    make_album,
    order_outcomes,
    shares_inside,
    shelf_picture,
    shelf_view,
    tag_picture,
)
from localization.views.svg import Canvas, Scale
from recording import Truth
from stacks.plan import Plan

SVG = "{http://www.w3.org/2000/svg}"
Z90 = 1.645
SPOTS = [("A", x, 0.25) for x in (0.4, 0.46, 0.52, 0.9, 1.3)] + [("A", 0.7, 1.02), ("A", 1.5, 0.62)]


@pytest.fixture(scope="module")
def seen(request):
    from tests.localization.conftest import make, plan_of

    recording, plan = make(SPOTS, seed=3), plan_of()
    found = localize(recording, plan)
    xy = np.array([(2.0 - offset, -0.03) for _, offset, _ in SPOTS])
    truth = Truth(
        epc=np.array([f"E28000{i:06X}" for i in range(len(SPOTS))], object), x_m=xy[:, 0], y_m=xy[:, 1],
        z_m=np.array([z for *_, z in SPOTS]), shelf_id=None, face=None, offset_m=None, present=None,
    )  # fmt: skip
    judged = evaluate(found.positions, truth, plan)
    return Seen(
        "a <night> & more", found.positions, plan=plan, coverage=found.coverage, evaluation=judged, truth=truth,
        recording=recording, notes=("one <note>",),
    )  # fmt: skip


def parts(canvas, cls):
    root = ElementTree.fromstring(canvas.svg(alone=True))
    return [g for g in root.iter(f"{SVG}g") if g.get("class") == cls]


def test_every_picture_is_well_formed_and_named_once(seen):
    album = make_album(seen)
    names = [picture.name for picture in album.pictures]
    assert len(set(names)) == len(names)
    assert {"calibration", "error-against-sigma", "order", "errors"} <= set(names)
    assert {"map-error", "map-coverage", "map-quality", "map-sigma"} <= set(names)
    assert any(name.startswith("tag-") for name in names)
    assert any(name.startswith("shelf-") for name in names)
    for picture in album.pictures:
        text = picture.canvas.svg(alone=True)
        ElementTree.fromstring(text)
        assert "nan" not in text
        assert "inf" not in re.sub(r">[^<]*<", "><", text)


def test_the_page_loads_nothing_and_escapes_what_it_is_given(seen):
    page = make_album(seen).page()
    assert not re.search(r"<script|<link|@import|url\(|src=|https?://", page)
    assert "a &lt;night&gt; &amp; more" in page
    assert "one &lt;note&gt;" in page
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page


def test_a_shelf_shows_each_of_its_books_with_its_own_bar(seen):
    positions = seen.positions
    here = np.flatnonzero(positions.shelf_id == "A-1")
    assert len(here) == 5
    books = parts(shelf_picture(shelf_view(positions, seen.plan, "A-1", seen.evaluation)), "book")
    assert len(books) == 5
    offsets = [float(book.get("data-offset-m")) for book in books]
    assert offsets == sorted(offsets)
    for book in books:
        row = here[list(positions.epc[here]).index(book.get("data-epc"))]
        reach = Z90 * positions.sigma_local_m[row]
        assert float(book.get("data-offset-m")) == pytest.approx(positions.offset_m[row], abs=1e-5)
        assert float(book.get("data-low-m")) == pytest.approx(positions.offset_m[row] - reach, abs=1e-5)
        assert float(book.get("data-high-m")) == pytest.approx(positions.offset_m[row] + reach, abs=1e-5)


def test_a_bar_is_drawn_where_and_as_long_as_it_is_stated(seen):
    canvas = shelf_picture(shelf_view(seen.positions, seen.plan, "A-1"))
    # Two metres are drawn in pieces of a metre: four of the books stand on the first.
    books = [(b, *drawn(b)) for b in parts(canvas, "book")][:4]
    said = np.array(
        [[float(b.get(f"data-{name}-m")) for name in ("low", "offset", "high")] for b, *_ in books]
    )
    seen_at = np.array([[left, middle, right] for _, left, middle, right in books])
    px_per_m, origin = np.polyfit(said[:, 1], seen_at[:, 1], 1)
    assert px_per_m > 500
    np.testing.assert_allclose(seen_at, origin + px_per_m * said, atol=0.3)


def drawn(book):
    """Return the left end, the dot and the right end of a book's bar, px."""
    paths = list(book.iter(f"{SVG}path"))
    bar = next(p for p in paths if "v-wide" in p.get("class"))
    dot = next(p for p in paths if p.get("d").endswith("h0"))
    left, right = re.findall(r"[ML]([-\d.]+) ", bar.get("d"))
    return float(left), float(re.match(r"M([-\d.]+) ", dot.get("d"))[1]), float(right)


def test_books_on_the_wrong_shelf_and_gone_from_their_own_are_marked(seen):
    positions = seen.positions
    shelf_id = positions.shelf_id.copy()
    moved = np.flatnonzero(shelf_id == "A-1")[0]
    shelf_id[moved] = "A-2"
    wrong = dataclasses.replace(positions, shelf_id=shelf_id)
    judged = evaluate(wrong, seen.truth, seen.plan)
    own, other = (shelf_view(wrong, seen.plan, name, judged) for name in ("A-1", "A-2"))
    assert own.gone_epc == (positions.epc[moved],)
    assert [e for e, away in zip(other.epc, other.elsewhere, strict=True) if away] == [positions.epc[moved]]
    assert len(parts(shelf_picture(own), "gone")) == 1


def test_a_tag_is_seen_where_it_was_placed_and_its_phases_fit_there(seen):
    looker = TagLooker(seen.recording, seen.plan)
    for row, epc in enumerate(seen.positions.epc):
        number = int(epc[6:], 16)
        truth = (2.0 - SPOTS[number][1], -0.03)
        view = looker.look(seen.positions, epc, truth)
        assert view.offset_m == pytest.approx(seen.positions.offset_m[row], abs=1e-6)
        assert view.truth_m == pytest.approx(SPOTS[number][1], abs=1e-6)
        assert view.doubled
        # The density is one; the phases' own interval lies at the place, and is narrower than the one stated.
        step = view.grid_m[1] - view.grid_m[0]
        assert view.posterior.sum() * step == pytest.approx(1.0, abs=1e-6)
        low, high = view.interval_m
        inside = (view.grid_m > low) & (view.grid_m < high)
        assert view.posterior[inside].sum() * step == pytest.approx(
            0.9, abs=0.5 * step * view.posterior.max() + 0.02
        )
        assert low - 0.01 < view.offset_m < high + 0.01
        assert 0 < high - low < 2 * Z90 * view.sigma_along_m
        assert abs(view.grid_m[view.coherence.argmax()] - view.offset_m) < 0.02
        # Points lie on the curve, as far as noise and flips of the doubled phase let them.
        for one in view.passes:
            known = np.isfinite(one.curve_rad)
            u, r = one.curve_u_m[known], np.unwrap(one.curve_rad[known])
            curve = np.exp(1j * np.interp(one.u_m, u, r))
            strong = one.weight > 0.3 * one.weight.max()
            assert np.abs(np.mean(np.exp(1j * one.phase_rad[strong]) / curve[strong])) > 0.6


def test_the_tag_picture_states_the_stated_interval(seen):
    looker = TagLooker(seen.recording, seen.plan)
    view = looker.look(seen.positions, seen.positions.epc[0])
    canvas = tag_picture(view)
    (stated,) = parts(canvas, "stated")
    reach = Z90 * seen.positions.sigma_along_m[0]
    assert float(stated.get("data-low-m")) == pytest.approx(view.offset_m - reach, abs=1e-5)
    assert float(stated.get("data-high-m")) == pytest.approx(view.offset_m + reach, abs=1e-5)
    antennas = {int(g.get("data-antenna")) for g in parts(canvas, "antenna")}
    assert antennas == {one.antenna for one in view.passes}
    # Nothing is drawn beyond the picture.
    for text in ElementTree.fromstring(canvas.svg(alone=True)).iter(f"{SVG}text"):
        assert 0 <= float(text.get("x")) <= canvas.width
        assert 0 <= float(text.get("y")) <= canvas.height


def test_a_tag_without_phase_is_shown_by_its_strength(seen):
    silent = dataclasses.replace(
        seen.recording,
        readings=dataclasses.replace(
            seen.recording.readings, phase_rad=np.full(len(seen.recording.readings), np.nan, np.float32)
        ),
    )
    found = localize(silent, seen.plan)
    view = TagLooker(silent, seen.plan).look(found.positions, found.positions.epc[0])
    assert not view.has_phase
    assert view.note
    text = tag_picture(view).svg(alone=True)
    ElementTree.fromstring(text)
    assert "dBm" in text
    assert "posterior" not in text


def test_a_run_without_plan_still_shows_its_tags(seen):
    found = localize(seen.recording, None)
    album = make_album(Seen("no plan", found.positions, recording=seen.recording, truth=seen.truth))
    assert {picture.section for picture in album.pictures} == {"Tags"}
    epc = found.positions.epc[0]
    assert np.isfinite(TagLooker(seen.recording, None).look(found.positions, epc).offset_m)


def test_positions_alone_are_enough_for_a_page():
    blank = Positions.empty(3)
    blank.epc[:] = ["A0", "A1", "A2"]
    page = make_album(Seen("nothing placed", blank)).page()
    assert "3 / 0" in page


def test_a_tag_that_was_not_placed_says_so(seen):
    positions = dataclasses.replace(seen.positions, x_m=np.full(len(seen.positions), np.nan))
    view = TagLooker(seen.recording, seen.plan).look(positions, positions.epc[0])
    assert "not be placed" in view.note
    ElementTree.fromstring(tag_picture(dataclasses.replace(view, offset_m=float("nan"))).svg(alone=True))


def test_shares_inside_are_those_of_a_normal_distribution():
    rng = np.random.default_rng(1)
    error = rng.normal(0.0, 0.02, 200_000)
    share, n = shares_inside(error, np.full(len(error), 0.02), np.array([10.0, 50.0, 90.0, 99.0]))
    assert n == 200_000
    np.testing.assert_allclose(share, [10, 50, 90, 99], atol=0.5)
    half, _ = shares_inside(error, np.full(len(error), 0.01), np.array([90.0]))
    assert half[0] == pytest.approx(58.9, abs=0.6)  # P(|z| < 0.8225)


def test_the_calibration_picture_states_its_shares(seen):
    album = make_album(seen)
    canvas = next(p.canvas for p in album.pictures if p.name == "calibration")
    tags = seen.evaluation.tags
    share, _ = shares_inside(tags.error_m, tags.sigma_along_m)
    drawn = [float(g.get("data-inside")) for g in parts(canvas, "along")]
    np.testing.assert_allclose(drawn, share, atol=0.01)


def test_order_outcomes_are_judged_by_the_truth(seen):
    stated, right = order_outcomes(seen.positions, seen.evaluation)
    assert len(stated) == 4  # five books on one shelf, one each on two others
    assert right.all()
    swapped = dataclasses.replace(
        seen.evaluation,
        tags=dataclasses.replace(seen.evaluation.tags, offset_m=-seen.evaluation.tags.offset_m),
    )
    assert not order_outcomes(seen.positions, swapped)[1].any()


def test_tags_and_shelves_that_are_not_there_are_refused(seen):
    with pytest.raises(ViewError, match="ABCD"):
        make_album(seen, tags=["ABCD"])
    with pytest.raises(ViewError, match="Z-9"):
        make_album(seen, shelves=["Z-9"])
    with pytest.raises(ViewError, match="plan"):
        make_album(dataclasses.replace(seen, plan=None), shelves=["A-1"])
    with pytest.raises(ViewError, match="recording"):
        make_album(dataclasses.replace(seen, recording=None), tags=[seen.positions.epc[0]])


def test_any_name_a_plan_gives_is_a_safe_file_and_text(seen):
    said = seen.plan.to_json()
    name = "../<A> & 'B'"
    said["floors"][0]["faces"][0]["shelves"][0]["id"] = name
    plan = Plan.from_json(said, "test")
    positions = dataclasses.replace(
        seen.positions,
        shelf_id=np.array([name if s == "A-1" else s for s in seen.positions.shelf_id], object),
    )
    album = make_album(
        dataclasses.replace(seen, plan=plan, positions=positions, evaluation=None), shelves=[name]
    )
    files = [picture.name for picture in album.pictures]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", file) for file in files)
    for picture in album.pictures:
        ElementTree.fromstring(picture.canvas.svg(alone=True))
    assert "<A>" not in album.page()


def test_a_big_run_gives_a_small_page():
    shelves, books = 600, 30
    faces = [
        {
            "id": f"F{f:03}", "origin_m": [0.0, 3.0 * f], "direction_deg": 0, "normal_deg": 270, "length_m": 9.0,
            "tag_depth_m": 0.03,
            "shelves": [
                {"id": f"F{f:03}-{b}", "bay": str(b), "level": 1, "from_m": 0.9 * b, "to_m": 0.9 * b + 0.9,
                 "board_z_m": 0.1, "clear_m": 0.3}
                for b in range(10)
            ],
        }
        for f in range(shelves // 10)
    ]  # fmt: skip
    plan = Plan.from_json(
        {"format": "nightstack-plan/1", "site": "s", "version": 1, "floors": [{"id": "1", "faces": faces}]},
        "test",
    )
    n = shelves * books
    rng = np.random.default_rng(2)
    offset = np.tile(np.linspace(0.02, 0.88, books), shelves) + np.repeat(
        np.tile(np.arange(10) * 0.9, 60), books
    )
    names = np.array([f"F{s // 10:03}-{s % 10}" for s in range(shelves)], object)
    positions = dataclasses.replace(
        Positions.empty(n),
        epc=np.array([f"{i:08X}" for i in range(n)], object),
        x_m=offset, y_m=offset, z_m=offset, offset_m=offset,
        sigma_along_m=rng.uniform(0.01, 0.05, n), sigma_local_m=rng.uniform(0.005, 0.02, n),
        quality=rng.uniform(0, 1, n), p_order=rng.uniform(0.5, 1, n), rank=np.tile(np.arange(1, books + 1), shelves),
        shelf_id=np.repeat(names, books), face_id=np.repeat(np.array([s[:4] for s in names], object), books),
    )  # fmt: skip
    page = make_album(Seen("big", positions, plan=plan)).page()
    assert "20 more are not shown" in page
    assert len(page) < 1_000_000


def test_ticks_are_round_and_inside():
    for low, high in ((0.0, 0.87), (-0.31, 0.02), (1.2, 1.21), (0.0, 27.0)):
        ticks = Scale(low, high, 0, 100).ticks()
        assert 2 <= len(ticks) <= 7
        assert min(ticks) >= low - 1e-9
        assert max(ticks) <= high + 1e-9
    assert Scale(0.5, 30, 0, 100, log=True).ticks() == pytest.approx([0.5, 1, 2, 5, 10, 20])


def test_text_from_outside_cannot_break_a_picture():
    canvas = Canvas(100, 100, '"><script>')
    canvas.open("x", "<&>", epc='"<')
    canvas.text(1, 1, "</svg>")
    canvas.close()
    root = ElementTree.fromstring(canvas.svg(alone=True))
    assert root.get("aria-label") == '"><script>'
    assert next(root.iter(f"{SVG}text")).text == "</svg>"


def test_a_tag_is_seen_in_the_geometry_the_run_registered():
    from tests.localization.conftest import make, plan_of

    spots = [("A", 0.3 + 0.15 * i, (0.25, 0.65, 1.05)[i % 3]) for i in range(16)]
    plan, exact = plan_of(3.0), make(spots, seed=5, length=3.0, rate=20.0, heights=(0.3, 0.7, 1.1))
    # The robot's way is laid 12 cm too far from the face: the run finds that out, and pictures follow it.
    poses = dataclasses.replace(exact.poses, y_m=exact.poses.y_m + 0.12)
    recording = dataclasses.replace(exact, poses=poses)
    fitted = Localizer(plan).fit(recording)
    assert fitted.registration_ is not None
    positions = fitted.localization_.positions
    told = TagLooker(recording, plan, None, fitted.registration_)
    learnt = TagLooker(recording, plan)
    for epc in positions.epc:
        view, again = told.look(positions, epc), learnt.look(positions, epc)
        np.testing.assert_allclose(again.posterior, view.posterior, rtol=1e-6, atol=1e-6)
        assert abs(view.farther_m) < 0.07
        assert view.residual_rad < 0.8  # noise of .3 rad, doubled
        assert view.interval_m[0] - 0.01 < view.offset_m < view.interval_m[1] + 0.01
