"""UHFReader18 and 288: foreign clients, each in a process of its own, against the emulators."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sim.readers.small_world import SmallWorld
from sim.readers.uhfreader18 import UhfReader18Emulator, UhfReader288Emulator
from tests.reader_drivers.harness import Loop
from tests.reader_drivers.serial_harness import serving

WABSON = """
import sys
from chafon_rfid.base import CommandRunner, ReaderCommand, ReaderInfoFrame
from chafon_rfid.command import CF_GET_READER_INFO, G2_TAG_INVENTORY
from chafon_rfid.transport import TcpTransport
from chafon_rfid.transport_serial import SerialTransport
from chafon_rfid.uhfreader18 import G2InventoryResponseFrame as Frame18
from chafon_rfid.uhfreader288m import G2InventoryCommand, G2InventoryResponseFrame as Frame288
where, kind = sys.argv[1:]
if where.startswith("/"):
    transport = SerialTransport(device=where)
else:
    host, port = where.split(":")
    transport = TcpTransport(reader_addr=host, reader_port=int(port), auto_connect=True)
runner = CommandRunner(transport)
info = ReaderInfoFrame(runner.run(ReaderCommand(CF_GET_READER_INFO)))
print("info", info.type.name, info.frequency_band.name, info.power, info.get_max_frequency())
for round in range(8):
    for antenna in (0x80, 0x82):
        asked = G2InventoryCommand(q_value=4, antenna=antenna) if kind == "288" else ReaderCommand(G2_TAG_INVENTORY)
        transport.write(asked.serialize())
        while True:
            frame = (Frame288 if kind == "288" else Frame18)(transport.read_frame())
            for tag in frame.get_tag():
                print("tag", tag.epc.hex(), tag.antenna_num, tag.rssi)
            if frame.result_status != 3:
                break
"""

STREAM = """
import socket, sys
from uhfreader18 import RfidClient
from uhfreader18.builder import build_command_frame
from uhfreader18.constants import Command, FreqBand
from uhfreader18.stream import StreamBuffer
host, port = sys.argv[1].split(":")
with RfidClient(host, int(port)) as client:
    info, address = client.discover_address()
    print("info", info.reader_model, info.version, info.band, info.max_index, info.power, info.scan_time, address)
    client.set_power(0, 21)
    client.set_region(0, FreqBand.US, 9, 2)
    client.set_scan_time(0, 7)
    client.get_work_mode()
    again = client.get_reader_info(0xFF)
    print("set", again.power, again.band, again.max_index, again.min_index, again.scan_time)
    try:
        client.set_region(0, FreqBand.KOREAN, 31, 0) and client.set_eas_accuracy(0, 3)
    except RuntimeError as error:
        print("refused", error)
with socket.create_connection((host, int(port))) as line:
    stream, frames = StreamBuffer(), []
    for _ in range(6):
        line.sendall(build_command_frame(0xFF, Command.INVENTORY))
        while not frames or frames[-1].status == 3:
            got = stream.feed(line.recv(7))
            assert not got.errors, got.errors
            frames += got.frames
        for frame in frames:
            print("tags", frame.data[0] if frame.data else 0)
        frames.clear()
"""


def run_foreign(program: str, *arguments: str) -> list[list[str]]:
    command = [sys.executable, "-c", program, *arguments]
    # Not from this folder: a foreign package may have the name of one of ours.
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.skipif(find_spec("chafon_rfid") is None, reason="wabson.chafon-rfid is not installed")
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "pty"])
@pytest.mark.parametrize("kind", [UhfReader18Emulator, UhfReader288Emulator])
def test_chafon_rfid_reads_the_emulator(loop: Loop, kind: type, listen: str) -> None:
    world = SmallWorld(3, reads_per_s=400)
    with serving(loop, lambda: kind(world, listen)) as emulator:
        said = run_foreign(WABSON, emulator.address, kind.dialect)
        name = "UHFReader288M" if kind.dialect == "288" else "UHFReader18"
        assert said[0] == ["info", name, "China2", "26", "924.875"]
        tags = [line for line in said if line[0] == "tag"]
        assert len(tags) > 40
        assert {bytes.fromhex(epc) for _, epc, *_ in tags} <= set(world.tags)
        assert {antenna for *_, antenna, _ in tags} == ({"1", "3"} if kind.dialect == "288" else {"1"})
        if kind.dialect == "288":
            assert all(45 <= int(rssi) < 110 for *_, rssi in tags)


@pytest.mark.skipif(find_spec("uhfreader18") is None, reason="uhfreader18 is not installed")
def test_uhfreader18_reads_and_sets_the_emulator(loop: Loop) -> None:
    with serving(loop, lambda: UhfReader18Emulator(SmallWorld(3, reads_per_s=900, tags=60))) as emulator:
        said = run_foreign(STREAM, emulator.address)
        assert said[0] == [
            "info",
            "ReaderType.UHFREADER18",
            "3.1",
            "FreqBand.CHINESE_2",
            "19",
            "26",
            "10",
            "0",
        ]
        assert said[1] == ["set", "21", "FreqBand.US", "9", "2", "7"]
        assert said[2][0] == "refused"
        counts = [int(line[1]) for line in said[3:]]
        assert max(counts) > 15, "frames are as long as they may be"
        assert len(counts) > 6, "and followed by others"
