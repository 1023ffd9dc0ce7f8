"""Messages and parameters: known bytes, round trips, and bytes that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_drivers.llrp.codec import (
    CodecError,
    Frame,
    FrameReader,
    Parameter,
    decode_message,
    decode_parameters,
    decode_reports,
    encode_message,
    encode_parameter,
    event,
    message,
    parameter,
    status,
)
from reader_drivers.llrp.codec.kinds import PARAMETER_BY_NAME, Kind
from tests.reader_drivers import llrp_vectors as vectors


def decode(data: bytes) -> Any:
    batch = FrameReader().feed(data)
    assert len(batch) == 1
    return decode_message(batch.frame(0))


@pytest.mark.parametrize(
    ("name", "data"), [*vectors.ALL.items(), *(("RO_ACCESS_REPORT", data) for data in vectors.REPORTS)]
)
def test_vectors_decode_to_their_kind_and_encode_to_their_bytes(name: str, data: bytes) -> None:
    item = decode(data)
    assert item.name == name
    assert encode_message(item) == data


@pytest.mark.parametrize(
    ("built", "data"),
    [
        (message("IMPINJ_ENABLE_EXTENSIONS", 1), vectors.ENABLE_EXTENSIONS),
        (message("GET_READER_CAPABILITIES", 2, requested=0), vectors.GET_CAPABILITIES),
        (message("DELETE_ROSPEC", 3, rospec_id=0), vectors.DELETE_ALL),
        (message("ENABLE_ROSPEC", 4, rospec_id=1), vectors.ENABLE_1),
        (message("START_ROSPEC", 5, rospec_id=1), vectors.START_1),
        (message("STOP_ROSPEC", 6, rospec_id=1), vectors.STOP_1),
        (message("KEEPALIVE", 7), vectors.KEEPALIVE),
        (message("KEEPALIVE_ACK", 7), vectors.KEEPALIVE_ACK),
        (message("CLOSE_CONNECTION", 8), vectors.CLOSE),
        (message("ENABLE_EVENTS_AND_REPORTS", 9), vectors.ENABLE_EVENTS),
        (
            message("SET_READER_CONFIG", 11, parameter("KeepaliveSpec", trigger=1, period_ms=10_000)),
            vectors.SET_KEEPALIVE_10_S,
        ),
        (message("ADD_ROSPEC_RESPONSE", 10, status()), vectors.ADD_ROSPEC_OK),
        (event(1_700_000_000_000_000, parameter("ConnectionAttemptEvent", status=0)), vectors.CONNECTED),
    ],
)
def test_messages_built_here_are_the_known_bytes(built: Any, data: bytes) -> None:
    assert encode_message(built) == data


def test_a_rospec_built_here_is_the_known_bytes() -> None:
    inventory = parameter(
        "C1G2InventoryCommand",
        parameter("C1G2RFControl", mode_index=1000),
        parameter("C1G2SingulationControl", session=2, population=32),
        parameter("ImpinjInventorySearchMode", mode=1),
    )
    transmitter = parameter("RFTransmitter", hop_table_id=1, channel_index=1, power_index=81)
    antenna = parameter("AntennaConfiguration", transmitter, inventory, antenna_id=0)
    fields = ("antenna_id", "channel_index", "peak_rssi", "first_seen", "last_seen", "seen_count")
    memory = parameter("C1G2EPCMemorySelector", pc=1)
    impinj = ("RFPhaseAngle", "PeakRSSI", "RFDopplerFrequency")
    spec = parameter(
        "ROSpec",
        parameter("ROBoundarySpec", parameter("ROSpecStartTrigger"), parameter("ROSpecStopTrigger")),
        parameter(
            "AISpec",
            parameter("AISpecStopTrigger"),
            parameter("InventoryParameterSpec", antenna, spec_id=1, protocol=1),
            antenna_ids=(1, 2),
        ),
        parameter(
            "ROReportSpec",
            parameter("TagReportContentSelector", memory, **dict.fromkeys(fields, 1)),
            parameter(
                "ImpinjTagReportContentSelector",
                *(parameter(f"ImpinjEnable{name}", mode=1) for name in impinj),
            ),
            trigger=2,
            n=1,
        ),
        rospec_id=1,
    )
    assert encode_message(message("ADD_ROSPEC", 12, spec)) == vectors.ADD_ROSPEC


def test_a_report_built_here_is_the_known_bytes() -> None:
    report = parameter(
        "TagReportData",
        parameter("EPC_96", high=0xE2801160, low=0x6000_0205_2807_A1B3),
        parameter("AntennaID", antenna_id=1),
        parameter("PeakRSSI", dbm=-54),
        parameter("ChannelIndex", channel_index=3),
        parameter("FirstSeenTimestampUTC", microseconds=1_700_000_000_000_000),
        parameter("LastSeenTimestampUTC", microseconds=1_700_000_000_001_000),
        parameter("TagSeenCount", count=1),
        parameter("C1G2_PC", pc=0x3000),
        parameter("ImpinjRFPhaseAngle", angle=2048),
        parameter("ImpinjPeakRSSI", cdbm=-5450),
        parameter("ImpinjRFDopplerFrequency", sixteenth_hz=-32),
    )
    assert encode_message(message("RO_ACCESS_REPORT", 13, report)) == vectors.REPORT


@pytest.mark.parametrize(
    ("field", "bits"),
    [
        ("rospec_id", 0x8000), ("spec_index", 0x4000), ("inventory_spec_id", 0x2000), ("antenna_id", 0x1000),
        ("channel_index", 0x0800), ("peak_rssi", 0x0400), ("first_seen", 0x0200), ("last_seen", 0x0100),
        ("seen_count", 0x0080), ("access_spec_id", 0x0040),
    ],
)  # fmt: skip
def test_each_field_of_a_report_has_its_bit(field: str, bits: int) -> None:
    data = encode_parameter(parameter("TagReportContentSelector", **{field: 1}))
    assert data == bytes.fromhex("00EE0006") + bits.to_bytes(2, "big")


def test_report_vectors_mean_what_they_say() -> None:
    reports = decode_reports(
        FrameReader().feed(vectors.REPORT + vectors.REPORT_128_BITS + vectors.STREAM_REPORT)
    )
    assert [epc.hex() for epc in reports.epcs] == [
        "e28011606000020528" + "07a1b3",
        "141cc04fc70badb5c6e2da1ded4dd319",
        "3005fb63ac1f3841ec880467",
    ]
    assert reports.antenna.tolist() == [1, 2, 1]
    assert reports.channel.tolist() == [3, 0, 0]
    assert reports.rssi_cdbm.tolist() == [-5450, -6100, -5000]
    assert reports.phase.tolist() == [2048, 65535, 65535]
    assert reports.doppler.tolist() == [-32, -32768, -32768]
    assert reports.first_utc_us.tolist() == [1_700_000_000_000_000, 0, 0x0004EC2EA8354C09]
    assert reports.last_utc_us.tolist() == [1_700_000_000_001_000, 0, 0]
    assert reports.seen.tolist() == [1, 1, 1]
    assert not reports.bad


def test_rospec_vector_reads_as_two_antennas_session_2_single_target_every_report() -> None:
    item = decode(vectors.ADD_ROSPEC)
    spec = item.first("ROSpec")
    assert spec.first("AISpec").numbers("antenna_ids") == (1, 2)
    assert next(item.find("C1G2SingulationControl")).number("session") == 2
    assert next(item.find("ImpinjInventorySearchMode")).number("mode") == 1
    assert next(item.find("RFTransmitter")).number("power_index") == 81
    assert [p.name for p in next(item.find("ImpinjTagReportContentSelector")).children] == [
        "ImpinjEnableRFPhaseAngle",
        "ImpinjEnablePeakRSSI",
        "ImpinjEnableRFDopplerFrequency",
    ]


def test_version_2_and_unknown_messages_are_read() -> None:
    item = decode_message(Frame(2, 46, 9, b""))
    assert (item.name, item.version) == ("GET_SUPPORTED_VERSION", 2)
    unknown = decode_message(Frame(1, 999, 9, b"\1\2\3"))
    assert not unknown.kind.known
    assert unknown.values["raw"] == b"\1\2\3"
    assert encode_message(unknown)[10:] == b"\1\2\3"


def test_unknown_parameters_are_kept_raw_and_passed_over() -> None:
    foreign = bytes.fromhex("03FF 000E 0000 2A2A 0000 0001 BEEF")
    strange = bytes.fromhex("0200 0007 010203")
    known = encode_parameter(parameter("AntennaID", antenna_id=4))
    items = decode_parameters(foreign + strange + known, 0, len(foreign + strange + known))
    assert [item.kind.known for item in items] == [False, False, True]
    assert items[2].number("antenna_id") == 4
    assert b"".join(map(encode_parameter, items)) == foreign + strange + known


_SIZES = {"u8": 8, "u16": 16, "u32": 32, "u64": 64}


def _values(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, form in kind.layout.words:
        if not name:
            continue
        if form in _SIZES:
            fields[name] = st.integers(0, 2 ** _SIZES[form] - 1)
        elif form[0] == "s" and form[1:].isdecimal():
            half = 2 ** (int(form[1:]) - 1)
            fields[name] = st.integers(-half, half - 1)
        elif form == "bits":
            fields[name] = st.binary(max_size=20).map(lambda b: (8 * len(b), b))
        elif form[0] == "b":
            fields[name] = st.integers(0, 2 ** int(form[1:]) - 1)
        elif form == "str":
            fields[name] = st.text(max_size=20).filter(lambda t: "\ufffd" not in t)
        else:
            top = 2 ** _SIZES[form[:-1]] - 1
            fields[name] = st.lists(st.integers(0, top), max_size=6).map(tuple)
    return st.fixed_dictionaries(fields)


_KINDS = st.sampled_from(list(PARAMETER_BY_NAME.values()))
_LEAVES = _KINDS.flatmap(lambda kind: _values(kind).map(lambda values: Parameter(kind, values)))


def _with_children(inner: st.SearchStrategy[Parameter]) -> st.SearchStrategy[Parameter]:
    branches = st.sampled_from([kind for kind in PARAMETER_BY_NAME.values() if not kind.tv])
    return branches.flatmap(
        lambda kind: st.tuples(_values(kind), st.lists(inner, max_size=3)).map(
            lambda pair: Parameter(kind, pair[0], tuple(pair[1]))
        )
    )


_TREES = st.recursive(_LEAVES, _with_children, max_leaves=8)


@settings(max_examples=150)
@given(_TREES)
def test_every_parameter_survives_a_round_trip(tree: Parameter) -> None:
    data = encode_parameter(tree)
    (back,) = decode_parameters(data, 0, len(data))
    assert back == tree


@settings(max_examples=200)
@given(st.sampled_from(list(vectors.ALL.values())), st.data())
def test_damaged_messages_raise_a_codec_error_or_decode(data: bytes, draw: st.DataObject) -> None:
    body = bytearray(data[10:])
    for _ in range(draw.draw(st.integers(1, 4))):
        if body:
            body[draw.draw(st.integers(0, len(body) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(body)))
    kind = (data[0] & 3) << 8 | data[1]
    try:
        decode_message(Frame(1, kind, 1, bytes(body[:cut])))
    except CodecError as error:
        assert str(error)


@settings(max_examples=200)
@given(st.integers(0, 1023), st.binary(max_size=80))
def test_random_bodies_never_raise_anything_else(kind: int, body: bytes) -> None:
    try:
        decode_message(Frame(1, kind, 1, body))
    except CodecError as error:
        assert "byte" in str(error) or "subtype" in str(error)


def test_endless_nesting_is_refused() -> None:
    data = b""
    for _ in range(40):
        data = (246).to_bytes(2, "big") + (len(data) + 4).to_bytes(2, "big") + data
    with pytest.raises(CodecError, match="deeper"):
        decode_parameters(data, 0, len(data))


@pytest.mark.parametrize(
    "values",
    [{"antenna_id": 65536}, {"antenna_id": -1}, {"antenna_id": "1"}, {"port": 1}],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="AntennaID"):
        encode_parameter(parameter("AntennaID", **values))


def test_a_parameter_longer_than_its_length_field_is_refused() -> None:
    table = parameter("FixedFrequencyTable", frequencies_khz=tuple(range(16_400)))
    with pytest.raises(CodecError, match="split"):
        encode_parameter(table)


def test_frames() -> None:
    stream = b"".join(vectors.ALL.values())
    whole = FrameReader().feed(stream)
    assert [decode_message(whole.frame(i)).name for i in range(len(whole))] == list(vectors.ALL)
    runs = list(whole.runs(61))
    assert [n for is_report, a, b in runs for n in [b - a] if is_report] == [1]
    assert sum(b - a for _, a, b in runs) == len(whole)


@settings(max_examples=100)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=60))
def test_frames_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(vectors.ALL.values()) * 2
    reader = FrameReader()
    names: list[str] = []
    at = 0
    for size in [*cuts, len(stream)]:
        batch = reader.feed(stream[at : at + size])
        names += [decode_message(batch.frame(i)).name for i in range(len(batch))]
        at += size
    assert names == list(vectors.ALL) * 2
    assert reader.pending == 0
    assert reader.error is None


@pytest.mark.parametrize(
    "head",
    [
        "47 45 54 20 2F 20 48 54 54 50",  # GET / HTTP
        "00 3E 00 00 00 0A 00 00 00 07",  # version 0
        "0C 3E 00 00 00 0A 00 00 00 07",  # version 3
        "24 3E 00 00 00 0A 00 00 00 07",  # a reserved bit
        "04 3E 00 00 00 09 00 00 00 07",  # shorter than its header
        "04 3D 7F FF FF FF 00 00 00 07",  # two gigabytes
    ],
)
def test_garbage_ends_the_stream_but_not_what_came_before(head: str) -> None:
    reader = FrameReader()
    batch = reader.feed(vectors.KEEPALIVE + bytes.fromhex(head) + vectors.KEEPALIVE)
    assert len(batch) == 1
    assert isinstance(reader.error, CodecError)
    assert len(reader.feed(vectors.KEEPALIVE)) == 0


def test_a_large_message_waits_without_being_taken_for_garbage() -> None:
    reader = FrameReader(max_bytes=1000)
    data = encode_message(message("RO_ACCESS_REPORT", 1))[:2] + (1000).to_bytes(4, "big") + bytes(994)
    assert len(reader.feed(data[:-1])) == 0
    assert reader.pending == 999
    assert len(reader.feed(data[-1:])) == 1
    assert np.array_equal(FrameReader(max_bytes=999).feed(data).offset, [])
