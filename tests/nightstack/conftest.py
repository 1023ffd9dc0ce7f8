"""What tests of the commands share."""

import signal

import pytest

from tests.support.readers_command import emulating


@pytest.fixture
def emulated():
    """Emulate a protocol; yields a function that returns the address."""
    running = []

    def begin(protocol, *options):
        process = emulating(protocol, *options)
        running.append(process)
        word, address = process.stdout.readline().split()
        assert word == "listening"
        return address

    yield begin
    for process in running:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()
