"""Read an uploaded list in a process of its own, with bounds on memory and time: whatever it is, the service stays.

``python -m cloud_ingest.list_process`` is told file, name, purpose (JSON) and prints the list, or what is wrong.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from stacks.errors import HoldingsError
from stacks.staff_lists import StaffList, read_staff_list

_MEMORY = 3 << 30
_TIME_S = 60


def read_apart(file: Path, name: str, purpose: str) -> StaffList:
    """
    Read a list as `read_staff_list` does, in a child.

    Raises
    ------
    HoldingsError
        It is no list, or reading it takes too much memory or time: one line.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cloud_ingest.list_process"],
            input=json.dumps([str(file), name, purpose]).encode(),
            capture_output=True,
            timeout=_TIME_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HoldingsError(f"{file}: takes more than {_TIME_S} s to read; save it as CSV") from None
    try:
        said = json.loads(done.stdout)
    except ValueError:  # it died
        raise HoldingsError(
            f"{file}: takes more memory than there is for a list, or cannot be read; save it as CSV"
        ) from None
    if "wrong" in said:
        raise HoldingsError(str(said["wrong"]))
    return StaffList.from_json(said)


def main() -> None:
    """Read, and say what was read."""
    file, name, purpose = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said = read_staff_list(file, name, purpose).to_json()
    except HoldingsError as error:
        said = {"wrong": str(error)}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
