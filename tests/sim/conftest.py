from __future__ import annotations

import pytest

from sim.library import Library, make_library


@pytest.fixture(scope="session")
def library() -> Library:
    return make_library(600, seed=11, labels=True)
