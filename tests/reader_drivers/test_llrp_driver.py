"""The driver against an emulated reader, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.llrp.codec import FrameReader, decode_message, encode_message, event, message, parameter
from recording import Readings
from sim.readers.clock import ReaderClock
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import CHANNELS_KHZ, SmallWorld
from tests.reader_drivers import llrp_vectors
from tests.reader_drivers.harness import Heard, Loop, served

FAST = "retry=0.02&retry_max=0.1&keepalive=0.2&timeout=2"


@pytest.fixture
def world() -> SmallWorld:
    made = SmallWorld(7, reads_per_s=2000, slice_s=0.02)
    made.keep = True
    return made


@pytest.fixture
def emulator(loop: Loop, world: SmallWorld) -> Iterator[LlrpEmulator]:
    with served(loop, world) as running:
        yield running


def open_at(emulator: LlrpEmulator, options: str = FAST) -> Any:
    return open_reader(f"{emulator.url}?{options}")


def true_columns(world: SmallWorld, readings: Readings) -> dict[str, Any]:
    """What the world produced for the readings, matched by the reader's own stamp."""
    parts = world.produced
    stamp = np.concatenate([part.t_ns for part in parts]) // 1000 * 1000
    rows = np.searchsorted(stamp, readings.reader_t)
    assert readings.reader_t is not None
    assert np.array_equal(stamp[rows], readings.reader_t)
    names = ("tag", "port", "channel", "rssi_dbm", "phase_rad", "t_ns")
    return {name: np.concatenate([getattr(part, name) for part in parts])[rows] for name in names}


def test_capabilities(emulator: LlrpEmulator) -> None:
    with open_at(emulator) as reader:
        found = reader.connect()
    assert (found.manufacturer, found.model, found.air, found.antennas) == (
        "Impinj",
        "Speedway R420",
        "gen2",
        4,
    )
    assert found.region == "CN"
    assert found.frequencies_khz == CHANNELS_KHZ["CN"]
    assert (found.powers_dbm[0], found.powers_dbm[-1], len(found.powers_dbm)) == (10.0, 30.0, 81)
    assert (found.phase, found.rssi_step_db) == (True, 0.5)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("region", ["FCC", "ETSI"])
def test_readings_are_what_the_antennas_heard(loop: Loop, region: Any, sign: int) -> None:
    world = SmallWorld(3, reads_per_s=2000, slice_s=0.02, region=region)
    world.keep = True
    with (
        served(loop, world, phase_sign=sign) as emulator,
        open_at(emulator, f"{FAST}&phase_sign={sign}&doppler=1") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 800)
        reader.stop()
    readings = heard.readings
    true = true_columns(world, readings)
    assert [bytes.fromhex(epc) for epc in readings.epc[:50]] == [world.tags[i] for i in true["tag"][:50]]
    assert np.array_equal(readings.antenna, true["port"])
    assert np.array_equal(readings.frequency_khz, np.array(world.frequencies_khz)[true["channel"] - 1])
    assert np.abs(readings.rssi_dbm - true["rssi_dbm"]).max() <= 0.2501
    # Half a step of 4096, and the float32 of the source.
    turn = np.angle(np.exp(1j * (readings.phase_rad - true["phase_rad"].astype(np.float64))))
    assert np.abs(turn).max() < 2 * np.pi / 8192 + 1e-4
    assert readings.phase_rad.min() >= 0
    assert readings.phase_rad.max() < 2 * np.pi
    # How well the clock is followed is judged in test_clock_map, without this machine's own delays.
    assert np.abs(readings.t - true["t_ns"]).max() < 500e6
    assert np.median(np.abs(readings.t - true["t_ns"])) < 10e6
    assert readings.doppler_hz is not None
    assert np.isfinite(readings.doppler_hz).all()


def test_a_wrong_sign_mirrors_the_phase(loop: Loop, world: SmallWorld) -> None:
    """What the setting is for: a reader that reports the opposite, opened without saying so, is mirrored."""
    with served(loop, world, phase_sign=-1) as emulator, open_at(emulator) as reader:
        reader.connect()
        reader.start()
        readings = Heard(reader).until(lambda h: len(h.readings) > 300).readings
    true = true_columns(world, readings)
    mirrored = np.angle(np.exp(1j * (readings.phase_rad + true["phase_rad"].astype(np.float64))))
    assert np.abs(mirrored).max() < 1e-3 + 2 * np.pi / 8192


def test_settings_reach_the_reader(emulator: LlrpEmulator, world: SmallWorld) -> None:
    with open_at(emulator, f"{FAST}&session=3") as reader:
        reader.connect()
        reader.start(
            ReaderSettings(ports=(2, 4), power_dbm=25.1, rf_mode=3, search="single", channels=(5, 9))
        )
        heard = Heard(reader).until(lambda h: len(h.readings) > 300 and bool(h.activity))
        asked = world.inventory
        reader.stop()
    assert asked is not None
    assert (asked.ports, asked.power_dbm) == ((2, 4), (25.0, 25.0))
    assert (asked.session, asked.search, asked.rf_mode, asked.channels) == (3, "single", 3, (5, 9))
    assert set(heard.readings.antenna.tolist()) == {2, 4}
    assert set(heard.readings.frequency_khz.tolist()) <= {CHANNELS_KHZ["CN"][4], CHANNELS_KHZ["CN"][8]}
    activity = heard.activity[0]
    assert set(activity.antenna.tolist()) == {2, 4}
    assert set(activity.power_dbm.tolist()) == {25.0}
    assert set(activity.session.tolist()) == {3}


def test_url_power_is_kept_where_start_leaves_it_open(emulator: LlrpEmulator, world: SmallWorld) -> None:
    with open_at(emulator, f"{FAST}&power=17.5&ports=3") as reader:
        reader.connect()
        reader.start(ReaderSettings(session=0))
        Heard(reader).until(lambda h: len(h.readings) > 0)
        asked = world.inventory
    assert asked is not None
    assert (asked.ports, asked.power_dbm, asked.session, asked.search) == ((3,), (17.5,), 0, "dual")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (ReaderSettings(ports=(5,)), "port 5; it has 1 to 4"),
        (ReaderSettings(power_dbm=5), "10 to 30"),
        (ReaderSettings(session=4), "0 to 3"),
        (ReaderSettings(rf_mode=7), "no mode 7"),
        (ReaderSettings(channels=(17,)), "1 to 16"),
    ],
)
def test_impossible_settings_are_refused_with_what_is_possible(
    emulator: LlrpEmulator, settings: ReaderSettings, says: str
) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        with pytest.raises(ReaderError, match=says):
            reader.start(settings)
        reader.start()
        Heard(reader).until(lambda h: len(h.readings) > 0)


def test_a_fixed_channel_is_refused_where_hopping_is_the_law(loop: Loop) -> None:
    with served(loop, SmallWorld(1, region="FCC")) as emulator, open_at(emulator) as reader:
        reader.connect()
        with pytest.raises(ReaderError, match=r"15\.247"):
            reader.start(ReaderSettings(channels=(3,)))


def test_start_stop_start_loses_nothing_that_was_reported(emulator: LlrpEmulator, world: SmallWorld) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        heard = Heard(reader)
        for _ in range(3):
            before = len(heard.readings)
            reader.start()
            heard.until(lambda h, n=before: len(h.readings) > n + 100)
            reader.stop()
        heard.batches.append(reader.read(0))
        assert len(reader.read(0.1).readings) == 0
    assert not heard.kinds
    reported = heard.readings.reader_t
    produced = np.concatenate([part.t_ns for part in world.produced]) // 1000 * 1000
    assert reported is not None
    # The slice that was under way at each stop is never reported by the reader; all before it were.
    assert np.isin(reported, produced).all()
    assert len(produced) - len(reported) <= 3 * 120


def test_a_plain_reader_without_extensions_gives_whole_dbm_and_no_phase(
    loop: Loop, world: SmallWorld
) -> None:
    identity = Identity(manufacturer=161, model=9600)
    with served(loop, world, identity=identity) as emulator, open_at(emulator) as reader:
        found = reader.connect()
        reader.start()
        readings = Heard(reader).until(lambda h: len(h.readings) > 200).readings
        with pytest.raises(ReaderError, match="extensions"):
            reader.start(ReaderSettings(search="focus"))
    assert (found.manufacturer, found.model, found.phase, found.rssi_step_db) == (
        "vendor 161",
        "9600",
        False,
        1.0,
    )
    assert np.isnan(readings.phase_rad).all()
    assert np.array_equal(readings.rssi_dbm, np.rint(readings.rssi_dbm))


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


def test_reader_events(loop: Loop, emulator: LlrpEmulator) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.buffer_warning(80))
        loop.run(emulator.buffer_overflow())
        loop.run(emulator.reader_exception("amplifier too hot"))
        loop.run(emulator.antenna(2, connected=False))
        heard.until(lambda h: "antenna_gone" in h.kinds)
        seen = len(heard.batches)
        heard.until(lambda h: len(Readings.concat([b.readings for b in h.batches[seen + 2 :]])) > 300)
        loop.run(emulator.antenna(2, connected=True))
        heard.until(lambda h: "antenna_back" in h.kinds)
    assert heard.kinds == [
        "buffer_warning",
        "buffer_overflow",
        "reader_exception",
        "antenna_gone",
        "antenna_back",
    ]
    assert "amplifier too hot" in heard.events[2].detail
    assert "port 2" in heard.events[3].detail


def test_a_port_without_antenna_is_told_at_the_start(loop: Loop, world: SmallWorld) -> None:
    world.ports = (1, 2)  # type: ignore[assignment]
    with served(loop, world) as emulator, open_at(emulator) as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 2, 4)))
        heard = Heard(reader).until(lambda h: len(h.readings) > 0 and bool(h.kinds))
        heard.until(lambda h: bool(h.activity))
    assert heard.kinds == ["antenna_gone"]
    assert "port 4" in heard.events[0].detail
    assert set(heard.activity[0].antenna.tolist()) == {1, 2}


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


def test_readings_that_cannot_be_placed_are_counted_not_handed_out(
    loop: Loop, emulator: LlrpEmulator
) -> None:
    def report(**values: int) -> bytes:
        names = {"antenna_id": "AntennaID", "channel_index": "ChannelIndex", "dbm": "PeakRSSI"}
        items = [parameter(names[name], **{name: value}) for name, value in values.items()]
        data = parameter("TagReportData", parameter("EPCData", epc=(16, b"\xab\xcd")), *items)
        return encode_message(message("RO_ACCESS_REPORT", 1, data))

    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.send_raw(report(antenna_id=1, channel_index=17, dbm=-50)))
        loop.run(emulator.send_raw(report(antenna_id=1, channel_index=3)))
        loop.run(emulator.send_raw(report(channel_index=3, dbm=-50)))
        loop.run(emulator.send_raw(report(antenna_id=1, channel_index=3, dbm=-50)))
        heard.until(lambda h: "ABCD" in h.readings.tags)
        heard.until(lambda h: sum(int(e.detail.split()[0]) for e in h.events if e.kind == "bad_reading") == 3)
    mine = heard.readings.select(heard.readings.epc == "ABCD")
    assert len(mine) == 1
    assert np.isnan(mine.phase_rad).all()


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


class _Scripted:
    """A program on a socket that is no reader, or a strange one."""

    def __init__(self, script: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(script,), daemon=True)
        self._thread.start()

    def _serve(self, script: Any) -> None:
        connection, _ = self._listener.accept()
        with connection:
            script(connection)

    def __enter__(self) -> _Scripted:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self._thread.join(10)


def _wait_for_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_a_web_server_is_no_reader() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 400 Bad request\r\n\r\n")
        _wait_for_end(connection)

    with (
        _Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=2") as reader,
        pytest.raises(ReaderError, match="is no LLRP"),
    ):
        reader.connect()
        reader.close()


def test_a_port_that_says_nothing_is_given_up() -> None:
    with _Scripted(_wait_for_end) as there:
        reader = open_reader(f"llrp://127.0.0.1:{there.port}?timeout=0.2")
        began = time.monotonic()
        with pytest.raises(ReaderError, match="no LLRP greeting"):
            reader.connect()
        assert time.monotonic() - began < 5
        reader.close()


def test_a_reader_that_greets_and_then_never_answers_is_given_up() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(llrp_vectors.CONNECTED)
        _wait_for_end(connection)

    with (
        _Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=0.2") as reader,
        pytest.raises(ReaderError, match="no answer to DELETE_ROSPEC"),
    ):
        reader.connect()


def test_a_reader_initiated_connection_elsewhere_is_named() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(encode_message(event(1, parameter("ConnectionAttemptEvent", status=1))))
        _wait_for_end(connection)

    with (
        _Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=2") as reader,
        pytest.raises(ReaderError, match="opened to another host"),
    ):
        reader.connect()


def test_keepalives_are_answered_behind_the_reports_before_them() -> None:
    """A reader in virtual time goes on at the answer, so everything before the keepalive must be in by then."""
    got: list[int] = []
    read_before_ack: list[int] = []
    done = threading.Event()

    def script(connection: socket.socket) -> None:
        frames = FrameReader()
        connection.sendall(llrp_vectors.CONNECTED)
        started = False
        while data := connection.recv(4096):
            batch = frames.feed(data)
            for i in range(len(batch)):
                item = decode_message(batch.frame(i))
                if item.name == "KEEPALIVE_ACK":
                    got.append(item.id)
                    read_before_ack.append(len(reader.read(0).readings))
                    if len(got) == 5:
                        done.set()
                    continue
                extra = []
                if item.name == "GET_READER_CAPABILITIES":
                    extra = _capabilities()
                answer = message(f"{item.name}_RESPONSE", item.id, parameter("LLRPStatus"), *extra)
                connection.sendall(encode_message(answer))
                if item.name == "START_ROSPEC" and not started:
                    started = True
                    tag = parameter("TagReportData", parameter("EPCData", epc=(16, b"\1\2")), *_where())
                    report = encode_message(message("RO_ACCESS_REPORT", 1, tag))
                    for n in range(5):
                        connection.sendall(report * (n + 1) + encode_message(message("KEEPALIVE", 100 + n)))

    with _Scripted(script) as there, open_reader(f"llrp://127.0.0.1:{there.port}?timeout=5") as reader:
        reader.connect()
        reader.start()
        assert done.wait(10)
        assert got == [100, 101, 102, 103, 104]
        # At the n-th answer the reports of the first n slices are there for `read`, whatever was read of them before.
        assert np.all(np.cumsum(read_before_ack) >= np.cumsum([1, 2, 3, 4, 5]))


def _where() -> list[Any]:
    return [
        parameter("AntennaID", antenna_id=1),
        parameter("PeakRSSI", dbm=-50),
        parameter("ChannelIndex", channel_index=1),
    ]


def _capabilities() -> list[Any]:
    band = parameter(
        "UHFBandCapabilities",
        parameter("TransmitPowerLevelTableEntry", index=1, power_cdbm=3000),
        parameter("FrequencyInformation", parameter("FixedFrequencyTable", frequencies_khz=(866_900,))),
    )
    general = parameter("GeneralDeviceCapabilities", max_antennas=1, has_utc_clock=1, manufacturer=1, model=1)
    return [general, parameter("RegulatoryCapabilities", band, country=276, standard=2)]


def test_a_wrong_drifting_jumping_clock_is_turned_into_host_time(loop: Loop) -> None:
    world = SmallWorld(5, reads_per_s=1500, slice_s=0.01)
    world.keep = True
    clock = ReaderClock(offset_s=1800.0, drift_ppm=214.0, epoch_ns=world.true_time_ns())
    with served(loop, world, clock=clock) as emulator, open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 1500)
        loop.call(lambda: clock.step(-12.0, world.true_time_ns()))
        heard.until(lambda h: "clock_stepped" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 1500)
        reader.stop()
    readings = heard.readings
    assert readings.reader_t is not None
    true = np.concatenate([part.t_ns for part in world.produced])
    stamp = clock.microseconds(true) * 1000
    order = np.argsort(stamp, kind="stable")
    rows = order[np.searchsorted(stamp[order], readings.reader_t)]
    error_ms = np.abs(readings.t - true[rows]) / 1e6
    # The worst are of this machine's own delays, just after the start and the step; see test_clock_map.
    assert np.quantile(error_ms, 0.8) < 5
    told = next(e.detail for e in heard.events if e.kind == "clock_stepped")
    assert "back by" in told
    assert float(told.split()[-2]) == pytest.approx(12.0, abs=0.05)


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
    assert time.monotonic() - began < 2
