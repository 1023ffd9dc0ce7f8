"""A scan measured on a real robot, played through a broker into the service: every reading is stored once."""

import pytest

from benchmarks.measured import measured_folder, why_absent
from nightstack.demo.mailbox import Mailbox
from recording import read_recording
from tests.nightstack.night import Night, nightstack
from tests.nightstack.test_replay import assert_stored_once
from tests.support.mqtt_broker import start_amqtt, start_mosquitto

FOLDER = measured_folder()
RUN = None if FOLDER is None else FOLDER / "robot" / "run12"

pytestmark = [
    pytest.mark.measured,
    pytest.mark.slow,
    pytest.mark.skipif(RUN is None or not RUN.exists(), reason=why_absent()),
]


@pytest.mark.parametrize("start_broker", [start_amqtt, start_mosquitto])
def test_a_measured_run_is_stored_reading_by_reading(library, tmp_path, start_broker):
    original = read_recording(RUN)
    with Mailbox(tmp_path / "mail") as mailbox, start_broker(tmp_path) as broker:
        night = Night(tmp_path, library, mailbox, broker=broker.url)
        try:
            night.serve()
            played = nightstack("replay", RUN, "--broker", broker.url)
            assert played.returncode == 0, played.stderr
            run = night.stored_in("reported", "failed", timeout_s=180)
            assert run["state"] == "reported", run
            assert_stored_once(night, run, original)
            # There is no catalogue for this site, and the mail says so instead of staying away.
            mail = mailbox.wait(60)
            assert mail is not None
            assert b"plan" in mail.read_bytes()
        finally:
            night.close()
