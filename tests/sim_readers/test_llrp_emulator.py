"""The emulated reader as a client on a socket sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from reader_drivers.checksums import crc_epc
from reader_drivers.llrp.codec import NO_DOPPLER, NO_PHASE, NO_RSSI, encode_frame, message, parameter
from reader_drivers.llrp.codec.parameters import Parameter
from sim.readers.clock import ReaderClock
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import CHANNELS_KHZ, SmallWorld
from tests.sim_readers.client import Client, impinj_content, rospec

EVERYTHING = dict.fromkeys(
    ("rospec_id", "antenna_id", "channel_index", "peak_rssi", "first_seen", "last_seen", "seen_count"), 1
)


def virtual(seed: int = 1, **options: Any) -> SmallWorld:
    made = SmallWorld(seed, virtual=True, t0_ns=1_750_000_000_000_000_000, **options)
    made.keep = True
    return made


def test_greeting_names_the_readers_own_time(run: Any) -> None:
    async def work() -> None:
        world = virtual()
        async with (
            LlrpEmulator(world, clock=ReaderClock(offset_s=1800.0)) as emulator,
            Client(emulator.address) as client,
        ):
            greeting = await client.until("READER_EVENT_NOTIFICATION")
            assert next(greeting.find("ConnectionAttemptEvent")).number("status") == 0
            assert next(greeting.find("UTCTimestamp")).number("microseconds") == 1_750_001_800_000_000

    run(work())


def test_one_client_at_a_time_and_the_first_hears_of_the_second(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as first:
            await first.until("READER_EVENT_NOTIFICATION")
            async with Client(emulator.address) as second:
                refused = await second.until("READER_EVENT_NOTIFICATION")
                assert next(refused.find("ConnectionAttemptEvent")).number("status") == 2
                assert not await second.pump()
            told = await first.until("READER_EVENT_NOTIFICATION")
            assert next(told.find("ConnectionAttemptEvent")).number("status") == 4
            await first.expect("GET_READER_CAPABILITIES")
            await first.expect("CLOSE_CONNECTION")
            assert not await first.pump()
            async with Client(emulator.address) as third:
                welcome = await third.until("READER_EVENT_NOTIFICATION")
                assert next(welcome.find("ConnectionAttemptEvent")).number("status") == 0

    run(work())


@pytest.mark.parametrize(
    ("region", "standard", "country", "table"),
    [
        ("FCC", 1, 840, "FrequencyHopTable"),
        ("ETSI", 2, 276, "FixedFrequencyTable"),
        ("CN", 0, 156, "FrequencyHopTable"),
    ],
)
def test_capabilities_by_region(run: Any, region: Any, standard: int, country: int, table: str) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual(region=region)) as emulator, Client(emulator.address) as client:
            answer = await client.expect("GET_READER_CAPABILITIES")
            law = answer.first("RegulatoryCapabilities")
            assert law is not None
            assert (law.number("standard"), law.number("country")) == (standard, country)
            assert next(answer.find(table)).numbers("frequencies_khz") == CHANNELS_KHZ[region]
            assert next(answer.find("FrequencyInformation")).number("hopping") == int(
                table == "FrequencyHopTable"
            )
            powers = [p.number("power_cdbm") for p in answer.find("TransmitPowerLevelTableEntry")]
            assert powers == list(range(1000, 3001, 25))
            part = await client.expect("GET_READER_CAPABILITIES", requested=1)
            assert [child.name for child in part.children] == ["LLRPStatus", "GeneralDeviceCapabilities"]

    run(work())


def test_reports_hold_only_what_was_asked_for(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            await client.expect("ADD_ROSPEC", rospec(antenna_id=1))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            (first, *_) = await client.reads(50)
            names = {child.name for item in client.inbox for tag in item.children for child in tag.children}
            assert names <= {"EPC_96", "AntennaID"}
            assert first.antenna[0] in (1, 2, 3, 4)
            for part in client.reports:
                assert part.channel.tolist() == [0] * len(part)
                assert set(part.rssi_cdbm.tolist()) == {NO_RSSI}
                assert set(part.phase.tolist()) == {NO_PHASE}
                assert not part.first_utc_us.any()

    run(work())


def test_pc_and_crc_are_the_tags_own(run: Any) -> None:
    async def work() -> None:
        spec = rospec(antenna_id=1)
        memory = parameter("C1G2EPCMemorySelector", crc=1, pc=1)
        report = next(spec.find("TagReportContentSelector"))
        chosen = Parameter(report.kind, report.values, (memory,))
        outer = spec.children[-1]
        spec = Parameter(
            spec.kind, spec.values, (*spec.children[:-1], Parameter(outer.kind, outer.values, (chosen,)))
        )
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            await client.expect("ADD_ROSPEC", spec)
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            item = await client.until("RO_ACCESS_REPORT")
            tag = item.children[0]
            epc_item, pc, crc = (tag.first(name) for name in ("EPC_96", "C1G2_PC", "C1G2_CRC"))
            assert epc_item is not None
            assert pc is not None
            assert crc is not None
            epc = epc_item.number("high").to_bytes(4, "big") + epc_item.number("low").to_bytes(8, "big")
            assert pc.number("pc") == 0x3000
            assert crc.number("crc") == crc_epc(b"\x30\x00" + epc)

    run(work())


@pytest.mark.parametrize("sign", [1, -1])
def test_values_are_quantised_as_the_reader_would(run: Any, sign: int) -> None:
    async def work() -> None:
        world = virtual(last_ns=2_000_000_000)
        clock = ReaderClock(offset_s=-3.0, drift_ppm=100.0, epoch_ns=1_750_000_000_000_000_000)
        async with (
            LlrpEmulator(world, clock=clock, phase_sign=sign) as emulator,
            Client(emulator.address) as client,
        ):
            await client.expect("IMPINJ_ENABLE_EXTENSIONS")
            await client.expect(
                "ADD_ROSPEC", rospec(impinj_content(phase=True, rssi=True, doppler=True), **EVERYTHING)
            )
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            reports = await client.reads(200)
        slices = world.produced
        got = {
            name: np.concatenate([getattr(part, name) for part in reports])
            for name in (
                "antenna",
                "channel",
                "rssi_cdbm",
                "phase",
                "doppler",
                "first_utc_us",
                "seen",
                "rospec",
            )
        }
        n = len(got["phase"])
        meant = {
            name: np.concatenate([getattr(part, name) for part in slices])[:n]
            for name in ("t_ns", "port", "channel", "rssi_dbm", "phase_rad", "doppler_hz")
        }
        assert np.array_equal(got["antenna"], meant["port"])
        assert np.array_equal(got["channel"], meant["channel"])
        assert np.array_equal(got["rssi_cdbm"], np.rint(meant["rssi_dbm"] * 2) * 50)
        turn = sign * meant["phase_rad"].astype(float) / (2 * np.pi) * 4096
        assert np.array_equal(got["phase"], np.rint(turn).astype(int) % 4096)
        assert np.array_equal(got["doppler"], np.rint(meant["doppler_hz"] * 16))
        since = meant["t_ns"] - 1_750_000_000_000_000_000
        believed = meant["t_ns"] - 3_000_000_000 + np.rint(since * 1e-4).astype(np.int64)
        assert np.array_equal(got["first_utc_us"].astype(np.int64), believed // 1000)
        assert set(got["seen"].tolist()) == {1}
        assert set(got["rospec"].tolist()) == {1}

    run(work())


def test_impinj_values_need_the_extensions(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator:
            async with Client(emulator.address) as client:
                spec = rospec(impinj_content(phase=True), **EVERYTHING)
                refused = await client.expect("ADD_ROSPEC", spec, code=100)
                detail = next(refused.find("ParameterError"))
                assert (detail.number("parameter"), detail.number("code")) == (1023, 207)
                await client.expect("IMPINJ_ENABLE_EXTENSIONS")
                await client.expect("ADD_ROSPEC", spec)
                await client.expect("DELETE_ROSPEC")
                await client.expect("ADD_ROSPEC", rospec(**EVERYTHING))
                await client.expect("ENABLE_ROSPEC", rospec_id=1)
                for part in await client.reads(30):
                    assert set(part.phase.tolist()) == {NO_PHASE}
                    assert set(part.doppler.tolist()) == {NO_DOPPLER}
                    assert not (part.rssi_cdbm % 100).any()
                await client.expect("DELETE_ROSPEC")
            # They were enabled on that connection alone.
            async with Client(emulator.address) as client:
                await client.expect("ADD_ROSPEC", spec, code=100)

    run(work())


def test_a_reader_of_another_make_has_no_extensions(run: Any) -> None:
    async def work() -> None:
        async with (
            LlrpEmulator(virtual(), identity=Identity(manufacturer=161)) as emulator,
            Client(emulator.address) as client,
        ):
            await client.expect("IMPINJ_ENABLE_EXTENSIONS", code=109)

    run(work())


def test_rospec_life(run: Any) -> None:
    async def work() -> None:
        world = virtual()
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:

            async def state() -> list[int]:
                return [spec.number("state") for spec in (await client.expect("GET_ROSPECS")).all("ROSpec")]

            await client.expect("DELETE_ROSPEC")
            assert await state() == []
            await client.expect("ENABLE_ROSPEC", rospec_id=1, code=101)
            await client.expect("ADD_ROSPEC", rospec(start=0, **EVERYTHING))
            await client.expect("ADD_ROSPEC", rospec(number=2), code=105)
            assert await state() == [0]
            await client.expect("START_ROSPEC", rospec_id=1, code=101)
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            assert await state() == [1]
            assert not client.reports
            await client.expect("START_ROSPEC", rospec_id=2, code=101)
            await client.expect("START_ROSPEC", rospec_id=1)
            # No report overtakes the answer that promises it.
            assert client.log[-1] != "RO_ACCESS_REPORT" or "START_ROSPEC_RESPONSE" in client.log
            assert client.log.index("START_ROSPEC_RESPONSE") < [*client.log, "RO_ACCESS_REPORT"].index(
                "RO_ACCESS_REPORT"
            )
            await client.reads(50)
            assert await state() == [2]
            await client.expect("STOP_ROSPEC", rospec_id=1)
            stopped = len(client.log)
            assert await state() == [1]
            assert "RO_ACCESS_REPORT" not in client.log[stopped:]
            await client.expect("START_ROSPEC", rospec_id=1)
            await client.reads(sum(map(len, client.reports)) + 50)
            await client.expect("DISABLE_ROSPEC", rospec_id=1)
            assert await state() == [0]
            assert world.inventory is None
            await client.expect("DELETE_ROSPEC", rospec_id=1)
            assert await state() == []

    run(work())


def _transmitter(power: int = 1, channel: int = 1) -> tuple[Parameter, ...]:
    settings = parameter("RFTransmitter", hop_table_id=1, channel_index=channel, power_index=power)
    return (parameter("AntennaConfiguration", settings, antenna_id=1),)


def _control(**values: int) -> tuple[Parameter, ...]:
    command = parameter("C1G2InventoryCommand", parameter("C1G2RFControl", **values))
    return (parameter("AntennaConfiguration", command, antenna_id=0),)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (rospec(number=0), 101),
        (rospec(start=3), 111),
        (rospec(antennas=(5,)), 300),
        (rospec(antennas=()), 300),
        (rospec(configuration=_transmitter(power=82)), 301),
        (rospec(configuration=_transmitter(power=0)), 301),
        (rospec(configuration=_transmitter(channel=17)), 301),
        (rospec(configuration=_control(mode_index=77)), 301),
        (rospec(trigger=9), 101),
        (parameter("ROSpec", rospec_id=1), 100),
        (parameter("ROSpec", *rospec().children[:1], rospec_id=1), 105),
        (Parameter(rospec().kind, {**rospec().values, "state": 1}, rospec().children), 101),
    ],
)
def test_nonsense_is_refused_with_a_status(run: Any, spec: Parameter, code: int) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            answer = await client.expect("ADD_ROSPEC", spec, code=code)
            state = answer.first("LLRPStatus")
            assert state is not None
            assert state.text("description")
            await client.expect("ADD_ROSPEC", rospec())

    run(work())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (encode_frame(999, 5, b""), 109),
        (encode_frame(46, 5, b""), 109),
        (encode_frame(1, 5, b"\0", version=2), 110),
        (encode_frame(20, 5, b"\0\xb1\0\x02"), 100),
        (encode_frame(1, 5, b""), 100),
    ],
)
def test_what_is_no_request_is_answered_by_an_error_message(run: Any, frame: bytes, code: int) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            await client.send(frame)
            answer = await client.until("ERROR_MESSAGE")
            state = answer.first("LLRPStatus")
            assert state is not None
            assert (answer.id, state.number("code")) == (5, code)
            await client.expect("GET_READER_CAPABILITIES")

    run(work())


def test_garbage_ends_the_connection_and_only_that(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator:
            async with Client(emulator.address) as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: reader\r\n\r\n")
                await client.until("ERROR_MESSAGE")
                assert not await client.pump()
            async with Client(emulator.address) as client:
                await client.expect("GET_READER_CAPABILITIES")

    run(work())


def test_reports_in_groups_of_n_and_the_rest_at_the_end(run: Any) -> None:
    async def work() -> None:
        world = virtual(last_ns=1_000_000_000)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", _events(2))
            await client.expect("ADD_ROSPEC", rospec(start=0, n=7, **EVERYTHING))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            await client.expect("START_ROSPEC", rospec_id=1)
            await client.until_rospec_ends()
            sizes = [len(part) for part in client.reports]
        assert set(sizes[:-1]) == {7}
        produced = sum(len(part) for part in world.produced)
        counted = sum(int(part.seen.sum()) for part in client.reports)
        assert counted == produced

    run(work())


def test_reports_on_demand_are_merged_by_tag_antenna_and_channel(run: Any) -> None:
    async def work() -> None:
        world = virtual(tags=3, last_ns=500_000_000, slice_s=0.5)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", _events(2))
            await client.expect("ADD_ROSPEC", rospec(trigger=0, n=0, antennas=(1,), **EVERYTHING))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            await client.until_rospec_ends()
            (report,) = client.reports
        (heard,) = world.produced
        keys = set(zip(heard.tag.tolist(), heard.channel.tolist(), strict=True))
        assert len(report) == len(keys) < len(heard)
        assert int(report.seen.sum()) == len(heard)
        assert np.all(report.last_utc_us >= report.first_utc_us)
        for row in range(len(report)):
            mine = (np.array([world.tags[i] for i in heard.tag]) == report.epcs[report.tag[row]]) & (
                heard.channel == report.channel[row]
            )
            assert report.seen[row] == mine.sum()
            assert report.first_utc_us[row] == heard.t_ns[mine].min() // 1000
            assert report.last_utc_us[row] == heard.t_ns[mine].max() // 1000
            strongest = np.rint(heard.rssi_dbm[mine].max() * 2) / 2
            assert abs(report.rssi_cdbm[row] / 100 - strongest) <= 0.5

    run(work())


def _events(*kinds: int) -> Parameter:
    states = (parameter("EventNotificationState", event=kind, enabled=1) for kind in kinds)
    return parameter("ReaderEventNotificationSpec", *states)


def test_get_report_fetches_what_is_buffered(run: Any) -> None:
    async def work() -> None:
        world = virtual(slice_s=0.02)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", parameter("KeepaliveSpec", trigger=1, period_ms=10_000))
            await client.expect("ADD_ROSPEC", rospec(trigger=0, n=0, **EVERYTHING))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            for _ in range(20):
                await client.until("KEEPALIVE")
            assert not client.reports
            client.acknowledge = False
            await client.until("KEEPALIVE")
            await client.send(message("GET_REPORT", 9))
            await client.until("RO_ACCESS_REPORT")
            counted = sum(int(part.seen.sum()) for part in client.reports)
            assert counted == sum(len(part) for part in world.produced) > 0

    run(work())


def test_an_inventory_with_a_duration_ends_and_says_so(run: Any) -> None:
    async def work() -> None:
        world = virtual()
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", _events(2))
            await client.expect("ADD_ROSPEC", rospec(start=0, duration_ms=1000, **EVERYTHING))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            await client.expect("START_ROSPEC", rospec_id=1)
            events: list[int] = []
            while events != [0, 1]:
                item = await client.until("READER_EVENT_NOTIFICATION")
                events += [found.number("event") for found in item.find("ROSpecEvent")]
            (spec,) = (await client.expect("GET_ROSPECS")).all("ROSpec")
            assert spec.number("state") == 1
        assert sum(part.t_end_ns - part.t_start_ns for part in world.produced) == 1_000_000_000

    run(work())


def test_settings_reach_the_radio(run: Any) -> None:
    async def work() -> None:
        world = virtual()
        command = parameter(
            "C1G2InventoryCommand",
            parameter("C1G2RFControl", mode_index=2),
            parameter("C1G2SingulationControl", session=3),
            parameter("ImpinjInventorySearchMode", mode=3),
            parameter("ImpinjFixedFrequencyList", mode=2, channels=(4, 6)),
        )
        everywhere = parameter("AntennaConfiguration", command, antenna_id=0)
        second = parameter("RFTransmitter", hop_table_id=1, channel_index=1, power_index=41)
        own = parameter("AntennaConfiguration", second, antenna_id=2)
        general = parameter("RFTransmitter", hop_table_id=1, channel_index=1, power_index=21)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("IMPINJ_ENABLE_EXTENSIONS")
            default = parameter("AntennaConfiguration", general, antenna_id=0)
            await client.expect("SET_READER_CONFIG", default)
            await client.expect("ADD_ROSPEC", rospec(antennas=(2, 1), configuration=(everywhere, own)))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            await client.reads(1)
            asked = world.inventory
        assert asked is not None
        assert (asked.ports, asked.power_dbm) == ((2, 1), (20.0, 15.0))
        assert (asked.session, asked.search, asked.rf_mode, asked.channels) == (3, "focus", 2, (4, 6))
        assert world.inventory is None

    run(work())


def test_a_rospec_outlives_its_connection_and_holds_reports_if_told_to(run: Any) -> None:
    async def work() -> None:
        world = SmallWorld(2, reads_per_s=1000, slice_s=0.01)
        async with LlrpEmulator(world) as emulator:
            async with Client(emulator.address) as client:
                hold = parameter("EventsAndReports", hold=1)
                await client.expect("SET_READER_CONFIG", hold)
                await client.expect("ADD_ROSPEC", rospec(**EVERYTHING))
                await client.expect("ENABLE_ROSPEC", rospec_id=1)
                await client.reads(10)
            async with Client(emulator.address) as client:
                (spec,) = (await client.expect("GET_ROSPECS")).all("ROSpec")
                assert spec.number("state") == 2
                await asyncio.sleep(0.1)
                await client.expect("GET_ROSPECS")
                assert not client.reports
                await client.send(message("ENABLE_EVENTS_AND_REPORTS", 99))
                await client.reads(50)

    run(work())


def test_keepalives_come_at_their_period_until_switched_off(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(SmallWorld(1)) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", parameter("KeepaliveSpec", trigger=1, period_ms=50))
            began = asyncio.get_running_loop().time()
            for _ in range(4):
                await client.until("KEEPALIVE")
            assert 0.15 <= asyncio.get_running_loop().time() - began < 2
            await client.expect("SET_READER_CONFIG", parameter("KeepaliveSpec"))
            seen = client.log.count("KEEPALIVE")
            await asyncio.sleep(0.2)
            await client.expect("GET_ROSPECS")
            assert client.log.count("KEEPALIVE") <= seen + 1

    run(work())


def test_config_tells_which_antennas_are_plugged_in(run: Any) -> None:
    async def work() -> None:
        world = virtual()
        world.ports = (1, 3)  # type: ignore[assignment]
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", _events(8))
            await emulator.antenna(3, connected=False)
            told = await client.until("READER_EVENT_NOTIFICATION")
            while next(told.find("AntennaEvent"), None) is None:
                told = await client.until("READER_EVENT_NOTIFICATION")
            answer = await client.expect("GET_READER_CONFIG", requested=2)
            plugged = {p.number("antenna_id"): p.number("connected") for p in answer.all("AntennaProperties")}
            assert plugged == {1: 1, 2: 0, 3: 0, 4: 0}
            everything = await client.expect("GET_READER_CONFIG")
            assert {"Identification", "KeepaliveSpec", "AntennaConfiguration"} <= {
                c.name for c in everything.children
            }
            await client.expect("GET_READER_CONFIG", requested=99, code=101)

    run(work())


def test_a_frame_in_pieces_is_answered_once(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            data = encode_frame(1, 77, b"\0")
            for byte in data:
                await client.send(bytes([byte]))
            answer = await client.until("GET_READER_CAPABILITIES_RESPONSE")
            assert answer.id == 77

    run(work())
