"""Foreign LLRP software judges what is newer in ours: AccessSpecs, tags' memories, tables and settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from reader_drivers import ReaderSettings, open_reader
from reader_drivers.llrp.capabilities import read_capabilities
from reader_drivers.llrp.codec import (
    FrameReader,
    Message,
    decode_reports,
    encode_message,
    message,
    parameter,
    status,
)
from reader_drivers.llrp.options import Choices
from reader_drivers.llrp.rospec import build_access_spec, build_rospec
from sim.readers.gen2_memory import usual_memory
from sim.readers.llrp_identity import Identity, general, llrp_capabilities, regulatory, sub_region
from sim.readers.llrp_reports import Content, Rows, encode_reports
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop, served
from tests.reader_drivers.test_foreign_codecs import _DECODE, ask, children, llrpkit, llrpkit_emulator, pyllrp

_ENCODE = """
import json, sys
from bitstring import BitStream
from pyllrp import pyllrp as p

for line in sys.stdin:
    w = json.loads(line)
    data = [p.EPC_96_Parameter(EPC=int(w["epc"], 16)), p.AntennaID_Parameter(AntennaID=1),
            p.AccessSpecID_Parameter(AccessSpecID=1)]
    for op, result, words in w["reads"]:
        data.append(p.C1G2ReadOpSpecResult_Parameter(Result=result, OpSpecID=op, ReadData=words))
    if w["tid"] is not None:
        data.append(p.ImpinjSerializedTID_Parameter(TID=w["tid"]))
    item = p.RO_ACCESS_REPORT_Message(MessageID=5, Parameters=[p.TagReportData_Parameter(Parameters=data)])
    print(json.dumps(item.pack(BitStream()).tobytes().hex()))
"""


def answer(identity: Identity, source: SmallWorld) -> Message:
    parts = (general(identity), llrp_capabilities(identity), regulatory(identity, source))
    return message("GET_READER_CAPABILITIES_RESPONSE", 1, status(), *parts)


@pyllrp
def test_pyllrp_reads_our_new_messages_and_writes_the_same_bytes() -> None:
    plain = Identity(manufacturer=161, state_aware=True, hop_tables=(1, 2))
    europe = read_capabilities(answer(Identity(), SmallWorld(1, region="ETSI")), "here")
    aware = read_capabilities(answer(plain, SmallWorld(1)), "here", 2)
    everything = Choices(memory=True, words=8, sensitivity=20)
    access = build_access_spec(europe, everything)
    assert access is not None
    items = [
        message("ADD_ROSPEC", 1, build_rospec(ReaderSettings(), europe, "here", Choices(tid=True))),
        message("ADD_ROSPEC", 2, build_rospec(ReaderSettings(channels=(1, 3)), europe, "here", everything)),
        message(
            "ADD_ROSPEC", 3, build_rospec(ReaderSettings(target="B"), aware, "here", Choices(hop_table=2))
        ),
        message("ADD_ACCESSSPEC", 4, access),
        message("ADD_ACCESSSPEC_RESPONSE", 4, status()),
        message("ENABLE_ACCESSSPEC", 5, access_spec_id=1),
        message("ENABLE_ACCESSSPEC_RESPONSE", 5, status()),
        message("DISABLE_ACCESSSPEC", 6, access_spec_id=1),
        message("GET_ACCESSSPECS", 7),
        message("GET_ACCESSSPECS_RESPONSE", 7, status(), access),
        message("GET_READER_CONFIG", 8, parameter("ImpinjRequestedData", requested=2001), requested=2),
        message("GET_READER_CONFIG_RESPONSE", 8, status(), sub_region(SmallWorld(1))),
        answer(plain, SmallWorld(1)),
    ]
    encoded = [encode_message(item) for item in items]
    answers = ask(_DECODE, [data.hex() for data in encoded])
    for item, data, told in zip(items, encoded, answers, strict=True):
        assert told["again"] == data.hex(), item.name
        assert "CUSTOM" not in json.dumps(told["tree"]).upper().replace("CUSTOM_", ""), item.name
    (spec,) = children(answers[3]["tree"], "AccessSpec")
    (command,) = children(spec, "AccessCommand")
    reads = [node[1] for node in children(command, "C1G2Read")]
    assert [(r["OpSpecID"], r["MB"], r["WordPointer"], r["WordCount"]) for r in reads] == [
        (1, 2, 0, 0),
        (2, 3, 0, 8),
    ]
    assert (spec[1]["ROSpecID"], spec[1]["AntennaID"], spec[1]["CurrentState"]) == (1, 0, "False")


@pyllrp
def test_memories_that_pyllrp_writes_are_read_as_they_were_meant() -> None:
    rng = np.random.default_rng(5)

    def words(n: int) -> list[int]:
        return rng.integers(0, 65536, n).tolist()

    wanted: list[dict[str, Any]] = [
        {
            "epc": rng.bytes(12).hex(),
            "reads": [[op, int(rng.integers(0, 4)), words(int(rng.integers(0, 33)))] for op in range(1, 3)],
            "tid": words(6) if i % 2 else None,
        }
        for i in range(30)
    ]
    data = b"".join(bytes.fromhex(line) for line in ask(_ENCODE, [json.dumps(w) for w in wanted]))
    ours = decode_reports(FrameReader().feed(data))
    assert [ours.epcs[i].hex() for i in ours.tag] == [w["epc"] for w in wanted]
    meant = [
        (row, op, result, read)
        for row, w in enumerate(wanted)
        for op, result, read in [*w["reads"], *([[0, 0, w["tid"]]] if w["tid"] else [])]
    ]
    told = zip(ours.memory_row.tolist(), ours.memory_op.tolist(), ours.memory_result.tolist(), strict=True)
    assert list(told) == [item[:3] for item in meant]
    for i, (*_, read) in enumerate(meant):
        assert ours.memory(i) == b"".join(word.to_bytes(2, "big") for word in read)


@pyllrp
def test_pyllrp_reads_memories_in_emulated_reports() -> None:
    from sim.readers.llrp_access import AccessRuns
    from sim.readers.llrp_state import ReaderState

    source = SmallWorld(1, tags=4)
    state = ReaderState(Identity(), source)
    access = build_access_spec(read_capabilities(answer(Identity(), source), "here"), Choices(memory=True))
    assert access is not None
    state.answer(message("ADD_ACCESSSPEC", 1, access), extensions=False)
    state.answer(message("ENABLE_ACCESSSPEC", 1, access_spec_id=1), extensions=False)
    n = 12
    zeros = np.zeros(n, np.int64)
    rows = Rows(
        np.arange(n, dtype=np.uint32) % 4, source.tags, zeros + 1, zeros + 3, zeros - 5000, zeros, zeros, zeros, zeros,
        zeros + 1,
    )  # fmt: skip
    content = Content(antenna_id=True, phase=True, tid=True)
    extras = AccessRuns(state, usual_memory, 0.5).extras(rows, content, 1)
    data = encode_reports(rows, content, [], 1, 1, 1, extras=extras)
    batch = FrameReader().feed(data)
    frames = [data[o : o + size].hex() for o, size in zip(batch.offset, batch.length, strict=True)]
    results: set[str] = set()
    for i, told in enumerate(ask(_DECODE, frames)):
        assert told["again"] == frames[i]
        (report,) = children(told["tree"], "TagReportData")
        true = usual_memory(source.tags[i % 4])
        numbers = [int.from_bytes(true.tid[k : k + 2], "big") for k in range(0, 12, 2)]
        (tid,) = children(report, "ImpinjSerializedTID")
        assert str(numbers) in str(tid[1]["TID"])
        first, second = children(report, "C1G2ReadOpSpecResult")
        results.add(str(first[1]["Result"]))
        assert (first[1]["OpSpecID"], second[1]["OpSpecID"]) == (1, 2)
        assert (str(numbers) in str(first[1]["ReadData"])) == (str(first[1]["Result"]) in ("0", "Success"))
    assert len(results) == 2


@llrpkit
def test_our_driver_reads_memories_from_llrpkits_emulated_reader() -> None:
    for options, user in (("tid=1", 0), ("memory=1", 64)):
        with llrpkit_emulator() as port, open_reader(f"llrp://127.0.0.1:{port}?{options}") as reader:
            reader.connect()
            reader.start()
            heard = Heard(reader).until(lambda h: sum(len(batch.tags) for batch in h.batches) >= 10)
            told = [data for batch in heard.batches for data in batch.tags]
        assert len({data.epc for data in told}) == len(told)
        for data in told:
            assert data.tid == bytes.fromhex("E2801105" + data.epc[-16:])
            assert len(data.memory) == user


@llrpkit
def test_llrpkit_reads_memories_from_our_emulated_reader(loop: Loop) -> None:
    program = Path(sys.executable).with_name("llrpkit")
    source = SmallWorld(3, reads_per_s=400, slice_s=0.02)
    with served(loop, source) as emulator:
        for bank, words in (("tid", 6), ("user", 16)):
            command = [program, "read", "127.0.0.1", "--port", str(emulator.port), "--bank", bank]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            said = re.sub(r"[\s:|│]", "", done.stdout.lower())
            memories = [getattr(usual_memory(epc), bank).hex() for epc in source.tags]
            assert any(memory in said for memory in memories), (done.stdout, words)
        inventory = [program, "inventory", "127.0.0.1", "--port", str(emulator.port), "--tid"]
        done = subprocess.run([*inventory, "--count", "30"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [line.lower() for line in done.stdout.splitlines() if "e2801170" in line.lower()]
    assert len(lines) == 30
    for line in lines:
        epc = re.search(r"e2801170\w{16}", line)
        assert epc
        assert usual_memory(bytes.fromhex(epc.group())).tid.hex() in line
