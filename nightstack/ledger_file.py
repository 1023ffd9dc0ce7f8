"""A site's ledger as a file, for those who run without the service: cases as JSON, and beside it the memory of tags.

The memory's file is named after the newest run in the ledger, so that the ledger's own replacement is the one moment
at which a night counts as taken in: whatever ends the program before it leaves the night before, whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from nightstack.errors import InputError
from recording.files import replacing

if TYPE_CHECKING:
    from reports.ledger import Ledger
    from reports.memory import Memory

_MAX_BYTES = 1 << 30


def read_ledger(file: Path, site: str) -> Ledger:
    """Return the ledger of a file; a new one where there is none.

    Raises
    ------
    InputError, LedgerError
        It cannot be read, is no ledger, or is that of another site.
    """
    from reports.ledger import Ledger

    try:
        if file.stat().st_size > _MAX_BYTES:
            raise InputError(f"{file}: is larger than {_MAX_BYTES >> 20} MiB, so it is no ledger")
        obj = json.loads(file.read_bytes())
    except FileNotFoundError:
        return Ledger(site=site)
    except (OSError, ValueError, RecursionError) as e:
        raise InputError(f"{file}: cannot be read as a ledger ({e}); name another with --ledger") from None
    ledger = Ledger.from_json(obj, str(file))
    if ledger.site not in ("", site):
        raise InputError(f"{file}: is the ledger of {ledger.site}, not of {site}; name another with --ledger")
    return replace(ledger, site=site)


def read_memory(file: Path, ledger: Ledger) -> tuple[Memory | None, str]:
    """Return what the ledger's nights taught of tags, and a note where it should be there and is not."""
    from reports.memory import Memory

    if not ledger.runs:
        return None, ""
    beside = memory_file(file, ledger)
    if not beside.exists():
        return None, f"{beside} is not there; what nights taught of each tag begins anew"
    return Memory.read(beside), ""


def save(file: Path, ledger: Ledger, memory: Memory | None) -> None:
    """Write the memory of a new night, then the ledger; then the old memory goes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    keep = memory_file(file, ledger)
    if memory is not None:
        memory.to_parquet(keep)
    text = json.dumps(ledger.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    with replacing(file) as partial:
        partial.write_text(text, encoding="utf-8")
    if memory is not None:
        for old in file.parent.glob(f"{_escaped(file.stem)}.memory-*.parquet"):
            if old != keep:
                old.unlink(missing_ok=True)


def put_away(file: Path, ledger: Ledger, at: datetime, keep_days: float) -> tuple[Ledger, int]:
    """Add cases that nothing needs any more to the archive beside a ledger; return the ledger without them, how many.

    They stand in the archive before the ledger is replaced: a program that ends between the two adds them again.
    """
    from reports.ledger_archive import part
    from reports.ledger_json import case_to_json

    kept, old = part(ledger, at, timedelta(days=keep_days))
    if old:
        with archive_file(file).open("a", encoding="utf-8") as out:
            out.writelines(f"{json.dumps(case_to_json(case), ensure_ascii=False)}\n" for case in old)
            out.flush()
            os.fsync(out.fileno())
    return kept, len(old)


def archive_file(file: Path) -> Path:
    """Return where the cases of a ledger are that were put away, a line of JSON each."""
    return file.with_name(f"{file.stem}.archive.jsonl")


def memory_file(file: Path, ledger: Ledger) -> Path:
    """Return where the memory after the ledger's newest run is kept."""
    run = ledger.runs[-1] if ledger.runs else ""
    return file.with_name(f"{file.stem}.memory-{hashlib.sha256(run.encode()).hexdigest()[:12]}.parquet")


def record_acts(ledger: Ledger, acts: list[str], who: str, at: datetime) -> Ledger:
    """Record what staff did, each given as ID=WHAT or BARCODE=WHAT; raises InputError and LedgerError."""
    from reports.ledger import act

    for given in acts:
        name, sep, did = given.partition("=")
        if not sep:
            raise InputError(f"--did {given}: say which case and what was done, such as f1234=reshelved")
        ledger = act(ledger, _id(ledger, name.strip()), did.strip(), who=who, at=at)
    return ledger


def _id(ledger: Ledger, named: str) -> str:
    if not named or ledger.find(named) is not None:
        return named
    about = [case for case in ledger.cases.values() if case.finding.barcode == named]
    chosen = [case for case in about if not case.resolved] or about
    if len(chosen) > 1:
        ids = ", ".join(f"{case.id} ({case.finding.kind})" for case in chosen)
        raise InputError(f"--did {named}: this book has several cases; name one of {ids}")
    return chosen[0].id if chosen else named


def _escaped(stem: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)
