"""The driver when the reader is held, lost, garbled or closed, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.inbox import MAX_EVENTS, Inbox
from reader_drivers.llrp.codec import Parameter, encode_message, message, parameter
from reader_drivers.llrp.readings import ReportConverter
from sim.readers.llrp import LlrpEmulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop, open_at
from tests.sim_readers.client import Client


def test_a_second_client_is_told_that_the_reader_is_held(emulator: LlrpEmulator) -> None:
    with open_at(emulator) as first:
        first.connect()
        with open_at(emulator) as second, pytest.raises(ReaderError, match="another client holds the reader"):
            second.connect()
        Heard(first).until(lambda h: "connection_attempted" in h.kinds)
        first.start()
        Heard(first).until(lambda h: len(h.readings) > 0)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"llrp://127.0.0.1:{taken.getsockname()[1]}"
        with open_reader(url) as reader, pytest.raises(ReaderError, match=r"cannot be reached.*cable"):
            reader.connect()


@pytest.mark.parametrize("how", ["fin", "rst", "hang", "reboot"])
def test_a_reader_that_vanishes_in_mid_run_comes_back(
    loop: Loop, emulator: LlrpEmulator, world: SmallWorld, how: str
) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 3), power_dbm=20))
        heard = Heard(reader).until(lambda h: len(h.readings) > 100)
        if how == "hang":
            loop.call(emulator.go_silent)
            heard.until(lambda h: "reader_gone" in h.kinds)
            loop.call(lambda: emulator.go_silent(False))
        elif how == "reboot":
            loop.run(emulator.reboot(0.3))
        else:
            loop.run(emulator.drop(reset=how == "rst"))
        heard.until(lambda h: "reader_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 100)
        asked = world.inventory
        reader.stop()
    kinds = [kind for kind in heard.kinds if kind != "reader_unreachable"]
    assert kinds == ["reader_gone", "reader_back"]
    assert asked is not None
    assert (asked.ports, asked.power_dbm) == ((1, 3), (20.0, 20.0))
    gone, back = (
        next(e.t for e in heard.events if e.kind == kind) for kind in ("reader_gone", "reader_back")
    )
    spans = [(a, b) for part in heard.activity for a, b in zip(part.t_start, part.t_end, strict=True)]
    assert not [span for span in spans if span[0] < gone < span[1] or span[0] < back < span[1]]
    if how == "hang":
        detail = next(e.detail for e in heard.events if e.kind == "reader_gone")
        assert "3 keepalives missed" in detail


def test_settings_given_while_the_reader_is_gone_hold_when_it_is_back(
    loop: Loop, emulator: LlrpEmulator, world: SmallWorld
) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        loop.run(emulator.close())
        heard = Heard(reader).until(lambda h: "reader_gone" in h.kinds)
        reader.start(ReaderSettings(ports=(2,)))
        loop.run(emulator.start())
        heard.until(lambda h: len(h.readings) > 20)
    assert set(heard.readings.antenna.tolist()) == {2}


def test_a_reader_that_was_told_to_hold_reports_back_hands_them_out(
    loop: Loop, emulator: LlrpEmulator
) -> None:
    async def earlier_client() -> None:
        async with Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", parameter("EventsAndReports", hold=1))

    loop.run(earlier_client())
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        assert not heard.events


def test_malformed_reports_become_events_and_reading_goes_on(loop: Loop, emulator: LlrpEmulator) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.send_raw(bytes.fromhex("043D 0000000E 00000001 00F00004")))
        loop.run(emulator.send_raw(bytes.fromhex("043F 0000000E 00000001 00F60003")))
        heard.until(lambda h: len(h.kinds) >= 2)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)
    assert heard.kinds == ["bad_message", "bad_message"]
    assert "without an EPC" in heard.events[0].detail


def test_tags_without_an_epc_are_left_out_and_counted(loop: Loop, emulator: LlrpEmulator) -> None:
    def report(epc: bytes) -> Parameter:
        where = (parameter("AntennaID", antenna_id=1), parameter("ChannelIndex", channel_index=1))
        data = parameter("EPCData", epc=(8 * len(epc), epc))
        return parameter("TagReportData", data, parameter("PeakRSSI", dbm=-50), *where)

    both = encode_message(message("RO_ACCESS_REPORT", 9, report(b""), report(b"\xab\xcd")))
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.send_raw(100 * both))
        heard.until(lambda h: sum(epc == "ABCD" for epc in h.readings.epc) == 100)
        heard.until(lambda h: sum(int(e.detail.split()[0]) for e in h.events) == 100)
    assert set(heard.kinds) == {"bad_reading"}
    assert "" not in set(heard.readings.epc)


def test_a_garbage_stream_is_a_lost_reader_and_the_next_connection_works(
    loop: Loop, emulator: LlrpEmulator
) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        heard.until(lambda h: "reader_back" in h.kinds)
        assert "no LLRP" in next(e.detail for e in heard.events if e.kind == "reader_gone")
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)


def test_a_slow_trickle_is_put_together(loop: Loop, emulator: LlrpEmulator) -> None:
    """Everything the reader says comes byte by byte through a slow line."""

    async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, piece: int) -> None:
        while data := await source.read(piece):
            sink.write(data)
            await sink.drain()
            await asyncio.sleep(0)
        sink.close()

    async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", emulator.port)
        await asyncio.gather(forward(far_reader, writer, 1), forward(reader, far_writer, 3))

    server = loop.run(asyncio.start_server(line, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    try:
        with open_reader(f"llrp://127.0.0.1:{port}?timeout=10") as reader:
            assert reader.connect().antennas == 4
            reader.start(ReaderSettings(ports=(1,)))
            heard = Heard(reader).until(lambda h: len(h.readings) > 100)
            assert not heard.kinds
    finally:
        loop.call(server.close)


def test_close_may_come_at_any_time_and_twice(emulator: LlrpEmulator) -> None:
    never = open_at(emulator)
    never.close()
    never.close()
    with pytest.raises(ReaderError, match="closed"):
        never.connect()
    reader = open_at(emulator)
    with pytest.raises(ReaderError, match="not connected"):
        reader.start()
    reader.connect()
    reader.start()
    closer = threading.Timer(0.1, reader.close)
    closer.start()
    began = time.monotonic()
    for _ in range(200):
        reader.read(0.05)
        if not closer.is_alive():
            break
    closer.join()
    reader.read(30)
    assert time.monotonic() - began < 10
    reader.stop()
    reader.close()


def test_close_does_not_wait_for_a_reader_that_is_gone(loop: Loop, emulator: LlrpEmulator) -> None:
    reader = open_at(emulator, "retry=20&retry_max=30&keepalive=0.2")
    reader.connect()
    loop.run(emulator.close())
    Heard(reader).until(lambda h: "reader_gone" in h.kinds)
    began = time.monotonic()
    reader.close()
    # The next try would be ten seconds away at least.
    assert time.monotonic() - began < 8


def test_a_reader_that_is_closed_does_not_go_on_transmitting(
    loop: Loop, emulator: LlrpEmulator, world: SmallWorld
) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        Heard(reader).until(lambda h: len(h.readings) > 0)
        assert world.inventory is not None
    assert loop.call(lambda: (emulator.state.rospec, world.inventory)) == (None, None)


def test_a_closed_reader_refuses_to_start_and_does_not_hang(emulator: LlrpEmulator) -> None:
    reader = open_at(emulator)
    reader.connect()
    reader.close()
    with pytest.raises(ReaderError, match="closed"):
        reader.start()


def test_a_fault_of_our_own_costs_the_connection_and_not_the_thread(
    emulator: LlrpEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [RuntimeError("of our own")]
    convert = ReportConverter.convert

    def once(self: ReportConverter, *args: Any) -> Any:
        if faults:
            raise faults.pop()
        return convert(self, *args)

    monkeypatch.setattr(ReportConverter, "convert", once)
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: "reader_back" in h.kinds)
        heard.until(lambda h: len(h.readings) > 100)
    assert heard.kinds == ["reader_gone", "reader_back"]
    assert "of our own" in heard.events[0].detail


def test_events_nobody_fetches_are_counted_beyond_their_limit() -> None:
    inbox = Inbox(lambda: 7)
    for _ in range(MAX_EVENTS + 5):
        inbox.add_event("bad_message", "garbage")
    events = inbox.fetch(0).events
    assert len(events) == MAX_EVENTS + 1
    assert events[-1].detail == "5 left out"
    assert inbox.fetch(0).events == ()
