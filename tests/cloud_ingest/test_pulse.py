"""A worker's signs of life: a step that takes long, and one that hangs."""

import io
import queue
import threading

from cloud_ingest import pulse as pulse_module
from cloud_ingest.jobs import _last_words
from cloud_ingest.pulse import Pulse, is_pulse


def test_a_long_step_tells_the_processor_time_it_uses_and_a_hang_that_it_uses_none():
    said: queue.Queue[dict] = queue.Queue()
    over = threading.Event()

    def compute():
        while not over.is_set():
            sum(range(10_000))

    with Pulse(lambda **what: said.put(what), io.StringIO(), every_s=0.02) as pulse:
        pulse.tell(0.5, "computing", state="here")
        first = said.get(timeout=10)
        assert first["step"] == "computing"
        assert first["state"] == "here"
        busy = threading.Thread(target=compute)
        busy.start()
        while (now := said.get(timeout=30))["cpu_s"] < first["cpu_s"] + 0.3:
            assert now["step"] == "computing"
            assert "state" not in now, "what was told with a step is told once"
        over.set()
        busy.join()
        pulse.tell(0.5, "waiting")
        while (begun := said.get(timeout=10))["step"] != "waiting":
            pass
        for _ in range(10):
            last = said.get(timeout=10)
        assert last["cpu_s"] - begun["cpu_s"] < 0.1


def test_the_log_has_every_new_step_and_few_lines_within_one(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse_module.time, "monotonic", lambda: now[0])
    log = io.StringIO()
    pulse = Pulse(lambda **_: None, log)
    for second in range(100):
        now[0] = float(second)
        pulse.tell(second / 100, "placing" if second < 60 else "mapping")
    lines = log.getvalue().splitlines()
    assert [line.split(" % ")[1].split(" (")[0] for line in lines] == ["placing"] * 6 + ["mapping"] * 4
    assert all(is_pulse(line) for line in lines)


def test_what_went_wrong_is_not_hidden_by_signs_of_life(tmp_path):
    log = tmp_path / "job.log"
    line = "2026-01-31T22:00:00Z  34 % placing tags (12 s of processor time)\n"
    log.write_text(f"MemoryError\n{line}")
    assert _last_words(log, 0) == ": MemoryError"
    log.write_text(line)
    assert _last_words(log, 0) == ""
