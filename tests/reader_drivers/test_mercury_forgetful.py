"""ThingMagic modules that boot unheard, and modules whose region another client had set."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

from reader_drivers import ReaderSettings, open_reader
from sim.readers.mercury import MercuryEmulator
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.mercury_harness import READY, Foreign, enough, fast, world
from tests.reader_drivers.serial_harness import reading, serving

WITHIN_S = 5.0


class Mute(MercuryEmulator):
    """Its word that it has booted is lost on the line."""

    def greet(self) -> bytes:
        return b""


@pytest.mark.parametrize("bootloader", [False, True])
def test_a_module_that_booted_unheard_reads_again_with_the_settings_asked_for(
    loop: Loop, bootloader: bool
) -> None:
    radio = world()
    settings = ReaderSettings(power_dbm=24.0, session=2)
    make = partial(Mute, radio, model="m6e", bootloader=bootloader)
    with reading(loop, make, fast(keepalive=5), settings) as (emulator, reader):
        heard = Heard(reader).until(enough(50))
        loop.run(emulator.crash())
        began, count = time.monotonic(), len(heard.readings)
        # What was on its way comes still.
        heard.until(enough(count + 100))
        assert time.monotonic() - began < WITHIN_S
        asked = radio.inventory
    assert asked is not None
    assert (asked.power_dbm, asked.session) == ((24.0,) * 4, 2)
    told = [event.detail for event in heard.events if event.kind == "reader_exception"]
    assert len(told) == 1 and "stopped reading by itself" in told[0]


@pytest.mark.parametrize("fault", ["crash", "reboot"])
def test_a_region_that_another_client_had_set_is_set_again(loop: Loop, fault: str) -> None:
    radio = world()
    with serving(loop, lambda: MercuryEmulator(radio, model="m6e")) as emulator:
        other = Foreign(emulator.address)
        other.ask(READY[0])
        other.close()
        with open_reader(f"{emulator.url}?{fast(region=None)}") as reader:
            assert reader.connect().region == "PRC"
            reader.start()
            heard = Heard(reader).until(enough(50))
            loop.run(emulator.crash() if fault == "crash" else emulator.reboot(0.2))
            began, count = time.monotonic(), len(heard.readings)
            heard.until(enough(count + 100))
            assert time.monotonic() - began < WITHIN_S


def test_a_module_that_answers_and_does_not_read_is_not_told_as_listening(loop: Loop) -> None:
    make = partial(Mute, world(), model="m6e")
    with reading(loop, make, fast(temperature=0.2)) as (emulator, reader):
        heard = Heard(reader).until(enough(50))
        loop.run(emulator.crash())
        # What was on its way comes still.
        booted = time.time_ns() + 300_000_000
        heard.until(lambda h: bool(np.any(h.readings.t > booted)))
        reader.stop()
        heard.batches.append(reader.read(0.0))
    t = heard.readings.t
    deaf_s = (t[t > booted].min() - booted) / 1e9
    told_s = (
        sum(
            np.clip(spans.t_end, booted, None).sum() - np.clip(spans.t_start, booted, None).sum()
            for spans in heard.activity
            for spans in (spans.select((spans.antenna == 1) & (spans.t_start < booted + deaf_s * 1e9)),)
        )
        / 1e9
    )
    assert deaf_s > 0.8
    assert told_s < 0.3 * deaf_s
