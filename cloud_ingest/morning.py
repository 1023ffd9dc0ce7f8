"""By the set hour every site has a mail, if only to say why there is no report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cloud_ingest import outbox
from cloud_ingest.database import Database
from cloud_ingest.letters import PLANNED
from cloud_ingest.mail_days import wants_mail
from cloud_ingest.mail_text import M
from cloud_ingest.mails import morning_mail
from cloud_ingest.models import FAILED, REPORTED, Letter, Morning, OutboxMail, Run, Site
from cloud_ingest.run_life import remember_site
from cloud_ingest.settings import ServeSettings

_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000


class Mornings:
    """Writes the morning's mails; `tick` is called every few seconds.

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

    def meet(self) -> None:
        """Make the sites of the settings known, so that a night without any run is noticed, too."""
        with self._database.write() as session:
            for site in self._settings.sites:
                remember_site(session, site.site, self._clock())

    def tick(self) -> None:
        """See to every site whose morning hour has come."""
        at = self._clock()
        with self._database.read() as session:
            sites = list(session.scalars(select(Site)))
            # Zones are a day apart at most.
            since = datetime.fromtimestamp(at / _NS, UTC).date() - timedelta(days=1)
            seen = select(Morning.site, Morning.date).where(Morning.date >= since.isoformat())
            done = {(site, date) for site, date in session.execute(seen)}
        for site in sites:
            zone = self._settings.site(site.site).zone
            now = datetime.fromtimestamp(at / _NS, zone)
            hour = datetime.combine(now.date(), self._settings.morning, zone)
            seen_to = (site.site, now.date().isoformat()) in done
            # Held against real time: by the clock on the wall some hours come twice, or not at all.
            if at >= _ns(hour) and not seen_to and site.first_seen < _ns(hour):
                self._see_to(site.site, hour)

    def _see_to(self, site: str, hour: datetime) -> None:
        """Write the site's mail unless a report of the last day has been written, or has its hour still before it."""
        date = hour.date().isoformat()
        since = _ns(hour - timedelta(days=1))
        now = self._clock()
        with self._database.write() as session:
            # A report that was late yesterday says nothing of the night that has just ended.
            recent = or_(Run.opened_at >= since, Run.closed_at >= _ns(hour - timedelta(hours=12)))
            sent = session.scalar(
                select(OutboxMail.id)
                .join(Run, Run.run_id == OutboxMail.run_id)
                .where(OutboxMail.site == site, OutboxMail.created_at >= since, recent)
                .limit(1)
            )
            planned = session.scalar(
                select(Letter.due_at)
                .join(Run, Run.run_id == Letter.run_id)
                .where(Letter.site == site, Letter.state == PLANNED, Letter.created_at >= since, recent)
                .order_by(Letter.due_at)
                .limit(1)
            )
            lines = self._lines(session, site, since, hour)
            recipients = self._settings.site(site).recipients
            wanting = [w for w in recipients if wants_mail(w.schedule, w.quiet_days, hour.date())]
            if sent is not None:
                outcome = "its report went out"
            elif planned is not None:
                outcome = f"its report is done; the first mail of it is due {self._when(planned, hour)}"
            elif not recipients:
                outcome = "nobody is named to get its mail; set recipients"
                _LOG.warning("site %s: %s", site, outcome)
            elif not wanting:
                outcome = f"nobody of it has mail on this day; {lines[0]}"
            else:
                outcome = lines[0]
                for who in wanting:
                    url = f"{self._base_url()}/"
                    outbox.put(
                        session,
                        about=f"morning:{site}:{date}",
                        report_kind="morning",
                        site=site,
                        run_id=None,
                        recipient=who.address,
                        sender=self._settings.sender,
                        mail=morning_mail(
                            site, date, lines, url, who.address, self._settings.sender, who.language
                        ),
                        at=now,
                    )
            session.add(Morning(site=site, date=date, at=now, outcome=outcome))

    def _lines(self, session: Session, site: str, since: int, hour: datetime) -> list[str]:
        of_site = select(Run).where(Run.site == site).order_by(Run.opened_at.desc())
        recent = or_(Run.state.not_in((REPORTED, FAILED)), Run.opened_at >= since)
        runs = session.scalars(of_site.where(recent)).all()
        lines: list[str] = [
            M.on_its_way(run.run_id, run.state, run.reason)
            for run in runs
            if run.state not in (REPORTED, FAILED)
        ]
        lines += [
            M.over(run.run_id, self._when(run.opened_at, hour), run.state, run.reason)
            for run in runs
            if run.state in (REPORTED, FAILED)
        ]
        if lines:
            return lines
        before = session.scalar(of_site.limit(1))
        last = M.last_one(before.run_id, self._when(before.opened_at, hour)) if before else ""
        return [M.none_since(self._when(since, hour)) + last]

    def _when(self, at: int, hour: datetime) -> str:
        return datetime.fromtimestamp(at // _NS, hour.tzinfo).strftime("%Y-%m-%d %H:%M %Z")


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * _NS
