"""Make an installation as an older Nightstack left it: run with that version's code on the path.

``git worktree add ../old f81984d; HERE=tests/data/installation_f81984d; PYTHONPATH=../old python $HERE/make.py $HERE``
makes the database (SQLite), the files of its nights (ledger: JSON, memory: Parquet) and a ledger of the command line.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import numpy as np

from cloud_ingest import casebook
from reports.memory import Memory
from tests.cloud_ingest.test_nights import Office, S

NIGHT = 1_770_000_000 * S


def memory() -> Memory:
    """Return what nights taught of two copies."""
    texts = {"barcode": ["b-a", "b-b"], "epc": ["E1", "E2"], "heard_shelf": ["A-1", ""]}
    times = {"at": [NIGHT, NIGHT], "heard_at": [NIGHT, 0]}
    numbers = {"p_here": [0.9, 0.2], "p_dead": [0.0, 0.1], "p_away": [0.1, 0.1], "p_gone": [0.0, 0.6]}
    numbers |= {"heard": [3, 0], "missed": [0, 0], "silent": [0, 2], "strength": [0.1, float("nan")]}
    numbers |= {"heard_m": [0.4, float("nan")], "wrong": [0.0, 0.0]}
    return Memory(
        **{name: np.array(of, object) for name, of in texts.items()},
        **{name: np.array(of, "i8") for name, of in times.items()},
        **{name: np.array(of, "f4") for name, of in numbers.items()},
    )


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        office = Office(Path(folder) / "data", None)
        taught = Path(folder) / "memory.parquet"
        memory().to_parquet(taught)
        for night, names in enumerate((("a", "b"), ("c",))):
            run = f"run-{night + 1}"
            office.close_run(run, 24 * night)
            office.end(run, office.begin(run), names, taught.read_bytes())
        office.act("a", "reshelved")
        with office.database.write() as session:
            casebook.mark_mailed(session, "site", ["b"], office.now)
        ledger = office.ledger()
        (out / "cases.json").write_text(json.dumps(ledger.to_json(), indent=1))
        office.database.close()
        data = office.settings.data
        (out / "nightstack.db").unlink(missing_ok=True)
        with sqlite3.connect(data / "nightstack.db") as db:
            db.execute(f"VACUUM INTO '{out / 'nightstack.db'}'")
        shutil.rmtree(out / "nights", ignore_errors=True)
        shutil.copytree(data / "sites" / "site" / "nights", out / "nights")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
