"""Wireshark's dissector reads a whole session between our driver and our emulated reader, and finds nothing amiss."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderSettings, open_reader
from reader_drivers.llrp.codec import (
    FrameReader,
    Reports,
    decode_reports,
    encode_frame,
    encode_parameter,
    parameter,
)
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop, served
from tests.reader_drivers.pcap import write_pcap
from tests.reader_drivers.wiretap import Wiretap, tapped

TSHARK = shutil.which("tshark")

pytestmark = pytest.mark.skipif(
    TSHARK is None, reason="tshark is not installed (Debian: apt-get install tshark)"
)


def dissect(path: Path, *fields: str, only: str = "") -> list[list[str]]:
    """Each packet's fields as tshark reads them; a field that occurs several times has commas."""
    names = [part for field in fields for part in ("-e", field)]
    command = [str(TSHARK), "-r", str(path), "-d", "tcp.port==5084,llrp", "-T", "fields", *names]
    done = subprocess.run(
        [*command, *(("-Y", only) if only else ())], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def column(rows: list[list[str]], number: int) -> list[str]:
    return [value for row in rows for value in row[number].split(",") if value]


def errors(path: Path) -> Counter[tuple[str, str]]:
    """What tshark complains of, LLRP and the TCP around it: `(message type, complaint)`."""
    rows = dissect(path, "llrp.type", "_ws.malformed", "_ws.expert.message", "_ws.expert.severity")
    # Chats and notes (severity below a warning's, 0x00600000) tell of a connection's opening and end.
    return Counter(
        (row[0], row[2])
        for row in rows
        if row[1] or any(int(severity, 0) >= 0x0060_0000 for severity in row[3].split(",") if severity)
    )


def session(loop: Loop, identity: Identity, options: str, region: Any = "CN") -> Wiretap:
    """Everything a night has: set-up, reports, keepalives, events, an end, and all of it again."""
    world = SmallWorld(3, reads_per_s=600, slice_s=0.02, region=region)
    with (
        served(loop, world, identity=identity) as emulator,
        tapped(loop, emulator.port) as tap,
        open_reader(f"llrp://127.0.0.1:{tap.port}?keepalive=0.2&retry=0.05&{options}") as reader,
    ):
        reader.connect()
        reader.start(ReaderSettings(port_power_dbm={2: 20.0}))
        heard = Heard(reader).until(lambda h: len(h.readings) > 100)
        loop.run(emulator.antenna(2, connected=False))
        loop.run(emulator.buffer_warning(80))
        loop.run(emulator.buffer_overflow())
        loop.run(emulator.reader_exception("amplifier too hot"))
        loop.run(emulator.antenna(2, connected=True))
        heard.until(lambda h: "antenna_back" in h.kinds)
        loop.run(emulator.drop())
        heard.until(lambda h: "reader_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 200)
        heard.until(lambda h: sum(piece.sent for piece in tap.pieces) > 25)
        reader.stop()
    return tap


def reports_of(tap: Wiretap) -> Reports:
    frames = [frame for frame in tap.frames(False) if frame.type == 61]
    stream = b"".join(encode_frame(frame.type, frame.id, frame.body, frame.version) for frame in frames)
    return decode_reports(FrameReader().feed(stream))


def test_a_session_is_dissected_without_complaint(loop: Loop, tmp_path: Path) -> None:
    tap = session(loop, Identity(), "memory=1&sensitivity=10&mode=1002")
    path = tmp_path / "session.pcap"
    assert write_pcap(path, tap.pieces, 5084) > 50
    assert errors(path) == Counter()
    sent, got = tap.frames(True), tap.frames(False)
    kinds = Counter(column(dissect(path, "llrp.type"), 0))
    assert kinds == Counter(str(frame.type) for frame in (*sent, *got))
    # Set-up, AccessSpecs, reports, keepalives and their answers, events, the end.
    assert {"1", "11", "20", "40", "42", "61", "62", "72", "63", "14", "4", "1023"} <= set(kinds)
    # What it reads is what we read.
    ours = reports_of(tap)
    names = (
        "epc",
        "peak_rssi",
        "channel_idx",
        "microseconds",
        "tag_count",
        "phase_angle",
        "rssi",
        "read_data",
    )
    rows = dissect(path, "llrp.antenna_id", *(f"llrp.param.{name}" for name in names), only="llrp.type==61")
    assert column(rows, 1) == [ours.epcs[i].hex() for i in ours.tag]
    assert column(rows, 0) == [str(port) for port in ours.antenna]
    assert column(rows, 3) == [str(number) for number in ours.channel]
    # An antenna's end is told among the reports.
    stamps = [value for value in column(rows, 4) if int(value) in set(ours.first_utc_us.tolist())]
    assert stamps == [str(t) for t in ours.first_utc_us]
    assert column(rows, 5) == [str(count) for count in ours.seen]
    assert column(rows, 6) == [str(angle) for angle in ours.phase]
    assert column(rows, 7) == [str(rssi) for rssi in ours.rssi_cdbm]
    assert column(rows, 8) == [ours.memory(i).hex() for i in range(len(ours.memory_row))]
    coarse = np.array([int(value) for value in column(rows, 2)], np.uint8).view(np.int8)
    assert np.abs(coarse - ours.rssi_cdbm / 100).max() <= 0.5


def test_a_session_of_1_1_is_dissected_too(loop: Loop, tmp_path: Path) -> None:
    identity = Identity(manufacturer=161, model=9600, version=2, state_aware=True)
    tap = session(loop, identity, "memory=1&target=B&sensitivity=-60", "FCC")
    path = tmp_path / "session.pcap"
    write_pcap(path, tap.pieces, 5084)
    # Wireshark 4.0 reads SET_PROTOCOL_VERSION's one byte but does not count it; that is all it has to say.
    complaints = {kind for kind, _ in errors(path)}
    assert complaints <= {"47"}
    assert set(column(dissect(path, "llrp.version", only="llrp.type==61"), 0)) == {"2"}
    supported = dissect(path, "llrp.cur_ver", "llrp.sup_ver", only="llrp.type==56")
    assert supported == [["1", "2"], ["1", "2"]]
    assert len(column(dissect(path, "llrp.param.epc", only="llrp.type==61"), 0)) == len(reports_of(tap))


def test_a_message_that_is_wrong_is_complained_of(loop: Loop, tmp_path: Path) -> None:
    """Or the two tests above could not fail."""
    tap = session(loop, Identity(), "tid=0")
    body = encode_parameter(parameter("KeepaliveSpec", trigger=1, period_ms=1))
    damaged = encode_frame(3, 99, b"\0" + body[:3] + bytes([body[3] + 3]) + body[4:])
    pieces = [*tap.pieces, type(tap.pieces[0])(tap.pieces[-1].t_ns, 1, True, damaged)]
    path = tmp_path / "session.pcap"
    write_pcap(path, pieces, 5084)
    assert {kind for kind, _ in errors(path)} == {"3"}
