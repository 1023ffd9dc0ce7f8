"""Tags' TID and user memory: handed out once a tag, by whichever way the reader has."""

from __future__ import annotations

from typing import Any

import pytest

from reader_drivers import ReaderError, TagData
from sim.readers.gen2_memory import TagMemory, usual_memory
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import FAST, Heard, Loop, open_at, served

PLAIN = Identity(manufacturer=161, model=9600)


def told(heard: Heard) -> list[TagData]:
    return [data for batch in heard.batches for data in batch.tags]


def world() -> SmallWorld:
    return SmallWorld(7, tags=20, reads_per_s=2000, slice_s=0.02)


@pytest.mark.parametrize(
    ("identity", "options", "user", "access"),
    [
        (Identity(), "tid=1", False, False),
        (PLAIN, "tid=1", False, True),
        (Identity(), "memory=1", True, True),
        (PLAIN, "memory=1", True, True),
        (Identity(version=2), "memory=1&tid=1", True, True),
    ],
)
def test_every_tag_is_told_once(
    loop: Loop, identity: Identity, options: str, user: bool, access: bool
) -> None:
    source = world()
    with (
        served(loop, source, identity=identity) as emulator,
        open_at(emulator, f"{FAST}&{options}") as reader,
    ):
        reader.connect()
        reader.start()
        assert bool(emulator.state.enabled) == access
        heard = Heard(reader).until(lambda h: len(told(h)) == 20)
        # Neither more reads nor a connection anew tell any of them again.
        count = len(heard.readings)
        loop.run(emulator.drop())
        heard.until(lambda h: "reader_back" in h.kinds and len(h.readings) > count + 500)
    assert heard.kinds == ["reader_gone", "reader_back"]
    data = {item.epc: item for item in told(heard)}
    assert len(told(heard)) == len(data) == 20
    for epc in source.tags:
        item, true = data[epc.hex().upper()], usual_memory(epc)
        assert (item.tid, item.memory) == (true.tid, true.user if user else b"")
        assert item.antenna in (1, 2, 3, 4)
        assert heard.readings.t.min() - 10**9 < item.t < heard.readings.t.max() + 10**9
    # The readings are what they are without memories.
    assert set(heard.readings.tags) == set(data)


def test_memories_are_not_asked_for_unless_wanted(loop: Loop) -> None:
    with served(loop, world()) as emulator, open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 200)
        assert not emulator.state.access_specs
        spec = emulator.state.rospec
    assert spec is not None
    assert not list(spec.parameter.find("ImpinjEnableSerializedTID"))
    assert not told(heard)


def test_a_tag_that_answers_now_and_then_is_read_all_the_same(loop: Loop) -> None:
    source = world()
    with (
        served(loop, source, access_failures=0.8) as emulator,
        open_at(emulator, f"{FAST}&memory=1") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(told(h)) == 20)
    assert all(item.tid == usual_memory(bytes.fromhex(item.epc)).tid for item in told(heard))
    assert all(item.memory == usual_memory(bytes.fromhex(item.epc)).user for item in told(heard))


def test_chips_without_user_memory_are_told_of_with_their_tid(loop: Loop) -> None:
    source = world()
    poor = set(source.tags[:5])

    def memory(epc: bytes) -> TagMemory:
        return TagMemory(usual_memory(epc).tid) if epc in poor else usual_memory(epc)

    with served(loop, source, memory=memory) as emulator, open_at(emulator, f"{FAST}&memory=1") as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(told(h)) == 20)
    assert {item.epc for item in told(heard) if not item.memory} == {epc.hex().upper() for epc in poor}
    assert all(item.tid for item in told(heard))


def test_chips_of_other_makers_send_impinj_readers_no_tid_unasked(loop: Loop) -> None:
    source = world()
    others = set(source.tags[:5])

    def memory(epc: bytes) -> TagMemory:
        return TagMemory(bytes.fromhex("E2006894") + epc[:8]) if epc in others else usual_memory(epc)

    with served(loop, source, memory=memory) as emulator:
        with open_at(emulator, f"{FAST}&tid=1") as reader:
            reader.connect()
            reader.start()
            heard = Heard(reader).until(lambda h: len(told(h)) == 15)
            heard.until(lambda h: len(h.readings) > 1000)
            assert len(told(heard)) == 15
        with open_at(emulator, f"{FAST}&memory=1") as reader:
            reader.connect()
            reader.start()
            # Read over the air, they are all told of; these have no user memory.
            Heard(reader).until(lambda h: len(told(h)) == 20)


def test_as_many_words_as_asked_for(loop: Loop) -> None:
    with served(loop, world()) as emulator, open_at(emulator, f"{FAST}&memory=1&words=4") as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(told(h)) == 20)
    assert {len(item.memory) for item in told(heard)} == {8}
    assert all(item.memory == usual_memory(bytes.fromhex(item.epc)).user[:8] for item in told(heard))


def test_a_reader_of_one_operation_reads_what_was_asked_for_above_all(loop: Loop) -> None:
    with (
        served(loop, world(), identity=Identity(op_specs=1)) as emulator,
        open_at(emulator, f"{FAST}&memory=1") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(told(h)) == 20)
    assert all(item.memory and not item.tid for item in told(heard))


@pytest.mark.parametrize("option", ["memory", "tid"])
def test_a_reader_without_access_specs_says_so_and_reads_without(loop: Loop, option: Any) -> None:
    identity = Identity(manufacturer=161, model=9600, access_specs=0)
    with served(loop, world(), identity=identity) as emulator:
        with open_at(emulator, f"{FAST}&{option}=1") as reader:
            reader.connect()
            with pytest.raises(ReaderError, match="leave tid and memory out") as refused:
                reader.start()
            assert len(str(refused.value).splitlines()) == 1
        with open_at(emulator) as reader:
            reader.connect()
            reader.start()
            Heard(reader).until(lambda h: len(h.readings) > 0)


def test_closing_leaves_no_access_spec_behind(loop: Loop) -> None:
    with served(loop, world()) as emulator:
        with open_at(emulator, f"{FAST}&memory=1") as reader:
            reader.connect()
            reader.start()
            Heard(reader).until(lambda h: len(h.readings) > 0)
            assert list(emulator.state.access_specs) == [1]
        assert loop.call(lambda: (emulator.state.rospec, emulator.state.access_specs)) == (None, {})
