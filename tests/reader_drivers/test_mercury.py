"""ThingMagic modules: the driver against the emulator over TCP and a pty, with all that happens to both."""

from __future__ import annotations

import time

import numpy as np
import pytest

from reader_drivers import ReaderSettings, open_reader
from reader_drivers.mercury.codec import (
    Config,
    Op,
    Search,
    Status,
)
from sim.readers.mercury import MercuryEmulator
from sim.readers.mercury_identity import Model
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.mercury_harness import READY, URL, Foreign, come_back, enough, fast, world
from tests.reader_drivers.serial_harness import befall, serving


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
@pytest.mark.parametrize(
    ("model", "name", "ports", "powers"),
    [
        ("nano", "M6e Nano", 1, (0.0, 27.0)),
        ("micro", "M6e Micro", 2, (-10.0, 30.0)),
        ("m6e", "M6e", 4, (5.0, 31.5)),
        ("m7e", "M7e", 4, (0.0, 31.5)),
    ],
)
def test_reads_of_each_model_are_those_of_the_radio(
    loop: Loop, listen: str, model: Model, name: str, ports: int, powers: tuple[float, float]
) -> None:
    radio = world(1000)
    with (
        serving(loop, lambda: MercuryEmulator(radio, listen, model=model, phase_sign=-1)) as emulator,
        open_reader(f"{emulator.url}?{URL}&phase_sign=-1") as reader,
    ):
        can = reader.connect()
        assert (can.manufacturer, can.model, can.antennas, can.region) == ("ThingMagic", name, ports, "PRC")
        assert (can.phase, can.phase_ambiguity, can.firmware) == (True, "pi", "01.07.02.01")
        assert can.frequencies_khz == radio.frequencies_khz
        assert (can.powers_dbm[0], can.powers_dbm[-1]) == powers
        reader.start()
        heard = Heard(reader).until(enough(800))
        reader.stop()
        heard.batches.append(reader.read(0))
        assert not emulator.running
    got = heard.readings
    rssi = np.concatenate([part.rssi_dbm for part in radio.produced])
    strong = (np.rint(rssi) >= emulator.weakest_dbm) & np.isin(
        np.concatenate([part.port for part in radio.produced]), range(1, ports + 1)
    )
    true = {
        field: np.concatenate([getattr(part, field) for part in radio.produced])[strong][-len(got) :]
        for field in ("t_ns", "tag", "port", "channel", "rssi_dbm", "phase_rad")
    }
    # The first reads may come with the answer to the start; of the others not one is missing.
    assert len(true["tag"]) == len(got) >= 0.95 * strong.sum()
    assert [bytes.fromhex(epc) for epc in got.epc] == [radio.tags[k] for k in true["tag"]]
    assert np.array_equal(got.antenna, true["port"])
    assert np.array_equal(got.frequency_khz, np.array(radio.frequencies_khz)[true["channel"].astype(int) - 1])
    assert np.abs(got.rssi_dbm - true["rssi_dbm"]).max() <= 0.5001
    half_turn = np.angle(np.exp(2j * (got.phase_rad - true["phase_rad"].astype(np.float64)))) / 2
    assert np.abs(np.rad2deg(half_turn)).max() < 0.51
    assert got.phase_rad.min() >= 0 and got.phase_rad.max() < np.pi
    assert got.seen_count is not None and set(got.seen_count.tolist()) == {1}
    assert got.reader_t is not None and 0 <= got.reader_t.min() <= got.reader_t.max() < 1_000_000_000
    assert not heard.events


def test_settings_become_what_the_radio_does(loop: Loop) -> None:
    radio = world()
    with (
        serving(loop, lambda: MercuryEmulator(radio, model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        reader.connect()
        for settings, ports, power, session, search, channels, q in (
            (
                ReaderSettings(ports=(2, 3), power_dbm=24.0, session=2, channels=(3, 7), q=5),
                (2, 3), (24.0, 24.0), 2, "dual", (3, 7), 5,
            ),
            (
                ReaderSettings(power_dbm=20.0, port_power_dbm={4: 17.5}, search="single"),
                (1, 2, 3, 4), (20.0, 20.0, 20.0, 17.5), 1, "single", (), None,
            ),
            (ReaderSettings(target="B", power_dbm=99.0), (1, 2, 3, 4), (31.5,) * 4, 1, "single", (), None),
        ):  # fmt: skip
            reader.start(settings)
            # What was heard before the last stop is still handed out: a reading does not say that this search runs.
            Heard(reader).until(lambda h: radio.inventory is not None and len(h.readings) > 0)
            asked = radio.inventory
            assert asked is not None
            assert (asked.ports, asked.power_dbm, asked.session) == (ports, power, session)
            assert (asked.search, asked.channels, emulator.state.q) == (search, channels, q)
            assert emulator.state.config[Config.READ_FILTER] == 0
            reader.stop()
            assert radio.inventory is None


def test_an_m7e_is_told_in_its_own_way(loop: Loop) -> None:
    radio = world()
    with (
        serving(loop, lambda: MercuryEmulator(radio, model="m7e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 4), port_power_dbm={4: 12.0}, rf_mode=244))
        Heard(reader).until(enough(1))
        asked = radio.inventory
        assert asked is not None and (asked.ports, asked.power_dbm) == ((1, 4), (31.5, 12.0))
        assert (emulator.state.rf_mode, emulator.told[-1][0]) == (244, Op.READ_TAGS)
        assert (Op.SET_ANTENNA, b"\x82\x01\x04") in emulator.told


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, listen: str) -> None:
    radio = world()
    with (
        serving(loop, lambda: MercuryEmulator(radio, listen, model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        reader.connect()
        reader.start(ReaderSettings(power_dbm=26.0, session=2, channels=(3,)))
        heard = Heard(reader).until(enough(50))
        for fault in ("reboot", "silent", "drop", "crash", "assert"):
            back = come_back(heard)
            if fault == "assert":
                loop.run(emulator.assert_failed(417, "tag.c"))
            else:
                befall(loop, emulator, heard, fault)
            began = time.monotonic()
            heard.until(back)
            heard.until(enough(len(heard.readings) + 20))
            assert time.monotonic() - began < 5
        asked = radio.inventory
        assert asked is not None
        assert (asked.power_dbm, asked.session, asked.channels) == ((26.0,) * 4, 2, (3,))
        told = " ".join(event.detail for event in heard.events if event.kind == "reader_gone")
        assert "booted by itself" in told
        assert "firmware failed (line 417 of tag.c)" in told
        loop.call(lambda: emulator.spoil(3))
        heard.until(lambda h: "bad_message" in h.kinds)
        reader.stop()
        assert radio.inventory is None


def test_statuses_of_a_stream_become_events_and_it_goes_on(loop: Loop) -> None:
    radio = world()
    with (
        serving(loop, lambda: MercuryEmulator(radio, model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(enough(20))
        for status, kind, says in (
            (Status.NO_ANTENNA, "antenna_gone", "no antenna is connected"),
            (Status.TOO_HOT, "reader_exception", "too hot"),
            (Status.RETURN_LOSS, "reader_exception", "high return loss"),
            (Status.CHANNEL_OCCUPIED, "reader_exception", "the channel is occupied (status 0501)"),
            (0x0599, "reader_exception", "status 0599"),
        ):
            more = come_back(heard, kind)
            # A module tells some of them with every cycle; staff needs it once.
            for _ in range(3):
                loop.run(emulator.status(status))
            heard.until(more)
            heard.until(enough(len(heard.readings) + 20))
            assert sum(says in event.detail for event in heard.events) == 1
        assert "reader_gone" not in heard.kinds


def test_a_search_that_ends_by_itself_is_started_again(loop: Loop) -> None:
    radio = world()
    with (
        serving(loop, lambda: MercuryEmulator(radio, model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}&cycle=200") as reader,
    ):
        reader.connect()
        for end, kind in (
            (lambda: emulator.status(Status.BUFFER_FULL), "buffer_overflow"),
            (emulator.end_stream, "reader_exception"),
            (emulator.end_inventory, "reader_exception"),  # without a word
        ):
            reader.start()
            heard = Heard(reader).until(enough(250))  # it was not started just now
            loop.run(end())
            heard.until(lambda h, kind=kind: kind in h.kinds)
            heard.until(enough(len(heard.readings) + 20))
            assert "reader_gone" not in heard.kinds
            reader.stop()
            reader.read(0)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_stream_of_an_earlier_client_is_ended(loop: Loop, listen: str) -> None:
    radio = world(500)
    with serving(loop, lambda: MercuryEmulator(radio, listen, model="m6e", baud=115_200)) as emulator:
        # A client that died without a word, and a line that is full.
        client = Foreign(emulator.address)
        for frame in (*READY, Search(0x01FF).start()):
            assert client.ask(frame)[1] == 0
        client.close()
        while not radio.produced:
            time.sleep(0.01)
        assert emulator.running
        with open_reader(f"{emulator.url}?{URL}") as second:
            second.connect()
            assert not emulator.running
            # The next read waits for what will not come.
            assert len(second.read(0.2).readings) == 0
            second.start()
            Heard(second).until(enough(20))


@pytest.mark.parametrize(("at", "options"), [(921_600, ""), (38_400, ""), (115_200, "fast=921600")])
def test_a_module_is_found_at_its_speed_and_taken_to_another(loop: Loop, at: int, options: str) -> None:
    radio = world()
    with (
        serving(loop, lambda: MercuryEmulator(radio, "pty", speed=at)) as emulator,
        open_reader(f"{emulator.url}?{URL}&{options}") as reader,
    ):
        reader.connect()
        assert emulator.speed == (921_600 if options else 115_200)
        reader.start()
        heard = Heard(reader).until(enough(20))
        # After a loss of power it is at its first speed again.
        back = come_back(heard)
        loop.run(emulator.crash())
        heard.until(back).until(enough(len(heard.readings) + 20))
        assert emulator.speed == (921_600 if options else 115_200)


def test_a_module_that_refuses_a_speed_stays_where_it_is(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world(), "pty", speed=115_200)) as emulator,
        open_reader(f"{emulator.url}?{URL}&fast=921600") as reader,
    ):
        emulator.refused[Op.SET_BAUD] = Status.BAUD
        reader.connect()
        reader.start()
        heard = Heard(reader).until(enough(20))
        assert "refused speed 921600 baud: a speed it cannot go at (status 010A)" in heard.events[0].detail


def test_a_line_at_its_speed_carries_no_more_than_it_can(loop: Loop) -> None:
    rates = []
    for options in ("", "&fast=921600"):
        radio = world(600)
        with (
            serving(
                loop, lambda radio=radio: MercuryEmulator(radio, "pty", model="m6e", baud=115_200)
            ) as emulator,
            open_reader(f"{emulator.url}?{URL}{options}") as reader,
        ):
            reader.connect()
            reader.start(ReaderSettings(ports=(2,)))
            heard = Heard(reader).until(enough(50))
            count, began = len(heard.readings), time.monotonic()
            heard.until(lambda _, began=began: time.monotonic() - began > 2.0)
            rates.append((len(heard.readings) - count) / (time.monotonic() - began))
    # 44 bytes a record: 262 a second at 115200 baud.
    assert 150 < rates[0] < 275
    assert rates[1] > 1.5 * rates[0]


def test_a_module_in_its_bootloader_is_booted(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world(), bootloader=True)) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        assert emulator.state.bootloader
        reader.connect()
        assert not emulator.state.bootloader
        reader.start()
        Heard(reader).until(enough(10))


def test_tags_with_xpc_words_and_memory_are_read(loop: Loop) -> None:
    radio = world(300)
    plain, extended, twice = radio.tags[:3]
    memory = {plain: bytes(range(40)), extended: b"\xab" * 8}
    xpc = {extended: b"\x01\x00", twice: b"\x81\x00\x00\x07"}
    with (
        serving(loop, lambda: MercuryEmulator(radio, model="m6e", xpc=xpc, memory=memory)) as emulator,
        open_reader(f"{emulator.url}?{URL}&memory=1&memory_words=16") as reader,
    ):
        reader.connect()
        reader.start()
        wanted = {epc.hex().upper() for epc in (plain, extended, twice)}
        heard = Heard(reader).until(lambda h: wanted <= set(h.readings.tags) and len(h.readings) > 600)
        back = come_back(heard)
        loop.run(emulator.crash())
        heard.until(back).until(enough(len(heard.readings) + 300))
    assert {bytes.fromhex(epc) for epc in heard.readings.tags} <= set(radio.tags)
    told = [data for batch in heard.batches for data in batch.tags]
    # Once, over a new connection too; the tag with too little memory has none to tell.
    assert [(data.epc, data.memory) for data in told] == [(plain.hex().upper(), bytes(range(32)))]
    assert told[0].antenna in (1, 2, 3, 4)


def test_the_temperature_is_asked_for_while_it_reads(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world())) as emulator,
        open_reader(f"{emulator.url}?{fast(temperature=0.1)}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: "temperature" in h.kinds)
        heard.until(lambda _: sum(op == Op.TEMPERATURE for op, _ in emulator.told) > 3)
        told = [event.detail for event in heard.events if event.kind == "temperature"]
        assert len(told) == 1 and "41 degrees" in told[0]
