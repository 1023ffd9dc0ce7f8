"""Weak tags: how many attenuated ones are told, how many usual ones are accused, and whether the chances hold.

Libraries of 600 copies live through eight nights; 20 of their tags lose 6 to 16 dB one way. Many of the weakest are
never heard at all, which no memory can tell from missing books: asked for are those heard on three nights and more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from localization import localize
from recording import read_recording
from reports.memory import Memory
from reports.night import judge_night
from reports.policy import Policy
from reports.weak_tags import weigh
from sim.library_life import LibraryLife
from sim.record import record
from stacks.plan import read_plan

BOOKS, WEAK, LOSS_DB, PASSES, SPEED_MPS = 600, 20, (6.0, 16.0), 3, 0.1
STRONG_DB = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one library's tags.

    Attributes
    ----------
    usual, accused : int
        Usual tags heard on three nights and more, and those of them that were called weak.
    strong, strong_told, slight, slight_told : int
        Tags that lost 10 dB and more, or less, heard on three nights and more; and those of them that were told.
    stated : list of (float, bool)
        Chances after the last night, and whether the tag was attenuated.
    """

    usual: int
    accused: int
    strong: int
    strong_told: int
    slight: int
    slight_told: int
    stated: list[tuple[float, bool]]


def live(seed: int, nights: int, preset: str) -> Told:
    """Live through some nights and count."""
    life = LibraryLife(BOOKS, seed, radio=preset)
    rng = np.random.default_rng([seed, 7])
    chosen = rng.choice(BOOKS, WEAK, replace=False)
    loss = dict(zip((life.epcs[int(c)] for c in chosen), rng.uniform(*LOSS_DB, WEAK).tolist(), strict=True))
    memory, said = Memory.empty(), set[str]()
    for n in range(nights):
        library = life.library()
        extra = np.array([loss.get(epc, 0.0) for epc in library.tags.epc])
        library = replace(library, odd=replace(library.odd, loss_db=library.odd.loss_db + extra))
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "night"
            record(
                library, folder, PASSES, SPEED_MPS, seed=1000 * seed + n, started_ns=life.night_ns,
                back_and_forth=True, run_id=f"weak-{n:02d}",
            )  # fmt: skip
            plan = read_plan(folder / "plan.json")
            placed = localize(replace(read_recording(folder), truth=None), plan)
        night = judge_night(
            f"weak-{n:02d}", life.evening, placed.positions, placed.coverage, plan, life.holdings(), memory=memory
        )  # fmt: skip
        memory = night.memory
        said |= {f.epc for f in night.findings if f.kind == "weak_tag"}
        life.pass_day()
    heard = {epc: float(n) for epc, n in zip(memory.epc, memory.heard, strict=True) if n >= 3.0}
    strong = {epc for epc in heard if loss.get(epc, 0.0) >= STRONG_DB}
    slight = {epc for epc in heard if 0.0 < loss.get(epc, 0.0) < STRONG_DB}
    w = weigh(memory, Policy())
    told = np.flatnonzero(w.nights >= 2.5)
    return Told(
        len(heard) - len(strong) - len(slight), len(said - set(loss)), len(strong), len(strong & said),
        len(slight), len(slight & said), [(float(w.chance[i]), memory.epc[i] in loss) for i in told],
    )  # fmt: skip


def main(options: Sequence[str] | None = None) -> list[Told]:
    """Print the figures and return them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weak_tags")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--nights", type=int, default=8)
    parser.add_argument("--preset", default="ordinary", choices=("easy", "ordinary", "harsh"))
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(options)
    seeds = range(1, given.seeds + 1)
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(live, seeds, [given.nights] * len(seeds), [given.preset] * len(seeds)))
    total = [sum(getattr(t, name) for t in made) for name in Told.__dataclass_fields__ if name != "stated"]
    print(f"{given.preset}, {len(made)} libraries, {given.nights} nights")
    print(f"usual tags called weak: {total[1]} of {total[0]}")
    print(
        f"told of those that lost 10 dB and more: {total[3]} of {total[2]}; 6 to 10 dB: {total[5]} of {total[4]}"
    )
    stated = [pair for t in made for pair in t.stated]
    for low, high in ((0.0, 0.05), (0.05, 0.5), (0.5, 0.8), (0.8, 1.01)):
        chances = [(p, weak) for p, weak in stated if low <= p < high]
        if chances:
            p, weak = np.mean(chances, axis=0)
            print(
                f"stated {low:.2f} to {min(high, 1.0):.2f}: {len(chances):5d} tags, {p:.3f} stated, {weak:.3f} so"
            )
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
