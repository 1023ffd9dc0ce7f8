"""The driver against an emulated reader, over real sockets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings
from reader_drivers.llrp.codec import encode_message, message, parameter
from recording import Readings
from sim.readers.clock import ReaderClock
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import CHANNELS_KHZ, SmallWorld
from tests.reader_drivers.harness import FAST, Heard, Loop, open_at, served


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
    assert np.median(np.abs(readings.t - true["t_ns"])) < 100e6
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


def test_ports_may_have_powers_of_their_own(emulator: LlrpEmulator, world: SmallWorld) -> None:
    with open_at(emulator) as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(2, 4), power_dbm=25, port_power_dbm={4: 17.6}))
        heard = Heard(reader).until(lambda h: len(h.readings) > 0 and bool(h.activity))
        asked = world.inventory
        reader.stop()
        reader.start(ReaderSettings(port_power_dbm={3: 12}))
        Heard(reader).until(lambda h: len(h.readings) > 0)
        every = world.inventory
    assert asked is not None
    assert (asked.ports, asked.power_dbm) == ((2, 4), (25.0, 17.5))
    activity = heard.activity[0]
    assert dict(zip(activity.antenna.tolist(), activity.power_dbm.tolist(), strict=True)) == {
        2: 25.0,
        4: 17.5,
    }
    assert every is not None
    assert dict(zip(every.ports, every.power_dbm, strict=True)) == {1: 30.0, 2: 30.0, 3: 12.0, 4: 30.0}


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
        (ReaderSettings(ports=(5,)), "port 5; it has ports 1 to 4"),
        (ReaderSettings(power_dbm=5), "10 to 30"),
        (ReaderSettings(port_power_dbm={2: 5}), "10 to 30"),
        (ReaderSettings(port_power_dbm={7: 20}), "port 7; it has ports 1 to 4"),
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
    world.ports = (1, 2)
    with served(loop, world) as emulator, open_at(emulator) as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 2, 4)))
        heard = Heard(reader).until(lambda h: len(h.readings) > 0 and bool(h.kinds))
        heard.until(lambda h: bool(h.activity))
    assert heard.kinds == ["antenna_gone"]
    assert "port 4" in heard.events[0].detail
    assert set(heard.activity[0].antenna.tolist()) == {1, 2}


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
    # Against 12 s of step and half an hour of offset; what this machine's own delays leave is for test_clock_map.
    assert np.quantile(error_ms, 0.8) < 100
    told = next(e.detail for e in heard.events if e.kind == "clock_stepped")
    assert "back by" in told
    assert float(told.split()[-2]) == pytest.approx(12.0, abs=0.5)
