"""What holds for every serial protocol: spoiled bytes do no harm, and readings come out of pieces of any size."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.fuzz_bytes import fuzz_llrp, fuzz_serial
from benchmarks.serial_decode import make_stream, rate
from benchmarks.serial_protocols import PROTOCOLS, Protocol
from reader_drivers import schemes

every = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)


@every
@pytest.mark.parametrize("seed", [7, 8])
def test_spoiled_bytes_raise_nothing_and_good_frames_behind_them_are_found(
    protocol: Protocol, seed: int
) -> None:
    told = fuzz_serial(protocol, 100_000, seed)
    assert told["frames"] > 300
    assert told["readings"] > 300


def test_spoiled_llrp_raises_nothing() -> None:
    assert fuzz_llrp(100_000, 7)["readings"] > 300


@every
def test_every_reading_comes_out_however_the_bytes_arrive(protocol: Protocol) -> None:
    data = make_stream(protocol, 36 * protocol.together)
    for piece in (1, 7, 4096):
        assert rate(protocol, data, 36 * protocol.together, piece, 1) > 0, "`rate` counts them"


@pytest.mark.parametrize(
    ("driver", "port", "baud", "parity"),
    [
        ("m100.driver", None, 115_200, "N"),
        ("r2000.options", None, 115_200, "N"),
        ("uhfreader18.options", None, 57_600, "N"),
        ("chafon.driver", 2022, 115_200, "N"),
        ("feig.options", 10_001, 38_400, "E"),
    ],
)
def test_lines_are_the_makers(driver: str, port: int | None, baud: int, parity: str) -> None:
    line = import_module(f"reader_drivers.{driver}").LINE
    assert (line.port, line.baud, line.parity) == (port, baud, parity)


def test_every_serial_scheme_has_a_row() -> None:
    rows = {protocol.name.split()[0] for protocol in PROTOCOLS}
    assert rows == set(schemes()) - {"llrp"}
