"""A reader that was gone for a while: the gap is an event, and what it passed meanwhile is not scanned, not missing."""

import re
from dataclasses import replace

import numpy as np

from nightstack.cli import main
from recording import Events, read_recording, write_recording
from reports.exceptions_csv import read_exceptions


def test_what_a_lost_reader_passed_is_told_as_not_scanned(recording, tmp_path):
    heard = read_recording(recording)
    activity = heard.activity
    assert activity is not None
    first, last = int(heard.readings.t.min()), int(heard.readings.t.max())
    # The cable out all along the first face: no readings, no activity, and what the driver says of it.
    out, back = first + (last - first) // 100, first + (last - first) * 3 // 5
    parts = [
        replace(activity, t_end=np.minimum(activity.t_end, out)),
        replace(activity, t_start=np.maximum(activity.t_start, back)),
    ]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name, _ in activity.columns()
    }
    listened = type(activity)(**columns)
    events = Events(
        np.array([out, back], np.int64),
        *(
            np.array(texts, object)
            for texts in (["r"] * 2, ["reader_gone", "reader_back"], ["cable", "again"])
        ),
    )
    gap = replace(
        heard,
        readings=heard.readings.select((heard.readings.t < out) | (heard.readings.t >= back)),
        activity=listened.select(listened.t_end > listened.t_start),
        events=events,
    )
    folder = tmp_path / "gap"
    write_recording(folder, gap, plan=heard.plan_path, holdings=heard.holdings_path)
    found = {}
    for name, at in (("whole", recording), ("gap", folder)):
        assert main(["exceptions", str(at)]) == 0
        found[name] = read_exceptions(at / "exceptions.csv")
    zones = [f for f in found["gap"] if f.kind == "zone_not_scanned"]
    assert not [f for f in found["whole"] if f.kind == "zone_not_scanned"]
    assert zones and all("1-R01S" in f.evidence or f.shelf_id.startswith("1-R01S") for f in zones)
    # Books of the stretch nobody scanned are not called missing.
    missing = {name: {f.barcode for f in of if f.kind == "missing"} for name, of in found.items()}
    assert len(missing["gap"] - missing["whole"]) <= 1
    assert main(["report", str(folder), "--out", str(tmp_path / "report")]) == 0
    said = " ".join((tmp_path / "report" / "report.html").read_text().split())
    assert f"Reader r was gone for {(back - out) / 1e9:.0f} s in all: cable." in said
    assert re.search(r"Face 1-R01S, .{,60} were not scanned; \d+ books expected there were not heard", said)
