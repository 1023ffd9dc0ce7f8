"""The emulated reader's versions and AccessSpecs, as a client on a socket sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reader_drivers.llrp.codec import Parameter, encode_frame, message, parameter
from sim.readers.gen2_memory import TagMemory, usual_memory
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.llrp_memory import AccessSpec, read_access_spec
from tests.sim_readers.client import Client, rospec, virtual

NEW = Identity(version=2)


def code(answer: Any) -> int:
    return answer.first("LLRPStatus").number("code")


async def say(client: Client, item: Any, version: int) -> Any:
    """Send in a version; return what comes back under that id."""
    await client.send(replace(item, version=version))
    while True:
        for answer in client.inbox:
            if answer.id == item.id and answer.name != "READER_EVENT_NOTIFICATION":
                client.inbox.remove(answer)
                return answer
        assert await client.pump()


def test_a_reader_of_1_1_is_spoken_to_in_what_was_agreed_on(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual(), identity=NEW) as emulator, Client(emulator.address) as client:
            capabilities = message("GET_READER_CAPABILITIES", 1)
            assert (await say(client, capabilities, 1)).name == "GET_READER_CAPABILITIES_RESPONSE"
            refused = await say(client, message("GET_READER_CAPABILITIES", 2), 2)
            assert (refused.name, refused.version, code(refused)) == ("ERROR_MESSAGE", 1, 110)
            told = await say(client, message("GET_SUPPORTED_VERSION", 3), 2)
            assert (told.version, told.number("current"), told.number("supported")) == (2, 1, 2)
            unknown = await say(client, message("SET_PROTOCOL_VERSION", 4, version=3), 2)
            assert (unknown.name, code(unknown)) == ("SET_PROTOCOL_VERSION_RESPONSE", 110)
            agreed = await say(client, message("SET_PROTOCOL_VERSION", 5, version=2), 2)
            assert (agreed.version, code(agreed)) == (2, 0)
            again = await say(client, message("SET_PROTOCOL_VERSION", 6, version=1), 2)
            assert code(again) == 112
            old = await say(client, message("GET_READER_CAPABILITIES", 7), 1)
            assert (old.name, old.version, code(old)) == ("ERROR_MESSAGE", 2, 110)
            new = await say(client, message("GET_READER_CAPABILITIES", 8), 2)
            assert new.version == 2
            assert next(new.find("MaximumReceiveSensitivity")).number("dbm") == -80
            assert list(new.find("RFSurveyFrequencyCapabilities"))
        async with LlrpEmulator(virtual(), identity=NEW) as emulator, Client(emulator.address) as client:
            # Asked in the version before it, it is no message of that.
            assert (await say(client, message("GET_SUPPORTED_VERSION", 1), 1)).name == "ERROR_MESSAGE"
            told = await client.expect("GET_READER_CAPABILITIES")
            assert not list(told.find("MaximumReceiveSensitivity"))

    run(work())


def test_parameters_of_1_1_are_unknown_to_1_0_1(run: Any) -> None:
    async def work() -> None:
        loop = parameter("LoopSpec", loops=2)
        spec = rospec()
        looped = Parameter(spec.kind, spec.values, (*spec.children, loop))
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            await client.expect("ADD_ROSPEC", looped, code=100)

    run(work())


def access(
    *reads: Parameter, number: int = 1, target: Parameter | None = None, protocol: int = 1, **values: int
) -> Parameter:
    tags = parameter("C1G2TagSpec", target or parameter("C1G2TargetTag", bank=1, match=1))
    command = parameter("AccessCommand", tags, *(reads or (parameter("C1G2Read", op_spec_id=1, bank=2),)))
    stop = parameter("AccessSpecStopTrigger")
    return parameter("AccessSpec", stop, command, access_spec_id=number, protocol=protocol, **values)


def test_access_spec_life(run: Any) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:

            async def states() -> dict[int, int]:
                found = (await client.expect("GET_ACCESSSPECS")).all("AccessSpec")
                return {spec.number("access_spec_id"): spec.number("active") for spec in found}

            await client.expect("DELETE_ACCESSSPEC")
            assert await states() == {}
            await client.expect("ENABLE_ACCESSSPEC", access_spec_id=1, code=101)
            await client.expect("ADD_ACCESSSPEC", access())
            await client.expect("ADD_ACCESSSPEC", access(), code=101)
            await client.expect("ADD_ACCESSSPEC", access(number=7))
            await client.expect("ENABLE_ACCESSSPEC", access_spec_id=7)
            assert await states() == {1: 0, 7: 1}
            await client.expect("ENABLE_ACCESSSPEC", access_spec_id=0)
            await client.expect("DISABLE_ACCESSSPEC", access_spec_id=7)
            assert await states() == {1: 1, 7: 0}
            await client.expect("DELETE_ACCESSSPEC", access_spec_id=1)
            assert await states() == {7: 0}
            await emulator.reboot(0)
            assert not emulator.state.access_specs

    run(work())


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        (access(number=0), 300),
        (access(active=1), 300),
        (access(protocol=2), 300),
        (parameter("AccessSpec", access_spec_id=1, protocol=1), 300),
        (access(*[parameter("C1G2Read", op_spec_id=n) for n in range(9)]), 300),
        (access(parameter("C1G2TagSpec")), 300),
    ],
)
def test_access_specs_that_cannot_be_are_refused(run: Any, spec: Parameter, status: int) -> None:
    async def work() -> None:
        async with LlrpEmulator(virtual()) as emulator, Client(emulator.address) as client:
            await client.expect("ADD_ACCESSSPEC", spec, code=status)
            await client.send(encode_frame(40, 99, b""))
            assert code(await client.until("ADD_ACCESSSPEC_RESPONSE")) == 103
            await client.expect("ADD_ACCESSSPEC", access())

    run(work())


def test_reports_carry_results_of_specs_for_this_port_and_rospec_alone(run: Any) -> None:
    async def work() -> None:
        world = virtual(tags=5)
        async with LlrpEmulator(world) as emulator, Client(emulator.address) as client:
            await client.expect("ADD_ACCESSSPEC", access(antenna_id=2))
            await client.expect("ADD_ACCESSSPEC", access(number=2, rospec_id=9))
            await client.expect("ENABLE_ACCESSSPEC", access_spec_id=0)
            await client.expect("ADD_ROSPEC", rospec(antenna_id=1, access_spec_id=1))
            await client.expect("ENABLE_ROSPEC", rospec_id=1)
            await client.reads(200)
            for reports in client.reports:
                for row, port in enumerate(reports.antenna.tolist()):
                    here = (reports.memory_row == row).nonzero()[0].tolist()
                    assert len(here) == (port == 2)
                    for i in here:
                        assert reports.memory(i) == usual_memory(reports.epcs[reports.tag[row]]).tid
            ids = {p.number("access_spec_id") for item in client.inbox for p in item.find("AccessSpecID")}
            assert ids == {0, 1}

    run(work())


@pytest.mark.parametrize(
    ("bank", "first", "count", "result", "data"),
    [
        (2, 0, 0, 0, "e28011601122334455667788"),
        (2, 2, 3, 0, "112233445566"),
        (2, 0, 7, 1, ""),
        (2, 6, 0, 1, ""),
        (3, 0, 0, 1, ""),
        (1, 2, 2, 0, "abcd0102"),
        (0, 0, 2, 0, "00000000"),
    ],
)
def test_what_a_tag_answers(bank: int, first: int, count: int, result: int, data: str) -> None:
    read = parameter("C1G2Read", op_spec_id=5, bank=bank, pointer=first, count=count)
    spec = read_access_spec(access(read))
    assert isinstance(spec, AccessSpec)
    memory = TagMemory(bytes.fromhex("E28011601122334455667788"))
    told = spec.results(bytes.fromhex("ABCD0102"), memory, answers=True)
    head = "9000000001" + "015d" + f"{9 + len(data) // 2:04x}" + f"{result:02x}" + "0005"
    assert told is not None
    assert told.hex() == head + f"{len(data) // 4:04x}" + data


@pytest.mark.parametrize(
    ("pointer", "bits", "match", "meant"),
    [
        (32, "ab", 1, True),
        (32, "ac", 1, False),
        (32, "ac", 0, True),
        (60, "abcd", 1, False),
        (36, "bc", 1, True),
    ],
)
def test_only_tags_that_fit_the_pattern(pointer: int, bits: str, match: int, meant: bool) -> None:
    data = bytes.fromhex(bits)
    mask = (8 * len(data), b"\xff" * len(data))
    target = parameter(
        "C1G2TargetTag", bank=1, match=match, pointer=pointer, mask=mask, data=(8 * len(data), data)
    )
    spec = read_access_spec(access(target=target))
    assert isinstance(spec, AccessSpec)
    told = spec.results(bytes.fromhex("ABCD"), TagMemory(b"\1\2"), answers=True)
    assert (told is not None) == meant
