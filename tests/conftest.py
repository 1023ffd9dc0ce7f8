"""A small simulated library and its recording, shared by the tests of whole nights."""

import shutil

import pytest
from hypothesis import settings

from nightstack.cli import main

# The first call of a numba kernel compiles it, however long that takes; and a run is the same as the one before.
settings.register_profile("nightstack", deadline=None, derandomize=True)
settings.load_profile("nightstack")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Make a simulated library of 250 books."""
    folder = tmp_path_factory.mktemp("library") / "library"
    assert main(["sim", "library", "--out", str(folder), "--books", "250", "--seed", "7"]) == 0
    return folder


@pytest.fixture(scope="session")
def scanned(library, tmp_path_factory):
    """Record that library in one quick pass."""
    folder = tmp_path_factory.mktemp("recording") / "recording"
    assert main(["sim", "record", str(library), "--out", str(folder), "--passes", "1", "--speed", "0.2"]) == 0
    return folder


@pytest.fixture
def recording(scanned, tmp_path):
    """Copy that recording, so that the test may spoil it."""
    return shutil.copytree(scanned, tmp_path / "recording")
