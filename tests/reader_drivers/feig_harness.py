"""What tests of FEIG readers share: a board that stands, and what was heard of it."""

from __future__ import annotations

from reader_drivers import TagData
from sim.readers.hf_small_world import HfSmallWorld
from tests.reader_drivers.harness import Heard


def standing(tags: int = 12, antennas: int = 1) -> HfSmallWorld:
    """A board that stands, its tags in reach."""
    world = HfSmallWorld(3, tags=tags, antennas=antennas, swing_s=0.0)
    world.keep = True
    return world


def rounds(heard: Heard) -> int:
    return sum(int(spans.rounds.sum()) for spans in heard.activity)


def memories(heard: Heard) -> list[TagData]:
    return [data for batch in heard.batches for data in batch.tags]
