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
from tests.reader_drivers.scripted import Scripted, capabilities


def _wait_for_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_a_web_server_is_no_reader() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 400 Bad request\r\n\r\n")
        _wait_for_end(connection)

    with (
        Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=2") as reader,
        pytest.raises(ReaderError, match="is no LLRP"),
    ):
        reader.connect()
        reader.close()


def test_a_port_that_says_nothing_is_given_up() -> None:
    with Scripted(_wait_for_end) as there:
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
        Scripted(script) as there,
        open_reader(f"llrp://127.0.0.1:{there.port}?timeout=0.2") as reader,
        pytest.raises(ReaderError, match="no answer to DELETE_ROSPEC"),
    ):
        reader.connect()


def test_a_reader_initiated_connection_elsewhere_is_named() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(encode_message(event(1, parameter("ConnectionAttemptEvent", status=1))))
        _wait_for_end(connection)

    with (
        Scripted(script) as there,
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
                    extra = capabilities()
                answer = message(f"{item.name}_RESPONSE", item.id, parameter("LLRPStatus"), *extra)
                connection.sendall(encode_message(answer))
                if item.name == "START_ROSPEC" and not started:
                    started = True
                    tag = parameter("TagReportData", parameter("EPCData", epc=(16, b"\1\2")), *_where())
                    report = encode_message(message("RO_ACCESS_REPORT", 1, tag))
                    for n in range(5):
                        connection.sendall(report * (n + 1) + encode_message(message("KEEPALIVE", 100 + n)))

    with Scripted(script) as there, open_reader(f"llrp://127.0.0.1:{there.port}?timeout=5") as reader:
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
