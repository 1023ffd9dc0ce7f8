"""The emulated reader as a client on a socket sees it: connections, settings, specs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reader_drivers.llrp.codec import encode_frame, message, parameter
from reader_drivers.llrp.codec.parameters import Parameter
from sim.readers.clock import ReaderClock
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import CHANNELS_KHZ, SmallWorld
from tests.sim_readers.client import EVERYTHING, Client, notify, rospec, virtual


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
                await client.expect("SET_READER_CONFIG", hold, notify(8))
                await client.expect("ADD_ROSPEC", rospec(**EVERYTHING))
                await client.expect("ENABLE_ROSPEC", rospec_id=1)
                await client.reads(10)
            async with Client(emulator.address) as client:
                (spec,) = (await client.expect("GET_ROSPECS")).all("ROSpec")
                assert spec.number("state") == 2
                await asyncio.sleep(0.1)
                await client.expect("GET_ROSPECS")
                assert not client.reports
                # Events too; and what is held is held for all of this connection, whatever is set meanwhile.
                await emulator.antenna(2, connected=False)
                await client.expect("SET_READER_CONFIG", parameter("EventsAndReports", hold=0))
                await client.expect("STOP_ROSPEC", rospec_id=1)
                await client.expect("START_ROSPEC", rospec_id=1)
                await asyncio.sleep(0.1)
                await client.expect("GET_ROSPECS")
                assert client.log.count("READER_EVENT_NOTIFICATION") == 1
                assert not client.reports
                await client.send(message("ENABLE_EVENTS_AND_REPORTS", 99))
                await client.reads(50)
                assert client.log.count("READER_EVENT_NOTIFICATION") > 1

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
        world.ports = (1, 3)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", notify(8))
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


def test_a_fault_of_its_own_ends_a_connection_and_lets_the_next_client_in(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with LlrpEmulator(virtual()) as emulator:
            asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
            with monkeypatch.context() as broken:
                broken.setattr(emulator.state, "answer", lambda *_a, **_k: 1 // 0)
                async with Client(emulator.address) as first:
                    await first.until("READER_EVENT_NOTIFICATION")
                    with pytest.raises(AssertionError, match="connection ended"):
                        await first.ask("GET_ROSPECS")
            async with Client(emulator.address) as second:
                await second.until("READER_EVENT_NOTIFICATION")
                await second.expect("GET_ROSPECS")

    run(test())
