"""A simulated scan through broker, store, localization, reports and mail server, with every real room."""

import csv
import email
import shutil
import sqlite3
from email import policy

from cloud_ingest.pulse import is_pulse
from nightstack.replay import replay_recording
from recording import read_recording
from sim.library import make_library
from sim.record import record


def test_a_scan_ends_as_findings_documents_and_one_mail(make_service, mail_server, tmp_path):
    library = make_library(60, 3, site="Stadtbücherei")
    library.save(tmp_path / "library")
    record(library, tmp_path / "scan")
    scan = read_recording(tmp_path / "scan")
    service = make_service(
        recipients=["staff@library.example"],
        smtp={"host": "127.0.0.1", "port": mail_server.port},
        segment_rows=500,
    )
    site = service.data / "sites" / "Stadtbücherei"
    site.mkdir(parents=True)
    for name in ("plan.json", "holdings.csv"):
        shutil.copy(tmp_path / "library" / name, site / name)
    service.start()
    played = replay_recording(scan, service.broker, speed=0, timeout_s=30, progress=lambda share, what: None)
    run = service.wait_state(played.run_id, "reported", "failed")
    assert run["state"] == "reported", run["reason"]

    # Whoever waited could see that the worker was at it, and at what.
    assert run["job"]["cpu_s"] > 0.1
    said = (service.data / "runs" / played.run_id / "job.log").read_text().splitlines()
    for step in ("assembling the recording", "registering faces", "fitting shelves", "writing the report"):
        assert any(step in line and is_pulse(line) for line in said), step

    stored = read_recording(service.data / "runs" / played.run_id / "recording")
    assert stored.readings.same_as(scan.readings)
    assert stored.poses.same_as(scan.poses)
    assert run["readings_stored"] == len(scan.readings)

    # Played again, nothing is stored again.
    replay_recording(scan, service.broker, speed=0, timeout_s=30, progress=lambda share, what: None)
    again = service.run(played.run_id)
    assert again["readings_stored"] == len(scan.readings)
    # The first acknowledgement covers the whole run, so the player need not send all of it again.
    assert again["duplicates"] <= sum(kind["stored"] for kind in run["batches"].values())
    assert again["batches"] == run["batches"]
    assert again["revision"] == 0

    with (service.data / "runs" / played.run_id / "exceptions.csv").open(encoding="utf-8") as file:
        findings = list(csv.DictReader(file))
    with sqlite3.connect(service.data / "nightstack.db") as db:
        rows = db.execute("SELECT kind, barcode FROM findings ORDER BY place").fetchall()
    db.close()
    assert findings
    assert len(rows) == len(findings)
    assert sorted({kind for kind, _ in rows}) == sorted({finding["kind"] for finding in findings})

    # Each exception has a case, once, though the scan came twice; zones and doubts are no cases to work on.
    cases = service.get("/api/v1/cases?state=all&limit=1000")
    told = {f["kind"] for f in findings} - {"zone_not_scanned"}
    assert cases["total"] == sum(f["kind"] != "zone_not_scanned" for f in findings)
    assert {case["kind"] for case in cases["cases"]} == told
    assert (service.data / "sites" / "Stadtbücherei" / "nights").is_dir()

    mail = email.message_from_bytes(mail_server.received.get(timeout=30), policy=policy.default)
    assert mail["To"] == "staff@library.example"
    assert {part.get_filename() for part in mail.iter_attachments()} >= {
        "report.pdf",
        "report.xlsx",
        "exceptions.csv",
    }
    assert mail_server.attempts == 1
