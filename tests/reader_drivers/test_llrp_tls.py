"""LLRP over TLS, on real sockets with certificates made for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import numpy as np
import pytest

from reader_drivers import ReaderError, open_reader
from reader_drivers.llrp.options import parse_options
from sim.readers.llrp import LlrpEmulator
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop, fast, served

OPENSSL = shutil.which("openssl")

pytestmark = pytest.mark.skipif(
    OPENSSL is None, reason="openssl is not installed (it makes the certificates)"
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's certificate for 127.0.0.1, and a client's, each signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("reader", "client"):
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        both = folder / f"{name}.pem"
        files = ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
        made = [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
        subprocess.run(made, check=True, capture_output=True)
        both.write_text((folder / "cert").read_text() + (folder / "key").read_text())
    return folder


def context(folder: Path, *, asks: bool = False) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "reader.pem")
    if asks:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(folder / "client.pem")
    return made


def url(emulator: LlrpEmulator, options: str, **changes: object) -> str:
    return f"{emulator.url}?{fast(tls=1, **changes)}&{options}"


def test_reads_and_comes_back_over_tls(loop: Loop, world: SmallWorld, certificates: Path) -> None:
    with (
        served(loop, world, tls=context(certificates)) as emulator,
        open_reader(url(emulator, f"ca={certificates / 'reader.pem'}")) as reader,
    ):
        assert reader.connect().antennas == 4
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 1000)
        loop.run(emulator.drop())
        heard.until(lambda h: "reader_back" in h.kinds)
        count = len(heard.readings)
        heard.until(lambda h: len(h.readings) > count + 1000)
        reader.stop()
    assert heard.kinds == ["reader_gone", "reader_back"]
    produced = np.concatenate([part.t_ns for part in world.produced]) // 1000 * 1000
    assert np.isin(heard.readings.reader_t, produced).all()


def test_a_hanging_reader_is_noticed_over_tls_too(loop: Loop, world: SmallWorld, certificates: Path) -> None:
    with (
        served(loop, world, tls=context(certificates)) as emulator,
        open_reader(url(emulator, f"ca={certificates / 'reader.pem'}", keepalive=0.2)) as reader,
    ):
        reader.connect()
        reader.start()
        heard = Heard(reader).until(lambda h: len(h.readings) > 100)
        loop.call(emulator.go_silent)
        heard.until(lambda h: "reader_gone" in h.kinds)


def test_a_reader_may_ask_who_we_are(loop: Loop, world: SmallWorld, certificates: Path) -> None:
    ca = f"ca={certificates / 'reader.pem'}"
    with served(loop, world, tls=context(certificates, asks=True)) as emulator:
        with open_reader(url(emulator, f"{ca}&cert={certificates / 'client.pem'}")) as reader:
            reader.connect()
        # With TLS 1.3 the refusal comes with the first bytes.
        with (
            open_reader(url(emulator, ca)) as reader,
            pytest.raises(ReaderError, match=r"lost|no TLS|closed"),
        ):
            reader.connect()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("ca=client.pem", r"no TLS \(.*certificate.*\); name the file"),
        ("", r"no TLS \(.*certificate.*\); name the file"),
        ("ca=nothing.pem", "cannot be read"),
        ("cert=nothing.pem&verify=0", "cannot be read"),
    ],
)
def test_who_is_not_trusted_is_not_spoken_to(
    loop: Loop, world: SmallWorld, certificates: Path, options: str, says: str
) -> None:
    options = options.replace("=client", f"={certificates}/client").replace(
        "=nothing", f"={certificates}/nothing"
    )
    with (
        served(loop, world, tls=context(certificates)) as emulator,
        open_reader(url(emulator, options)) as reader,
        pytest.raises(ReaderError, match=says) as refused,
    ):
        reader.connect()
    assert len(str(refused.value).splitlines()) == 1


def test_anyone_is_taken_where_that_is_asked_for(loop: Loop, world: SmallWorld, certificates: Path) -> None:
    with (
        served(loop, world, tls=context(certificates)) as emulator,
        open_reader(url(emulator, "verify=0")) as reader,
    ):
        assert reader.connect().antennas == 4


def test_a_reader_in_the_clear_has_no_tls(emulator: LlrpEmulator) -> None:
    with (
        open_reader(url(emulator, "verify=0")) as reader,
        pytest.raises(ReaderError, match="no TLS") as refused,
    ):
        reader.connect()
    assert "leave tls out" in str(refused.value).lower()


def test_ports_where_none_is_named() -> None:
    assert parse_options("llrp://10.0.0.1").target.port == 5084
    assert parse_options("llrp://10.0.0.1?tls=1").target.port == 5085
    assert parse_options("llrp://10.0.0.1:5084?tls=1").target.port == 5084
