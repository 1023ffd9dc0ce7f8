"""Rows on their way into batches, and the stamps they carry."""

import threading
import time

import numpy as np

from recording import Activity, Events, Readings
from recording.wire import Batch, decode_batch, encode_batch
from robot.clock import BaseClock, SystemClock
from robot.collector import Collector


def readings(epcs: list[str], t: int = 0) -> Readings:
    n = len(epcs)
    return Readings.from_epc(
        epcs,
        t=np.arange(t, t + n),
        antenna=np.ones(n, np.uint8),
        frequency_khz=np.full(n, 915250, np.uint32),
        rssi_dbm=np.full(n, -50, np.float32),
        phase_rad=np.zeros(n, np.float32),
    )


def activity(n: int) -> Activity:
    zeros = np.zeros(n, np.uint8)
    return Activity(
        np.arange(n), np.arange(n) + 1, zeros, np.zeros(n, np.float32), zeros, np.zeros(n, np.uint32)
    )


def test_nothing_is_lost_or_doubled_between_threads():
    collector = Collector(100)
    taken: list[Readings] = []
    done = threading.Event()

    def add(start: int) -> None:
        for k in range(200):
            collector.add_readings(readings([f"{start + k:04X}"], start + k))

    def take() -> None:
        while not done.is_set():
            taken.extend(part for kind, part in collector.take() if isinstance(part, Readings))

    taker = threading.Thread(target=take)
    adders = [threading.Thread(target=add, args=(1000 * i,)) for i in range(4)]
    for thread in (taker, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    done.set()
    taker.join()
    taken.extend(part for _, part in collector.take() if isinstance(part, Readings))
    times = np.concatenate([part.t for part in taken])
    assert sorted(times.tolist()) == [1000 * i + k for i in range(4) for k in range(200)]
    assert collector.readings_heard == 800


def test_batches_are_cut_to_size_and_carry_their_own_tags_only():
    collector = Collector(4, "ground")
    assert not collector.ready.is_set()
    collector.add_readings(readings(["0A", "0B", "0C", "0A", "0D", "0D"]))
    assert collector.ready.is_set()
    for t in range(5):
        collector.add_pose((t + 1, 1.0 * t, 0.0, 0.0, 0.1, 0.2))
    collector.add_event(7, "base", "base_gone", "cable")
    collector.add_activity(activity(3))
    parts = collector.take()
    assert not collector.ready.is_set()
    assert [(kind, len(part)) for kind, part in parts] == [
        ("events", 1),
        ("poses", 4),
        ("poses", 1),
        ("readings", 4),
        ("readings", 2),
        ("activity", 3),
    ]
    first, second = (part for kind, part in parts if isinstance(part, Readings))
    assert first.epc.tolist() == ["0A", "0B", "0C", "0A"]
    assert second.tags == ("0D",)
    assert collector.take() == []


def test_a_pose_whose_time_does_not_advance_is_left_out():
    collector = Collector(10)
    assert collector.add_pose((5, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert not collector.add_pose((5, 1.0, 0.0, 0.0, 0.0, 0.0))
    assert not collector.add_pose((4, 1.0, 0.0, 0.0, 0.0, 0.0))
    ((_, poses),) = collector.take()
    assert len(poses) == 1


def test_while_discarding_only_events_are_kept():
    collector = Collector(10)
    collector.discard(True)
    collector.add_readings(readings(["0A"]))
    collector.add_pose((5, 0.0, 0.0, 0.0, 0.0, 0.0))
    collector.add_activity(activity(2))
    collector.add_event(1, "spool", "spool_full", "")
    assert [kind for kind, _ in collector.take()] == ["events"]
    assert (collector.dropped_rows, collector.dropped_readings) == (4, 1)
    collector.discard(False)
    collector.add_readings(readings(["0A"]))
    assert [kind for kind, _ in collector.take()] == ["readings"]


def test_an_event_can_be_sent_whatever_its_text():
    collector = Collector(10)
    collector.add_event(1, "uplink", "broker_gone", "file \udcff gone" + "x" * 100_000)
    ((kind, events),) = collector.take()
    sent = decode_batch(encode_batch(Batch("run-1", kind, 0, events))).data
    assert isinstance(sent, Events)
    assert sent.detail[0].startswith("file ? gonexxx")


def test_the_base_clock_is_the_last_stamp_and_never_goes_back():
    clock = BaseClock()
    assert clock.stamp(1_000) == 1_000_000
    assert clock.now() == 1_000_000
    assert clock.stamp(900) == 900_000
    assert clock.now() == 1_000_000


def test_the_system_clock_maps_the_base_by_the_least_delay(monkeypatch):
    clock = SystemClock()
    now = [clock.now()]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    start = now[0]
    rng = np.random.default_rng(1)
    stamps: list[int] = []
    # The base counts from 12 s after its own start, 20 reports a second, each delayed by 1 to 30 ms.
    for k in range(400):
        true = start + k * 50_000_000
        now[0] = true + int(rng.uniform(1e6, 30e6))
        stamps.append(clock.stamp(12_000_000 + k * 50_000) - true)
    late = np.array(stamps[40:]) / 1e6
    assert late.min() >= 1.0
    assert late.max() < 3.0
    # The base is switched off and on: its clock begins again, and the mapping with it.
    now[0] = start + 60_000_000_000
    assert clock.stamp(0) == now[0]


def test_setting_the_system_clock_moves_no_stamp(monkeypatch):
    clock = SystemClock()
    before = clock.now()
    set_time = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: set_time)
    assert 0 <= clock.now() - before < 10 * 10**9
    assert 3590 < clock.stepped_s() < 3610
