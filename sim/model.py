"""A simulated library as data: its shelving, its catalogue, its tags, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.layout import LABEL_BELOW_BOARD_M, LABEL_FROM_LEFT_M
from sim.oddities import Mover, TagOddities
from sim.presets import RadioParameters
from sim.robot import RobotDescription
from sim.trouble import Planted
from stacks.holdings import Holding
from stacks.plan import Face, Plan, Shelf


@dataclass(frozen=True, slots=True)
class Tags:
    """Every tag that is physically there, ordered by shelf and place.

    Attributes
    ----------
    epc : tuple of str
        Upper-case hexadecimal.
    place_m : float64[n, 3]
        Map frame; z from the floor.
    offset_m : float64[n]
        Along the face, from its origin.
    face, shelf : int32[n]
        Index into the plan's faces and shelves, in plan order.
    label : bool[n]
        True for shelf labels.
    """

    epc: tuple[str, ...]
    place_m: NDArray[np.float64]
    offset_m: NDArray[np.float64]
    face: NDArray[np.int32]
    shelf: NDArray[np.int32]
    label: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.epc)


@dataclass(frozen=True, slots=True)
class Library:
    """One simulated library.

    Attributes
    ----------
    plan : Plan
        With ranges.
    holdings : tuple of Holding
        The catalogue, in shelving order.
    tags : Tags
        What is really there.
    planted : tuple of Planted
        What is wrong.
    robot : RobotDescription
        The robot that drives here.
    radio : RadioParameters
        The air.
    radio_preset : str
        The preset's name `radio` came from.
    seed : int
    odd : TagOddities
        What is unusual about some of the tags; ordinary ones by default.
    movers : tuple of Mover
        What carries tags about.
    own : int64[n]
        Number of each tag in the register of all the tags the library ever has: what differs from tag to tag then stays
        the tag's own, wherever its book stands. Empty: it is drawn as the tags stand. Saved folders do not keep it.
    register : int
        How many tags the register has.
    """

    plan: Plan
    holdings: tuple[Holding, ...]
    tags: Tags
    planted: tuple[Planted, ...]
    robot: RobotDescription
    radio: RadioParameters
    radio_preset: str
    seed: int
    odd: TagOddities = field(default_factory=lambda: TagOddities.none(0))
    movers: tuple[Mover, ...] = ()
    own: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    register: int = 0

    def __post_init__(self) -> None:
        if not len(self.odd.twist):
            object.__setattr__(self, "odd", TagOddities.none(len(self.tags)))

    def save(self, folder: str | Path) -> Path:
        """Write the library's folder (`sim.library_folder.save_library`)."""
        from sim.library_folder import save_library

        return save_library(self, folder)

    def faces(self) -> tuple[Face, ...]:
        """Return all faces in plan order."""
        return tuple(face for floor in self.plan.floors for face in floor.faces)

    def shelves(self) -> tuple[tuple[int, Shelf], ...]:
        """Return all shelves in plan order, each with its face's index."""
        return tuple((f, shelf) for f, face in enumerate(self.faces()) for shelf in face.shelves)


def label_place(face: Face, shelf: Shelf) -> tuple[float, float, float, float]:
    """Where a shelf's label is: on the board's front edge, where the plan says; x, y, z and offset in metres.

    A plan that does not say has it near the board's left end.
    """
    offset = shelf.from_m + LABEL_FROM_LEFT_M if shelf.tag_offset_m is None else shelf.tag_offset_m
    z = max(shelf.board_z_m - LABEL_BELOW_BOARD_M, 0.01) if shelf.tag_z_m is None else shelf.tag_z_m
    x, y = face.to_map(np.array([offset]), 0.0)
    return float(x[0]), float(y[0]), z, offset
