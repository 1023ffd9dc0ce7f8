"""Maps over the faces: where errors are large, where a book would have been heard, where the fit is poor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localization.evaluation import Evaluation
from localization.positions import HF_AIR, Coverage, Positions
from localization.views.svg import Canvas, Scale, number
from stacks.plan import Face, Plan

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WIDTH, MARGIN = 980.0, 16.0
LEVEL = 13.0
#: px of a metre at most, and faces shown at most: those that look worst.
MOST_PX_PER_M, MOST_FACES = 240.0, 40
#: Cells of a map at most (by choice of their length), and the lengths to choose from.
MOST_CELLS, LENGTHS_M = 2000, (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
#: Borders of the classes of errors and sigmas, cm, for good runs and for worse ones.
CENTIMETRES = ((0.5, 1.0, 2.0, 4.0), (1.0, 2.5, 5.0, 10.0), (5.0, 10.0, 20.0, 40.0))


@dataclass(frozen=True, slots=True)
class MapData:
    """What one map shows: values at places, and how they are told in five classes.

    Attributes
    ----------
    name : str
    title : str
    unit : str
    face : object array of str, shape (n,)
    level : int64 array, shape (n,)
        0: the face has no shelves.
    offset_m, value : float64 array, shape (n,)
    edges : tuple of float
        Four borders of the five classes, from the good side to the bad.
    everywhere : bool
        Values are known of every place, not of tags.
    """

    name: str
    title: str
    unit: str
    face: npt.NDArray[np.object_]
    level: Ints
    offset_m: Floats
    value: Floats
    edges: tuple[float, float, float, float]
    everywhere: bool = False

    @property
    def rising(self) -> bool:
        """Whether larger is worse."""
        return self.edges[0] < self.edges[-1]

    def classes(self, values: Floats) -> Ints:
        """Return 0 (good) to 4 (bad), same shape."""
        sign = 1.0 if self.rising else -1.0
        return np.searchsorted(sign * np.array(self.edges), sign * values, side="right").astype(np.int64)


def _edges(value: Floats) -> tuple[float, float, float, float]:
    """Choose borders for errors, cm: the finest of which a quarter of the values at most are beyond the last."""
    for edges in CENTIMETRES[:-1]:
        if not len(value) or float(np.mean(value > edges[-1])) <= 0.25:
            return edges
    return CENTIMETRES[-1]


def error_map(evaluation: Evaluation, plan: Plan) -> MapData:
    """Errors less each face's median, at the true places."""
    tags = evaluation.tags
    levels = {shelf.id: shelf.level for face in plan.faces for shelf in face.shelves}
    keep = np.isfinite(tags.local_error_m)
    level = np.array([levels.get(shelf or "", 0) for shelf in tags.shelf[keep]], np.int64)
    error = 100 * np.abs(tags.local_error_m[keep])
    return MapData(
        "error", "Error along the face, less the face's median", "cm", tags.face[keep], level, tags.offset_m[keep],
        error, _edges(error),
    )  # fmt: skip


def quality_map(positions: Positions, plan: Plan) -> MapData:
    """Quality of the tags' fits, at the places they were given."""
    levels = {shelf.id: shelf.level for face in plan.faces for shelf in face.shelves}
    keep = positions.placed & np.isfinite(positions.offset_m)
    level = np.array([levels.get(shelf or "", 0) for shelf in positions.shelf_id[keep]], np.int64)
    return MapData(
        "quality", "Quality of the fits", "", positions.face_id[keep], level, positions.offset_m[keep],
        positions.quality[keep], (0.6, 0.4, 0.2, 0.1),
    )  # fmt: skip


def sigma_map(positions: Positions, plan: Plan) -> MapData:
    """Local sigma of the tags, at the places they were given."""
    levels = {shelf.id: shelf.level for face in plan.faces for shelf in face.shelves}
    keep = positions.placed & np.isfinite(positions.offset_m) & np.isfinite(positions.sigma_local_m)
    level = np.array([levels.get(shelf or "", 0) for shelf in positions.shelf_id[keep]], np.int64)
    sigma = 100 * positions.sigma_local_m[keep]
    return MapData(
        "sigma", "Stated sigma beside the neighbours", "cm", positions.face_id[keep], level,
        positions.offset_m[keep], sigma, _edges(sigma),
    )  # fmt: skip


def coverage_maps(coverage: Coverage) -> list[MapData]:
    """Chance that a tag would have been heard; where both kinds of antennas listened, of UHF and of HF tags."""
    hf = coverage.air == HF_AIR
    if not hf.any() or hf.all():
        return [_coverage_map(coverage, "coverage", "Chance that a tag would have been heard")]
    return [
        _coverage_map(coverage.select(~hf), "coverage", "Chance that a UHF tag would have been heard"),
        _coverage_map(coverage.select(hf), "coverage-hf", "Chance that an HF tag would have been heard"),
    ]


def _coverage_map(coverage: Coverage, name: str, title: str) -> MapData:
    return MapData(
        name, title, "%", coverage.face_id, coverage.level,
        (coverage.from_m + coverage.to_m) / 2, 100 * coverage.p_heard, (99.0, 95.0, 80.0, 50.0), True,
    )  # fmt: skip


def map_picture(data: MapData, plan: Plan) -> Canvas | None:
    """Draw a map: every face to scale with its levels, the mean of each cell as one of five colours.

    Returns
    -------
    Canvas or None
        None where there is nothing to show.
    """
    faces = [face for face in plan.faces if (data.face == face.id).any()]
    if not faces:
        return None
    left_out = len(faces) - MOST_FACES
    if left_out > 0:
        worst = sorted(faces, key=lambda f: float(np.mean(data.classes(data.value[data.face == f.id]))))
        shown = {face.id for face in worst[-MOST_FACES:]}
        faces = [face for face in faces if face.id in shown]
    cell = _cell_length(faces)
    px = min((WIDTH - 2 * MARGIN) / max(face.length_m for face in faces), MOST_PX_PER_M)
    spots, bottom = _flow(faces, px)
    canvas = Canvas(WIDTH, bottom + 44, data.title)
    canvas.text(MARGIN, 18, data.title + (f", {data.unit}" if data.unit else ""), "v-head")
    if left_out > 0:
        canvas.text(
            WIDTH - MARGIN,
            18,
            f"the {MOST_FACES} worst faces; {left_out} more are not shown",
            "v-soft v-small",
            "end",
        )
    for face, x, y in spots:
        _face(canvas, data, face, x, y, px, cell)
    canvas.legend(MARGIN, bottom + 14, _legend(data), WIDTH - 2 * MARGIN - px - 20)
    metre = Scale(0, 1, WIDTH - MARGIN - px, WIDTH - MARGIN)
    canvas.line(metre.start, bottom + 10, metre.end, bottom + 10, "v-line v-l-ink")
    canvas.text(metre.end, bottom + 26, f"1 m; a cell is {number(cell)} m", "v-soft v-small", "end")
    return canvas


def _cell_length(faces: list[Face]) -> float:
    for length in LENGTHS_M:
        if sum(face.length_m / length * _levels(face) for face in faces) <= MOST_CELLS:
            return length
    return LENGTHS_M[-1]


def _levels(face: Face) -> int:
    return max((shelf.level for shelf in face.shelves), default=1)


def _flow(faces: list[Face], px: float) -> tuple[list[tuple[Face, float, float]], float]:
    """Lay faces side by side as long as there is room; returns each with its left upper corner, and the bottom."""
    spots: list[tuple[Face, float, float]] = []
    x, y, tall = MARGIN, 34.0, 0.0
    for face in faces:
        width = max(face.length_m * px, 7.0 * len(face.id))
        if x > MARGIN and x + width > WIDTH - MARGIN:
            x, y, tall = MARGIN, y + tall, 0.0
        spots.append((face, x, y))
        x += width + 28
        tall = max(tall, 18.0 + _levels(face) * LEVEL + 16.0)
    return spots, y + tall


def _face(canvas: Canvas, data: MapData, face: Face, x: float, y: float, px: float, cell: float) -> None:
    levels = _levels(face)
    here = data.face == face.id
    width = face.length_m * px
    count = max(int(np.ceil(face.length_m / cell - 1e-9)), 1)
    canvas.text(x, y + 12, face.id, "v-small")
    canvas.open("face", face=face.id)
    top = y + 18
    for level in range(1, levels + 1):
        row = top + (levels - level) * LEVEL
        mine = here & ((data.level == level) | ((data.level == 0) & (levels == 1)))
        column = np.clip((data.offset_m[mine] / cell).astype(np.int64), 0, count - 1)
        number_of = np.bincount(column, minlength=count)
        total = np.bincount(column, data.value[mine], count)
        mean = np.full(count, np.nan)
        np.divide(total, number_of, out=mean, where=number_of > 0)
        kind = np.where(number_of > 0, data.classes(np.nan_to_num(mean)), -1)
        begins = np.flatnonzero(np.append(True, np.diff(kind) != 0))
        ends = np.append(begins[1:], count)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            if kind[begin] < 0:
                continue
            low, high = begin * cell, min(end * cell, face.length_m)
            worst = (np.max if data.rising else np.min)(mean[begin:end])
            hint = f"{face.id}, level {level}, {low:.1f} to {high:.1f} m: up to {worst:.2f} {data.unit}"
            if not data.rising:
                hint = hint.replace("up to", "down to")
            canvas.rect(x + low * px, row, (high - low) * px, LEVEL - 1, f"v-f-k{kind[begin]}", hint.strip())
    edge = [x, x + width, x + width, x]
    canvas.path(edge, [top, top, top + levels * LEVEL, top + levels * LEVEL], "v-thin v-l-soft", closed=True)
    canvas.close()


def _legend(data: MapData) -> list[tuple[str, str, str]]:
    a, b, c, d = (number(edge) for edge in data.edges)
    first, last = ("under", "over") if data.rising else ("over", "under")
    words = (f"{first} {a}", f"{a} to {b}", f"{b} to {c}", f"{c} to {d}", f"{last} {d}")
    entries = [("box", f"v-f-k{i}", said) for i, said in enumerate(words)]
    return entries if data.everywhere else [*entries, ("box", "v-thin v-l-soft", "no tag there")]
