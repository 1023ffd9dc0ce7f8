"""One emulated system of each kind, for tests that all of them must pass."""

import pytest

from stacks.ils import open_ils
from tests.stacks.ils.support import emulated, quick_clock, settings


@pytest.fixture(params=["koha", "folio", "alma", "sip2"])
def system(request):
    """Serve one system of each kind."""
    with emulated(request.param) as emulator:
        yield emulator


@pytest.fixture
def connect(tmp_path, monkeypatch):
    """Open connections to emulators, and close them in the end."""
    monkeypatch.setenv("FOLIOCLIENT_FORBIDDEN_RETRY_DELAY", "0")
    opened = []

    def make(emulator, clock=None, **more):
        opened.append(open_ils(settings(emulator, tmp_path, **more), clock or quick_clock()))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
