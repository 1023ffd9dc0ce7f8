"""A region that `start` is asked for is the region a reader reads in, also when it has been away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reader_drivers import ReaderSettings, SettingsError, open_reader
from reader_drivers.m100.codec import REGIONS as M100_REGIONS
from reader_drivers.r2000.codec import REGIONS as R2000_REGIONS
from reader_drivers.uhfreader18.codec import BANDS, decode_band
from sim.readers.m100 import M100Emulator
from sim.readers.r2000 import R2000Emulator
from sim.readers.small_world import SmallWorld
from sim.readers.uhfreader18 import UhfReader288Emulator
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, serving

KINDS: list[tuple[Any, str, Callable[[Any], int], int, int]] = [
    (M100Emulator, "EU", lambda e: e.region, M100_REGIONS["EU"][0], 865_100),
    (R2000Emulator, "ETSI", lambda e: e.plan.region, R2000_REGIONS["ETSI"][0], 865_000),
    (UhfReader288Emulator, "EU", lambda e: decode_band(*e.band)[0], BANDS["EU"].number, 865_100),
]


@pytest.mark.parametrize(("make", "name", "region_of", "number", "first_khz"), KINDS)
def test_a_region_asked_for_at_the_start_is_set(
    loop: Loop, make: Any, name: str, region_of: Callable[[Any], int], number: int, first_khz: int
) -> None:
    with serving(loop, lambda: make(SmallWorld(3, reads_per_s=200))) as emulator:
        before = region_of(emulator)
        with open_reader(f"{emulator.url}?{FAST}") as reader:
            assert reader.connect().region != name
            reader.start(ReaderSettings(region=name, channels=(1,)))
            assert region_of(emulator) == number != before
            heard = Heard(reader).until(lambda h: len(h.readings) > 20)
            assert set(heard.readings.frequency_khz.tolist()) == {first_khz}
            loop.run(emulator.drop())
            count = len(heard.until(lambda h: "reader_back" in h.kinds).readings)
            heard.until(lambda h: len(h.readings) > count + 20)
            assert region_of(emulator) == number
            assert set(heard.readings.frequency_khz.tolist()) == {first_khz}


@pytest.mark.parametrize("make", [kind[0] for kind in KINDS])
def test_a_region_that_a_reader_has_not_is_refused(loop: Loop, make: Any) -> None:
    with (
        serving(loop, lambda: make(SmallWorld(3))) as emulator,
        open_reader(f"{emulator.url}?{FAST}") as reader,
    ):
        reader.connect()
        with pytest.raises(SettingsError, match=r"no region NOWHERE; .* CN"):
            reader.start(ReaderSettings(region="NOWHERE"))
