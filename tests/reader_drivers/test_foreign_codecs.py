"""Foreign LLRP software judges our bytes; each runs in a process of its own, which is the only place it is imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderSettings, open_reader
from reader_drivers.llrp.capabilities import read_capabilities
from reader_drivers.llrp.codec import (
    FrameReader,
    decode_message,
    decode_reports,
    encode_message,
    event,
    gen2_words,
    message,
    parameter,
    status,
)
from reader_drivers.llrp.codec.kinds import MESSAGE_BY_NAME, PARAMETER_BY_NAME
from reader_drivers.llrp.options import Choices
from reader_drivers.llrp.rospec import build_rospec, reader_config
from sim.readers.llrp_identity import (
    Identity,
    air_protocol,
    configuration,
    general,
    llrp_capabilities,
    regulatory,
)
from sim.readers.llrp_reports import Content, Rows, encode_reports
from sim.readers.small_world import SmallWorld
from tests.reader_drivers import llrp_vectors
from tests.reader_drivers.harness import Heard

pyllrp = pytest.mark.skipif(find_spec("pyllrp") is None, reason="pyllrp is not installed")
llrpkit = pytest.mark.skipif(find_spec("llrpkit") is None, reason="llrpkit is not installed")

_DECODE = """
import json, sys
from bitstring import BitStream, ConstBitStream
from pyllrp import pyllrp as p

def plain(item):
    for name, value in item._getValues():
        # It cannot write the two-bit fields that it reads.
        if isinstance(value, ConstBitStream):
            setattr(item, name, value.uint)
    shown = {int: int, bytes: bytes.hex}
    values = {name: shown.get(type(value), str)(value) for name, value in item._getValues()}
    return [type(item).__name__.rsplit("_", 1)[0], values, [plain(child) for child in item.Parameters]]

for line in sys.stdin:
    item = p.UnpackMessage(ConstBitStream(bytes=bytes.fromhex(line)))
    print(json.dumps({"tree": plain(item), "again": item.pack(BitStream()).tobytes().hex()}))
"""

_ENCODE = """
import json, sys
from bitstring import BitStream
from pyllrp import pyllrp as p

for line in sys.stdin:
    w = json.loads(line)
    data = [p.EPC_96_Parameter(EPC=int(w["epc"], 16)), p.AntennaID_Parameter(AntennaID=w["antenna"]),
            p.PeakRSSI_Parameter(PeakRSSI=w["rssi"]), p.ChannelIndex_Parameter(ChannelIndex=w["channel"]),
            p.FirstSeenTimestampUTC_Parameter(Microseconds=w["t"]), p.TagSeenCount_Parameter(TagCount=w["seen"]),
            p.ImpinjRFPhaseAngle_Parameter(PhaseAngle=w["phase"]), p.ImpinjPeakRSSI_Parameter(RSSI=w["fine"]),
            p.ImpinjRFDopplerFrequency_Parameter(DopplerFrequency=w["doppler"])]
    item = p.RO_ACCESS_REPORT_Message(MessageID=5, Parameters=[p.TagReportData_Parameter(Parameters=data)])
    print(json.dumps(item.pack(BitStream()).tobytes().hex()))
"""

_KINDS = """
import json
from pyllrp import pyllrp as p

for name, kind in vars(p).items():
    if not name.endswith(("_Message", "_Parameter")):
        continue
    made = kind()
    subtype = [getattr(made, n) for n in ("ParameterSubtype", "MessageSubtype") if hasattr(made, n)]
    forms = [field.TypeCode for field in kind.FieldDefs]
    bits = [1 if form == "bool" else int(form.partition(":")[2] or -9999) for form in forms]
    if any(form.startswith("array") for form in forms):
        bits = [-9999]
    number = subtype[0] if subtype else kind.TypeCode
    print(json.dumps([name.rsplit("_", 1)[1], kind.Name, number, getattr(made, "VendorIdentifier", 0), sum(bits)]))
"""


def ask(script: str, lines: list[str]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def children(tree: Any, name: str) -> list[Any]:
    return [node for node in tree[2] if node[0] == name]


def flat(tree: Any) -> dict[str, Any]:
    """Values of a node's children by kind, for kinds with one field."""
    out: dict[str, Any] = {}
    for name, values, _ in tree[2]:
        plain = [
            value for key, value in values.items() if key not in ("VendorIdentifier", "ParameterSubtype")
        ]
        out[name] = plain[0] if len(plain) == 1 else plain
    return out


@pyllrp
def test_pyllrp_reads_every_message_of_ours_and_writes_the_same_bytes() -> None:
    identity, source = Identity(), SmallWorld(1, region="FCC")
    state = configuration(identity, 0, 0, (1, 2), 1000, {8: True}, False)
    caps = [general(identity), llrp_capabilities(identity), regulatory(identity, source), air_protocol()]
    china = [
        general(identity),
        regulatory(identity, SmallWorld(1)),
        regulatory(identity, SmallWorld(1, region="ETSI")),
    ]
    spec = build_rospec(
        ReaderSettings(ports=(1, 4), power_dbm=25.0, session=2, rf_mode=1002),
        read_capabilities(message("GET_READER_CAPABILITIES_RESPONSE", 1, status(), *caps), "here"),
        "here",
        Choices(doppler=True),
    )
    items = [
        message("IMPINJ_ENABLE_EXTENSIONS", 1),
        message("GET_READER_CAPABILITIES", 2),
        message("GET_READER_CONFIG", 3, requested=2),
        message("SET_READER_CONFIG", 4, *reader_config(5.0)),
        message("ADD_ROSPEC", 5, spec),
        message("DELETE_ACCESSSPEC", 6),
        message("KEEPALIVE_ACK", 7),
        message("CLOSE_CONNECTION", 8),
        message("GET_READER_CAPABILITIES_RESPONSE", 9, status(), *caps),
        message("GET_READER_CAPABILITIES_RESPONSE", 9, status(), *china[:2]),
        message("GET_READER_CAPABILITIES_RESPONSE", 9, status(), china[0], china[2]),
        message("GET_READER_CONFIG_RESPONSE", 10, status(), *state),
        message("IMPINJ_ENABLE_EXTENSIONS_RESPONSE", 11, status()),
        message("ERROR_MESSAGE", 12, status(109, "not supported")),
        event(1_700_000_000_000_000, parameter("AntennaEvent", event=1, antenna_id=2)),
        event(1_700_000_000_000_000, parameter("ReaderExceptionEvent", message="too hot")),
        event(1_700_000_000_000_000, parameter("ROSpecEvent", event=0, rospec_id=1)),
    ]
    encoded = [encode_message(item) for item in items]
    answers = ask(_DECODE, [data.hex() for data in encoded])
    for item, data, answer in zip(items, encoded, answers, strict=True):
        assert answer["again"] == data.hex(), item.name
        assert "CUSTOM" not in json.dumps(answer["tree"]).upper().replace("CUSTOM_", ""), item.name
    spec_tree = children(answers[4]["tree"], "ROSpec")[0]
    antenna = children(spec_tree, "AISpec")[0][2][1][2][1]
    assert antenna[1] == {"AntennaID": 4}
    assert antenna[2][0][1] == {"HopTableID": 1, "ChannelIndex": 1, "TransmitPower": 61}


@pyllrp
def test_pyllrp_reads_emulated_reports_as_they_were_meant() -> None:
    rng = np.random.default_rng(4)
    n = 40
    content = Content(
        antenna_id=True,
        channel_index=True,
        peak_rssi=True,
        first_seen=True,
        last_seen=True,
        seen_count=True,
        rospec_id=True,
        pc=True,
        crc=True,
        phase=True,
        fine_rssi=True,
        doppler=True,
    )
    tags = tuple(rng.bytes(size) for size in (12, 12, 16, 8))
    rows = Rows(
        tag=rng.integers(0, 4, n).astype(np.uint32),
        tags=tags,
        antenna=rng.integers(1, 5, n),
        channel=rng.integers(1, 17, n),
        rssi_cdbm=rng.integers(-160, -60, n) * 50,
        phase=rng.integers(0, 4096, n),
        doppler=rng.integers(-900, 900, n),
        first_us=rng.integers(10**15, 2 * 10**15, n),
        last_us=rng.integers(10**15, 2 * 10**15, n),
        seen=rng.integers(1, 9, n),
    )
    words = [gen2_words(epc) for epc in tags]
    data = encode_reports(rows, content, words, 7, 3, 100)
    batch = FrameReader().feed(data)
    assert len(batch) == 14
    frames = [data[o : o + size].hex() for o, size in zip(batch.offset, batch.length, strict=True)]
    trees = [
        report for answer in ask(_DECODE, frames) for report in children(answer["tree"], "TagReportData")
    ]
    ours = decode_reports(batch)
    assert len(trees) == len(ours) == n
    for i, tree in enumerate(trees):
        values = flat(tree)
        epc = tags[rows.tag[i]]
        told = values["EPC_96"] if len(epc) == 12 else values["EPCData"]
        assert epc.hex() in (format(told, "024x") if isinstance(told, int) else str(told).lower())
        assert values["AntennaID"] == rows.antenna[i] == ours.antenna[i]
        assert values["ChannelIndex"] == rows.channel[i] == ours.channel[i]
        assert values["ImpinjPeakRSSI"] == rows.rssi_cdbm[i] == ours.rssi_cdbm[i]
        assert values["ImpinjRFPhaseAngle"] == rows.phase[i] == ours.phase[i]
        assert values["ImpinjRFDopplerFrequency"] == rows.doppler[i] == ours.doppler[i]
        assert values["FirstSeenTimestampUTC"] == rows.first_us[i] == ours.first_utc_us[i]
        assert values["LastSeenTimestampUTC"] == rows.last_us[i] == ours.last_utc_us[i]
        assert values["TagSeenCount"] == rows.seen[i] == ours.seen[i]
        assert values["ROSpecID"] == 7 == ours.rospec[i]
        assert (values["C1G2_PC"], values["C1G2_CRC"]) == words[rows.tag[i]]
        assert abs(values["PeakRSSI"] - rows.rssi_cdbm[i] / 100) <= 0.5


@pyllrp
def test_reports_that_pyllrp_writes_are_read_as_they_were_meant() -> None:
    rng = np.random.default_rng(9)
    wanted = [
        {
            "epc": rng.bytes(12).hex(),
            "antenna": int(rng.integers(1, 5)),
            "rssi": int(rng.integers(-90, -20)),
            "channel": int(rng.integers(1, 51)),
            "t": int(rng.integers(10**15, 2 * 10**15)),
            "seen": int(rng.integers(1, 9)),
            "phase": int(rng.integers(0, 4096)),
            "fine": int(rng.integers(-9000, -2000)),
            "doppler": int(rng.integers(-900, 900)),
        }
        for _ in range(50)
    ]
    data = b"".join(bytes.fromhex(line) for line in ask(_ENCODE, [json.dumps(w) for w in wanted]))
    ours = decode_reports(FrameReader().feed(data))
    assert [ours.epcs[i].hex() for i in ours.tag] == [w["epc"] for w in wanted]
    for name, column in (
        ("antenna", ours.antenna),
        ("channel", ours.channel),
        ("t", ours.first_utc_us),
        ("seen", ours.seen),
        ("phase", ours.phase),
        ("fine", ours.rssi_cdbm),
        ("doppler", ours.doppler),
    ):
        assert column.tolist() == [w[name] for w in wanted], name


@pyllrp
def test_pyllrp_agrees_on_the_vectors() -> None:
    known = [*llrp_vectors.ALL.values(), *llrp_vectors.REPORTS]
    for data, answer in zip(known, ask(_DECODE, [data.hex() for data in known]), strict=True):
        assert answer["again"] == data.hex()
        assert answer["tree"][0] == decode_message(FrameReader().feed(data).frame(0)).name


@pyllrp
def test_pyllrp_agrees_on_the_numbers_and_sizes_of_all_kinds() -> None:
    theirs = {(what, name): rest for what, name, *rest in ask(_KINDS, [])}
    agreed = sized = 0
    for what, table, subtype_bits in (("Parameter", PARAMETER_BY_NAME, 32), ("Message", MESSAGE_BY_NAME, 8)):
        for name, kind in table.items():
            if (what, name) in theirs:
                number, vendor, bits = theirs[what, name]
                assert (kind.number, kind.vendor) == (number, vendor), name
                agreed += 1
                if bits >= 0:
                    # Vendor and subtype are fields there.
                    assert 8 * kind.layout.size == bits - (32 + subtype_bits if vendor else 0), name
                    sized += 1
    assert agreed > 120 and sized > 90


@contextmanager
def llrpkit_emulator() -> Iterator[int]:
    program = Path(sys.executable).with_name("llrpkit")
    process = subprocess.Popen(
        [program, "emulate", "--port", "0", "--tags", "20", "--rate", "200"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PYTHONUNBUFFERED": "1", "PATH": ""},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"on port (\d+)", process.stdout.readline())
        assert found
        yield int(found.group(1))
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@llrpkit
def test_our_driver_reads_llrpkits_emulated_reader() -> None:
    with llrpkit_emulator() as port, open_reader(f"llrp://127.0.0.1:{port}?keepalive=1") as reader:
        found = reader.connect()
        assert (found.manufacturer, found.antennas, found.phase) == ("Impinj", 4, True)
        reader.start(ReaderSettings(power_dbm=20.0, session=1))
        readings = Heard(reader).until(lambda h: len(h.readings) > 300).readings
        reader.stop()
    # At less than full power its weakest tags stay silent.
    assert 10 <= len(readings.tags) <= 20
    assert set(readings.antenna.tolist()) == {1, 2, 3, 4}
    assert np.isfinite(readings.phase_rad).all()
    assert np.isin(readings.frequency_khz, found.frequencies_khz).all()
    assert (readings.rssi_dbm != np.rint(readings.rssi_dbm)).any()
    assert np.all(np.diff(readings.t) >= 0)
