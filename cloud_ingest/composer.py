"""Letters that are due become mails: a child process writes them, one transaction puts them into the outbox.

That transaction also closes the letters and marks the cases they show. What dies before it has changed nothing: the
letters are still planned and are written again. A letter that cannot be written is tried `_TRIES` times; then a short
mail says that the report is done and where it is, so that bad luck never ends in silence.
"""

from __future__ import annotations

import email
import json
import logging
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from cloud_ingest import casebook, outbox
from cloud_ingest.compose_tasks import WRITTEN, ComposeTask, LetterTask, Written, read_all
from cloud_ingest.database import Database
from cloud_ingest.expected import HOLDINGS, PLAN
from cloud_ingest.job_results import run_end, stored_facts
from cloud_ingest.letters import PLANNED, POSTED, due_letters, is_failure, supersede
from cloud_ingest.mail_text import M
from cloud_ingest.mails import MAIL_POLICY, failed_mail, plain_mail
from cloud_ingest.models import Letter, NightRow, Run
from cloud_ingest.paths import letter_folder, run_folder, snapshot_folder
from cloud_ingest.settings import ServeSettings
from cloud_ingest.sites import Recipient
from cloud_ingest.tasks import ENDED
from cloud_ingest.texts import one_line
from cloud_ingest.trouble import undelivered

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
_TRIES = 3
_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Batch:
    """Letters of one run that are written together."""

    run: Run
    letters: Sequence[Letter]
    task: ComposeTask | None  # None: there is nothing but their reason to tell


class Composer:
    """Writes what is due; `tick` is called every half second or so, by one process at a time.

    Parameters
    ----------
    database, settings
        The service's.
    base_url
        What links begin with.
    clock
        Nanoseconds UTC.
    """

    def __init__(
        self,
        database: Database,
        settings: ServeSettings,
        base_url: Callable[[], str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._settings = settings
        self._base_url = base_url
        self._clock = clock
        self._child: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the process that writes; its letters are written after the next start."""
        self._stopping.set()
        child = self._child
        if child is not None:
            child.kill()

    def tick(self) -> int:
        """Write every letter that is due.

        Returns
        -------
        int
            Mails put into the outbox.
        """
        now = self._clock()
        with self._database.read() as session:
            if not due_letters(session, now):
                return 0
        with self._database.write() as session:
            supersede(session, now)
        posted = 0
        for batch in self._batches(now):
            if self._stopping.is_set():
                break
            try:
                posted += self._post(batch)
            except Exception:  # one run's trouble must not keep back the mails about another
                _LOG.exception("letters about run %s cannot be written; trying again", batch.run.run_id)
                self._note(batch.letters, "unforeseen, see the service's log")
        return posted

    def _batches(self, now: int) -> list[_Batch]:
        """Gather what is due, run by run, and count the try: a letter that kills us must not be tried for ever."""
        groups: dict[tuple[str, bool], list[Letter]] = defaultdict(list)
        with self._database.write() as session:
            for letter in due_letters(session, now):
                letter.attempts += 1
                letter.not_before = now + int(_PAUSE_S * _NS) * letter.attempts
                groups[letter.run_id, is_failure(letter)].append(letter)
        made: list[_Batch] = []
        with self._database.read() as session:
            for (run_id, _), letters in groups.items():
                run = session.get_one(Run, run_id)
                made.append(_Batch(run, letters, self._task(session, run, letters, now)))
        return made

    def _task(self, session: Session, run: Run, letters: Sequence[Letter], now: int) -> ComposeTask | None:
        settings = self._settings
        folder = run_folder(settings.data, run.run_id).absolute()
        written = [letter for letter in letters if letter.attempts <= _TRIES]
        if not written or run.info is None or not _has_report(folder, letters[0]):
            return None
        site = settings.site(run.site)
        expected = snapshot_folder(settings.data, run.run_id).absolute()
        night = session.get(NightRow, run.run_id)
        # A second look at a library system that took our time away is not worth another try.
        patient = all(letter.attempts < _TRIES for letter in written)
        lost = undelivered(session, now, run.site)
        return ComposeTask(
            run_id=run.run_id,
            site=run.site,
            info=run.info,
            folder=str(folder),
            work=str(folder / ".letters"),
            plan=_if_there(expected / PLAN),
            holdings=_if_there(expected / HOLDINGS),
            # Of a run that failed it is only counted what earlier nights left open.
            ledger=str(folder / ".cases.json") if night is not None or is_failure(letters[0]) else None,
            link=self._link(run),
            sender=settings.sender,
            time_zone=site.time_zone or "UTC",
            ils=dict(site.ils) if patient else {},
            recheck_s=settings.recheck_s,
            attachment_bytes=settings.attachment_bytes,
            now=now,
            pace=asdict(site.pace),
            letters=[
                LetterTask(
                    letter.id,
                    who.address,
                    who.language,
                    list(who.floors),
                    list(who.kinds),
                    who.minutes,
                    str(letter_folder(settings.data, run.run_id, letter.kind, who.address).absolute()),
                    [(u.recipient, u.what, u.error) for u in lost if u.recipient != who.address],
                )
                for letter in written
                for who in (_who(settings, letter),)
            ],
        )

    def _post(self, batch: _Batch) -> int:
        """Write the letters of one run and put them into the outbox."""
        written: dict[int, tuple[EmailMessage, Written | None]] = {}
        if batch.task is not None:
            failed = self._write(batch.task)
            if failed is not None:
                _LOG.error("letters about run %s: %s", batch.run.run_id, failed)
                self._note(batch.letters, failed)
                return 0
            for letter in read_all((Path(batch.task.work) / WRITTEN).read_text(encoding="utf-8")):
                content = (Path(batch.task.work) / letter.file).read_bytes()
                written[letter.id] = (email.message_from_bytes(content, policy=MAIL_POLICY), letter)
        with self._database.read() as session:
            for letter in batch.letters:
                if letter.id not in written:
                    written[letter.id] = (self._short(session, batch.run, letter), None)
        posted = self._commit(batch, written)
        if batch.task is not None:
            shutil.rmtree(batch.task.work, ignore_errors=True)
            if batch.task.ledger is not None:
                Path(batch.task.ledger).unlink(missing_ok=True)
        return posted

    def _commit(self, batch: _Batch, written: dict[int, tuple[EmailMessage, Written | None]]) -> int:
        now = self._clock()
        posted = 0
        shown: set[str] = set()
        with self._database.write() as session:
            for letter_id, (mail, told) in written.items():
                letter = session.get_one(Letter, letter_id, with_for_update=True)
                if letter.state != PLANNED:
                    continue
                posted += outbox.put(
                    session,
                    about=f"run:{letter.run_id}",
                    report_kind=letter.kind,
                    site=letter.site,
                    run_id=letter.run_id,
                    recipient=letter.recipient,
                    sender=self._settings.sender,
                    mail=mail,
                    at=now,
                )
                letter.state, letter.done_at = POSTED, now
                letter.error = one_line(told.failed) or None if told is not None else letter.error
                if told is not None:
                    shown.update(told.shown)
            if batch.task is not None and batch.task.ledger is not None:
                casebook.mark_mailed(session, batch.run.site, shown, now)
        return posted

    def _short(self, session: Session, run: Run, letter: Letter) -> EmailMessage:
        """Build a mail without the report's rooms: why a run failed, or that its mail could not be written in full."""
        link, sender, to = self._link(run), self._settings.sender, letter.recipient
        language = _who(self._settings, letter).language
        if not is_failure(letter):
            why = letter.error or ""
            return plain_mail(run.site, run.run_id, why, run.reason, link, to, sender, language)
        facts = [M.ended(run_end(session, run)), *(f"{line}." for line in stored_facts(session, run))]
        return failed_mail(run.site, run.run_id, letter.reason, facts, link, to, sender, language)

    def _write(self, task: ComposeTask) -> str | None:
        """Run the child; return what went wrong."""
        if task.ledger is not None:
            with self._database.read() as session:
                book = casebook.load(session, task.site).to_json()
            Path(task.ledger).write_text(json.dumps(book), encoding="utf-8")
        log = Path(task.folder) / "job.log"
        with log.open("ab") as errors:
            child = self._child = subprocess.Popen(
                [sys.executable, "-m", "cloud_ingest.compose_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        timer = threading.Timer(self._settings.compose_timeout_s, child.kill)
        timer.start()
        try:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(task.to_json() + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late = not timer.is_alive()
            timer.cancel()
            child.kill()
            status = child.wait()
            self._child = None
            _close(child.stdin, child.stdout)
        said: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
        if said.get("done"):
            return None
        if late:
            return f"it took longer than compose_timeout_s ({self._settings.compose_timeout_s:.0f} s)"
        return str(said.get("failed") or f"the process that writes mails ended early ({status}); see job.log")

    def _note(self, letters: Sequence[Letter], line: str) -> None:
        if self._stopping.is_set():
            return
        with self._database.write() as session:
            for letter in letters:
                session.get_one(Letter, letter.id).error = one_line(line)

    def _link(self, run: Run) -> str:
        return f"{self._base_url()}/runs/{run.run_id}"


def _has_report(folder: Path, letter: Letter) -> bool:
    """Whether a worker got as far as a report about what the letter tells of."""
    try:
        ended = json.loads((folder / ENDED).read_bytes())
    except (OSError, ValueError):
        return False
    return "state" in ended and (ended["state"] == "failed") == is_failure(letter)


def _who(settings: ServeSettings, letter: Letter) -> Recipient:
    """Return whose letter it is; one who has been taken out of the settings since still gets what was planned."""
    for who in settings.site(letter.site).recipients:
        if who.address == letter.recipient:
            return who
    return Recipient(letter.recipient)


def _close(*pipes: Any) -> None:
    for pipe in pipes:
        try:
            pipe.close()
        except OSError:  # the child died with something still unsent
            continue


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None
