"""A recording played through a broker into the service: each reading is stored once, whatever dies on the way."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from nightstack.demo.mailbox import Mailbox
from recording import read_recording
from tests.nightstack.night import Night, kill, nightstack, until
from tests.support.mqtt_broker import start_amqtt, start_mosquitto


@pytest.fixture
def mailbox(tmp_path):
    with Mailbox(tmp_path / "mail") as box:
        yield box


def rows_of(readings):
    """Every reading as one comparable row, sorted."""
    epc = readings.epc.astype("U")
    columns = [readings.t, epc, readings.antenna, readings.frequency_khz, readings.rssi_dbm.view("u4")]
    columns.append(readings.phase_rad.view("u4"))
    order = np.lexsort(columns[::-1])
    return [column[order] for column in columns]


def assert_stored_once(night, run, original):
    """What the service stored is what was played, reading by reading, bit by bit."""
    stored = read_recording(night.data / "runs" / run["run_id"] / "recording")
    assert len(stored.readings) == len(original.readings)
    for got, sent in zip(rows_of(stored.readings), rows_of(original.readings), strict=True):
        assert np.array_equal(got, sent)
    assert np.array_equal(stored.poses.t, original.poses.t)
    assert np.array_equal(stored.poses.x_m, original.poses.x_m)
    # The raw store, counted as docs/cloud_ingest.md tells a stranger to.
    raw = night.data.glob(f"raw/site=*/run={run['run_id']}/readings/*.parquet")
    assert sum(pq.read_metadata(file).num_rows for file in raw) == len(original.readings)
    assert run["readings_stored"] == len(original.readings)


def test_every_reading_is_stored_once_and_playing_twice_changes_nothing(scanned, library, tmp_path, mailbox):
    original = read_recording(scanned)
    night = Night(tmp_path, library, mailbox)
    try:
        night.serve()
        for _ in range(2):
            played = nightstack("replay", scanned, "--broker", night.broker, "--json")
            assert played.returncode == 0, played.stderr
            run = night.stored_in("reported")
            assert_stored_once(night, run, original)
        assert len(night.runs()) == 1
        assert mailbox.wait(30) is not None
    finally:
        night.close()


@pytest.mark.parametrize("start_broker", [start_amqtt, start_mosquitto])
@pytest.mark.parametrize("victim", ["ingest", "broker"])
def test_nothing_is_lost_or_doubled_when_something_is_killed(
    scanned, library, tmp_path, mailbox, start_broker, victim
):
    original = read_recording(scanned)
    with start_broker(tmp_path) as broker:
        night = Night(tmp_path, library, mailbox, broker=broker.url)
        try:
            ingest = night.serve()
            span_s = (original.poses.t[-1] - original.poses.t[0]) / 1e9
            replay = night._start(
                "replay", ["replay", scanned, "--broker", broker.url, "--speed", span_s / 6, "--json"]
            )
            for share in (0.2, 0.5, 0.8):
                wanted = share * len(original.readings)
                until(
                    lambda w=wanted: (run := night.run()) and run["readings_stored"] >= w,
                    60,
                    f"{share:.0%} stored",
                )
                if victim == "ingest":
                    kill(ingest)
                    ingest = night.serve()
                else:
                    broker.kill()
                    broker.start()
            run = night.stored_in("reported")
            assert replay.process.wait(60) == 0, replay.log.read_text()
            assert_stored_once(night, run, original)
        finally:
            night.close()
