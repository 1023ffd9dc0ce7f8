"""The demo from outside, and nights on which the robot dies."""

import email
import json
import shlex
from email import policy

import pyarrow.parquet as pq
import pytest

from nightstack.demo.mailbox import Mailbox
from tests.nightstack.night import Night, csv_rows, kill, nightstack, until


@pytest.fixture
def mailbox(tmp_path):
    with Mailbox(tmp_path / "mail") as box:
        yield box


def read_mail(file):
    return email.message_from_bytes(file.read_bytes(), policy=policy.default)


def text_of(mail):
    return mail.get_body(preferencelist=("plain",)).get_content()


def test_the_demo_leaves_what_it_promises(tmp_path):
    out = tmp_path / "demo"
    real = tmp_path / "another disk"
    real.mkdir()
    (real / ".nightstack-demo").write_text("")
    (real / "old").mkdir()
    out.symlink_to(real)
    ran = nightstack("demo", "--out", out, "--books", 150, "--seed", 5)
    assert ran.returncode == 0, ran.stderr
    assert "missing" in ran.stdout
    assert not (out / "old").exists(), "an earlier demo is replaced, also behind a link"
    for name in ("report.pdf", "report.html", "report.xlsx", "exceptions.csv", "positions.parquet"):
        assert (out / name).stat().st_size > 0
    board = json.loads((out / "scoreboard.json").read_text())
    stored = pq.read_metadata(out / "recording" / "readings.parquet").num_rows
    assert board["readings_sent"] == board["readings_stored"] == stored > 1000
    assert board["position_error_median_cm"] < board["position_error_p90_cm"]
    planted_kinds = {"missing", "wrong_shelf", "wrong_order", "on_shelf_loaned", "unknown_tag"}
    assert set(board["kinds"]) >= planted_kinds | {"low_confidence"}
    assert set(board["kinds"]) >= {row["kind"] for row in csv_rows(out / "exceptions.csv")}
    # The figures are those of the files beside it, counted here once more.
    for kind, score in board["kinds"].items():
        planted, reported = (
            {row["epc"] or row["barcode"] for row in csv_rows(out / name) if row["kind"] == kind}
            for name in ("library/planted.csv", "exceptions.csv")
        )
        assert score["planted"] == len(planted)
        assert score["reported"] == len(reported)
        assert score["found"] == len(planted & reported)
    # What one may do next is said, and works.
    localize, evaluate = (
        shlex.split(line)[1:] for line in ran.stdout.splitlines() if line.startswith("  nightstack")
    )
    placed = nightstack(*localize)
    assert placed.returncode == 0, placed.stderr
    assert "the right plan" not in placed.stderr
    steps = [line for line in placed.stderr.splitlines() if line.startswith("localize: ")]
    for step in (
        "registering faces",
        "fitting phases",
        "fitting shelves",
        "asking the uprights",
        "mapping what was",
    ):
        assert any(step in line for line in steps), step
    judged = nightstack(*evaluate)
    assert judged.returncode == 0, judged.stderr
    mail = read_mail(out / "mail" / "mail-1.eml")
    assert mail["To"] == "circulation@demo.example"
    attached = {part.get_filename() for part in mail.iter_attachments()}
    assert {"report.pdf", "exceptions.csv"} <= attached


def test_a_killed_agent_goes_on_where_it_was(library, tmp_path, mailbox):
    night = Night(tmp_path, library, mailbox)
    try:
        night.serve()
        night.world()
        robot = night.robot()
        for least in (300, 1500):
            until(
                lambda n=least: (run := night.run()) and run["readings_stored"] >= n,
                60,
                f"{least} readings stored",
            )
            kill(robot)
            robot = night.robot()
        run = night.stored_in("reported")
        robot.wait_for("finished", 60)
        assert robot.process.wait(30) == 0, robot.log.read_text()
        assert len(night.runs()) == 1, "the run was resumed, not begun anew"
        table = pq.read_table(night.data / "runs" / run["run_id"] / "recording" / "readings.parquet")
        assert table.num_rows == run["readings_stored"] > 2000
        unique = table.group_by(table.column_names).aggregate([([], "count_all")])
        assert unique.num_rows == table.num_rows, "no reading is there twice"
        for kind, counts in run["batches"].items():
            assert counts["stored"] == counts["announced"], f"{kind}: every batch that was spooled is stored"
        assert mailbox.wait(30) is not None
    finally:
        night.close()


def test_a_robot_killed_for_good_ends_in_a_mail_that_says_so(library, tmp_path, mailbox):
    night = Night(tmp_path, library, mailbox, silence_s=4, offline_s=2)
    try:
        night.serve()
        night.world()
        robot = night.robot()
        until(lambda: (run := night.run()) and run["readings_stored"] >= 1000, 60, "1000 readings stored")
        kill(robot)
        run = night.stored_in("reported")
        mail = read_mail(mailbox.wait(30))
        text = text_of(mail).lower()
        assert "robot" in text
        assert any(
            word in text for word in ("silent", "stopped", "aborted", "not finished", "did not finish")
        )
        folder = night.data / "runs" / run["run_id"]
        # What was scanned is reported, what was not is no list of missing books.
        assert pq.read_metadata(folder / "positions.parquet").num_rows > 20
        rows = csv_rows(folder / "exceptions.csv")
        assert any(row["kind"] == "zone_not_scanned" for row in rows)
        assert sum(row["kind"] == "missing" for row in rows) < 20
        # The report made again still says so.
        again = nightstack("report", run["run_id"], "--data", night.data, "--out", tmp_path / "again")
        assert again.returncode == 0, again.stderr
        page = (tmp_path / "again" / "report.html").read_text()
        assert "did not finish its route" in page
    finally:
        night.close()
