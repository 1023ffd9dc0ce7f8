"""A run's life seen from outside: real broker, real worker, real mail server."""

import email
import mailbox
import os
import signal
import subprocess
import urllib.request
from email import policy
from pathlib import Path

import pytest

from cloud_ingest.models import REPORTED
from tests.cloud_ingest.conftest import make_batch, until
from tests.cloud_ingest.test_bounces import notice
from tests.support.runs import make_info


@pytest.fixture
def life(make_service, make_robot, mail_server):
    """The whole service with short times, and a robot."""
    service = make_service(
        broker=None,
        silence_s=2.0,
        offline_s=0.5,
        recipients=["staff@library.example"],
        smtp={"host": "127.0.0.1", "port": mail_server.port},
    )
    service.start()
    return service, make_robot(service.broker), mail_server


def mail_of(server):
    return email.message_from_bytes(server.received.get(timeout=30), policy=policy.default)


def text_of(mail):
    return " ".join(mail.get_body(("plain",)).get_content().split())


def send_scan(robot, run_id="run-1", batches=3):
    robot.begin(make_info(run_id))
    robot.spool(*(make_batch(run_id, seq, 200) for seq in range(batches)))
    robot.spool(make_batch(run_id, 0, 200, "poses"))
    robot.push_until_stored()


def worker_of(service):
    """The worker process, as the system knows it."""
    found = subprocess.run(
        ["pgrep", "-P", str(service.process.pid), "-f", "cloud_ingest.job_process"],
        capture_output=True,
        text=True,
    )
    return int(found.stdout.split()[0]) if found.stdout.split() else None


def alive(pid):
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def states(run):
    return [event["state"] for event in run["events"]]


def test_a_run_is_reported_mailed_and_reopened_by_late_batches(life):
    service, robot, mails = life
    send_scan(robot)
    robot.end("run-1", readings=3, poses=1)
    run = service.wait_state("run-1", REPORTED)
    assert states(run) == ["recording", "closing", "localizing", "reporting", "reported"]
    assert run["complete"]
    assert run["readings_stored"] == 600
    names = {document["name"] for document in run["documents"]}
    assert names >= {"report.html", "report.pdf", "report.xlsx", "exceptions.csv", "positions.parquet"}
    assert (service.data / "runs" / "run-1" / "recording" / "run.json").is_file()
    mail = mail_of(mails)
    assert mail["To"] == "staff@library.example"
    # There is neither plan nor holdings: positions only, and the mail says so.
    assert "plan" in text_of(mail).lower()
    positions = service.get("/api/v1/runs/run-1/positions?limit=2")
    assert positions["total"] == 30
    assert len(positions["positions"]) == 2
    until(lambda: service.run("run-1")["mails"][0]["state"] == "sent")

    # The robot had more after all.
    robot.send(make_batch("run-1", 3, 200))
    until(lambda: service.run("run-1")["revision"] == 1)
    robot.end("run-1", readings=4, poses=1)
    run = service.wait_state("run-1", REPORTED)
    assert run["late_data"]
    assert run["readings_stored"] == 800
    second = mail_of(mails)
    assert second["Message-ID"] != mail["Message-ID"]
    assert [m["kind"] for m in service.run("run-1")["mails"]] == ["report", "update-1"]


def test_a_robot_killed_for_good_ends_in_a_mail_that_says_so(life):
    service, robot, mails = life
    send_scan(robot)
    robot.close()
    run = service.wait_state("run-1", REPORTED)
    assert not run["complete"]
    assert "silent" in run["events"][1]["reason"]
    text = text_of(mail_of(mails))
    assert "silent" in text
    assert "3 batches of readings came (600 rows)" in text
    assert (service.data / "runs" / "run-1" / "positions.parquet").is_file(), "what was scanned is worked out"


def test_the_last_will_closes_sooner_and_batches_that_did_not_come_are_said(life):
    service, robot, mails = life
    send_scan(robot)
    robot.end("run-1", readings=5, poses=1)
    robot.status("offline", "run-1")
    run = service.wait_state("run-1", REPORTED)
    assert "gone" in run["events"][1]["reason"]
    assert run["missing"]["readings"]["gaps"] == [3, 4]
    assert "3 of 5" in text_of(mail_of(mails))


def test_a_killed_worker_is_replaced(life):
    service, robot, mails = life
    send_scan(robot)
    robot.end("run-1", readings=3, poses=1)
    os.kill(until(lambda: worker_of(service)), signal.SIGKILL)
    run = service.wait_state("run-1", REPORTED)
    assert states(run).count("localizing") == 2
    assert run["job"]["attempts"] == 2
    mail_of(mails)
    assert mails.attempts == 1


def test_a_service_killed_with_its_worker_takes_the_job_again(life):
    service, robot, mails = life
    send_scan(robot)
    robot.end("run-1", readings=3, poses=1)
    worker = until(lambda: worker_of(service))
    service.kill()
    # An orphan must not go on writing beside its successor.
    until(lambda: not alive(worker))
    service.start()
    run = service.wait_state("run-1", REPORTED)
    assert "taken over" in [e for e in run["events"] if e["state"] == "localizing"][-1]["reason"]
    mail_of(mails)


def test_a_run_that_cannot_be_worked_out_fails_with_its_reason_and_a_mail(life):
    service, robot, mails = life
    robot.begin(make_info("no-poses"))
    robot.spool(make_batch("no-poses", 0, 50))
    robot.push_until_stored()
    robot.end("no-poses", readings=1)
    robot.spool(make_batch("no-info", 0, 50))
    robot.push_until_stored()
    robot.end("no-info", readings=1)
    run = service.wait_state("no-poses", "failed")
    assert "no poses" in run["reason"]
    assert run["job"]["attempts"] == 1
    run = service.wait_state("no-info", "failed")
    assert "run.json never came" in run["reason"]
    texts = [text_of(mail_of(mails)) for _ in range(2)]
    assert any("no poses" in text for text in texts)
    assert any("run.json never came" in text for text in texts)
    # run.json comes late: the run is worked out again.
    robot.begin(make_info("no-info"))
    until(lambda: service.run("no-info")["revision"] == 1)
    assert "no poses" in service.wait_state("no-info", "failed")["reason"]


def test_a_service_killed_before_its_letters_are_written_writes_them_after_the_restart_once(life):
    service, robot, mails = life
    send_scan(robot)
    robot.end("run-1", readings=3, poses=1)
    service.wait_state("run-1", REPORTED)
    service.kill()
    planned = mails.attempts
    service.start()
    mail_of(mails)
    until(lambda: service.run("run-1")["mails"][0]["state"] == "sent")
    assert [letter["state"] for letter in service.run("run-1")["letters"]] == ["posted"]
    assert (planned, mails.attempts) == (0, 1), "it was killed while the letter was still to be written"


def test_mail_that_comes_back_is_on_the_page_and_in_the_next_mail_to_the_others(
    make_service, make_robot, mail_server, tmp_path
):
    box = mailbox.Maildir(tmp_path / "Maildir")
    service = make_service(
        recipients=["staff@library.example", "moved@library.example"],
        smtp={"host": "127.0.0.1", "port": mail_server.port},
        bounces=str(tmp_path / "Maildir"),
        bounce_address="back@library.example",
    )
    service.start()
    robot = make_robot(service.broker)
    send_scan(robot)
    robot.end("run-1", readings=3, poses=1)
    first = {mail["To"]: mail for mail in (mail_of(mail_server), mail_of(mail_server))}
    box.add(notice(first["moved@library.example"]["Message-ID"], "moved@library.example"))
    told = until(lambda: service.get("/api/v1/mail")["undelivered"])
    assert [(t["recipient"], t["what"]) for t in told] == [("moved@library.example", "bounced")]
    assert service.get("/healthz")["undelivered"] == 1
    with urllib.request.urlopen(service.http + "/") as page:
        assert b"no such mailbox here" in page.read()
    send_scan(robot, "run-2")
    robot.end("run-2", readings=3, poses=1)
    second = {mail["To"]: text_of(mail) for mail in (mail_of(mail_server), mail_of(mail_server))}
    assert "The last mail to moved@library.example came back" in second["staff@library.example"]
