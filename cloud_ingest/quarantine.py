"""Where messages go that cannot be stored: one row each with its reason, and the payload as a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud_ingest.messages import Arrival, Rejected
from cloud_ingest.models import QuarantineRow
from cloud_ingest.texts import one_line
from recording.files import sync

_LONGEST_TEXT = 1000
_TRIM_EVERY = 64  # bounds are checked after so many new rows, not for each


class Quarantine:
    """Puts messages aside, bounded in number and size; the oldest goes first.

    Parameters
    ----------
    data
        The data folder; payloads are kept in ``DATA/quarantine``.
    max_files, max_bytes
        Bounds of what is kept.
    """

    def __init__(self, data: Path, max_files: int, max_bytes: int) -> None:
        self._data = data
        self._folder = data / "quarantine"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._since_trim = _TRIM_EVERY

    def put(self, session: Session, arrival: Arrival, why: Rejected) -> bool:
        """Write row and payload in the caller's transaction; the same message again only counts up: then False."""
        topic = one_line(arrival.topic, _LONGEST_TEXT)
        fingerprint = hashlib.sha256(
            arrival.topic.encode("utf-8", "replace") + b"\0" + arrival.payload
        ).hexdigest()
        row = session.scalar(select(QuarantineRow).where(QuarantineRow.fingerprint == fingerprint))
        if row is not None:
            row.times += 1
            row.last_at = arrival.at
            return False
        name = f"{fingerprint[:32]}.bin"
        kept = self._keep(name, arrival.payload)
        session.add(
            QuarantineRow(
                at=arrival.at,
                last_at=arrival.at,
                times=1,
                topic=topic,
                reason=one_line(why.reason, _LONGEST_TEXT),
                site=why.site,
                run_id=why.run_id,
                kind=why.kind,
                seq=why.seq,
                size=len(arrival.payload),
                fingerprint=fingerprint,
                file=f"quarantine/{name}" if kept else None,
            )
        )
        session.flush()
        self._since_trim += 1
        if self._since_trim >= _TRIM_EVERY:
            self._since_trim = 0
            self._trim(session)
        return True

    def _keep(self, name: str, payload: bytes) -> bool:
        if len(payload) > self._max_bytes:
            return False
        # Evidence, not data: a payload lost with the power is a lesser evil than a sync for each bad message.
        temporary = self._folder / f".{name}.tmp"
        temporary.write_bytes(payload)
        temporary.replace(self._folder / name)
        return True

    def _trim(self, session: Session) -> None:
        count = session.scalar(select(func.count()).select_from(QuarantineRow)) or 0
        kept = select(func.coalesce(func.sum(QuarantineRow.size), 0)).where(QuarantineRow.file.is_not(None))
        size = int(session.scalar(kept) or 0)
        if count <= self._max_files and size <= self._max_bytes:
            return
        for row in session.scalars(select(QuarantineRow).order_by(QuarantineRow.id)):
            # A tenth of room is made at once, so that a flood does not trim at every message.
            if count <= 0.9 * self._max_files and size <= 0.9 * self._max_bytes:
                break
            if row.file is not None:
                (self._data / row.file).unlink(missing_ok=True)
                size -= row.size
            count -= 1
            session.delete(row)
        session.flush()
        sync(self._folder)
