"""What is unusual about some tags: lying books, books pushed behind the row, two tags in a book, tags that move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from sim.errors import SimError

Floats = NDArray[np.float64]

ODDITIES_FORMAT: Final = "nightstack-sim-oddities/1"
KINDS: Final = ("lying", "pushed_back", "double", "moving")
MOST_MOVERS: Final = 50


@dataclass(frozen=True, slots=True)
class OddityRates:
    """How much of it there is; none by default.

    Attributes
    ----------
    lying : float
        Share of the copies on the shelves that lie flat, in piles: in the row, where a pile takes the width of one
        book's height, or on top of the standing ones.
    pushed_back : float
        Share of the copies that stand behind the row.
    double : float
        Share of the copies with an old tag left in.
    trolleys : int
        Book trolleys pushed about in the aisles all night, with long and short stops.
    trolley_books : int
        Copies on each, taken from those on loan.
    on_robot : int
        Tags that ride on the robot.
    """

    lying: float = 0.0
    pushed_back: float = 0.0
    double: float = 0.0
    trolleys: int = 0
    trolley_books: int = 12
    on_robot: int = 0

    def __post_init__(self) -> None:
        for name in ("lying", "pushed_back", "double"):
            if not 0.0 <= (value := getattr(self, name)) <= 0.3:
                raise SimError(f"oddity rate {name} is {value}; it must be from 0 to 0.3")
        for name in ("trolleys", "trolley_books", "on_robot"):
            if not 0 <= (value := getattr(self, name)) <= MOST_MOVERS:
                raise SimError(f"oddity number {name} is {value}; it must be from 0 to {MOST_MOVERS}")

    @property
    def any(self) -> bool:
        """Whether there is anything of the sort."""
        return max(self.lying, self.pushed_back, self.double, self.trolleys, self.on_robot) > 0


@dataclass(frozen=True, slots=True)
class TagOddities:
    """How the radio of shelved tags differs from a standing book's, one row a tag, in the tags' order.

    Attributes
    ----------
    twist : float64[n]
        0: the tag stands upright. Else it lies along the shelf, and this is the share (its sign the antennas' hand)
        of the phase by which a circular antenna sees a lying dipole turned against an upright one.
    pile_m : float64[n]
        Height above the middle of its pile; 0 for what stands.
    behind_m : float64[n]
        How far behind the row it stands.
    loss_db : float64[n]
        Further one-way loss: the row in front, a second tag beside it.
    """

    twist: Floats
    pile_m: Floats
    behind_m: Floats
    loss_db: Floats

    @classmethod
    def none(cls, n: int) -> TagOddities:
        """Return those of ``n`` ordinary tags."""
        return cls(*(np.zeros(n) for _ in fields(cls)))

    def select(self, index: NDArray[np.int64]) -> TagOddities:
        """Return those of the chosen tags."""
        return TagOddities(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def odd(self) -> NDArray[np.bool_]:
        """Which tags differ at all, bool[n]."""
        return np.any([getattr(self, field.name) != 0 for field in fields(self)], axis=0)


@dataclass(frozen=True, slots=True)
class Mover:
    """Something that carries tags about.

    Attributes
    ----------
    id : str
    floor : int
        Index into the plan's floors.
    epc : tuple of str
    place_m : float64[n, 3]
        Of each tag, in the mover's frame: ahead, to its left, above the floor.
    t_s, x_m, y_m : float64[p]
        Its way, in map coordinates; it comes back to the start, and begins anew after ``t_s[-1]`` seconds. All empty:
        it is the robot itself.
    yaw_rad : float
        Where it faces; it is pushed forth and back without turning.
    metal_m : float64[m, 3]
        Its own metal, in its frame.
    """

    id: str
    floor: int
    epc: tuple[str, ...]
    place_m: Floats
    t_s: Floats
    x_m: Floats
    y_m: Floats
    yaw_rad: float
    metal_m: Floats

    @property
    def is_robot(self) -> bool:
        """Whether the robot carries them."""
        return self.t_s.size == 0

    def at(self, t_ns: int) -> tuple[float, float]:
        """Return where it is, map frame."""
        t = (t_ns * 1e-9) % float(self.t_s[-1])
        return float(np.interp(t, self.t_s, self.x_m)), float(np.interp(t, self.t_s, self.y_m))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in ((f.name, getattr(self, f.name)) for f in fields(self))
        }


def oddities_json(epc: tuple[str, ...], odd: TagOddities, movers: tuple[Mover, ...]) -> dict[str, Any]:
    """Return the object of ``oddities.json``: the odd tags alone, by EPC, and what moves."""
    tags = {
        epc[i]: {field.name: float(getattr(odd, field.name)[i]) for field in fields(odd)}
        for i in np.flatnonzero(odd.odd).tolist()
    }
    return {"format": ODDITIES_FORMAT, "tags": tags, "movers": [mover.to_json() for mover in movers]}


def read_oddities(obj: object, epc: tuple[str, ...], source: str) -> tuple[TagOddities, tuple[Mover, ...]]:
    """Check and read the object of ``oddities.json``.

    Raises
    ------
    SimError
        When it is not what `oddities_json` writes.
    """
    wrong = SimError(f"{source}: is no {ODDITIES_FORMAT} object; make the library again")
    if not isinstance(obj, Mapping):
        raise wrong
    found = cast(Mapping[str, Any], obj)
    if found.get("format") != ODDITIES_FORMAT:
        raise wrong
    row = {name: n for n, name in enumerate(epc)}
    odd = TagOddities.none(len(epc))
    try:
        for name, values in found["tags"].items():
            if name not in row:
                raise SimError(f"{source}: tag {name} is not on the shelves; make the library again")
            for field in fields(odd):
                getattr(odd, field.name)[row[name]] = float(values[field.name])
        movers = tuple(_mover(value) for value in found["movers"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise wrong from None
    if not all(np.isfinite(getattr(odd, field.name)).all() for field in fields(odd)):
        raise wrong
    return odd, movers


def _mover(value: Mapping[str, Any]) -> Mover:
    way = [np.array(value[name], np.float64) for name in ("t_s", "x_m", "y_m")]
    epc = tuple(str(name) for name in value["epc"])
    place = np.array(value["place_m"], np.float64).reshape(len(epc), 3)
    metal = np.array(value["metal_m"], np.float64).reshape(-1, 3)
    same = len({w.shape for w in way}) == 1 and way[0].ndim == 1 and bool(np.all(np.diff(way[0]) > 0))
    if not same or way[0].size == 1 or not all(np.isfinite(a).all() for a in (*way, place, metal)):
        raise ValueError
    return Mover(
        str(value["id"]),
        int(value["floor"]),
        epc,
        place,
        way[0],
        way[1],
        way[2],
        float(value["yaw_rad"]),
        metal,
    )
