"""The picture of one shelf: its books to scale, in the order found, with error bars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.evaluation import Evaluation
from localization.normal import Z90
from localization.positions import Positions
from localization.views.svg import Canvas, Scale
from stacks.plan import Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WIDTH, LEFT, RIGHT = 980.0, 16.0, 964.0
#: A longer shelf or face is drawn in pieces of this length, one below the other.
PIECE_M = 1.0
#: Bars that would overlap stand in lanes of their own, so many at most.
FEWEST_LANES, MOST_LANES, LANE = 3, 16, 12.0
BOOK = 54.0
#: Books are drawn to the middle of the gap to their neighbours, no thicker than this.
THICKEST_M = 0.05
#: Bars are drawn no longer than this, either way.
LONGEST_M = 0.2
#: Two books are in doubtful order below this chance.
SURE_ORDER = 0.9


@dataclass(frozen=True, slots=True)
class ShelfView:
    """One shelf, or a face without shelves; ``n`` books from left to right, ``k`` others.

    Attributes
    ----------
    name : str
    from_m, to_m : float
        Its ends as offsets along the face.
    epc : tuple of str
    label : tuple of str
        What people call each book; the EPC where nothing else is known.
    offset_m, sigma_local_m, sigma_along_m, p_order, truth_m : float64 array, shape (n,)
        ``truth_m`` is NaN where it is not known or the book truly stands on another shelf.
    elsewhere : bool array, shape (n,)
        It truly stands on another shelf.
    gone_m : float64 array, shape (k,)
        True offsets of books of this shelf that were placed elsewhere or not at all.
    gone_epc : tuple of str
    """

    name: str
    from_m: float
    to_m: float
    epc: tuple[str, ...]
    label: tuple[str, ...]
    offset_m: Floats
    sigma_local_m: Floats
    sigma_along_m: Floats
    p_order: Floats
    truth_m: Floats
    elsewhere: npt.NDArray[np.bool_]
    gone_m: Floats
    gone_epc: tuple[str, ...]


def shelf_view(
    positions: Positions, plan: Plan, name: str, evaluation: Evaluation | None = None,
    labels: Mapping[str, str] | None = None,
) -> ShelfView:  # fmt: skip
    """Gather what stands on a shelf.

    Parameters
    ----------
    positions : Positions
    plan : Plan
    name : str
        Id of a shelf, or of a face without shelves.
    evaluation : Evaluation, optional
        Where the truth is known; of the same plan.
    labels : mapping of EPC to str, optional

    Raises
    ------
    KeyError
        The plan has no such shelf or face.
    """
    from_m, to_m, is_shelf = ends_of(plan, name)
    column = positions.shelf_id if is_shelf else positions.face_id
    rows = np.flatnonzero((column == name) & np.isfinite(positions.offset_m))
    rows = rows[np.argsort(positions.offset_m[rows], kind="stable")]
    epcs = tuple(str(epc) for epc in positions.epc[rows])
    truth, elsewhere = np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
    gone: list[tuple[float, str]] = []
    if evaluation is not None:
        tags = evaluation.tags
        place = tags.shelf if is_shelf else tags.face
        here = {str(epc): (p, float(o)) for epc, p, o in zip(tags.epc, place, tags.offset_m, strict=True)}
        for i, epc in enumerate(epcs):
            stands, offset = here.get(epc, (None, math.nan))
            elsewhere[i] = stands is not None and stands != name
            truth[i] = offset if stands == name else math.nan
        shown = set(epcs)
        gone = sorted((offset, epc) for epc, (p, offset) in here.items() if p == name and epc not in shown)
    return ShelfView(
        name=name,
        from_m=from_m,
        to_m=to_m,
        epc=epcs,
        label=tuple((labels or {}).get(epc, epc) for epc in epcs),
        offset_m=positions.offset_m[rows],
        sigma_local_m=positions.sigma_local_m[rows],
        sigma_along_m=positions.sigma_along_m[rows],
        p_order=positions.p_order[rows],
        truth_m=truth,
        elsewhere=elsewhere,
        gone_m=np.array([offset for offset, _ in gone], np.float64),
        gone_epc=tuple(epc for _, epc in gone),
    )


def ends_of(plan: Plan, name: str) -> tuple[float, float, bool]:
    """Return where a shelf (or a face without shelves) begins and ends, and whether it is a shelf; else KeyError."""
    for face in plan.faces:
        if face.id == name and not face.shelves:
            return 0.0, face.length_m, False
        for shelf in face.shelves:
            if shelf.id == name:
                return shelf.from_m, shelf.to_m, True
    raise KeyError(name)


def shelf_picture(view: ShelfView) -> Canvas:
    """Draw a shelf: bars above, the books below them, the truth as ticks under the board."""
    low, high = view.from_m, view.to_m
    if len(view.offset_m):
        low, high = min(low, float(view.offset_m.min())), max(high, float(view.offset_m.max()))
    pieces = max(math.ceil((high - low) / PIECE_M - 0.05), 1)
    span = (high - low) / pieces
    knows = bool(np.isfinite(view.truth_m).any() or len(view.gone_m))
    lanes = _lanes(view)
    bounds = [
        (low + k * span, low + (k + 1) * span + (1e-9 if k == pieces - 1 else 0.0)) for k in range(pieces)
    ]
    above = [
        LANE * max(int(lanes[(view.offset_m >= a) & (view.offset_m < b)].max(initial=0)) + 1, FEWEST_LANES)
        for a, b in bounds
    ]
    below = BOOK + (16.0 if knows else 4.0) + 30.0
    canvas = Canvas(WIDTH, 80.0 + sum(above) + pieces * below, f"Shelf {view.name}: {len(view.epc)} books")
    canvas.text(LEFT, 18, f"{view.name}: {len(view.epc)} books, left to right", "v-head")
    entries = [
        ("line", "v-wide v-l-s0", "90 % beside its neighbours"),
        ("line", "v-thin v-l-soft", "90 % as it is"),
        ("box", "v-f-s0", "book"),
        ("box", "v-f-s1", f"order with its left neighbour under {100 * SURE_ORDER:.0f} % sure"),
    ]
    if knows:
        entries.append(("line", "v-line v-l-s3", "truth"))
    if view.elsewhere.any():
        entries.append(("box", "v-f-s3", "truly on another shelf"))
    if len(view.gone_m):
        entries.append(("line", "v-wide v-l-s3", "truly here, placed elsewhere or not at all"))
    y = canvas.legend(LEFT, 40, entries, RIGHT - LEFT) + 14
    for k, (begin, end) in enumerate(bounds):
        margin = max(0.02 * span, 0.04)
        scale = Scale(begin - margin, end + margin, LEFT, RIGHT)
        y += above[k] + BOOK
        _piece(canvas, view, lanes, scale, y, begin, end, last=k == pieces - 1)
        y += below - BOOK
    return canvas


def _piece(
    canvas: Canvas, view: ShelfView, lanes: Ints, scale: Scale, board: float, begin: float, end: float, *, last: bool
) -> None:  # fmt: skip
    canvas.rect(scale(view.from_m), board, scale(view.to_m) - scale(view.from_m), 4, "v-f-soft")
    left, right = _edges(view)
    numbered = -math.inf
    for i in np.flatnonzero((view.offset_m >= begin) & (view.offset_m < end)).tolist():
        offset, lane = float(view.offset_m[i]), board - BOOK + 4 - (float(lanes[i]) + 0.5) * LANE
        doubt = i > 0 and view.p_order[i] < SURE_ORDER
        colour = "s3" if view.elsewhere[i] else "s1" if doubt else "s0"
        near, far = Z90 * float(view.sigma_local_m[i]), Z90 * float(view.sigma_along_m[i])
        canvas.open(
            "book", _hint(view, i), epc=view.epc[i], offset_m=f"{offset:.5f}", low_m=f"{offset - near:.5f}",
            high_m=f"{offset + near:.5f}",
        )  # fmt: skip
        width = scale(float(right[i])) - scale(float(left[i]))
        # Books at the very same place are still two books.
        canvas.rect(
            scale(float(left[i])) + 0.5, board - BOOK + 8, width - 1.0, BOOK - 8, f"v-f-{colour} v-dot"
        )
        canvas.line(scale(offset), lane + 4, scale(offset), board - BOOK + 8, "v-thin v-l-grid")
        shown = min(far, LONGEST_M)
        canvas.line(scale(offset - shown), lane, scale(offset + shown), lane, "v-thin v-l-soft")
        # A bar that reaches over a dozen books says that little is known: it is cut off, with an arrow at each end.
        if near > LONGEST_M:
            for way in (-1, 1):
                tip = scale(offset + way * LONGEST_M)
                head = [tip - 4 * way, tip, tip - 4 * way]
                canvas.path(head, [lane - 3, lane, lane + 3], f"v-line v-l-{colour}")
        near = min(near, LONGEST_M)
        canvas.line(scale(offset - near), lane, scale(offset + near), lane, f"v-wide v-l-{colour}")
        canvas.dots([scale(offset)], [lane], 1.3, "v-l-paper")
        if math.isfinite(view.truth_m[i]):
            x = scale(float(view.truth_m[i]))
            canvas.line(x, lane - 4.5, x, lane + 4.5, "v-line v-l-s3")
            canvas.line(x, board + 5, x, board + 13, "v-line v-l-s3")
        canvas.close()
        if (i + 1) % 5 == 0 and scale(offset) > numbered + 18:
            numbered = scale(offset)
            canvas.text(numbered, board - 4, str(i + 1), "v-small", "middle")
    for offset, epc in zip(view.gone_m.tolist(), view.gone_epc, strict=True):
        if begin <= offset < end:
            canvas.open("gone", f"{epc}: truly here, at {offset:.3f} m", epc=epc)
            canvas.line(scale(offset), board + 5, scale(offset), board + 14, "v-wide v-l-s3")
            canvas.close()
    knows = bool(np.isfinite(view.truth_m).any() or len(view.gone_m))
    canvas.across(scale, board + (16 if knows else 6), "", most=12)
    if last:
        canvas.text(RIGHT, board + (46 if knows else 36), "offset along the face, m", "v-soft v-small", "end")


def _lanes(view: ShelfView) -> Ints:
    """Give each book the first lane that is free where its bar begins; where none is, the one free soonest."""
    lanes = np.zeros(len(view.offset_m), np.int64)
    free = np.full(MOST_LANES, -np.inf)
    reach = np.minimum(Z90 * np.nan_to_num(view.sigma_along_m), LONGEST_M)
    for i in np.argsort(view.offset_m - reach, kind="stable").tolist():
        open_now = np.flatnonzero(free <= view.offset_m[i] - reach[i])
        lanes[i] = open_now[0] if len(open_now) else free.argmin()
        free[lanes[i]] = view.offset_m[i] + reach[i] + 0.005
    return lanes


def _edges(view: ShelfView) -> tuple[Floats, Floats]:
    """Return where each drawn book begins and ends: its thickness was not measured, so half the gaps stand for it."""
    gap = np.minimum(np.diff(view.offset_m), THICKEST_M)
    usual = max(float(np.median(gap)), 0.02) if len(gap) else 0.02
    before, after = np.append(usual, gap), np.append(gap, usual)
    return view.offset_m - before / 2, view.offset_m + after / 2


def _hint(view: ShelfView, i: int) -> str:
    said = f"{i + 1}. {view.label[i]}\n{view.offset_m[i]:.3f} m"
    said += f" ± {100 * view.sigma_local_m[i]:.1f} cm (as it is ± {100 * view.sigma_along_m[i]:.1f} cm)"
    if math.isfinite(view.p_order[i]):
        said += f"\nright of its left neighbour: {100 * view.p_order[i]:.0f} %"
    if math.isfinite(view.truth_m[i]):
        said += f"\ntruth: {view.truth_m[i]:.3f} m"
    return said + ("\ntruly on another shelf" if view.elsewhere[i] else "")
