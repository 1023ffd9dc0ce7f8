"""Foreign LLRP clients read our emulated reader; each runs in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import running_loop, served
from tests.reader_drivers.wiretap import tapped

_EMULATE = (
    "from sim.readers.emulators import main_emulate; raise SystemExit(main_emulate('llrp', '127.0.0.1:0', 3))"
)

_SLLURP = """
import faulthandler, json, os, sys, threading
faulthandler.dump_traceback_later(40, exit=True)
from sllurp.llrp import LLRPReaderClient, LLRPReaderConfig

seen, enough = [], threading.Event()

def heard(reader, reports):
    seen.extend(reports)
    if len(seen) >= 100:
        enough.set()

on = ("AntennaID", "ChannelIndex", "PeakRSSI", "FirstSeenTimestamp", "LastSeenTimestamp", "TagSeenCount")
off = ("ROSpecID", "SpecIndex", "InventoryParameterSpecID", "AccessSpecID")
wanted = {f"Enable{name}": name in on for name in on + off}
extra = {"EnableRFPhaseAngle": True, "EnablePeakRSSI": True, "EnableRFDopplerFrequency": True}
config = LLRPReaderConfig({
    "antennas": [1, 3], "tx_power": 41, "session": 1, "report_every_n_tags": 1, "start_inventory": True,
    "impinj_search_mode": 2, "tag_content_selector": wanted, "impinj_tag_content_selector": extra,
})
client = LLRPReaderClient("127.0.0.1", int(sys.argv[1]), config)
client.add_tag_report_callback(heard)
client.connect()
enough.wait(20)
print(json.dumps([{k: v.decode() if isinstance(v, bytes) else v for k, v in tag.items()} for tag in seen]), flush=True)
# Its threads do not always end by themselves; what it has read is told by now.
threading.Timer(5, os._exit, (0,)).start()
client.disconnect(timeout=4)
os._exit(0)
"""


@pytest.fixture
def emulated() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", _EMULATE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        word, address = process.stdout.readline().split()
        assert word == "listening"
        yield address
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(find_spec("llrpkit") is None, reason="llrpkit is not installed")
def test_llrpkit_probes_and_reads_with_phase(emulated: str) -> None:
    program = Path(sys.executable).with_name("llrpkit")
    port = emulated.rpartition(":")[2]
    told = _run(program, "capabilities", "127.0.0.1", "--port", port)
    assert re.search(r"manufacturer\s+25882", told)
    assert "10.00 to 30.00 dBm (81 steps)" in told
    said = _run(
        *(program, "inventory", "127.0.0.1", "--port", port, "--phase", "--search-mode", "dual"),
        *("--count", "60", "--duration", "20", "--antennas", "1,2", "--power", "25"),
    )
    lines = re.findall(r"^(e2801170\w{16})\s+ant (\d)\s+(-[\d.]+) dBm\s+phase\s+([\d.]+)", said, re.MULTILINE)
    assert len(lines) == 60
    assert {ant for _, ant, _, _ in lines} <= {"1", "2"}
    assert all(float(rssi) % 0.5 == 0 and -85 < float(rssi) < -20 for _, _, rssi, _ in lines)
    assert len({phase for _, _, _, phase in lines}) > 30
    assert len({epc for epc, _, _, _ in lines}) > 10


@pytest.mark.skipif(find_spec("sllurp") is None, reason="sllurp is not installed")
def test_sllurp_reads_without_start_rospec(emulated: str) -> None:
    tags = json.loads(_run(sys.executable, "-W", "ignore", "-c", _SLLURP, emulated.rpartition(":")[2]))
    assert len(tags) >= 100
    assert {tag["AntennaID"] for tag in tags} <= {1, 3}
    for tag in tags:
        assert tag["EPC"].startswith("e2801170")
        assert 0 <= tag["ImpinjRFPhaseAngle"] <= 4095
        assert tag["ImpinjPeakRSSI"] % 50 == 0
        assert abs(tag["ImpinjPeakRSSI"] / 100 - tag["PeakRSSI"]) <= 0.5
        assert 1 <= tag["ChannelIndex"] <= 16
        assert "ROSpecID" not in tag
    stamps = [tag["FirstSeenTimestampUTC"] for tag in tags]
    assert stamps == sorted(stamps)


@pytest.mark.skipif(find_spec("sllurp") is None, reason="sllurp is not installed")
def test_sllurps_handshake_is_answered_message_by_message() -> None:
    with running_loop() as loop, served(loop, SmallWorld(3)) as reader, tapped(loop, reader.port) as tap:
        _run(sys.executable, "-W", "ignore", "-c", _SLLURP, str(tap.port))
        asked, answered = tap.messages(sent=True), tap.messages(sent=False)
    # The reader speaks first.
    assert not tap.pieces[0].sent
    greeting = next(answered[0].find("ConnectionAttemptEvent"))
    assert (answered[0].name, greeting.number("status")) == ("READER_EVENT_NOTIFICATION", 0)
    names = ["IMPINJ_ENABLE_EXTENSIONS", "GET_READER_CAPABILITIES", "GET_READER_CONFIG", "SET_READER_CONFIG"]
    names += ["DELETE_ACCESSSPEC", "DELETE_ROSPEC", "ADD_ROSPEC", "ENABLE_ROSPEC"]
    opening = [item.name for item in asked][: len(names) + 1]
    # Sent without an answer to wait for; no START_ROSPEC: the ROSpec starts as it is enabled.
    assert opening == [*names[:3], "ENABLE_EVENTS_AND_REPORTS", *names[3:]]
    told = [item for item in answered if item.name.endswith("_RESPONSE")][: len(names)]
    assert [item.name for item in told] == [f"{name}_RESPONSE" for name in names]
    assert all(next(item.find("LLRPStatus")).number("code") == 0 for item in told)
    assert told[1].first("GeneralDeviceCapabilities") and told[1].first("RegulatoryCapabilities")
    for kind in ("UHFBandCapabilities", "TransmitPowerLevelTableEntry", "FrequencyInformation"):
        assert any(told[1].find(kind))
    assert any(told[1].find("UHFC1G2RFModeTableEntry"))
    first_report = [item.name for item in answered].index("RO_ACCESS_REPORT")
    assert answered[first_report - 1].name in (
        "ENABLE_ROSPEC_RESPONSE",
        "READER_EVENT_NOTIFICATION",
        "KEEPALIVE",
    )


@pytest.mark.parametrize(
    ("listen", "status", "says"),
    [
        ("nonsense", 2, "HOST:PORT"),
        ("127.0.0.1:70000", 2, "HOST:PORT"),
        ("203.0.113.1:0", 1, "cannot be listened on"),
    ],
)
def test_addresses_that_cannot_be_listened_on(listen: str, status: int, says: str) -> None:
    script = f"from sim.readers.emulators import main_emulate; raise SystemExit(main_emulate('llrp', {listen!r}, 1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == status
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
