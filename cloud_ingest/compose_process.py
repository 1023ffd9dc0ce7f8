"""The writer of letters, in a process of its own: it may use the network, to ask the library system, and no database.

Started as ``python -m cloud_ingest.compose_process`` by `cloud_ingest.composer`. One line on standard input is the
`ComposeTask`; one on standard output says how it ended; when standard input closes, the one who asked is gone and so
is this process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import traceback
from pathlib import Path

from cloud_ingest.compose_tasks import WRITTEN, ComposeTask, write_all


def main() -> int:
    """Write the letters named on standard input."""
    task = ComposeTask.from_json(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Whatever a library prints must not be taken for our line.
    lines, sys.stdout = sys.stdout, sys.stderr
    try:
        from cloud_ingest.composing import compose

        work = Path(task.work)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        letters = compose(task)
        (work / WRITTEN).write_text(write_all(letters), encoding="utf-8")
        said = {"done": True}
    except Exception as err:
        traceback.print_exc()
        said = {"failed": " ".join(f"{type(err).__name__}: {err}".split())[:500]}
    lines.write(json.dumps(said) + "\n")
    lines.flush()
    return 0


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
