"""The emulated FEIG reader as any client finds it: frames on a socket, both kinds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reader_drivers.feig.codec import (
    ADVANCED,
    MORE,
    STANDARD,
    Answer,
    Control,
    Iso,
    IsoError,
    Layout,
    Record,
    Status,
    decode_blocks,
    decode_records,
    decode_system_info,
    inventory_request,
    iso_request,
    read_request,
    write_request,
)
from reader_drivers.framing import Framer
from sim.readers.feig import FeigEmulator
from sim.readers.hf_small_world import HfSmallWorld

T0 = 1_750_000_000_000_000_000


class Client:
    """Sends a request and returns its answer."""

    def __init__(self, emulator: FeigEmulator) -> None:
        self.host, _, self.port = emulator.address.rpartition(":")

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def raw(self, frame: bytes, layout: Layout) -> bytes:
        framer = Framer(layout.frames)
        self.writer.write(frame)
        while True:
            for found in framer.feed(await asyncio.wait_for(self.reader.read(4096), 5)):
                return found

    async def ask(self, control: int, data: bytes = b"", layout: Layout = ADVANCED) -> Answer:
        answer = layout.read(await self.raw(layout.request(control, data), layout))
        assert answer is not None and answer.control == control
        return answer


def virtual(**options: Any) -> HfSmallWorld:
    return HfSmallWorld(2, virtual=True, t0_ns=T0, swing_s=0.0, **options)


def play(run: Any, world: HfSmallWorld, steps: Any, **options: Any) -> None:
    async def work() -> None:
        async with FeigEmulator(world, **options) as emulator, Client(emulator) as client:
            await steps(emulator, client)

    run(work())


def test_an_empty_field_is_answered_as_computed(run: Any) -> None:
    async def steps(_: FeigEmulator, client: Client) -> None:
        for layout, asked, told in (
            (STANDARD, "07 FF B0 01 00 1C 56", "06 00 B0 01 5C 63"),
            (ADVANCED, "02 00 09 FF B0 01 00 18 43", "02 00 08 00 B0 01 19 CE"),
        ):
            assert await client.raw(bytes.fromhex(asked), layout) == bytes.fromhex(told)

    play(run, virtual(tags=0), steps)


@pytest.mark.parametrize("layout", [STANDARD, ADVANCED])
def test_more_tags_than_an_answer_holds_are_fetched_bit_by_bit(run: Any, layout: Layout) -> None:
    world = virtual(tags=16, antennas=1)

    async def steps(_: FeigEmulator, client: Client) -> None:
        answer = await client.ask(Control.ISO, inventory_request(), layout)
        count = answer.data[0]
        while answer.status == Status.MORE_DATA:
            assert answer.data[0] == 5
            answer = await client.ask(Control.ISO, bytes([Iso.INVENTORY, MORE]), layout)
            count += answer.data[0]
        assert answer.status == Status.OK and 13 <= count <= 16
        assert (
            await client.ask(Control.ISO, bytes([Iso.INVENTORY, MORE]), layout)
        ).status == Status.NO_TRANSPONDER

    play(run, world, steps, most_sets=5)


def test_blocks_afi_and_dsfid_are_written_and_locked(run: Any) -> None:
    world = virtual(tags=2, antennas=1)
    uid, other = world.uids

    async def steps(_: FeigEmulator, client: Client) -> None:
        async def said(data: bytes) -> tuple[int, bytes]:
            answer = await client.ask(Control.ISO, data)
            return answer.status, answer.data

        assert await said(write_request(uid, 9, b"NEWBLOCK")) == (Status.OK, b"")
        status, data = await said(read_request(uid, 9, 2))
        blocks = decode_blocks(data)
        assert status == Status.OK and blocks is not None and blocks.data == b"NEWBLOCK"
        assert await said(iso_request(Iso.LOCK_BLOCKS, uid, bytes([9, 1]))) == (Status.OK, b"")
        assert await said(write_request(uid, 9, b"AGAIN...")) == (Status.ISO_ERROR, bytes([IsoError.LOCKED]))
        assert await said(write_request(uid, 10, b"FREE")) == (Status.OK, b"")
        assert await said(read_request(uid, 27, 2)) == (Status.ISO_ERROR, bytes([IsoError.NO_BLOCK]))
        assert await said(read_request(uid, 0, 33)) == (Status.PARAMETER_RANGE, b"")
        assert await said(iso_request(Iso.WRITE_AFI, uid, b"\xc2")) == (Status.OK, b"")
        assert await said(iso_request(Iso.WRITE_DSFID, uid, b"\x06")) == (Status.OK, b"")
        info = decode_system_info((await said(iso_request(Iso.SYSTEM_INFO, uid)))[1])
        assert info is not None
        assert (info.uid, info.afi, info.dsfid, info.blocks, info.block_bytes) == (uid, 0xC2, 0x06, 28, 4)
        # Two tags answer at once where none is named; one that is not there does not answer.
        assert await said(iso_request(Iso.SYSTEM_INFO, None)) == (Status.NO_TRANSPONDER, b"")
        assert await said(iso_request(Iso.SYSTEM_INFO, bytes(8))) == (Status.NO_TRANSPONDER, b"")
        assert await said(b"\x99\x00") == (Status.NO_TRANSPONDER, b"")
        assert await said(bytes([0x99, 1]) + uid) == (Status.UNKNOWN_COMMAND, b"")
        for command, on in ((0xA3, False), (0xA2, True)):
            custom = bytes([0x04, command, 1]) + other
            assert (await client.ask(Control.CUSTOM, custom)).status == Status.OK
            assert world.tags[other].eas is on

    play(run, world, steps)


def test_a_reset_forgets_and_the_field_can_be_off(run: Any) -> None:
    world = virtual(tags=3, antennas=1)

    async def steps(_: FeigEmulator, client: Client) -> None:
        written = bytes([0x81]) + bytes(range(14))
        assert (await client.ask(Control.WRITE_CONFIGURATION, written)).status == Status.OK
        assert (await client.ask(Control.READ_CONFIGURATION, b"\x01")).data == bytes(range(14))
        assert (await client.ask(Control.RF_ON_OFF, b"\x00")).status == Status.OK
        assert (await client.ask(Control.ISO, inventory_request())).status == Status.NO_TRANSPONDER
        assert (await client.ask(Control.ISO, iso_request(Iso.SYSTEM_INFO, world.uids[0]))).data == b""
        assert (await client.ask(Control.CPU_RESET)).status == Status.OK
        assert (await client.ask(Control.READ_CONFIGURATION, b"\x01")).data == bytes(14)
        assert (await client.ask(Control.ISO, inventory_request())).status == Status.OK
        assert (await client.ask(Control.RF_RESET)).status == Status.OK
        assert (await client.ask(Control.READER_INFO, b"\x00")).data[4] == 44
        assert (await client.ask(0x99)).status == Status.UNKNOWN_COMMAND
        assert (await client.ask(Control.RF_RESET, b"much too long")).status == Status.LENGTH_ERROR

    play(run, world, steps)


def test_the_buffered_mode_collects_each_tag_once(run: Any) -> None:
    world = virtual(tags=6, antennas=1)

    async def steps(emulator: FeigEmulator, client: Client) -> None:
        assert (await client.ask(Control.READ_BUFFER, b"\x00\xff")).status == Status.NO_VALID_DATA
        assert (await client.ask(Control.INIT_BUFFER)).status == Status.OK
        while len(emulator.buffer) < 6:
            await asyncio.sleep(0)
        await emulator.end_inventory()
        info = (await client.ask(Control.BUFFER_INFO)).data
        assert int.from_bytes(info[-2:], "big") == 6
        some = await client.ask(Control.READ_BUFFER, b"\x00\x04")
        assert some.status == Status.MORE_DATA
        first = decode_records(some.data)
        assert (await client.ask(Control.CLEAR_BUFFER)).status == Status.OK
        rest = decode_records((await client.ask(Control.READ_BUFFER, b"\x00\xff")).data)
        assert first is not None and rest is not None and len(first) == 4
        assert {record.identifier for record in first + rest} == set(world.uids)
        assert set(first + rest) == {Record(3, uid, antenna=1) for uid in world.uids}

    play(run, world, steps)


def test_virtual_time_passes_by_inventories_and_by_what_is_read(run: Any) -> None:
    world = virtual(tags=5, antennas=1)

    async def steps(_: FeigEmulator, client: Client) -> None:
        await client.ask(Control.ISO, inventory_request())
        asked = world.true_time_ns() - T0
        assert 20_000_000 < asked < 200_000_000
        await client.ask(Control.ISO, read_request(world.uids[0], 0, 28))
        # 28 blocks of four bytes and a status byte each: 1,120 bits at 26.48 kbit/s.
        assert 42_000_000 < world.true_time_ns() - T0 - asked < 60_000_000

    play(run, world, steps)
