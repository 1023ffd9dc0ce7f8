"""Every setting is followed or refused in one line; what the reader was told is read off the emulated reader."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings, SettingsError, open_reader
from reader_drivers.llrp.codec import Parameter
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import FAST, Heard, Loop, open_at, served

PLAIN = Identity(manufacturer=161, model=9600)
AWARE = Identity(manufacturer=161, model=9600, state_aware=True)


def run(emulator: LlrpEmulator, options: str = "", settings: ReaderSettings | None = None) -> Parameter:
    """Read a little; return the ROSpec that the reader was given."""
    with open_at(emulator, f"{FAST}&{options}") as reader:
        reader.connect()
        reader.start(settings)
        Heard(reader).until(lambda h: len(h.readings) > 20)
        spec = emulator.state.rospec
        assert spec is not None
        return spec.parameter


def one(tree: Parameter, name: str, field: str) -> int:
    found = {item.number(field) for item in tree.find(name)}
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ("search=dual", 2),
        ("search=single", 1),
        ("search=focus", 3),
        ("search_mode=0", 0),
        ("search_mode=1", 1),
        ("search_mode=2", 2),
        ("search_mode=3", 3),
        ("target=AB", 2),
        ("target=A", 1),
        ("target=A&search=focus", 3),
    ],
)
def test_search_modes(emulator: LlrpEmulator, options: str, number: int) -> None:
    assert one(run(emulator, options), "ImpinjInventorySearchMode", "mode") == number


@pytest.mark.parametrize("number", [5, 6])
def test_modes_that_reset_are_asked_for_by_number_alone(
    loop: Loop, world: SmallWorld, emulator: LlrpEmulator, number: int
) -> None:
    with served(loop, world, identity=Identity(search_modes=(0, 1, 2, 3, 5, 6))) as knows:
        assert one(run(knows, f"search_mode={number}"), "ImpinjInventorySearchMode", "mode") == number
    # A reader that does not know it says so.
    with open_at(emulator, f"{FAST}&search_mode={number}") as reader:
        reader.connect()
        with pytest.raises(ReaderError, match=f"InventorySearchMode {number} is unknown"):
            reader.start()


@pytest.mark.parametrize(
    ("identity", "options", "says"),
    [
        (Identity(), "search_mode=4", "no search mode 4; Impinj's are 0, 1, 2, 3, 5, 6"),
        (Identity(), "search=focus&session=2", "session 1 only"),
        (Identity(), "target=B", "search from A"),
        (Identity(), "target=AB&search=single", "contradicts"),
        (Identity(), "target=A&search_mode=2", "contradicts search_mode 2"),
        (Identity(), "q=4", "LLRP lets the reader choose Q"),
        (Identity(), "region=US", "its region is CN; LLRP cannot set US"),
        (Identity(), "mode=7", "no mode 7; it has 0 (max-throughput), 1 (hybrid)"),
        (Identity(), "profile=autoset-static-drm", "no mode 1004 (autoset-static-drm)"),
        (Identity(), "sensitivity=-70", "does not say its best sensitivity"),
        (Identity(version=2), "sensitivity=-90", "sensitivity -90 is beyond its best"),
        (Identity(), "channels=17", "no channel 17; it has 1 to 16"),
        (PLAIN, "channels=3", "staying on a channel needs Impinj's"),
        (PLAIN, "search_mode=2", "search_mode is Impinj's"),
        (PLAIN, "search=single", "needs Impinj's extensions"),
        (PLAIN, "profile=hybrid", "profile hybrid is Impinj's"),
        (PLAIN, "target=A", "cannot be told which tags"),
        (AWARE, "target=AB", "needs Impinj's dual target"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    loop: Loop, world: SmallWorld, identity: Identity, options: str, says: str
) -> None:
    with served(loop, world, identity=identity) as emulator:
        # Some of it is known before the reader is reached.
        with (
            pytest.raises(SettingsError, match=re.escape(says)) as refused,
            open_at(emulator, options) as reader,
        ):
            reader.connect()
            reader.start()
        assert len(str(refused.value).splitlines()) == 1
        assert emulator.state.rospec is None


def test_a_region_that_is_the_readers_own_is_fine(emulator: LlrpEmulator) -> None:
    run(emulator, "region=cn")


def test_impinj_readers_name_a_finer_region(loop: Loop) -> None:
    with served(loop, SmallWorld(1, region="ETSI")) as emulator, open_at(emulator) as reader:
        assert reader.connect().region == "ETSI"
    with served(loop, SmallWorld(1, region="FCC")) as emulator, open_at(emulator, "region=US") as reader:
        assert reader.connect().region == "FCC"
        reader.start()


@pytest.mark.parametrize(("version", "both"), [(1, (1, 0)), (2, (0, 1))])
def test_readers_that_heed_state_are_told_the_target(
    loop: Loop, world: SmallWorld, version: int, both: tuple[int, int]
) -> None:
    identity = Identity(manufacturer=161, model=9600, state_aware=True, version=version)
    with served(loop, world, identity=identity) as emulator:
        for target, flag in (("A", 0), ("B", 1)):
            spec = run(emulator, f"target={target}")
            name = "C1G2TagInventoryStateAwareSingulationAction"
            # 1.0.1: tags that no one selected; 1.1: tags selected or not.
            assert (one(spec, name, "i"), one(spec, name, "s"), one(spec, name, "all")) == (flag, *both)
            assert one(spec, "C1G2InventoryCommand", "state_aware") == 1
            asked = world.inventory
            assert asked is None or asked.search == "single"
        assert not list(run(emulator).find(name))


@pytest.mark.parametrize(
    ("options", "mode"), [("mode=3", 3), ("profile=autoset-dense-reader-deep-scan", 1002)]
)
def test_link_profiles_by_number_and_name(emulator: LlrpEmulator, options: str, mode: int) -> None:
    assert one(run(emulator, options), "C1G2RFControl", "mode_index") == mode


def test_without_a_profile_the_readers_own_is_kept(emulator: LlrpEmulator) -> None:
    assert not list(run(emulator).find("C1G2RFControl"))


@pytest.mark.parametrize(
    ("version", "wanted", "index", "least_dbm"),
    [
        (1, "0", 1, -200.0),
        (1, "20", 12, -60.0),
        (1, "9", 1, -200.0),
        (1, "25.5", 17, -55.0),
        (2, "-60", 12, -60.0),
    ],
)
def test_sensitivity_is_set_to_what_the_table_has(
    loop: Loop, world: SmallWorld, version: int, wanted: str, index: int, least_dbm: float
) -> None:
    with served(loop, world, identity=Identity(version=version)) as emulator:
        with open_at(emulator, f"{FAST}&sensitivity={wanted}&power=30") as reader:
            reader.connect()
            reader.start()
            heard = Heard(reader).until(lambda h: len(h.readings) > 200)
            spec = emulator.state.rospec
        assert spec is not None
        assert one(spec.parameter, "RFReceiver", "sensitivity_index") == index
        assert heard.readings.rssi_dbm.min() >= least_dbm


def test_sensitivity_is_left_alone_unless_asked_for(emulator: LlrpEmulator) -> None:
    assert not list(run(emulator).find("RFReceiver"))


def test_several_fixed_channels_and_all_of_them(loop: Loop) -> None:
    world = SmallWorld(2, reads_per_s=2000, slice_s=0.02, region="ETSI")
    with served(loop, world) as emulator:
        spec = run(emulator, "channels=1,3")
        assert world.frequencies_khz[0] != world.frequencies_khz[2]
        (listed,) = spec.find("ImpinjFixedFrequencyList")
        assert (listed.number("mode"), listed.numbers("channels")) == (2, (1, 3))
        # Named by nobody, the reader chooses among all, and not the one that a transmitter must name.
        (listed,) = run(emulator).find("ImpinjFixedFrequencyList")
        assert (listed.number("mode"), listed.numbers("channels")) == (1, ())


def test_a_plain_reader_with_fixed_channels_stays_on_the_one_named(loop: Loop) -> None:
    world = SmallWorld(2, reads_per_s=2000, slice_s=0.02, region="ETSI")
    with served(loop, world, identity=PLAIN) as emulator, open_at(emulator, "channels=3") as reader:
        reader.connect()
        reader.start()
        readings = Heard(reader).until(lambda h: len(h.readings) > 100).readings
        with pytest.raises(ReaderError, match="several fixed channels"):
            reader.start(ReaderSettings(channels=(1, 2)))
    assert set(readings.frequency_khz.tolist()) == {world.frequencies_khz[2]}


@pytest.mark.parametrize("number", [None, 2, 7])
def test_channels_are_of_the_hop_table_in_use(loop: Loop, number: int | None) -> None:
    world = SmallWorld(2, reads_per_s=2000, slice_s=0.02)
    world.keep = True
    options = f"{FAST}&channels=5" + ("" if number is None else f"&hop_table={number}")
    with (
        served(loop, world, identity=Identity(hop_tables=(2, 7))) as emulator,
        open_at(emulator, options) as reader,
    ):
        found = reader.connect()
        reader.start()
        readings = Heard(reader).until(lambda h: len(h.readings) > 100).readings
        asked = world.inventory
        reader.stop()
    assert asked is not None
    (frequency,) = set(readings.frequency_khz.tolist())
    # What was reported, what was asked for, and what the radio did are one frequency.
    assert frequency == found.frequencies_khz[4] == world.frequencies_khz[asked.channels[0] - 1]
    assert (found.frequencies_khz == world.frequencies_khz) == (number in (None, 2))
    assert set(np.concatenate([part.channel for part in world.produced]).tolist()) == set(asked.channels)


def test_a_hop_table_that_there_is_not(emulator: LlrpEmulator) -> None:
    with (
        open_at(emulator, "hop_table=3") as reader,
        pytest.raises(ReaderError, match="no hop table 3; it has 1"),
    ):
        reader.connect()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("mode=1&profile=hybrid", "leave one out"),
        ("profile=fastest", "profile cannot be"),
        ("population=0", "population cannot be"),
        ("words=70000", "words cannot be"),
        ("sensitivity=1e9", "sensitivity cannot be"),
        ("ca=x.pem", "add tls=1"),
    ],
)
def test_options_that_cannot_be(options: str, says: Any) -> None:
    with pytest.raises(ReaderError, match=says) as refused:
        open_reader(f"llrp://127.0.0.1?{options}")
    assert len(str(refused.value).splitlines()) == 1
