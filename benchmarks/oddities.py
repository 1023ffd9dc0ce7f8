"""Lying books, books behind the row, second tags and tags that move: found of them, and false alarms beside.

Simulated libraries (`benchmarks.simulated`) of several seeds, with 3 % of the books lying, 1 % behind the row, 1 % with
an old tag left in, two trolleys of eight books and two tags on the robot; the same number of libraries without any of
it; and the measured scans, in which every tag is ordinary. A kind is found where the positions name it with a
posterior of at least one half (`said`) or 0.8 (`sure`).

Then libraries of other physics, smaller and more of them, for their false alarms above all: phases known up to pi,
scans as `nightstack sim` makes them, two antennas, neighbours that couple without metal, no phases at all.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table

from benchmarks.accuracy import wide_console
from benchmarks.honesty_worlds import LIBRARIES, Kind
from benchmarks.measured import measured_folder, measured_sets, why_absent
from benchmarks.scoring import wanted
from benchmarks.simulated import World, library_of, night
from localization import localize
from localization.oddities import KINDS
from localization.positions import Positions
from recording import Recording, read_recording, write_recording
from sim.library import make_library
from sim.model import Library
from sim.oddities import OddityRates
from sim.record import record
from stacks.plan import read_plan

Bools = npt.NDArray[np.bool_]

RATES: Final = OddityRates(lying=0.03, pushed_back=0.01, double=0.01, trolleys=2, trolley_books=8, on_robot=2)
SEEDS: Final = (501, 502, 503, 504)
BOOKS: Final = 1500
TROUBLES: Final[Mapping[str, float]] = {"easy": 0.5, "ordinary": 1.0, "harsh": 2.0}
MOVED_M: Final = 0.3  # a trolley that moved so far between its tag's readings moved while it was heard
SAID: Final = 0.5
SURE: Final = 0.8
EDGES: Final = (0.02, 0.2, 0.5, 0.8, 1.01)
OTHER_SEEDS: Final = tuple(range(521, 529))
OTHER_BOOKS: Final = 400


@dataclass(frozen=True, slots=True)
class Other:
    """A library of other physics.

    Attributes
    ----------
    kind : Kind
        Its oddities are replaced.
    as_recorded : bool
        Scanned as `nightstack sim record` does it: the simulator's own robot, base and air, and every reading kept.
    phases : bool
        False: the reader tells none.
    """

    kind: Kind = field(default_factory=Kind)
    as_recorded: bool = False
    phases: bool = True


SLOWLY: Final = World(speed_mps=0.1, passes=2)
OTHERS: Final[Mapping[str, Other]] = {
    "phases flip by pi": Other(Kind(radio={"pi_flips": True})),
    "phases flip by pi, easy": Other(Kind(World(trouble=0.5), radio={"pi_flips": True})),
    "as `sim record` makes it, phases flip by pi": Other(Kind(SLOWLY, usual="ordinary"), as_recorded=True),
    "the same, easy, phases do not flip": Other(Kind(SLOWLY, usual="easy"), as_recorded=True),
    "two antennas, easy": Other(LIBRARIES["easy, two antennas"]),
    "coupling, no metal": Other(LIBRARIES["coupling, no metal"]),
    "no phases": Other(phases=False),
}
"""By name."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The tags of some runs: what is true of each, and what was said.

    Attributes
    ----------
    truth, said : object array of str, shape (n,)
        Empty: ordinary. The truth tells piles in the row from those on it, trolleys that moved while they were heard
        from those that stood, and tags on the robot.
    p : float64 array, shape (n,)
        Of ``said``.
    """

    truth: npt.NDArray[np.object_]
    said: npt.NDArray[np.object_]
    p: npt.NDArray[np.float64]

    @classmethod
    def of(cls, positions: Positions, truth: Mapping[str, str]) -> Judged:
        """Join positions with what is true."""
        return cls(
            np.array([truth.get(epc, "") for epc in positions.epc.tolist()], object),
            np.array([kind or "" for kind in positions.oddity.tolist()], object),
            np.nan_to_num(positions.p_oddity),
        )

    @classmethod
    def pool(cls, parts: list[Judged]) -> Judged:
        """Join several runs."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(cls)))

    def of_kind(self, kind: str) -> Bools:
        """Which tags are of a kind, whatever of it they are."""
        return np.array([true.partition(" ")[0] == kind for true in self.truth], np.bool_)

    def found(self, kind: str, at_least: float) -> Bools:
        """Which tags a kind was said of."""
        return (self.said == kind) & (self.p >= at_least)


def main(*, only: Sequence[str] = ()) -> dict[str, Any]:
    """Print the tables and return the figures; of groups whose names contain one of ``only``, if there are any."""
    console = wide_console()
    figures: dict[str, Any] = {"seeds": list(SEEDS), "books": BOOKS}
    for name, trouble in TROUBLES.items():
        if not wanted(f"{BOOKS} books, {name}", only):
            continue
        odd, plain = (
            Judged.pool([_night(trouble, seed, rates) for seed in SEEDS]) for rates in (RATES, OddityRates())
        )
        figures[name] = _figures(odd, plain)
        console.print(_table(name, figures[name]))
        console.print(_honesty(name, figures[name]))
    figures["others"] = {}
    for name, other in OTHERS.items():
        if not wanted(f"other {name}", only):
            continue
        odd, plain = (
            Judged.pool([_other_night(other, seed, rates) for seed in OTHER_SEEDS])
            for rates in (RATES, OddityRates())
        )
        figures["others"][name] = _figures(odd, plain)
        console.print(_table(name, figures["others"][name]))
    folder = measured_folder()
    if not wanted("measured", only):
        pass
    elif folder is None:
        console.print(why_absent())
    else:
        figures["measured"] = {name: _measured(runs) for name, runs in measured_sets(folder).items()}
        for name, row in figures["measured"].items():
            alarms = ", ".join(f"{kind} {row[kind]}" for kind in KINDS)
            console.print(f"{name}: {row['tags']} tags of {row['runs']} recordings; false alarms: {alarms}")
    return figures


def _night(trouble: float, seed: int, rates: OddityRates) -> Judged:
    world = World(trouble=trouble, books=BOOKS, seed=seed, oddities=rates)
    library = library_of(world)
    with tempfile.TemporaryDirectory() as folder:
        recording = read_recording(night(world, library, 0, Path(folder)))
    return _judged(library, recording)


def _other_night(other: Other, seed: int, rates: OddityRates) -> Judged:
    with tempfile.TemporaryDirectory() as folder:
        library, path = scan_other(other, seed, rates, Path(folder))
        recording = read_recording(path)
    return _judged(library, recording)


def scan_other(
    other: Other, seed: int, rates: OddityRates, folder: Path, *, books: int = OTHER_BOOKS
) -> tuple[Library, Path]:
    """Scan a library of other physics; return it and its recording's folder."""
    world = replace(other.kind.world, seed=seed, books=books, oddities=rates)
    if other.as_recorded:
        library = make_library(books, seed=seed, radio=other.kind.usual, oddities=rates)
        path = record(library, folder / "scan", passes=world.passes, speed_mps=world.speed_mps, seed=seed)
    else:
        library = library_of(world)
        library = replace(library, radio=replace(library.radio, **other.kind.radio))
        path = night(world, library, 0, folder)
    if other.phases:
        return library, path
    heard = read_recording(path)
    none = np.full(len(heard.readings), np.nan, np.float32)
    mute = replace(heard, readings=replace(heard.readings, phase_rad=none))
    return library, write_recording(folder / "mute", mute, plan=heard.plan_path)


def _judged(library: Library, recording: Recording) -> Judged:
    positions = localize(recording, library.plan).positions
    return Judged.of(positions, true_oddities(library, recording))


def true_oddities(library: Library, recording: Recording) -> dict[str, str]:
    """Return what is unusual about each tag, by EPC: the kind, and which of it."""
    out: dict[str, str] = {}
    for one in library.planted:
        if one.kind == "lying":
            out[one.epc] = f"lying {'in' if 'in the row' in one.detail else 'on'} the row"
        elif one.kind in KINDS:
            out[one.epc] = one.kind
    readings = recording.readings
    number = {epc: n for n, epc in enumerate(readings.tags)}
    for mover in library.movers:
        for epc in mover.epc:
            if mover.is_robot:
                out[epc] = "moving on the robot"
            elif epc in number:
                at = np.array([mover.at(int(t)) for t in readings.t[readings.tag == number[epc]]])
                far = float(np.hypot(*np.ptp(at, axis=0)))
                out[epc] = f"moving trolley, {'moved' if far >= MOVED_M else 'stood'}"
    return out


def _figures(odd: Judged, plain: Judged) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for kind in KINDS:
        true = odd.of_kind(kind)
        row: dict[str, Any] = {"there": int(true.sum())}
        for name, at_least in (("said", SAID), ("sure", SURE)):
            found = odd.found(kind, at_least)
            row[name] = int(found.sum())
            row[f"{name}_right"] = int((found & true).sum())
            row[f"{name}_in_plain"] = int(plain.found(kind, at_least).sum())
        row["sorts"] = {
            sort: [int((odd.found(kind, SAID) & (odd.truth == sort)).sum()), int((odd.truth == sort).sum())]
            for sort in sorted({str(t) for t in odd.truth[true]})
        }
        row["honesty"] = [
            [low, high, int(inside.sum()), float(odd.p[inside].mean()), int((inside & true).sum())]
            for low, high in itertools.pairwise(EDGES)
            for inside in [(odd.said == kind) & (odd.p >= low) & (odd.p < high)]
            if inside.any()
        ]
        rows[kind] = row
    return {"tags": len(odd.p), "plain_tags": len(plain.p), "kinds": rows}


def _table(name: str, figures: dict[str, Any]) -> Table:
    title = f"{name}: {figures['tags']} tags with oddities, {figures['plain_tags']} without"
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for column in ("kind", "there", "said", "precision", "recall", "sure", "precision", "recall"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    table.add_column("false alarms without any, said / sure", justify="right")
    for kind, row in figures["kinds"].items():
        cells = [kind, str(row["there"])]
        for level in ("said", "sure"):
            right, said = row[f"{level}_right"], row[level]
            cells += [str(said), _share(right, said), _share(right, row["there"])]
        table.add_row(*cells, f"{row['said_in_plain']} / {row['sure_in_plain']}")
        for sort, (found, there) in row["sorts"].items():
            if sort != kind:
                table.add_row(f"  {sort}", str(there), "", "", _share(found, there), "", "", "", "")
    return table


def _honesty(name: str, figures: dict[str, Any]) -> Table:
    table = Table(
        title=f"{name}: posteriors told against what came true", box=box.SIMPLE, title_justify="left"
    )
    for column in ("kind", "posterior", "tags", "mean posterior", "true"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for kind, row in figures["kinds"].items():
        for low, high, count, mean, true in row["honesty"]:
            table.add_row(
                kind, f"{low:.2f}-{min(high, 1.0):.2f}", str(count), f"{mean:.2f}", _share(true, count)
            )
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def _measured(runs: tuple[Path, ...]) -> dict[str, int]:
    found: list[Positions] = []
    for run in runs:
        recording = read_recording(run)
        plan = None if recording.plan_path is None else read_plan(recording.plan_path)
        found.append(localize(recording, plan).positions)
    judged = Judged.pool([Judged.of(positions, {}) for positions in found])
    alarms = {kind: int(judged.found(kind, SAID).sum()) for kind in KINDS}
    return {"runs": len(found), "tags": len(judged.p), **alarms}
