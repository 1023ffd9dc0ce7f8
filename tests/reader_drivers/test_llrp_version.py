"""Which version of LLRP is spoken: 1.0.1 and 1.1, agreed on without upsetting readers that know one alone."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from reader_drivers import ReaderError, open_reader
from reader_drivers.llrp.codec import FrameReader, decode_message, encode_message, message, parameter
from sim.readers.llrp import LlrpEmulator
from sim.readers.llrp_identity import Identity
from sim.readers.small_world import SmallWorld
from tests.reader_drivers import llrp_vectors
from tests.reader_drivers.harness import FAST, Heard, Loop, open_at, served
from tests.reader_drivers.scripted import Scripted, capabilities
from tests.reader_drivers.wiretap import tapped

NEW = Identity(version=2)


def names(messages: list[Any]) -> list[str]:
    return [item.name for item in messages]


def test_two_of_1_1_agree_on_it_and_say_all_in_it(loop: Loop, world: SmallWorld) -> None:
    with (
        served(loop, world, identity=NEW) as emulator,
        tapped(loop, emulator.port) as tap,
        open_reader(f"llrp://127.0.0.1:{tap.port}?keepalive=0.1") as reader,
    ):
        found = reader.connect()
        reader.start()
        Heard(reader).until(lambda h: len(h.readings) > 100)
        Heard(reader).until(lambda h: "KEEPALIVE_ACK" in names(tap.messages(True)))
        reader.stop()
        sent, got = tap.frames(True), tap.frames(False)
        read = tap.messages(False)
    assert found.antennas == 4
    # Only the greeting comes before the version is agreed on.
    assert [frame.version for frame in got[:2]] == [1, 2]
    assert {frame.version for frame in got[1:]} == {frame.version for frame in sent} == {2}
    assert names(tap.messages(True))[:2] == ["GET_SUPPORTED_VERSION", "SET_PROTOCOL_VERSION"]
    (supported,) = [item for item in read if item.name == "GET_SUPPORTED_VERSION_RESPONSE"]
    assert (supported.number("current"), supported.number("supported")) == (1, 2)
    told = {p.name for item in read for p in item.find("MaximumReceiveSensitivity")}
    assert told == {"MaximumReceiveSensitivity"}


def test_a_reader_of_1_0_1_is_asked_once_and_spoken_to_in_its_own(loop: Loop, emulator: LlrpEmulator) -> None:
    with (
        tapped(loop, emulator.port) as tap,
        open_reader(f"llrp://127.0.0.1:{tap.port}?{FAST}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.drop())
        heard.until(lambda h: "reader_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)
        sent, got = tap.frames(True, 1), tap.frames(False, 1)
        again = tap.messages(True, 2)
    assert [(frame.type, frame.version) for frame in sent[:2]] == [(46, 2), (21, 1)]
    assert {frame.version for frame in sent[1:]} == {frame.version for frame in got} == {1}
    refusal = decode_message(got[1])
    assert (refusal.name, next(refusal.find("LLRPStatus")).number("code")) == ("ERROR_MESSAGE", 110)
    assert "GET_SUPPORTED_VERSION" not in names(again)


def test_1_1_is_agreed_on_anew_after_a_reboot(loop: Loop, world: SmallWorld) -> None:
    with (
        served(loop, world, identity=NEW) as emulator,
        tapped(loop, emulator.port) as tap,
        open_reader(f"llrp://127.0.0.1:{tap.port}?{FAST}") as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.reboot(0.1))
        heard.until(lambda h: "reader_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)
        last = max(piece.connection for piece in tap.pieces)
        assert names(tap.messages(True, last))[:2] == ["GET_SUPPORTED_VERSION", "SET_PROTOCOL_VERSION"]
        assert {frame.version for frame in tap.frames(True, last)} == {2}


@pytest.mark.parametrize(("option", "asked"), [("version=1.0.1", False), ("version=auto", True)])
def test_who_names_1_0_1_asks_for_no_other(loop: Loop, world: SmallWorld, option: str, asked: bool) -> None:
    with (
        served(loop, world, identity=NEW) as emulator,
        tapped(loop, emulator.port) as tap,
        open_reader(f"llrp://127.0.0.1:{tap.port}?{option}") as reader,
    ):
        reader.connect()
        reader.start()
        Heard(reader).until(lambda h: len(h.readings) > 0)
        assert ("GET_SUPPORTED_VERSION" in names(tap.messages(True))) == asked
        assert {frame.version for frame in tap.frames(True)} == ({2} if asked else {1})


def test_1_1_is_refused_where_the_reader_lacks_it(emulator: LlrpEmulator) -> None:
    with open_at(emulator, f"{FAST}&version=1.1") as reader:
        with pytest.raises(ReaderError, match=r"speaks LLRP 1\.0\.1 only") as refused:
            reader.connect()
        assert len(str(refused.value).splitlines()) == 1


def test_versions_that_there_are_not_are_no_option() -> None:
    with pytest.raises(ReaderError, match="version cannot be"):
        open_reader("llrp://127.0.0.1?version=2")


def _plain_reader(connection: socket.socket, on_version: str) -> None:
    """A reader that answers everything, but for a question about versions."""
    frames = FrameReader()
    connection.sendall(llrp_vectors.CONNECTED)
    while data := connection.recv(4096):
        batch = frames.feed(data)
        for i in range(len(batch)):
            item = decode_message(batch.frame(i))
            if item.name == "GET_SUPPORTED_VERSION":
                if on_version == "hang up":
                    return
                continue
            extra = capabilities() if item.name == "GET_READER_CAPABILITIES" else []
            answer = message(f"{item.name}_RESPONSE", item.id, parameter("LLRPStatus"), *extra)
            connection.sendall(encode_message(answer))


@pytest.mark.parametrize(("how", "connections"), [("hang up", 2), ("say nothing", 1)])
def test_readers_that_do_not_even_refuse_are_spoken_to_in_1_0_1(how: str, connections: int) -> None:
    with (
        Scripted(lambda connection: _plain_reader(connection, how)) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=0.3") as reader,
    ):
        assert reader.connect().antennas == 1
        reader.start()
        assert there.accepted == connections
