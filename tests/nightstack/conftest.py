"""What tests of the commands share."""

import signal
from contextlib import ExitStack

import pytest

from tests.support.readers_command import emulating


@pytest.fixture
def emulated():
    """Emulate a protocol; yields a function that returns the address."""
    begun = []
    with ExitStack() as stack:

        def begin(protocol, *options):
            process = stack.enter_context(emulating(protocol, *options))
            begun.append(process)
            word, address = process.stdout.readline().split()
            assert word == "listening"
            return address

        yield begin
        for process in begun:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
