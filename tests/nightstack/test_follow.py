"""The demo's eye on its run, against a service that answers as told: a slow job is waited for, a stuck one named."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from nightstack.demo import follow as follow_module
from nightstack.demo.follow import ENDLESS_S, SILENT_S, Watch, follow
from nightstack.errors import CommandError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def seen(seconds, cpu_of, done_of=lambda second: "placing"):
    """What a watch says at last that looks every second."""
    clock = Clock()
    watch = Watch(clock)
    for second in range(int(seconds)):
        clock.now = float(second)
        stuck = watch.see(done_of(second), cpu_of(second))
        if stuck is not None:
            return second, stuck
    return None


def test_a_job_that_computes_is_waited_for_however_slowly():
    assert seen(ENDLESS_S, lambda second: second * 0.01) is None
    assert seen(10 * ENDLESS_S, lambda second: second, lambda second: second // 900) is None


def test_a_job_that_uses_no_processor_is_stuck():
    second, stuck = seen(1000, lambda second: 60.0 + 1e-4 * second)
    assert SILENT_S < second < SILENT_S + 3
    assert "nothing moved for 120 s" in stuck
    # It may also stop after it had worked, or never have said anything.
    assert seen(1000, lambda second: min(second, 300))[0] == pytest.approx(300 + SILENT_S, abs=3)
    assert seen(1000, lambda second: None)[0] == pytest.approx(SILENT_S, abs=3)


def test_a_job_that_begins_again_has_moved():
    assert seen(220, lambda second: 100.0 if second < 110 else 0.0) is None


def test_an_endless_loop_has_an_end():
    second, stuck = seen(2 * ENDLESS_S, lambda second: second)
    assert second == pytest.approx(ENDLESS_S, abs=3)
    assert "processor" in stuck


class Api:
    """A service that tells of one run whatever it is told to."""

    def __init__(self):
        self.run = {"run_id": "run-1", "state": "localizing", "readings_stored": 10, "reason": ""}
        self.job = lambda: {"attempts": 1, "progress": "34 % placing tags", "cpu_s": 1.0}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                found = [api.run] if self.path.endswith("/runs") else {**api.run, "job": api.job()}
                body = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def api():
    made = Api()
    yield made
    made.server.shutdown()
    made.server.server_close()


def program(tmp_path, name):
    log = tmp_path / f"{name}.log"
    log.write_text("serving\n")
    return SimpleNamespace(
        log=log,
        running=lambda: True,
        last_line=lambda: "robot: 100% done",
        process=SimpleNamespace(returncode=0),
    )


def followed(api, tmp_path, told=lambda share, what: None):
    data = tmp_path / "my cloud"
    folder = data / "runs" / "run-1"
    (folder / "recording").mkdir(parents=True)
    (folder / "recording" / "run.json").write_text("{}")
    (folder / "job.log").write_text("34 % placing tags\n")
    return follow(api.http, program(tmp_path, "robot"), program(tmp_path, "ingest"), data, told)


def test_a_run_whose_job_takes_far_longer_than_the_limit_is_reported(api, tmp_path, monkeypatch):
    monkeypatch.setattr(follow_module, "SILENT_S", 0.4)
    began = time.monotonic()

    def job():
        # Nothing but the processor time moves.
        if time.monotonic() - began > 2.0:
            api.run["state"] = "reported"
        return {"attempts": 1, "progress": "34 % placing tags", "cpu_s": 10.0 * (time.monotonic() - began)}

    api.job = job
    told = []
    assert followed(api, tmp_path, lambda share, what: told.append((share, what)))["state"] == "reported"
    assert time.monotonic() - began > 2.0
    assert any("placing tags" in what and 0.65 < share < 0.95 for share, what in told)


def test_a_hang_is_told_with_what_to_do(api, tmp_path, monkeypatch):
    monkeypatch.setattr(follow_module, "SILENT_S", 0.4)
    with pytest.raises(CommandError) as stuck:
        followed(api, tmp_path)
    recording = tmp_path / "my cloud" / "runs" / "run-1" / "recording"
    text = str(stuck.value)
    assert "\n" not in text
    assert "placing tags" in text
    assert f"nightstack localize '{recording}'" in text
    assert str(recording.parent / "job.log") in text
    assert str(tmp_path / "ingest.log") in text


def test_logs_that_say_nothing_are_not_named(api, tmp_path, monkeypatch):
    api.run |= {"state": "failed", "reason": "no poses came"}
    data = tmp_path / "cloud"
    (data / "runs" / "run-1").mkdir(parents=True)
    (data / "runs" / "run-1" / "job.log").write_text("")
    with pytest.raises(CommandError, match="no poses came") as failed:
        follow(
            api.http, program(tmp_path, "robot"), program(tmp_path, "ingest"), data, lambda share, what: None
        )
    assert "job.log" not in str(failed.value)
    assert "nightstack localize" not in str(failed.value), "there is no recording yet"
