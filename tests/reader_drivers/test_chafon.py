"""Chafon's CF readers: frames of a real reader; the driver against the emulator, in the layout that is not proven."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.chafon.codec import (
    FRAMES,
    Command,
    Status,
    command_of,
    data_of,
    decode_parameters,
    decode_reports,
    encode,
    encode_answer,
    encode_report,
    inventory_parameters,
    status_words,
)
from reader_drivers.framing import Framer
from sim.readers.chafon import ChafonEmulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import FAST, befall, fast, reading, serving

# Of a real reader, at port 2022.
PARAMETERS = "00 00 01 80 04 00 01 01 03 86 02 EE 01 F4 31 21 01 04 00 00 0C 00 03 01 05"
QUIET = "00 00 00 80 04 00 01 01 03 86 02 EE 01 F4 31 21 01 04 00 00 0C 00 03 00 05"
ANSWERED = [
    (Command.STOP, "", "CF 00 00 02 01 00 9E EA"),
    (Command.GET_PARAMETERS, PARAMETERS, f"CF 00 00 72 1A 00 {PARAMETERS} 2C 68"),
    (Command.SET_PARAMETERS, "", "CF 00 00 71 01 00 F1 56"),
]
SENT = [
    (Command.STOP, "", "CF FF 00 02 00 E7 61"),
    (Command.GET_PARAMETERS, "", "CF FF 00 72 00 17 A5"),
    (Command.SET_PARAMETERS, QUIET, f"CF FF 00 71 19 {QUIET} F6 81"),
]
# Computed with the same CRC; not captured.
COMPUTED = [
    (Command.INIT, "", "CF FF 00 50 00 07 26"),
    (Command.INFO, "", "CF FF 00 70 00 24 15"),
    (Command.INVENTORY, "00 00 00 00 05", "CF FF 00 01 05 00 00 00 00 05 A2 18"),
]
EPC = bytes.fromhex("E2801160600002052807A1B3")


@pytest.mark.parametrize(("command", "data", "frame"), SENT + COMPUTED)
def test_commands(command: Command, data: str, frame: str) -> None:
    made = bytes.fromhex(frame)
    assert encode(command, bytes.fromhex(data)) == made
    assert [(command_of(f), data_of(f)) for f in Framer(FRAMES).feed(made)] == [
        (command, bytes.fromhex(data))
    ]


def test_commands_have_the_manuals_numbers() -> None:
    assert {command.name: int(command) for command in Command} == {
        "INVENTORY": 0x01, "STOP": 0x02, "INIT": 0x50, "REBOOT": 0x52, "POWER": 0x53, "PROTOCOL": 0x59,
        "NETWORK": 0x64, "INFO": 0x70, "SET_PARAMETERS": 0x71, "GET_PARAMETERS": 0x72, "RELAY": 0x77,
    }  # fmt: skip


@pytest.mark.parametrize(("command", "data", "frame"), ANSWERED)
def test_answers_of_a_real_reader(command: Command, data: str, frame: str) -> None:
    assert encode_answer(command, 0, bytes.fromhex(data)) == bytes.fromhex(frame)
    assert list(Framer(FRAMES).feed(bytes.fromhex(frame))) == [bytes.fromhex(frame)]


def test_parameters_of_a_real_reader() -> None:
    frame = bytes.fromhex(ANSWERED[1][2])
    parameters = decode_parameters(data_of(frame)[1:])
    assert parameters is not None
    assert (parameters.work_mode, parameters.antennas, parameters.power_dbm) == (1, 1, 33)
    assert (parameters.q, parameters.session, parameters.region) == (4, 0, 1)
    assert (parameters.frequencies_khz[0], parameters.frequencies_khz[1]) == (902_750, 903_250)
    quiet = parameters.to_read(antennas=1, power_dbm=33, session=0, q=None)
    assert {n for n in range(25) if quiet.raw[n] != parameters.raw[n]} == {2}
    assert decode_parameters(b"\0" * 24) is None
    assert inventory_parameters(5).hex() == "0000000005"


reads = st.tuples(
    st.integers(-999, 0),
    st.integers(1, 8),
    st.integers(0, 255),
    st.integers(0, 62).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
)


@given(st.lists(reads, max_size=20))
def test_reports_come_out_as_they_went_in(told: list[tuple[int, int, int, bytes]]) -> None:
    stream = b"".join(encode_report(rssi / 10, port, channel, epc) for rssi, port, channel, epc in told)
    out = decode_reports(Framer(FRAMES).feed(stream))
    rows = zip(out.rssi_dbm.tolist(), out.antenna.tolist(), out.channel.tolist(), out.tag, strict=True)
    assert [(round(10 * r), a, c, out.tags[k]) for r, a, c, k in rows] == told
    assert (out.bad, out.over) == (0, -1)


def test_reports_that_contradict_themselves_are_left_out_and_ends_are_seen() -> None:
    bad = [
        encode_answer(Command.INVENTORY, 0, b"\xfd\x00\x01\x00\x0c" + EPC[:8]),
        encode_answer(Command.INVENTORY, 0, b"\xfd\x00\x00\x00\x0c" + EPC),
        encode_answer(Command.INVENTORY, 0, b"\xfd\x00"),
    ]
    stream = b"".join(bad) + encode_report(-54.3, 2, 7, EPC) + encode_answer(Command.INVENTORY, 0)
    out = decode_reports(
        Framer(FRAMES).feed(stream + encode_answer(Command.INVENTORY, Status.INVENTORY_OVER))
    )
    assert (out.row.tolist(), out.bad, out.over) == ([3], 3, Status.INVENTORY_OVER)
    assert out.rssi_dbm.tolist() == [pytest.approx(-54.3, abs=1e-4)]
    assert decode_reports(Framer(FRAMES).feed(encode(Command.INVENTORY))).bad == 0
    assert (status_words(0x12), status_words(0x77)) == ("the inventory is over", "status 77")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=300, slice_s=0.03)
    with (
        serving(loop, lambda: ChafonEmulator(world, listen)) as emulator,
        open_reader(f"{emulator.url}?{FAST}&unproven=1") as reader,
    ):
        can = reader.connect()
        assert (can.firmware, can.antennas) == ("CF600 V1.2 HW V2.0 EMU000000001", 4)
        assert can.frequencies_khz == world.frequencies_khz
        reader.start(ReaderSettings(ports=(1, 3), power_dbm=23.0, session=2))
        heard = Heard(reader).until(
            lambda h: set(h.readings.antenna.tolist()) == {1, 3} and len(h.readings) > 60
        )
        assert {bytes.fromhex(tag) for tag in heard.readings.tags} <= set(world.tags)
        assert set(heard.readings.frequency_khz.tolist()) <= set(world.frequencies_khz)
        assert -85 < heard.readings.rssi_dbm.min() <= heard.readings.rssi_dbm.max() < -20
        for fault in ("reboot", "silent", "drop", "crash"):
            gone = heard.kinds.count("reader_back")
            befall(loop, emulator, heard, fault)
            if fault != "crash":
                # One that booted while the line stands has kept its settings, and is asked anew.
                heard.until(lambda h, gone=gone: h.kinds.count("reader_back") > gone)
            heard.batches.append(reader.read(0.2))
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count + 20, 5)
        assert world.inventory is not None
        assert (world.inventory.ports, world.inventory.power_dbm, world.inventory.session) == (
            (1, 3),
            (23.0, 23.0),
            2,
        )
        loop.call(lambda: emulator.spoil(3))
        heard.until(lambda h: "bad_message" in h.kinds)
        reader.stop()
        assert world.inventory is None


@pytest.mark.parametrize("tells_end", [True, False])
def test_an_inventory_that_is_over_is_asked_for_again(
    loop: Loop, tells_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reader_drivers.chafon.link._ROUND_S", 1)
    world = SmallWorld(3, reads_per_s=300)
    with reading(loop, lambda: ChafonEmulator(world), "unproven=1", tells_end=tells_end) as (_, reader):
        heard = Heard(reader).until(
            lambda h: len(h.readings) > 0 and h.readings.t[-1] - h.readings.t[0] > 2_500_000_000, 15
        )
        gaps = heard.readings.t[1:] - heard.readings.t[:-1]
        assert gaps.max() < (900_000_000 if tells_end else 2_500_000_000)
        assert heard.events == []


def test_an_inventory_that_fails_is_told_once_and_asked_for_again(loop: Loop) -> None:
    with reading(loop, lambda: ChafonEmulator(SmallWorld(3)), fast(unproven=1), broken=2) as (
        emulator,
        reader,
    ):
        heard = Heard(reader).until(lambda h: bool(h.kinds))
        heard.batches.append(reader.read(0.7))
        emulator.broken = 0
        heard.until(lambda h: len(h.readings) > 20)
        assert [event.detail.split(": ", 1)[1] for event in heard.events] == ["the command failed"]


def test_it_does_not_read_what_is_not_proven_unless_told_to(loop: Loop) -> None:
    with serving(loop, lambda: ChafonEmulator(SmallWorld(3))) as emulator:
        with open_reader(emulator.url) as reader:
            reader.connect()
            with pytest.raises(ReaderError, match=r"not proven.*unproven=1") as error:
                reader.start()
            assert "\n" not in str(error.value)
        for settings, says in (
            (ReaderSettings(ports=(9,)), "no antenna port 9"),
            (ReaderSettings(channels=(1,)), "maker's program"),
            (ReaderSettings(power_dbm=40.0), "power 40 dBm"),
        ):
            with open_reader(f"{emulator.url}?unproven=1") as reader:
                reader.connect()
                with pytest.raises(ReaderError, match=says):
                    reader.start(settings)
    # Its port is 2022 where none is named.
    with (
        open_reader("chafon://127.0.0.1?timeout=0.5") as reader,
        pytest.raises(ReaderError, match=r":2022: cannot"),
    ):
        reader.connect()
