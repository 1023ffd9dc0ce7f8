"""The compiled report decoder is held to the plain one."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_drivers.llrp.codec import (
    FrameReader,
    Parameter,
    Reports,
    decode_reports,
    decode_reports_reference,
    encode_frame,
    encode_parameter,
    parameter,
)
from reader_drivers.llrp.codec.kinds import TV_SIZES, unknown_kind


def assert_equal(fast: Reports, plain: Reports) -> None:
    assert [index for index, _ in fast.bad] == [index for index, _ in plain.bad]
    for field in fields(Reports):
        mine, other = getattr(fast, field.name), getattr(plain, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype, field.name
            assert np.array_equal(mine, other), field.name
        elif field.name != "bad":
            assert mine == other, field.name


def both(frames: list[bytes]) -> Reports:
    batch = FrameReader().feed(b"".join(frames))
    assert len(batch) == len(frames)
    fast = decode_reports(batch)
    assert_equal(fast, decode_reports_reference(batch))
    return fast


def random_report(rng: random.Random) -> Parameter:
    size = rng.choice([12, 12, 12, 2, 16, 62])
    epc = bytes(rng.randrange(4) for _ in range(size))
    head = (
        parameter("EPC_96", high=int.from_bytes(epc[:4], "big"), low=int.from_bytes(epc[4:], "big"))
        if size == 12 and rng.random() < 0.7
        else parameter("EPCData", epc=(8 * size - rng.choice([0, 0, 3]), epc))
    )
    rest: list[Parameter] = []
    u64 = rng.getrandbits(64)
    for make in (
        lambda: parameter("AntennaID", antenna_id=rng.randrange(65536)),
        lambda: parameter("PeakRSSI", dbm=rng.randrange(-128, 128)),
        lambda: parameter("ChannelIndex", channel_index=rng.randrange(65536)),
        lambda: parameter("FirstSeenTimestampUTC", microseconds=u64),
        lambda: parameter("FirstSeenTimestampUptime", microseconds=u64 >> 3),
        lambda: parameter("LastSeenTimestampUTC", microseconds=u64 >> 5),
        lambda: parameter("LastSeenTimestampUptime", microseconds=u64 >> 7),
        lambda: parameter("TagSeenCount", count=rng.randrange(65536)),
        lambda: parameter("ROSpecID", rospec_id=rng.getrandbits(32)),
        lambda: parameter("C1G2_PC", pc=0x3000),
        lambda: parameter("C1G2SingulationDetails", collisions=1, empty_slots=2),
        lambda: parameter("ImpinjRFPhaseAngle", angle=rng.randrange(4096)),
        lambda: parameter("ImpinjPeakRSSI", cdbm=rng.randrange(-32767, 32768)),
        lambda: parameter("ImpinjRFDopplerFrequency", sixteenth_hz=rng.randrange(-32767, 32768)),
        lambda: parameter(
            "ImpinjSerializedTID", tid=tuple(rng.randrange(65536) for _ in range(rng.randrange(7)))
        ),
        lambda: parameter("AccessSpecID", access_spec_id=1),
        lambda: parameter(
            "C1G2ReadOpSpecResult",
            result=rng.choice([0, 0, 1, 2, 3]),
            op_spec_id=rng.randrange(65536),
            words=tuple(rng.randrange(65536) for _ in range(rng.choice([0, 1, 6, 32]))),
        ),
        lambda: Parameter(unknown_kind(77, 4242), {"raw": rng.randbytes(5)}),
        lambda: Parameter(unknown_kind(600, 0), {"raw": rng.randbytes(3)}),
    ):
        rest += [make() for _ in range(rng.choice([0, 1, 1, 2]))]
    rng.shuffle(rest)
    return parameter("TagReportData", head, *rest)


@pytest.mark.parametrize("seed", range(8))
def test_random_reports_decode_equally(seed: int) -> None:
    rng = random.Random(seed)
    frames = []
    for _ in range(60):
        items = [random_report(rng) for _ in range(rng.choice([0, 1, 1, 1, 5]))]
        items += [parameter("RFSurveyReportData")] * rng.choice([0, 0, 1])
        frames.append(encode_frame(61, 1, b"".join(map(encode_parameter, items))))
    reports = both(frames)
    assert len(reports) > 60
    assert not reports.bad


@settings(max_examples=300)
@given(st.integers(0, 1000), st.data())
def test_damaged_reports_are_refused_equally(seed: int, draw: st.DataObject) -> None:
    rng = random.Random(seed)
    body = bytearray(b"".join(encode_parameter(random_report(rng)) for _ in range(3)))
    for _ in range(draw.draw(st.integers(1, 3))):
        body[draw.draw(st.integers(0, len(body) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, 30)) * draw.draw(st.integers(0, 1))
    good = encode_frame(61, 1, encode_parameter(random_report(rng)))
    damaged = encode_frame(61, 2, bytes(body[: len(body) - cut]))
    reports = both([good, damaged, good])
    # Whatever the middle one is, its neighbours are whole.
    assert reports.message[0] == 0
    assert reports.message[-1] == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("00F0 0004", "without an EPC"),
        ("00F0 0020 8D", "length does not fit"),
        ("00F0 0006 8D 00", "cut off"),
        ("00F0 0006 FF 00", "unknown size"),
        ("00F0 000C 00F1 0008 0020 AABB", "bit count"),
        ("40F0 0004", "reserved"),
        ("00F0 0003", "length does not fit"),
        ("00F0 001F 8D 000102030405060708090A0B 03FF 000E 0000651A 00000038 1000", "out of its range"),
        ("00F0 001D 8D 000102030405060708090A0B 03FF 000C 0000651A 00000038", "out of its range"),
        ("00F0 001F 8D 000102030405060708090A0B 03FF 000E 0000651A 00000037 0001", "word count"),
        ("00F0 001D 8D 000102030405060708090A0B 03FF 000C 0000651A 00000037", "word count"),
        ("00F0 001A 8D 000102030405060708090A0B 015D 0009 00 0001 0001", "word count"),
        ("00F0 001C 8D 000102030405060708090A0B 015D 000B 00 0001 0000 BEEF", "word count"),
        ("00F0 0018 8D 000102030405060708090A0B 015D 0007 00 0001", "word count"),
    ],
)
def test_malformed_reports_say_why(body: str, why: str) -> None:
    frame = encode_frame(61, 1, bytes.fromhex(body))
    reports = both([frame])
    assert len(reports) == 0
    ((index, error),) = reports.bad
    assert index == 0
    assert why in str(error)


def test_a_tag_without_an_epc_does_not_cost_its_neighbours() -> None:
    body = bytes.fromhex("00F0 000D 00F1 0006 0000 810001 00F0 0014 8D 000102030405060708090A0B 810002")
    reports = both([encode_frame(61, 1, body)])
    assert not reports.bad
    assert [reports.epcs[tag] for tag in reports.tag] == [b"", bytes(range(12))]
    assert reports.antenna.tolist() == [1, 2]


def test_tag_memory_stands_beside_the_reports_it_came_in() -> None:
    def frame(*items: Parameter) -> bytes:
        data = parameter("TagReportData", parameter("EPCData", epc=(16, b"\xab\xcd")), *items)
        return encode_frame(61, 1, encode_parameter(data))

    user = parameter("C1G2ReadOpSpecResult", op_spec_id=2, words=(0x4E53, 0x0001))
    silent = parameter("C1G2ReadOpSpecResult", result=2, op_spec_id=1)
    tid = parameter("ImpinjSerializedTID", tid=(0xE280, 0x1160))
    broken = encode_frame(61, 1, bytes.fromhex("00F0 0018 8D 000102030405060708090A0B 015D 0007 00 0001"))
    reports = both([frame(tid), frame(), frame(user, silent), broken, frame(tid, user)])
    assert reports.memory_row.tolist() == [0, 2, 2, 3, 3]
    assert reports.memory_op.tolist() == [0, 2, 1, 0, 2]
    assert reports.memory_result.tolist() == [0, 0, 2, 0, 0]
    assert [reports.memory(i).hex() for i in range(5)] == [
        "e2801160",
        "4e530001",
        "",
        "e2801160",
        "4e530001",
    ]


def test_tags_are_numbered_by_first_appearance_however_many() -> None:
    rng = random.Random(5)
    epcs = [rng.randbytes(12) for _ in range(3000)]
    order = [rng.randrange(3000) for _ in range(9000)]
    frames: list[Any] = [
        encode_frame(
            61, 1, encode_parameter(parameter("TagReportData", parameter("EPCData", epc=(96, epcs[i]))))
        )
        for i in order
    ]
    reports = decode_reports(FrameReader().feed(b"".join(frames)))
    assert [reports.epcs[i] for i in reports.tag] == [epcs[i] for i in order]
    assert len(set(reports.epcs)) == len(reports.epcs) == len(set(order))


def test_the_kernel_knows_every_tv_size() -> None:
    from reader_drivers.llrp.codec._kernels import _TV_SIZE

    assert {i: int(n) for i, n in enumerate(_TV_SIZE) if n} == TV_SIZES
