"""ThingMagic modules: the driver against the emulator over TCP and a pty, with all that happens to both."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.framing import Framer
from reader_drivers.mercury.codec import (
    REPLIES,
    Config,
    Kind,
    Metadata,
    Op,
    Search,
    Status,
    kinds_of,
    read_reply,
    reply,
    request,
    wrap,
)
from sim.readers.mercury import MercuryEmulator
from sim.readers.mercury_identity import Model
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, serving

URL = f"{FAST}&region=CN&temperature=0"


def world(reads_per_s: float = 200, seed: int = 3, **options: Any) -> SmallWorld:
    made = SmallWorld(seed, reads_per_s=reads_per_s, **options)
    made.keep = True
    return made


class Foreign:
    """A client that is not ours: bytes on a socket or a line."""

    def __init__(self, address: str) -> None:
        self._framer = Framer(REPLIES)
        if address.startswith("/"):
            self._end = os.open(address, os.O_RDWR | os.O_NOCTTY)
        else:
            host, _, port = address.rpartition(":")
            self._end = socket.create_connection((host, int(port)), 5).detach()
            os.set_blocking(self._end, True)

    def ask(self, frame: bytes) -> tuple[int, int, bytes]:
        os.write(self._end, frame)
        return self.next()[0]

    def next(self) -> list[tuple[int, int, bytes]]:
        while not len(frames := self._framer.feed(os.read(self._end, 4096))):
            pass
        return [(told.op, told.status, told.data) for told in map(read_reply, frames)]

    def close(self) -> None:
        os.close(self._end)


READY = (
    request(Op.SET_REGION, b"\x06"),
    request(Op.SET_PROTOCOL, b"\x00\x05"),
    request(Op.SET_CONFIG, b"\x01\x0c\x00"),
)


def enough(n: int) -> Callable[[Heard], bool]:
    return lambda heard: len(heard.readings) >= n


def come_back(heard: Heard, kind: str = "reader_back") -> Callable[[Heard], bool]:
    count = heard.kinds.count(kind)
    return lambda now: now.kinds.count(kind) > count


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
@pytest.mark.parametrize(
    ("model", "name", "ports", "powers"),
    [("nano", "M6e Nano", 1, (0.0, 27.0)), ("m6e", "M6e", 4, (5.0, 31.5)), ("m7e", "M7e", 4, (0.0, 31.5))],
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
            gone = come_back(heard, "reader_gone")
            if fault == "silent":
                loop.call(emulator.go_silent)
                heard.until(gone)
                loop.call(lambda: emulator.go_silent(False))
            elif fault == "assert":
                loop.run(emulator.assert_failed(417, "tag.c"))
            else:
                loop.run(emulator.reboot(0.2) if fault == "reboot" else getattr(emulator, fault)())
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
        open_reader(f"{emulator.url}?{URL.replace('temperature=0', 'temperature=0.1')}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: "temperature" in h.kinds)
        heard.until(lambda _: sum(op == Op.TEMPERATURE for op, _ in emulator.told) > 3)
        told = [event.detail for event in heard.events if event.kind == "temperature"]
        assert len(told) == 1 and "41 degrees" in told[0]


def test_what_a_module_cannot_do_is_refused_in_one_line(loop: Loop) -> None:
    with serving(loop, lambda: MercuryEmulator(world())) as emulator:
        with open_reader(emulator.url) as reader:
            assert reader.connect().region == ""
            for settings, says in (
                (ReaderSettings(), "no region is set; add option region=, one of PRC, OPEN"),
                (ReaderSettings(region="JP"), "no region JP; this module has PRC, OPEN"),
                (ReaderSettings(region="CN", ports=(2,)), "no antenna port 2; it has ports 1 to 1"),
                (ReaderSettings(region="CN", power_dbm=-3.0), "power -3 dBm is below its least (0 dBm)"),
                (ReaderSettings(region="CN", session=4), "session 4 does not exist"),
                (ReaderSettings(region="CN", q=16), "Q 16 does not exist"),
                (ReaderSettings(region="CN", search="focus"), "search focus is Impinj's"),
                (ReaderSettings(region="CN", rf_mode=244), "only M7e modules have RF modes"),
                (ReaderSettings(region="CN", channels=(17,)), "channels are 1 to 16"),
            ):
                with pytest.raises(ReaderError) as error:
                    reader.start(settings)
                assert says in str(error.value) and "\n" not in str(error.value)
            # What was refused left nothing behind.
            reader.start(ReaderSettings(region="CN"))
            Heard(reader).until(enough(5))
        with (
            open_reader(f"{emulator.url}?region=US") as reader,
            pytest.raises(ReaderError, match="no region US"),
        ):
            reader.connect()
        for wrong in ("fast=1000", "phase_sign=2", "cycle=5", "memory_words=0"):
            with pytest.raises(ReaderError, match=r"cannot be"):
                open_reader(f"{emulator.url}?{wrong}")


@pytest.mark.parametrize(
    ("op", "status", "says"),
    [
        (Op.VERSION, Status.BAD_OPCODE, "refused its version: it does not know this command"),
        (Op.GET_POWER, 0x0999, "refused its power limits: status 0999"),
        (Op.SET_REGION, Status.REGION, "refused region CN"),
    ],
)
def test_a_module_that_refuses_at_connecting_is_said(loop: Loop, op: Op, status: int, says: str) -> None:
    with serving(loop, lambda: MercuryEmulator(world())) as emulator:
        emulator.refused[op] = status
        with open_reader(f"{emulator.url}?{URL}") as reader, pytest.raises(ReaderError, match=says):
            reader.connect()


def test_refused_settings_are_an_error_and_a_refused_nicety_is_not(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world(), model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        for nicety in (Op.CURRENT_PROGRAM, Op.REGIONS, Op.GET_ANTENNA):
            emulator.refused[nicety] = Status.BAD_OPCODE
        assert reader.connect().antennas == 4
        emulator.refused = {Op.SET_GEN2: Status.BAD_PARAMETER}
        with pytest.raises(ReaderError, match="refused session 1: a value it does not take"):
            reader.start()
        emulator.refused = {Op.READ_TAGS: Status.NO_PROTOCOL}
        with pytest.raises(ReaderError, match="refused to read: no air protocol is set"):
            reader.start()
        emulator.refused = {}
        reader.start()
        Heard(reader).until(enough(5))


def test_another_protocol_or_nothing_on_the_line_is_said(loop: Loop) -> None:
    class Strange(MercuryEmulator):
        async def answer(self, frame: bytes) -> None:
            self.send_raw(b"HELLO\r\n" * 3)

    for listen, says in (("127.0.0.1:0", "no answer to stop"), ("pty", "no answer at any speed")):
        with (
            serving(loop, lambda listen=listen: Strange(world(), listen)) as emulator,
            open_reader(f"{emulator.url}?timeout=0.3") as reader,
            pytest.raises(ReaderError, match=f"{says}.*reader of this kind"),
        ):
            reader.connect()


def test_an_hf_module_is_named_and_refused(loop: Loop) -> None:
    class M3e(MercuryEmulator):
        async def send(self, data: bytes) -> None:
            told = read_reply(data)
            hf = told.data[:4] + b"\x80" + told.data[5:]
            await super().send(reply(Op.VERSION, 0, hf) if told.op == Op.VERSION else data)

    with (
        serving(loop, lambda: M3e(world())) as emulator,
        open_reader(emulator.url) as reader,
        pytest.raises(ReaderError, match="is an M3e, not one of the UHF modules"),
    ):
        reader.connect()


def test_junk_in_a_stream_costs_what_it_hit_and_no_more(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world(), model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(enough(10))
        junk = np.random.default_rng(5).bytes(3000)
        strange = reply(Op.READ_TAGS, 0, Search(0x7F).head() + b"\x00\x7f\x01" + bytes(30))
        loop.call(lambda: emulator.send_raw(junk + b"\xff" * 50 + strange + reply(Op.READ_TAGS, 0, b"\x10")))
        heard.until(lambda h: {"bad_reading", "bad_message"} <= set(h.kinds))
        heard.until(enough(len(heard.readings) + 50))
        assert "reader_gone" not in heard.kinds


def test_the_emulator_answers_any_client_as_a_module_does(loop: Loop) -> None:
    with serving(loop, lambda: MercuryEmulator(world())) as emulator:
        client = Foreign(emulator.address)
        ask = client.ask
        assert ask(request(0x55)) == (0x55, Status.BAD_OPCODE, b"")
        assert ask(request(Op.VERSION, b"\0")) == (Op.VERSION, Status.WRONG_LENGTH, b"")
        assert ask(request(Op.SET_POWER, (3000).to_bytes(2, "big")))[1] == Status.POWER_TOO_HIGH
        assert ask(request(Op.SET_POWER, b"\xff\x00"))[1] == Status.POWER_TOO_LOW
        assert ask(request(Op.SET_BAUD, bytes(4)))[1] == Status.BAUD
        # A Nano knows the Chinese band here, and North America never as NA.
        assert ask(request(Op.SET_REGION, b"\x01"))[1] == Status.REGION
        start = Search(0x01FF).start()
        assert ask(start)[:2] == (Op.MULTI, Status.REGION)
        assert ask(request(Op.SET_REGION, b"\x06")) == (Op.SET_REGION, 0, b"")
        assert ask(start)[:2] == (Op.MULTI, Status.NO_PROTOCOL)
        assert ask(request(Op.SET_PROTOCOL, b"\x00\x05"))[1] == 0
        assert ask(request(Op.SET_CONFIG, b"\x01\x0c\x00"))[1] == 0
        assert ask(wrap(Op.TEMPERATURE)) == (Op.MULTI, 0, bytes([4, 1, Op.TEMPERATURE, 0, 0, 41]))
        assert ask(start)[:2] == (Op.MULTI, 0)
        seen: list[tuple[int, int, bytes]] = []
        while sum(status == Status.NO_TAGS for _, status, _ in seen) < 2:
            seen += client.next()
        records = [data for op, status, data in seen if op == Op.READ_TAGS and status == 0]
        assert len(records) > 50
        assert {data[:6] for data in records} == {bytes.fromhex("10001B01FF01")}
        # Stamps begin anew at the keep-alive.
        stamps = [int.from_bytes(data[12:16], "big") for data in records]
        assert max(stamps) < 1000 and np.any(np.diff(stamps) < -800)
        assert (
            Metadata.GPIO & 0x01FF and kinds_of(Framer(REPLIES).feed(reply(0x22, 0x400)))[0] == Kind.KEEPALIVE
        )
        client.close()
