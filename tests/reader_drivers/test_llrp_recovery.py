"""A reader that returns is reading again within five seconds, whichever way it was gone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reader_drivers import ReaderSettings
from reader_drivers.llrp.codec import ConnectionStatus, encode_message, message, parameter
from reader_drivers.llrp.watchdog import Watchdog
from reader_drivers.targets import TcpTarget
from reader_drivers.transport import LinkLostError, TcpTransport, Wake
from sim.readers.llrp import LlrpEmulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import FAST, Heard, Loop, open_at

WITHIN_S = 5.0


@contextmanager
def silent_address(port: int) -> Iterator[None]:
    """A place that answers no SYN, as a host that is off: a listener whose queue of connections is full."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            with pytest.raises(TimeoutError):
                socket.create_connection(("127.0.0.1", port), 0.3)
            yield
        finally:
            for one in waiting:
                one.close()


def comes_back(loop: Loop, emulator: LlrpEmulator, heard: Heard) -> float:
    """Let the reader return; return how long until it is read from."""
    loop.run(emulator.start())
    began = time.monotonic()
    count = len(heard.readings)
    heard.until(lambda h: len(h.readings) > count, 15)
    return time.monotonic() - began


@pytest.mark.parametrize("off_s", [1.2, 2.6])
@pytest.mark.parametrize("how", ["drops all packets", "refuses"])
def test_a_reader_that_was_off_reads_within_5_s(
    loop: Loop, emulator: LlrpEmulator, how: str, off_s: float
) -> None:
    # As the driver is by default, which is what must hold.
    with open_at(emulator, "keepalive=1") as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(1, 3), power_dbm=20))
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        port = emulator.port
        loop.run(emulator.close())
        if how == "refuses":
            heard.until(lambda h: "reader_gone" in h.kinds)
            time.sleep(off_s)
        else:
            with silent_address(port):
                heard.until(lambda h: "reader_gone" in h.kinds)
                time.sleep(off_s)
        took = comes_back(loop, emulator, heard)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 800)
    assert took < WITHIN_S
    assert set(heard.readings.antenna.tolist()) == {1, 3}
    assert heard.kinds[0] == "reader_gone"
    assert heard.kinds[-1] == "reader_back"
    if how != "refuses":
        assert "timed out" in next(e.detail for e in heard.events if e.kind == "reader_unreachable")


def test_a_reader_that_takes_connections_and_says_nothing_reads_within_5_s_too(
    loop: Loop, emulator: LlrpEmulator
) -> None:
    """Its network is up before its reading software is."""
    with open_at(emulator, "keepalive=1") as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        port = emulator.port
        loop.run(emulator.close())
        with socket.create_server(("127.0.0.1", port), reuse_port=False) as booting:
            booting.settimeout(10)
            held = [booting.accept()[0]]
            time.sleep(1.0)
        took = comes_back(loop, emulator, heard)
        for one in held:
            one.close()
    assert took < WITHIN_S


_TCP_REPAIR = 19
"""Linux: a socket closed in this mode is forgotten without a word, as by a machine that loses its power."""


def _may_repair() -> bool:
    with socket.socket() as one:
        try:
            one.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
            one.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 0)
        except OSError:
            return False
    return True


@pytest.mark.skipif(not _may_repair(), reason="forgetting a connection without a word needs CAP_NET_ADMIN")
def test_a_reader_whose_power_flickered_reads_within_5_s(loop: Loop, emulator: LlrpEmulator) -> None:
    """No FIN, no RST; it is back before three keepalives could be missed."""
    with open_at(emulator, "keepalive=60") as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)

        def forget() -> None:
            client = emulator._client
            assert client is not None
            line = client.writer.get_extra_info("socket")
            with socket.socket(fileno=socket.dup(line.fileno())) as same:
                same.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)

        loop.call(forget)
        loop.run(emulator.close())
        assert "reader_gone" not in heard.kinds
        took = comes_back(loop, emulator, heard)
    assert took < WITHIN_S
    assert heard.kinds[0] == "reader_gone"


@pytest.mark.parametrize("told", [True, False])
def test_an_inventory_that_ends_by_itself_is_started_again(
    loop: Loop, emulator: LlrpEmulator, world: SmallWorld, told: bool
) -> None:
    with open_at(emulator, f"{FAST}&memory=1") as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(2,)))
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        loop.run(emulator.give_up(told=told))
        heard.until(lambda h: "reader_exception" in h.kinds)
        began, count = time.monotonic(), len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)
        asked = world.inventory
    assert time.monotonic() - began < WITHIN_S
    assert heard.kinds == ["reader_exception"]
    assert ("by itself" if told else "had ceased") in heard.events[0].detail
    assert asked is not None
    assert asked.ports == (2,)


def test_an_inventory_that_ends_again_and_again_is_started_within_5_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watchdog = Watchdog()
    delays: list[float] = []
    for _ in range(12):
        watchdog.started()
        now[0] += 0.25
        watchdog.note_ended()
        assert watchdog.ended and not watchdog.due
        ended = now[0]
        while not watchdog.due:
            now[0] += 0.25
        delays.append(now[0] - ended)
    assert delays == sorted(delays) and 0.5 <= delays[0] < delays[-1] < WITHIN_S


def test_a_field_without_tags_is_no_reader_that_ceased(loop: Loop, emulator: LlrpEmulator) -> None:
    for port in (1, 2, 3, 4):
        emulator.state.disconnected.add(port)
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader)
        until = time.monotonic() + 4
        heard.until(lambda _: time.monotonic() > until)
    assert set(heard.kinds) <= {"antenna_gone"}
    assert not len(heard.readings)


def test_listening_without_a_tag_is_known_though_the_reader_is_lost(
    loop: Loop, emulator: LlrpEmulator
) -> None:
    for port in (1, 2, 3, 4):
        emulator.state.disconnected.add(port)
    with open_at(emulator) as reader:
        reader.connect()
        reader.start(ReaderSettings(ports=(1,)))
        emulator.state.disconnected.clear()
        heard = Heard(reader).until(lambda h: len(h.readings) > 0)
        emulator.state.disconnected.add(1)
        silent = time.time_ns()
        heard.until(lambda h: bool(h.activity) and max(a.t_end.max() for a in h.activity) > silent + 2e9, 6)
        loop.run(emulator.drop(reset=True))
        lost = time.time_ns()
        heard.until(lambda h: "reader_back" in h.kinds)
    before = [a.t_end[a.t_start < lost].max() for a in heard.activity if (a.t_start < lost).any()]
    assert lost - 3.5e9 < max(before) <= lost


def test_events_that_say_nothing_of_readings_are_passed_over(loop: Loop, emulator: LlrpEmulator) -> None:
    others: list[Any] = [
        parameter("AISpecEvent", rospec_id=1, spec_index=1),
        parameter("RFSurveyEvent", rospec_id=1, spec_index=1),
        parameter("HoppingEvent", hop_table_id=1, next_channel=3),
        parameter("GPIEvent", port=1, event=1),
        parameter("SpecLoopEvent", rospec_id=1, loop=2),
        parameter("ROSpecEvent", event=0, rospec_id=1),
    ]
    with open_at(emulator) as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        for item in others:
            loop.run(emulator.notify(item))
        survey = parameter("FrequencyRSSILevelEntry", parameter("UTCTimestamp", microseconds=1))
        loop.run(emulator.send_raw(_survey_report(survey)))
        loop.run(emulator.reader_exception("the last of them"))
        heard.until(lambda h: bool(h.kinds))
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)
    assert [event.detail.rpartition(": ")[2] for event in heard.events] == ["the last of them"]


def _survey_report(entry: Any) -> bytes:
    return encode_message(message("RO_ACCESS_REPORT", 9, parameter("RFSurveyReportData", entry)))


@pytest.mark.skipif(not _may_repair(), reason="forgetting a connection without a word needs CAP_NET_ADMIN")
def test_a_connection_that_the_other_end_forgot_is_noticed_though_nobody_speaks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wake = Wake()
        target = TcpTarget("127.0.0.1", listener.getsockname()[1])
        transport = TcpTransport("llrp://there", target, 5.0, wake)
        far, _ = listener.accept()
        far.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        far.close()
        assert transport.receive(0.1) == b""
        with pytest.raises(LinkLostError, match="connection lost"):
            transport.receive(10.0)
        transport.close()
        wake.close()


@pytest.mark.skipif(not _may_repair(), reason="forgetting a connection without a word needs CAP_NET_ADMIN")
def test_a_connection_that_only_the_reader_believes_in_does_not_keep_us_out(
    loop: Loop, emulator: LlrpEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the connection got lost with the cable, and what the reader sends on it is not sent again yet."""

    def into_the_void(self: TcpTransport) -> None:
        # What came is acknowledged now: sent again, it would be refused.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        self.close()

    greet = emulator._greet

    async def greet_newcomers(client: Any, what: ConnectionStatus) -> None:
        if what is not ConnectionStatus.ANOTHER_ATTEMPTED:
            await greet(client, what)

    monkeypatch.setattr(TcpTransport, "abort", into_the_void)
    monkeypatch.setattr(emulator, "_greet", greet_newcomers)
    for port in (1, 2, 3, 4):
        emulator.state.disconnected.add(port)
    with open_at(emulator, "keepalive=60") as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader)
        loop.run(emulator.send_raw(bytes(20)))
        began = time.monotonic()
        heard.until(lambda h: "reader_back" in h.kinds)
    assert time.monotonic() - began < WITHIN_S
    assert [kind for kind in heard.kinds if kind.startswith("reader")] == ["reader_gone", "reader_back"]
