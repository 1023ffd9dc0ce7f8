"""What the emulated reader reports, and when, as a client on a socket sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reader_drivers.checksums import crc_epc
from reader_drivers.llrp.codec import NO_DOPPLER, NO_PHASE, NO_RSSI, gen2_words, message, parameter
from reader_drivers.llrp.codec.parameters import Parameter
from sim.readers.clock import ReaderClock
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_reports import Content, Rows, encode_reports
from tests.reader_drivers import llrp_vectors
from tests.sim_readers.client import EVERYTHING, Client, impinj_content, notify, rospec, virtual


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


def test_a_known_read_is_reported_in_the_known_bytes() -> None:
    epc, first = bytes.fromhex("E2801160600002052807A1B3"), 1_700_000_000_000_000
    values = {"antenna": 1, "channel": 3, "rssi_cdbm": -5450, "phase": 2048, "doppler": -32, "seen": 1}
    columns = {name: np.array([value]) for name, value in values.items()}
    times = {"first_us": np.array([first]), "last_us": np.array([first + 1000])}
    rows = Rows(tag=np.zeros(1, np.uint32), tags=(epc,), **columns, **times)
    everything = ("antenna_id", "channel_index", "peak_rssi", "first_seen", "last_seen", "seen_count", "pc")
    content = Content(**dict.fromkeys((*everything, "phase", "fine_rssi", "doppler"), True))
    assert encode_reports(rows, content, [gen2_words(epc)], 1, 1, 13) == llrp_vectors.REPORT


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


def test_reports_in_groups_of_n_and_the_rest_at_the_end(run: Any) -> None:
    async def work() -> None:
        world = virtual(last_ns=1_000_000_000)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("SET_READER_CONFIG", notify(2))
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
            await client.expect("SET_READER_CONFIG", notify(2))
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
            await client.expect("SET_READER_CONFIG", notify(2))
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
