"""The driver against programs that are no reader, or strange ones."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from reader_drivers import ReaderError, open_reader
from reader_drivers.llrp.codec import FrameReader, decode_message, encode_message, event, message, parameter
from tests.reader_drivers import llrp_vectors


class _Scripted:
    """A program on a socket that is no reader, or a strange one."""

    def __init__(self, script: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(script,), daemon=True)
        self._thread.start()

    def _serve(self, script: Any) -> None:
        connection, _ = self._listener.accept()
        with connection:
            script(connection)

    def __enter__(self) -> _Scripted:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self._thread.join(10)


def _wait_for_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_a_web_server_is_no_reader() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 400 Bad request\r\n\r\n")
        _wait_for_end(connection)

    with (
        _Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=2") as reader,
        pytest.raises(ReaderError, match="is no LLRP"),
    ):
        reader.connect()
        reader.close()


def test_a_port_that_says_nothing_is_given_up() -> None:
    with _Scripted(_wait_for_end) as there:
        reader = open_reader(f"llrp://127.0.0.1:{there.port}?timeout=0.2")
        began = time.monotonic()
        with pytest.raises(ReaderError, match="no LLRP greeting"):
            reader.connect()
        assert time.monotonic() - began < 5
        reader.close()


def test_a_reader_that_greets_and_then_never_answers_is_given_up() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(llrp_vectors.CONNECTED)
        _wait_for_end(connection)

    with (
        _Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=0.2") as reader,
        pytest.raises(ReaderError, match="no answer to DELETE_ROSPEC"),
    ):
        reader.connect()


def test_a_reader_initiated_connection_elsewhere_is_named() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(encode_message(event(1, parameter("ConnectionAttemptEvent", status=1))))
        _wait_for_end(connection)

    with (
        _Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=2") as reader,
        pytest.raises(ReaderError, match="opened to another host"),
    ):
        reader.connect()


def test_keepalives_are_answered_behind_the_reports_before_them() -> None:
    """A reader in virtual time goes on at the answer, so everything before the keepalive must be in by then."""
    got: list[int] = []
    read_before_ack: list[int] = []
    done = threading.Event()

    def script(connection: socket.socket) -> None:
        frames = FrameReader()
        connection.sendall(llrp_vectors.CONNECTED)
        started = False
        while data := connection.recv(4096):
            batch = frames.feed(data)
            for i in range(len(batch)):
                item = decode_message(batch.frame(i))
                if item.name == "KEEPALIVE_ACK":
                    got.append(item.id)
                    read_before_ack.append(len(reader.read(0).readings))
                    if len(got) == 5:
                        done.set()
                    continue
                extra = []
                if item.name == "GET_READER_CAPABILITIES":
                    extra = _capabilities()
                answer = message(f"{item.name}_RESPONSE", item.id, parameter("LLRPStatus"), *extra)
                connection.sendall(encode_message(answer))
                if item.name == "START_ROSPEC" and not started:
                    started = True
                    tag = parameter("TagReportData", parameter("EPCData", epc=(16, b"\1\2")), *_where())
                    report = encode_message(message("RO_ACCESS_REPORT", 1, tag))
                    for n in range(5):
                        connection.sendall(report * (n + 1) + encode_message(message("KEEPALIVE", 100 + n)))

    with _Scripted(script) as there, open_reader(f"llrp://127.0.0.1:{there.port}?timeout=5") as reader:
        reader.connect()
        reader.start()
        assert done.wait(10)
        assert got == [100, 101, 102, 103, 104]
        # At the n-th answer the reports of the first n slices are there for `read`, whatever was read of them before.
        assert np.all(np.cumsum(read_before_ack) >= np.cumsum([1, 2, 3, 4, 5]))


def _where() -> list[Any]:
    return [
        parameter("AntennaID", antenna_id=1),
        parameter("PeakRSSI", dbm=-50),
        parameter("ChannelIndex", channel_index=1),
    ]


def _capabilities() -> list[Any]:
    band = parameter(
        "UHFBandCapabilities",
        parameter("TransmitPowerLevelTableEntry", index=1, power_cdbm=3000),
        parameter("FrequencyInformation", parameter("FixedFrequencyTable", frequencies_khz=(866_900,))),
    )
    general = parameter("GeneralDeviceCapabilities", max_antennas=1, has_utc_clock=1, manufacturer=1, model=1)
    return [general, parameter("RegulatoryCapabilities", band, country=276, standard=2)]
