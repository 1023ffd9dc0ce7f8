"""A library as the radio sees it: its tags among the metal of its shelves, and the walls in between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sim import environment
from sim.model import Library
from sim.presets import RadioParameters
from sim.propagation import Floats, Ints, Scene
from stacks.plan import Shelf


def build_scene(
    library: Library, parameters: RadioParameters, metal: np.random.Generator, couples: np.random.Generator
) -> tuple[Scene, Ints]:
    """Put the library's tags among the metal of its shelves."""
    faces = library.faces()
    shelves = library.shelves()
    beside = _beside(shelves)
    ends = np.zeros((2, len(shelves), 3))
    for i, (f, shelf) in enumerate(shelves):
        face = faces[f]
        x, y = face.to_map(np.array([shelf.from_m, shelf.to_m]), face.tag_depth_m)
        ends[:, i, 0], ends[:, i, 1] = x, y
        ends[:, i, 2] = shelf.board_z_m + 0.115
    angle = np.radians([face.normal_deg for face in faces])
    normals = np.column_stack([np.cos(angle), np.sin(angle)])
    face_of_shelf = np.array([f for f, _ in shelves], np.int64)
    geometry = environment.ShelfGeometry(
        from_m=ends[0],
        to_m=ends[1],
        normal=normals[face_of_shelf],
        left=beside[0],
        right=beside[1],
    )
    scatterer_m, group_start, group_scatterer, group_rho = environment.scatterers(metal, geometry, parameters)
    tags = library.tags
    # A shelf label on the board's edge lies apart from the books and is coupled with none of them.
    group = np.where(tags.label, len(shelves) + np.arange(len(tags)), tags.shelf).astype(np.int32)
    neighbour, kappa = environment.coupling(
        couples, tags.offset_m, group, parameters, heights_m=library.odd.pile_m if library.odd.pile_m.any() else None,
        own=library.own if library.register else None, register=library.register,
    )  # fmt: skip
    directions = np.radians([face.direction_deg for face in faces])
    slips = couples.standard_normal(library.register or len(tags))
    slip = parameters.phase_centre_sd_m * (slips[library.own] if library.register else slips)
    tag_m = tags.place_m.copy()
    tag_m[:, 0] += slip * np.cos(directions)[tags.face]
    tag_m[:, 1] += slip * np.sin(directions)[tags.face]
    floors = np.array([n for n, floor in enumerate(library.plan.floors) for _ in floor.faces], np.int32)
    scene = Scene(
        tag_m=tag_m,
        tag_normal=np.column_stack([normals[tags.face], library.odd.twist]),
        tag_group=tags.shelf.copy(),
        group_start=group_start,
        group_scatterer=group_scatterer,
        group_rho=group_rho,
        scatterer_m=scatterer_m,
        neighbour=neighbour,
        kappa=kappa,
    )
    return scene, floors[tags.face]


def walls(library: Library) -> tuple[Floats, ...]:
    """Walls of each floor, 9 cm behind the tags of every face."""
    found: list[Floats] = []
    for floor in library.plan.floors:
        rows = np.empty((len(floor.faces), 4))
        for n, face in enumerate(floor.faces):
            x, y = face.to_map(np.array([0.0, face.length_m]), face.tag_depth_m + 0.09)
            rows[n] = x[0], y[0], x[1], y[1]
        found.append(rows)
    return tuple(found)


def _beside(shelves: tuple[tuple[int, Shelf], ...]) -> tuple[Ints, Ints]:
    """Find each shelf's neighbours: same face and level, not more than 10 cm of upright between."""
    left, right = np.full((2, len(shelves)), -1, np.int32)
    rows: dict[tuple[int, int], list[int]] = {}
    for i, (f, shelf) in enumerate(shelves):
        rows.setdefault((f, shelf.level), []).append(i)
    for row in rows.values():
        row.sort(key=lambda i: shelves[i][1].from_m)
        for a, b in pairwise(row):
            if shelves[b][1].from_m - shelves[a][1].to_m < 0.1:
                right[a], left[b] = b, a
    return left, right


def to_upright(library: Library) -> Floats:
    """Return each tag's distance to the nearest end of its shelf, m."""
    ends = np.array([(s.from_m, s.to_m) for _, s in library.shelves()], np.float64).reshape(-1, 2)
    offset = library.tags.offset_m
    return np.minimum(
        np.abs(offset - ends[library.tags.shelf, 0]), np.abs(ends[library.tags.shelf, 1] - offset)
    )


def before_the_walls(library: Library, tag_m: Floats) -> Floats:
    """Return the tags' places as the walls shade them: those behind the row as if they stood in it.

    What the row in front costs them is in their own loss.
    """
    tags, odd = library.tags, library.odd
    if not odd.behind_m.any():
        return tag_m
    angle = np.radians([face.normal_deg for face in library.faces()])
    normals = np.column_stack([np.cos(angle), np.sin(angle)])
    out = tag_m.copy()
    out[: len(tags), :2] += odd.behind_m[:, None] * normals[tags.face]
    return out
