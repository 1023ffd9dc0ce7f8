"""A site whose records have no tag numbers: its nights and its letters know the copies that tags' memories name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cloud_ingest.compose_tasks import ComposeTask
from cloud_ingest.composing import night_of
from cloud_ingest.findings_json import write_findings
from cloud_ingest.models import Job, Run
from cloud_ingest.night_work import judge
from cloud_ingest.nights import ready_night
from cloud_ingest.remembered_tags import KNOWN, write_remembered
from cloud_ingest.tasks import ENDED, NightTask, Task
from localization.positions import write_coverage, write_positions
from recording import write_recording
from reports.ledger import Ledger
from reports.tag_contents import contents_of
from stacks.holdings import write_holdings
from stacks.plan import write_plan
from stacks.tag_data import SecurityPolicy, encode_fixed
from tests.cloud_ingest.test_nights import Office
from tests.recording.making import recording, tag_memories
from tests.reports.conftest import make_world

S = 1_000_000_000
AT = int(datetime(2026, 11, 22, 17, 30, tzinfo=UTC).timestamp()) * S


def hf_world(foreign=5, **size):
    """A library of HF tags that no record knows, and what was read of them; one is another library's."""
    world, memory = make_world(**size), []
    for n, row in enumerate(list(world.rows)):
        uid = f"E00401{n:010X}"
        world.stands[uid] = world.stands.pop(row.epc)
        world.change(row.epc, epc="")
        memory.append((uid, encode_fixed(row.barcode, "DE-18" if n == foreign else "DE-705")))
    return world, tag_memories(*zip(*memory, strict=True), afi=0x07)


def night(folder, world, memories, **tags):
    (folder / "ledger.json").write_text(json.dumps(Ledger(site="site").to_json()))
    task = Task(
        run_id="run-1", site="site", revision=0, info=None, segments={}, folder=str(folder), work=str(folder),
        plan=None, holdings=None, calibration=None, jobs=1, data=str(folder), base_url="",
        night=NightTask("ledger.json", None, 0, None, AT + 60 * S, tags=tags), facts={"time_zone": "UTC"},
    )  # fmt: skip
    notes: list[str] = []
    contents = contents_of(memories, SecurityPolicy())
    parts = world.positions(), world.coverage(), world.plan, world.holdings()
    return judge(task, "run-1", AT, *parts, notes, folder, contents), notes


def test_a_site_that_names_no_owner_learns_it_from_the_tags_of_its_copies(tmp_path):
    world, memories = hf_world()
    judged, notes = night(tmp_path, world, memories)
    gone, foreign = judged.findings
    assert (foreign.kind, gone.kind) == ("unknown_tag", "missing")
    assert "It belongs to DE-18" in foreign.evidence
    assert notes == []
    both, _ = night(tmp_path, world, memories, owners=["DE-705", "de-18"])
    assert both.findings == []


def test_tags_whose_memory_was_not_read_are_counted_in_a_note(tmp_path):
    world, memories = hf_world()
    rows = [n for n in range(len(memories)) if n not in (5, 30)]
    judged, notes = night(tmp_path, world, memories.select(rows))
    assert judged.findings == []
    assert [note[:43] for note in notes] == ["Of 2 tags heard the memory was not read, so"]


class HfOffice(Office):
    """Runs judged as a worker judges them, and stored as the service stores them."""

    def judged(self, run_id, hours, world, memories):
        self.close_run(run_id, hours)
        task, job_id = self.begin(run_id)
        work, notes = Path(task.work), []
        work.mkdir(parents=True)
        parts = world.positions(), world.coverage(), world.plan, world.holdings()
        contents = contents_of(memories, SecurityPolicy())
        judged = judge(task, run_id, self.now, *parts, notes, work, contents)
        with self.database.read() as session:
            run, job = session.get(Run, run_id), session.get(Job, job_id)
            ready = ready_night(session, self.settings, run, job, task.night, judged.night, work)
        self.store_night(run_id, (task, job_id), ready)
        return judged, [note for note in notes if "the memory was not read" in note]


def test_what_a_third_of_the_tags_says_each_night_is_known_on_the_nights_after(tmp_path):
    world, memories = hf_world(foreign=-1, bays=8, levels=6, faces=("A", "B"), per_shelf=14)
    rng, office = np.random.default_rng(7), HfOffice(tmp_path / "data", None)
    rows = rng.choice(len(memories), 14, replace=False).tolist()
    gone = {world.rows[n].barcode for n in rows}
    for n in rows:
        del world.stands[str(memories.epc[n])]
    heard, told, counts = np.setdiff1d(np.arange(len(memories)), rows), [], []
    for night in range(3):
        read = np.sort(rng.choice(heard, len(heard) // 3, replace=False))
        judged, notes = office.judged(f"run-{night}", 24 * night, world, memories.select(read))
        counts += [int(note.split()[1]) for note in notes]
        told.append({f.barcode for f in judged.findings})
        assert told[-1] <= gone
        assert {f.kind for f in judged.findings} <= {"missing"}
    assert len(told[0]) < 7 <= len(told[2])
    assert [round(n / len(heard), 1) for n in counts] == [0.7, 0.4, 0.3]
    # The last night is worked out again, and knows the nights before and not itself.
    office.again("run-2")
    again, (note,) = office.judged("run-2", 49, world, memories.select([]))
    assert int(note.split()[1]) == counts[1]
    assert {f.barcode for f in again.findings} <= gone
    office.database.close()


def test_letters_count_the_copies_that_former_nights_read(tmp_path):
    world, memories = hf_world(foreign=-1)
    office = HfOffice(tmp_path / "data", None)
    office.judged("run-1", 0, world, memories)
    second, notes = office.judged("run-2", 24, world, memories.select([]))
    assert (second.findings, notes) == ([], [])
    folder = tmp_path / "run"
    task = letter_task(tmp_path, folder, world, memories.select([]), [])
    write_remembered(folder, second.remembered)
    summary = night_of(task).report.summary
    assert (summary.expected, summary.expected_heard) == (144, 144)
    write_remembered(folder, None)
    assert not (folder / KNOWN).exists()
    assert night_of(task).report.summary.expected_heard == 0
    office.database.close()


def test_letters_count_the_copies_that_memories_name(tmp_path):
    world, memories = hf_world()
    task = letter_task(tmp_path, tmp_path / "run", world, memories, ["DE-705", "DE-18"])
    summary = night_of(task).report.summary
    assert (summary.expected, summary.expected_heard) == (144, 144)


def letter_task(tmp_path, folder, world, memories, owners):
    made = recording()
    folder.mkdir()
    write_recording(folder / "recording", replace(made, tag_memories=memories))
    write_positions(folder / "positions.parquet", world.positions())
    write_coverage(folder / "coverage.parquet", world.coverage())
    write_findings(folder, [])
    (folder / ENDED).write_text(json.dumps({"ended_at": AT, "tags": {"owners": owners}}))
    write_plan(tmp_path / "plan.json", world.plan)
    write_holdings(tmp_path / "holdings.csv", world.holdings())
    return ComposeTask(
        run_id=made.info.run_id, site="site", info=made.info.to_json(), folder=str(folder), work=str(tmp_path),
        plan=str(tmp_path / "plan.json"), holdings=str(tmp_path / "holdings.csv"), ledger=None, link="",
        sender="", time_zone="UTC", ils={}, recheck_s=1.0, attachment_bytes=0, now=AT, letters=[],
    )  # fmt: skip
