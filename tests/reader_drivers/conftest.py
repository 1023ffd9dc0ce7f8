"""An event loop, a small world, and a reader emulated in it."""

from collections.abc import Iterator

import pytest

from sim.readers.llrp import LlrpEmulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Loop, running_loop, served


@pytest.fixture
def loop() -> Iterator[Loop]:
    with running_loop() as running:
        yield running


@pytest.fixture
def world() -> SmallWorld:
    made = SmallWorld(7, reads_per_s=2000, slice_s=0.02)
    made.keep = True
    return made


@pytest.fixture
def emulator(loop: Loop, world: SmallWorld) -> Iterator[LlrpEmulator]:
    with served(loop, world) as running:
        yield running
