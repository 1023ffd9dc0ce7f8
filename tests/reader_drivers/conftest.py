from collections.abc import Iterator

import pytest

from tests.reader_drivers.harness import Loop, running_loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with running_loop() as running:
        yield running
