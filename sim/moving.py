"""Tags that move, as the radio sees them: carried by a trolley, with its metal, or by the robot itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from sim import environment
from sim.air import RobotPose
from sim.oddities import Mover
from sim.presets import RadioParameters
from sim.propagation import Floats, Ints, Scene

SLICE_S: Final = 0.025
"""Moving tags stand still so long: 5 mm at the robot's pace."""


class Carried:
    """The tags of all movers, at the end of the scene's.

    Parameters
    ----------
    movers : sequence of Mover
    scene : Scene
        With the tags on the shelves.
    floors : int32[n]
        Floor of each of them.
    parameters : RadioParameters
    rng : Generator
        Of the trolleys' metal and of what couples their tags.

    Attributes
    ----------
    scene : Scene
        With the moving tags after them; its places are this object's to move.
    floor_of_tag : int32[n + moving]
    first : int
        Index of the first moving tag.
    epc : tuple of str
        Of the moving ones.
    """

    def __init__(
        self,
        movers: Sequence[Mover],
        scene: Scene,
        floors: Ints,
        parameters: RadioParameters,
        rng: np.random.Generator,
    ) -> None:
        self.movers = tuple(movers)
        self.first = len(scene.tag_m)
        self.epc = tuple(epc for mover in movers for epc in mover.epc)
        self._tags: list[slice] = []
        self._metal: list[slice] = []
        tag, metal = self.first, len(scene.scatterer_m)
        group = np.zeros(0, np.int32)
        rho: list[environment.Complexes] = []
        starts = [int(scene.group_start[-1])] if len(scene.group_start) else [0]
        groups = len(scene.group_start) - 1
        for number, mover in enumerate(self.movers):
            n, m = len(mover.epc), len(mover.metal_m)
            self._tags.append(slice(tag, tag + n))
            self._metal.append(slice(metal, metal + m))
            group = np.concatenate([group, np.full(n, groups + number, np.int32)])
            rho.append(rng.uniform(*parameters.end_scatterer, m) * environment.unit_phasors(rng, m))
            starts.append(starts[-1] + m)
            tag, metal = tag + n, metal + m
        count = tag - self.first
        along = np.concatenate([mover.place_m[:, 0] for mover in self.movers] or [np.zeros(0)])
        board = np.concatenate(
            [np.round(mover.place_m[:, 2] / 0.35) for mover in self.movers] or [np.zeros(0)]
        )
        near, kappa = environment.coupling(rng, along, (group * 8 + board).astype(np.int32), parameters)
        near = np.where(near >= 0, near + self.first, -1).astype(np.int32)
        new_metal = metal - len(scene.scatterer_m)
        self.scene = replace(
            scene,
            tag_m=np.concatenate([scene.tag_m, np.zeros((count, 3))]),
            tag_normal=np.concatenate([scene.tag_normal, np.zeros((count, 3))]),
            tag_group=np.concatenate([scene.tag_group, group]).astype(np.int32),
            group_start=np.concatenate([scene.group_start, starts[1:]]).astype(np.int32),
            group_scatterer=np.concatenate(
                [scene.group_scatterer, len(scene.scatterer_m) + np.arange(new_metal)]
            ).astype(np.int32),
            group_rho=np.concatenate([scene.group_rho, *rho]),
            scatterer_m=np.concatenate([scene.scatterer_m, np.zeros((new_metal, 3))]),
            neighbour=np.concatenate([scene.neighbour, near]),
            kappa=np.concatenate([scene.kappa, kappa]),
        )
        floor = [mover.floor for mover in self.movers for _ in mover.epc]
        self.floor_of_tag = np.concatenate([floors, floor]).astype(np.int32)

    def move(self, t_ns: int, robot: RobotPose) -> None:
        """Put everything where it is at a time, the robot being where it is."""
        for mover, tags, metal in zip(self.movers, self._tags, self._metal, strict=True):
            if mover.is_robot:
                x, y, yaw = robot.x_m, robot.y_m, robot.yaw_rad
                self.floor_of_tag[tags] = robot.floor
            else:
                (x, y), yaw = mover.at(t_ns), mover.yaw_rad
            c, s = math.cos(yaw), math.sin(yaw)
            turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
            here = np.array([x, y, 0.0])
            self.scene.tag_m[tags] = here + mover.place_m @ turn.T
            self.scene.scatterer_m[metal] = here + mover.metal_m @ turn.T
            # Spines look to the side the mover drives along.
            self.scene.tag_normal[tags] = (s, -c, 0.0)

    def near(self, robot: RobotPose, reach_m: float) -> Ints:
        """Return the moving tags within reach."""
        rows = np.arange(self.first, self.first + len(self.epc))
        apart = np.hypot(self.scene.tag_m[rows, 0] - robot.x_m, self.scene.tag_m[rows, 1] - robot.y_m)
        return rows[(apart < reach_m) & (self.floor_of_tag[rows] == robot.floor)].astype(np.int32)


def radio_of(
    shelved: environment.TagRadio,
    carried: Carried | None,
    loss_db: Floats,
    parameters: RadioParameters,
    rng: np.random.Generator,
) -> environment.TagRadio:
    """Return the radio of all tags: the odd ones' further loss added, the moving ones drawn."""
    moving = environment.draw_tags(
        rng, parameters, np.full(0 if carried is None else len(carried.epc), np.inf)
    )
    return environment.TagRadio(
        loss_db=np.concatenate([shelved.loss_db + loss_db, moving.loss_db]),
        sensitivity_dbm=np.concatenate([shelved.sensitivity_dbm, moving.sensitivity_dbm]),
        phase_rad=np.concatenate([shelved.phase_rad, moving.phase_rad]),
        flip_share=np.concatenate([shelved.flip_share, moving.flip_share]),
    )
