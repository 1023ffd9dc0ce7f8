"""A site whose records have no tag numbers: its nights and its letters know the copies that tags' memories name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np

from cloud_ingest.compose_tasks import ComposeTask
from cloud_ingest.composing import night_of
from cloud_ingest.findings_json import write_findings
from cloud_ingest.night_work import judge
from cloud_ingest.tasks import ENDED, NightTask
from localization.positions import write_coverage, write_positions
from recording import NOT_READ, TagMemories, write_recording
from reports.ledger import Ledger
from reports.tag_contents import contents_of
from stacks.holdings import write_holdings
from stacks.plan import write_plan
from stacks.tag_data import SecurityPolicy, encode_fixed
from tests.recording.making import START, recording
from tests.reports.conftest import make_world

S = 1_000_000_000
AT = int(datetime(2026, 11, 22, 17, 30, tzinfo=UTC).timestamp()) * S


def hf_world():
    """A library of HF tags that no record knows, and what was read of them; one is another library's."""
    world, memory = make_world(), []
    for n, row in enumerate(list(world.rows)):
        uid = f"E00401{n:010X}"
        world.stands[uid] = world.stands.pop(row.epc)
        world.change(row.epc, epc="")
        memory.append((uid, encode_fixed(row.barcode, "DE-18" if n == 5 else "DE-705")))
    n = len(memory)
    unread = np.full(n, NOT_READ, np.int16)
    made = TagMemories(
        t=START + np.arange(n, dtype=np.int64),
        epc=np.array([uid for uid, _ in memory], object),
        antenna=np.full(n, recording().info.antennas[0].id, np.uint8),
        afi=np.full(n, 0x07, np.int16),
        eas=unread,
        dsfid=unread,
        memory=np.array([m for _, m in memory], object),
        block_bytes=np.full(n, 4, np.uint8),
    )
    return world, made


def night(folder, world, memories, **tags):
    (folder / "ledger.json").write_text(json.dumps(Ledger(site="site").to_json()))
    task = SimpleNamespace(
        night=NightTask("ledger.json", None, 0, None, AT + 60 * S, tags=tags), data=str(folder), holdings=None,
        holdings_now=None, inventory=False, facts={"time_zone": "UTC"}, lists=[],
    )  # fmt: skip
    notes: list[str] = []
    contents = contents_of(memories, SecurityPolicy())
    parts = world.positions(), world.coverage(), world.plan, world.holdings()
    return judge(task, "run-1", AT, *parts, notes, folder, contents), notes  # type: ignore[arg-type]


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


def test_letters_count_the_copies_that_memories_name(tmp_path):
    world, memories = hf_world()
    made = recording()
    folder = tmp_path / "run"
    folder.mkdir()
    write_recording(folder / "recording", replace(made, tag_memories=memories))
    write_positions(folder / "positions.parquet", world.positions())
    write_coverage(folder / "coverage.parquet", world.coverage())
    write_findings(folder, [])
    (folder / ENDED).write_text(json.dumps({"ended_at": AT, "tags": {"owners": ["DE-705", "DE-18"]}}))
    write_plan(tmp_path / "plan.json", world.plan)
    write_holdings(tmp_path / "holdings.csv", world.holdings())
    task = ComposeTask(
        run_id=made.info.run_id, site="site", info=made.info.to_json(), folder=str(folder), work=str(tmp_path),
        plan=str(tmp_path / "plan.json"), holdings=str(tmp_path / "holdings.csv"), ledger=None, link="",
        sender="", time_zone="UTC", ils={}, recheck_s=1.0, attachment_bytes=0, now=AT, letters=[],
    )  # fmt: skip
    summary = night_of(task).report.summary
    assert (summary.expected, summary.expected_heard) == (144, 144)
