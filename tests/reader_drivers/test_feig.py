"""FEIG HF readers: the driver against the emulator over TCP and a pty, and everything that can happen to them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.feig.codec import ADVANCED, Control, Status, encode_sets
from reader_drivers.feig.options import OWN
from sim.readers.feig import FeigEmulator
from sim.readers.hf_small_world import HfSmallWorld
from sim.readers.hf_tags import danish_block
from tests.reader_drivers.feig_harness import rounds, standing
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.serial_harness import befall, fast, serving


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
def test_a_night_with_everything_that_happens_to_a_line(loop: Loop, listen: str) -> None:
    world = standing()
    with (
        serving(loop, lambda: FeigEmulator(world, listen)) as emulator,
        open_reader(f"{emulator.url}?{fast(timeout=1)}") as reader,
    ):
        can = reader.connect()
        assert (can.manufacturer, can.model, can.air, can.antennas) == (
            "FEIG",
            "ID ISC.LR2500-A",
            "iso15693",
            1,
        )
        assert (can.phase, can.frequencies_khz) == (False, (13_560,))
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 20)
        assert set(heard.readings.frequency_khz.tolist()) == {13_560}
        assert set(heard.readings.rssi_dbm.tolist()) == {-60.0}, "the constant of recordings without RSSI"
        assert np.isnan(heard.readings.phase_rad).all()
        assert {bytes.fromhex(tag) for tag in heard.readings.tags} <= set(world.uids)
        for fault in ("reboot", "silent", "drop"):
            befall(loop, emulator, heard, fault)
            gone = heard.kinds.count("reader_back")
            heard.until(lambda h, gone=gone: h.kinds.count("reader_back") > gone)
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count + 10)
        # A reader that boots while the line stands is asked again, and that is all there is to it.
        loop.run(emulator.crash())
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 10)
        loop.call(lambda: emulator.spoil(3))
        heard.until(lambda h: "bad_message" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 10)
        reader.stop()
        assert world.inventory is None and not emulator.field_on
        count = len(world.produced)
        assert (
            not len(Heard(reader).until(lambda h: len(h.batches) > 3).readings)
            or len(world.produced) == count
        )


@pytest.mark.parametrize("frame", ["advanced", "standard"])
@pytest.mark.parametrize("most", [255, 3])
def test_inventories_are_handed_out_whole_and_in_their_time(loop: Loop, frame: str, most: int) -> None:
    world = standing(20)
    with (
        serving(loop, lambda: FeigEmulator(world, most_sets=most)) as emulator,
        open_reader(f"{emulator.url}?frame={frame}", clock=world.true_time_ns) as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 100)
        reader.stop()
        heard.batches.append(reader.read(0))
        done = world.produced
    readings = heard.readings
    assert sum(len(inventory.t_ns) for inventory in done) == len(readings)
    assert rounds(heard) == len(done)
    at = 0
    for inventory in done:
        mine = slice(at, at + len(inventory))
        at += len(inventory)
        assert {bytes.fromhex(tag) for tag in readings.epc[mine]} == {
            inventory.tags[k] for k in inventory.tag
        }
        middle = (inventory.t_start_ns + inventory.t_end_ns) // 2
        # The driver knows when it asked and when it was answered; the machine's own delays are in that.
        assert np.all(np.abs(readings.t[mine] - middle) < 30_000_000)
    spans = heard.activity
    begin, end = (np.concatenate([getattr(s, name) for s in spans]) for name in ("t_start", "t_end"))
    assert np.all(begin[1:] >= end[:-1])
    assert all(np.any((begin <= t) & (t <= end)) for t in readings.t)


def test_a_field_without_tags_is_a_round_that_nobody_answered(loop: Loop) -> None:
    with (
        serving(loop, lambda: FeigEmulator(HfSmallWorld(1, tags=0))) as emulator,
        open_reader(emulator.url) as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: rounds(h) > 20)
        assert len(heard.readings) == 0 and heard.events == []


@pytest.mark.parametrize("way", ["ant=4", "switch=1:7201,2:7202,3:7204,4:7208"])
def test_antennas_are_asked_one_after_the_other(loop: Loop, way: str) -> None:
    world = standing(60, 4)
    outputs = {b"\x01": 1, b"\x02": 2, b"\x04": 3, b"\x08": 4} if way.startswith("switch") else None
    with (
        serving(loop, lambda: FeigEmulator(world, outputs=outputs)) as emulator,
        open_reader(f"{emulator.url}?{way}", clock=world.true_time_ns) as reader,
    ):
        assert reader.connect().antennas == 4
        reader.start(ReaderSettings(ports=(1, 3, 4)))
        heard = Heard(reader).until(lambda h: len(h.readings) > 200)
        reader.stop()
        heard.batches.append(reader.read(0))
    true = [port for inventory in world.produced for port in inventory.port.tolist()]
    assert heard.readings.antenna.tolist() == true
    assert set(true) == {1, 3, 4}
    ports = np.concatenate([spans.antenna for spans in heard.activity])
    assert {int(port) for port in ports} == {1, 3, 4}
    if way == "ant=4":
        assert len(set(heard.readings.rssi_dbm.tolist())) > 3, "the antenna's block tells the strength"


def test_a_reader_that_cannot_choose_antennas_says_so(loop: Loop) -> None:
    with (
        serving(loop, lambda: FeigEmulator(standing(), multiplexer=False)) as emulator,
        open_reader(f"{emulator.url}?ant=2") as reader,
    ):
        reader.connect()
        with pytest.raises(
            ReaderError, match=r"refuses an inventory by antenna 1.*status 11.*options ant and switch"
        ):
            reader.start()


@pytest.mark.parametrize(
    ("status", "data", "says"),
    [
        (Status.RF_WARNING, b"", "RF warning"),
        (Status.EEPROM_FAILURE, b"", "EEPROM"),
        (Status.ISO_ERROR, b"\x0f", "ISO 15693 error 0F"),
        (Status.UNKNOWN_COMMAND, b"", "does not know this command"),
        (Status.LENGTH_ERROR, b"", "of this length"),
        (Status.RF_COMMUNICATION, b"", "disturbed each other"),
        (0x77, b"", "unknown status (status 77)"),
    ],
)
def test_what_a_reader_complains_of_is_told_once_and_reading_goes_on(
    loop: Loop, status: int, data: bytes, says: str
) -> None:
    with (
        serving(loop, lambda: FeigEmulator(standing())) as emulator,
        open_reader(emulator.url) as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 5)
        loop.call(lambda: emulator.fail(status, 3, data))
        heard.until(lambda h: "reader_exception" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 20)
        assert heard.kinds == ["reader_exception"]
        assert says in heard.events[0].detail


def test_a_reader_that_knows_no_inventory_is_refused_at_the_start(loop: Loop) -> None:
    with (
        serving(loop, lambda: FeigEmulator(standing())) as emulator,
        open_reader(emulator.url) as reader,
    ):
        reader.connect()
        loop.call(lambda: emulator.fail(Status.UNKNOWN_COMMAND))
        with pytest.raises(ReaderError, match=r"feig://127.*refuses an inventory.*status 80.*host mode"):
            reader.start()


def test_sets_that_cannot_be_read_are_counted(loop: Loop) -> None:
    strange = encode_sets([(bytes(8), 0)])  # no UID begins with 00
    with (
        serving(loop, lambda: FeigEmulator(standing())) as emulator,
        open_reader(emulator.url) as reader,
    ):
        reader.connect()
        reader.start()
        loop.call(lambda: emulator.fail(Status.OK, 1, strange))
        loop.call(lambda: emulator.fail(Status.OK, 1, b"\x05\x03"))
        heard = Heard(reader).until(lambda h: sum(k == "bad_reading" for k in h.kinds) > 0)
        heard.until(lambda h: sum(int(e.detail.split()[0]) for e in h.events) == 6)
        assert "0000000000000000" not in heard.readings.tags


def test_what_a_reader_says_unasked_is_passed_over(loop: Loop) -> None:
    notice = ADVANCED.answer(Control.READ_BUFFER, 0, b"\x01\x00\x00") + b"\x02noise"
    with (
        serving(loop, lambda: FeigEmulator(standing())) as emulator,
        open_reader(emulator.url) as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 5)
        for _ in range(4):
            loop.call(lambda: emulator.send_raw(notice))
            count = len(heard.readings)
            heard.until(lambda h, count=count: len(h.readings) > count)
        assert "reader_gone" not in heard.kinds


def test_a_reader_is_addressed(loop: Loop) -> None:
    with serving(loop, lambda: FeigEmulator(standing())) as emulator:
        loop.call(lambda: setattr(emulator, "bus_address", 7))
        for address, there in ((7, True), (255, True), (3, False)):
            with open_reader(f"{emulator.url}?address={address}&timeout=0.3") as reader:
                if there:
                    assert reader.connect().manufacturer == "FEIG"
                else:
                    with pytest.raises(ReaderError, match="no answer to its version"):
                        reader.connect()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (ReaderSettings(ports=(2,)), "no antenna port 2; it has 1"),
        (ReaderSettings(power_dbm=30.0), "power is set in the reader's own configuration"),
        (ReaderSettings(session=2), "session is of UHF readers"),
        (ReaderSettings(channels=(1,)), "channels is of UHF readers"),
        (ReaderSettings(search="single"), "search single is of UHF readers"),
    ],
)
def test_what_a_reader_cannot_do_is_refused_in_one_line(
    loop: Loop, settings: ReaderSettings, says: str
) -> None:
    with (
        serving(loop, lambda: FeigEmulator(standing())) as emulator,
        open_reader(emulator.url) as reader,
    ):
        reader.connect()
        with pytest.raises(ReaderError) as error:
            reader.start(settings)
        assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("ant=9", "option ant cannot be '9'"),
        ("ant=2&switch=1:7201", "two ways to choose an antenna"),
        ("switch=1:zz", "option switch cannot be"),
        ("switch=1:7201,1:7202", "option switch cannot be"),
        ("phase=1", "add ant=1"),
        ("eas=1", "add memory=1"),
        ("memory_share=1", "option memory_share cannot be"),
        ("frame=long", "option frame cannot be"),
        ("session_=1", "unknown option"),
    ],
)
def test_options_that_cannot_be_are_refused(options: str, says: str) -> None:
    with pytest.raises(ReaderError, match=says):
        open_reader(f"feig://127.0.0.1?{options}")


def test_the_small_worlds_tags_are_written_as_iso_28560_3_has_it() -> None:
    world = HfSmallWorld(5, tags=3)
    for uid, tag in world.tags.items():
        item = bytes(tag.memory[3:19]).rstrip(b"\0").decode()
        assert bytes(tag.memory[:34]) == danish_block(item, "DK-718500") and uid[0] == 0xE0
    with pytest.raises(ValueError, match="does not fit"):
        danish_block("x" * 17)


def test_a_switch_that_the_reader_refuses_is_an_error_of_the_start(loop: Loop) -> None:
    with (
        serving(loop, lambda: FeigEmulator(standing(), outputs={b"\x01": 1})) as emulator,
        open_reader(f"{emulator.url}?switch=1:7201,2:7202") as reader,
    ):
        reader.connect()
        with pytest.raises(ReaderError, match=r"antenna 2.*status 11"):
            reader.start()


def test_the_options_are_taken_as_they_are_listed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reader_drivers.md").read_text()
    table = page.split("## `feig://")[1].split("| option | meaning |")[1].split("\n\n")[0]
    options = re.findall(r"^\| `([a-z_]+)=([^`]+)`", table.replace("\\|", "/"), re.MULTILINE)
    assert {name for name, _ in options} == {*OWN, "ports"}
    needs = {"phase": "&ant=1", "eas": "&memory=1", "ports": "&ant=2"}
    for name, values in options:
        for value in values.split("/"):
            open_reader(f"feig://reader.example?{name}={value.split('..')[0]}{needs.get(name, '')}").close()
