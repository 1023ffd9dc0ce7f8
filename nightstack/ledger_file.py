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
from typing import TYPE_CHECKING, Any

from nightstack.errors import InputError
from nightstack.ledger_cases import case_id
from recording.files import replacing

if TYPE_CHECKING:
    from reports.ledger import Ledger
    from reports.memory import Memory

_MAX_BYTES = 1 << 30


def read_ledger(file: Path, site: str | None = None) -> Ledger:
    """Return the ledger of a file; a new one where there is none. None: of whatever site it is.

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
        return Ledger(site=site or "")
    except (OSError, ValueError, RecursionError) as e:
        raise InputError(f"{file}: cannot be read as a ledger ({e}); name another with --ledger") from None
    ledger = Ledger.from_json(obj, str(file))
    if site is None:
        return ledger
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


def record(
    ledger: Ledger, acts: list[str], minutes: float | None, who: str, at: datetime
) -> tuple[Ledger, dict[str, Any], str]:
    """Record what staff did and how long their list took: all of it, or nothing.

    Returns
    -------
    ledger : Ledger
    told : dict
        What was recorded, for a program; empty where nothing was given.
    said : str
        The same for people; empty where nothing was given.

    Raises
    ------
    InputError
        Something of it cannot be; that nothing was recorded is said.
    """
    from recording.words import counted
    from reports.ledger import LedgerError, took

    if not acts and minutes is None:
        return ledger, {}, ""
    told: dict[str, Any] = {"who": who.strip()}
    parts: list[str] = []
    try:
        after = record_acts(ledger, acts, who, at)
        if acts:
            told["cases"] = len({case_id(ledger, _named(given)) for given in acts})
            parts.append(counted(told["cases"], "case"))
        if minutes is not None:
            try:
                after = took(after, minutes, who=who, at=at)
            except LedgerError as error:
                raise InputError(_which_list(ledger, at) or str(error)) from None
            told |= {"minutes": minutes, "lines": len(after.mornings[-1].lines)}
            parts.append(f"{minutes:g} minutes for {counted(told['lines'], 'line')}")
    except (InputError, LedgerError) as error:
        raise InputError(f"{error} (nothing was recorded)") from None
    return after, told, f"recorded: {'; '.join(parts)}, by {told['who']}"


def _which_list(ledger: Ledger, at: datetime) -> str:
    """Say which list is the last, where the time given is not of its morning; empty where it is, or there is none."""
    last = max((c.mailed_at for c in ledger.cases.values() if c.mailed_at), default=None)
    if last is None or last <= at <= last + timedelta(hours=20):
        return ""
    morning = (last + timedelta(hours=10)).isoformat(timespec="minutes")
    return (
        f"--took: the last list is that of {last:%Y-%m-%d %H:%M %Z}, not of the 20 hours before "
        f"{at:%Y-%m-%d %H:%M %Z}; say when it was done, such as --at {morning}"
    )


def record_acts(ledger: Ledger, acts: list[str], who: str, at: datetime) -> Ledger:
    """Record what staff did, each given as ID=WHAT or BARCODE=WHAT; raises InputError and LedgerError."""
    from reports.ledger import act

    for given in acts:
        _, sep, did = given.partition("=")
        if not sep:
            raise InputError(f"--did {given}: say which case and what was done, such as f1234=reshelved")
        ledger = act(ledger, case_id(ledger, _named(given)), did.strip(), who=who, at=at)
    return ledger


def _named(given: str) -> str:
    return given.partition("=")[0].strip()


def _escaped(stem: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)
