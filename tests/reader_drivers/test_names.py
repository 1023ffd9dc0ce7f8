"""Readers that are named, and name servers that do not answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from reader_drivers import ReaderError, open_reader
from reader_drivers.transport.names import addresses
from sim.readers.llrp import LlrpEmulator
from tests.reader_drivers.harness import FAST, Heard, Loop


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set it, and look-ups hang from then on, as without a name server."""
    gone, over = threading.Event(), threading.Event()
    ask = socket.getaddrinfo

    def answer(*args: Any, **options: Any) -> Any:
        if gone.is_set():
            over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ask(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    yield gone
    over.set()


def test_a_reader_that_was_found_before_is_found_without_a_name_server(
    loop: Loop, emulator: LlrpEmulator, no_answer: threading.Event
) -> None:
    with open_reader(f"llrp://localhost:{emulator.port}?{FAST}") as reader:
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 50)
        no_answer.set()
        loop.run(emulator.drop(reset=True))
        began = time.monotonic()
        heard.until(lambda h: "reader_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 50)
        assert time.monotonic() - began < 5.0


def test_a_name_that_nobody_answers_for_is_given_up_in_time(no_answer: threading.Event) -> None:
    no_answer.set()
    began = time.monotonic()
    with (
        open_reader("llrp://reader-of-nobody:5084?timeout=0.4") as reader,
        pytest.raises(
            ReaderError, match=r"cannot be reached \(its name could not be looked up within 0.4 s\)"
        ),
    ):
        reader.connect()
    assert time.monotonic() - began < 3.0


def test_a_name_that_does_not_exist_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        open_reader("llrp://no-such-reader.invalid") as reader,
        pytest.raises(ReaderError, match=r"cannot be reached \(.*Name or service not known"),
    ):
        reader.connect()


def test_an_address_that_changed_is_used_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for last in (1, 2):
        told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 5084))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, told=told, **__: told)
        assert addresses("moved.invalid", 5084, 5.0) == ((socket.AF_INET, (f"192.0.2.{last}", 5084)),)
