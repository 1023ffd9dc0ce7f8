"""FEIG HF readers: what they read of the tags' memories, and what that costs the inventory."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from reader_drivers import open_reader
from reader_drivers.feig.codec import ADVANCED, Control, Iso, Status, reverse_blocks
from sim.readers.feig import FeigEmulator
from tests.reader_drivers.feig_harness import memories, rounds, standing
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import serving


@pytest.mark.parametrize(
    ("reverse", "order", "eas"),
    [(False, "auto", False), (False, "tag", True), (True, "reversed", True), (True, "auto", False)],
)
def test_memories_are_read_once_and_right(loop: Loop, reverse: bool, order: str, eas: bool) -> None:
    world = standing()
    with (
        serving(loop, lambda: FeigEmulator(world, reversed_blocks=reverse)) as emulator,
        open_reader(f"{emulator.url}?memory=1&memory_share=0.8&block_order={order}&eas={int(eas)}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(memories(h)) == 12)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 24)
    read = memories(heard)
    assert len(read) == 12 and heard.events == []
    for data in read:
        tag = world.tags[bytes.fromhex(data.epc)]
        raw = reverse_blocks(bytes(tag.memory), 4) if reverse and order == "auto" else bytes(tag.memory)
        assert (data.memory, data.block_bytes, data.afi, data.dsfid) == (raw, 4, tag.afi, 0x3E)
        assert data.eas == (tag.eas if eas else None)
        assert data.antenna == 1
    assert {data.afi for data in read} == {0x07, 0xC2}


def test_memories_take_no_more_than_their_share(loop: Loop) -> None:
    """Twenty tags are read over and over, and inventories go on at more than two thirds of their pace."""
    paces: dict[str, float] = {}
    for options in ("memory=0", "memory=1&memory_again=0.2&memory_share=0.3"):
        world = standing(20)
        with (
            serving(loop, lambda world=world: FeigEmulator(world)) as emulator,
            open_reader(f"{emulator.url}?{options}", clock=world.true_time_ns) as reader,
        ):
            reader.connect()
            reader.start()
            heard = Heard(reader).until(lambda h: rounds(h) >= 9)
            reader.stop()
            heard.batches.append(reader.read(0))
        # Air time of the inventories themselves, and the time from first to last.
        took = sum(inventory.t_end_ns - inventory.t_start_ns for inventory in world.produced)
        paces[options] = took / (world.produced[-1].t_end_ns - world.produced[0].t_start_ns)
        assert (len(memories(heard)) > 5) == options.startswith("memory=1")
    plain, reading = paces.values()
    assert reading > 0.66 * plain


def test_a_tag_is_read_again_where_that_is_asked(loop: Loop) -> None:
    world = standing(2)
    with (
        serving(loop, lambda: FeigEmulator(world)) as emulator,
        open_reader(f"{emulator.url}?memory=1&memory_again=0.3&memory_blocks=9") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(memories(h)) >= 6)
    assert {len(data.memory) for data in memories(heard)} == {36}
    per_tag = [data.t for data in memories(heard) if data.epc == memories(heard)[0].epc]
    assert np.diff(per_tag).min() >= 300_000_000


def test_a_chip_that_gives_few_blocks_at_once_is_read_in_smaller_pieces(loop: Loop) -> None:
    class Small(FeigEmulator):
        async def answer(self, frame: bytes) -> None:
            control, data = ADVANCED.read_request(frame)[1:]
            if control == Control.ISO and data[0] == Iso.SYSTEM_INFO:
                await self.send(ADVANCED.answer(control, Status.ISO_ERROR, b"\x01"))
            elif control == Control.ISO and data[0] == Iso.READ_BLOCKS and data[-1] > 4:
                await self.send(ADVANCED.answer(control, Status.ISO_ERROR, b"\x0f"))
            else:
                await super().answer(frame)

    world = standing(3)
    for chip in world.tags.values():
        del chip.memory[40:]
    with (
        serving(loop, lambda: Small(world)) as emulator,
        open_reader(f"{emulator.url}?memory=1&memory_share=0.8") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(memories(h)) == 3)
    for data in memories(heard):
        assert data.memory == bytes(world.tags[bytes.fromhex(data.epc)].memory)
        assert (data.afi, data.dsfid) == (None, 0x3E)


def test_an_answer_that_comes_late_is_nobody_elses(loop: Loop) -> None:
    """A reader that hung answers twice when it wakes; memories read meanwhile must be those of their tags."""
    world = standing()

    class Slow(FeigEmulator):
        stuck = 0

        async def answer(self, frame: bytes) -> None:
            Slow.stuck += 1
            if Slow.stuck % 9 == 0:
                await asyncio.sleep(0.45)  # longer than the driver waits before it asks again
            await super().answer(frame)

    with (
        serving(loop, lambda: Slow(world)) as emulator,
        open_reader(f"{emulator.url}?memory=1&memory_share=0.6&timeout=1") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(memories(h)) >= 6)
    assert "reader_gone" not in heard.kinds
    for data in memories(heard):
        assert data.memory == bytes(world.tags[bytes.fromhex(data.epc)].memory)
