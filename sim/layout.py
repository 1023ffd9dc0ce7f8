"""Floors, rows of double-faced bookcases, bays and shelves of a made-up library."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stacks.plan import Face, Floor, Plan, Shelf


@dataclass(frozen=True, slots=True)
class LayoutSettings:
    """Measures of the shelving.

    Attributes
    ----------
    levels : int
        Shelves per bay.
    bay_m, upright_m : float
        Pitch of the bays; how much of it an upright takes.
    lowest_board_m, level_pitch_m, clear_m : float
        Height of the lowest board, from board to board, and clear above a board.
    bookcase_depth_m : float
        Depth of a double-faced bookcase, both faces together.
    aisle_m : float
        Clear width between two rows.
    longest_face_bays : int
        Most bays of one face; a larger library gets more rows.
    rows_per_floor : int
        Most rows on one floor; a larger library gets more floors.
    tag_depth_m : float
        How far behind the face's line tags sit on average.
    """

    levels: int = 5
    bay_m: float = 0.9
    upright_m: float = 0.03
    lowest_board_m: float = 0.10
    level_pitch_m: float = 0.345
    clear_m: float = 0.32
    bookcase_depth_m: float = 0.5
    aisle_m: float = 1.5
    longest_face_bays: int = 7
    rows_per_floor: int = 12
    tag_depth_m: float = 0.03

    @property
    def shelf_m(self) -> float:
        """Clear length of one shelf."""
        return self.bay_m - self.upright_m


LABEL_FROM_LEFT_M, LABEL_BELOW_BOARD_M = 0.03, 0.015
"""A shelf's label is on its board's front edge, so far from its left end, its middle so far below the upper side."""


def build_plan(
    site: str, shelves: int, settings: LayoutSettings, label_epcs: dict[int, str] | None = None
) -> Plan:
    """Lay out at least ``shelves`` shelves.

    Rows run along x. Of each row the south face comes first in shelving order, then the north face; on a face bays run
    left to right and in a bay shelves from the top down.

    Parameters
    ----------
    site : str
    shelves : int
        Shelves wanted; bays are filled up and rows made equally long, so there may be more.
    settings : LayoutSettings
    label_epcs : dict of int to str, optional
        EPC of the shelf label by place in shelving order.

    Returns
    -------
    Plan
        Without ranges, which the call numbers decide.
    """
    bays = max(2, math.ceil(shelves / settings.levels))
    rows = max(2 if bays >= 8 else 1, math.ceil(bays / (2 * settings.longest_face_bays)))
    per_face = math.ceil(bays / (2 * rows))
    labels = label_epcs or {}
    floors: list[Floor] = []
    sequence = 0
    for first in range(0, rows, settings.rows_per_floor):
        floor = 1 + first // settings.rows_per_floor
        faces: list[Face] = []
        for row in range(first, min(rows, first + settings.rows_per_floor)):
            middle = (row - first) * (settings.bookcase_depth_m + settings.aisle_m)
            for name, sign in (("S", -1.0), ("N", 1.0)):
                face_id = f"{floor}-R{row - first + 1:02d}{name}"
                face_shelves: list[Shelf] = []
                for bay in range(per_face):
                    for level in range(settings.levels, 0, -1):
                        sequence += 1
                        label = labels.get(sequence)
                        left_m = bay * settings.bay_m + settings.upright_m / 2
                        board_m = settings.lowest_board_m + (level - 1) * settings.level_pitch_m
                        face_shelves.append(
                            Shelf(
                                id=f"{face_id}-{bay + 1:02d}-{level}",
                                bay=str(bay + 1),
                                level=level,
                                from_m=round(left_m, 4),
                                to_m=round((bay + 1) * settings.bay_m - settings.upright_m / 2, 4),
                                board_z_m=round(board_m, 4),
                                clear_m=settings.clear_m,
                                sequence=sequence,
                                tag=label,
                                tag_offset_m=None if label is None else round(left_m + LABEL_FROM_LEFT_M, 4),
                                tag_z_m=None
                                if label is None
                                else round(max(board_m - LABEL_BELOW_BOARD_M, 0.01), 4),
                            )
                        )
                length = round(per_face * settings.bay_m, 4)
                faces.append(
                    Face(
                        id=face_id,
                        origin_m=(length if sign > 0 else 0.0, middle + sign * settings.bookcase_depth_m / 2),
                        direction_deg=180.0 if sign > 0 else 0.0,
                        normal_deg=90.0 * sign,
                        length_m=length,
                        tag_depth_m=settings.tag_depth_m,
                        shelves=tuple(face_shelves),
                    )
                )
        floors.append(Floor(id=str(floor), faces=tuple(faces)))
    return Plan(site=site, version="1", floors=tuple(floors))
