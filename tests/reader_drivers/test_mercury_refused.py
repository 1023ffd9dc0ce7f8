"""ThingMagic modules: what is refused, what comes wrong over the line, and any client at the emulator."""

from __future__ import annotations

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.framing import Framer
from reader_drivers.mercury.codec import (
    REPLIES,
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
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.mercury_harness import URL, Foreign, enough, world
from tests.reader_drivers.serial_harness import serving


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
                (ReaderSettings(region="CN", q=16), "q 16 does not exist"),
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
