"""A service whose runs are worked out by hand, so that its letters can be looked at."""

import email
import json
from dataclasses import replace
from datetime import UTC, datetime
from email import policy as email_policy
from zoneinfo import ZoneInfo

from sqlalchemy import select

from cloud_ingest import Recipient, ServeSettings, SiteSettings, casebook, letters
from cloud_ingest.composer import Composer
from cloud_ingest.database import Database
from cloud_ingest.findings_json import write_findings
from cloud_ingest.models import Letter, NightRow, OutboxMail, Run
from cloud_ingest.run_life import enter, remember_site
from cloud_ingest.tasks import ENDED
from reports.case import Case, Step
from reports.findings import Finding
from reports.phrases import say
from stacks.holdings import Holding, Holdings, write_holdings
from stacks.plan import Face, Floor, Plan, Shelf, write_plan
from tests.support.runs import make_info

S = 1_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")
MANY = "all@lib.example"


def shelf(name, number):
    return Shelf(name, "1", 1, 0.9 * number, 0.9 * number + 0.9, 0.3, 0.35, range_start=f"QA{100 + number}")


def face(name, y):
    shelves = tuple(shelf(f"{name}-{n}", n) for n in range(3))
    return Face(name, (0.0, y), 0.0, -90.0, 2.7, 0.1, shelves)


PLAN = Plan("site", 1, (Floor("EG", (face("A", 0.0),)), Floor("OG", (face("B", 5.0),))))
KINDS = ("wrong_shelf", "missing", "wrong_order", "missing", "wrong_shelf", "wrong_order")


def finding(n, kind, where):
    return Finding(
        kind,
        f"f{n}",
        epc=f"{n:024X}",
        barcode=f"3000{n}",
        call_number=f"QA{100 + n} .B{n}",
        title=f"Title {n}",
        shelf_id=where,
        offset_m=0.3,
        belongs="" if kind == "missing" else say("shelf {shelf}", shelf="A-2"),
        confidence=0.99,
        evidence=say("It was heard {n} times.", n=n),
        belongs_shelf_id="" if kind == "missing" else "A-2",
        belongs_m=2.0,
    )


FINDINGS = [finding(n, kind, f"{'AB'[n % 2]}-{n // 2}") for n, kind in enumerate(KINDS)]


class Desk:
    """A service whose runs are worked out by hand; letters are written by its real process."""

    def __init__(self, tmp_path, *recipients, **settings):
        self.settings = ServeSettings(
            tmp_path / "data",
            recipients=recipients or (Recipient(MANY),),
            time_zone="Europe/Berlin",
            sender="nightstack@lib.example",
            **settings,
        )
        self.database = Database(self.settings)
        self.now = self.at("2026-03-02T05:00")  # a Monday
        self.composer = Composer(self.database, self.settings, lambda: "http://here", lambda: self.now)

    @staticmethod
    def at(text):
        return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * S

    def run(self, run_id, when, findings=FINDINGS, kind="report", night=True, **more):
        """A run that has just been reported, with its night in the ledger."""
        self.now = self.at(when)
        moment = datetime.fromtimestamp(self.now / S, UTC)
        folder = self.settings.data / "runs" / run_id
        (folder / "expected").mkdir(parents=True, exist_ok=True)
        write_plan(folder / "expected" / "plan.json", PLAN)
        books = [
            Holding(f.barcode, f.epc, f.call_number, "lcc", f.title, "A-2", "available") for f in FINDINGS
        ]
        write_holdings(folder / "expected" / "holdings.csv", Holdings.of(books))
        write_findings(folder, findings)
        ended = {
            "ended_at": self.now,
            "complete": True,
            "reason": "",
            "notes": [],
            "time_zone": "Europe/Berlin",
        }
        (folder / ENDED).write_text(
            json.dumps({**ended, "state": "done", "end": "", "said": [], "readings": 9, **more})
        )
        with self.database.write() as session:
            remember_site(session, "site", self.now)
            run = session.get(Run, run_id)
            if run is None:
                run = Run(
                    run_id=run_id, site="site", robot="r", info=make_info(run_id).to_json(), opened_at=self.now,
                    heard_at=self.now, complete=True, late=0, duplicates=0, revision=0, notes=[],
                )  # fmt: skip
                session.add(run)
                for state in ("recording", "closing", "localizing", "reporting", "reported"):
                    enter(session, run, state, f"because of {state}", self.now)
            if night:
                before = casebook.load(session, "site")
                known = {
                    f.finding_id: before.cases.get(f.finding_id)
                    or Case(
                        f, "open", moment, run_id, moment, run_id, confidence=f.confidence, nights=3, silent=3,
                        history=(Step(moment, "scan", "opened", run_id, f.kind, f.confidence),),
                    )
                    for f in findings
                }  # fmt: skip
                after = replace(
                    before, cases={**before.cases, **known}, site="site", runs=(*before.runs, run_id)
                )
                casebook.save(session, "site", after, self.now, before=before)
                if session.get(NightRow, run_id) is None:
                    session.add(NightRow(run_id=run_id, site="site", at=self.now, revision=0, step_before=0))
            letters.plan(session, self.settings, run, kind, "", self.now)

    def tick(self, when=None):
        if when is not None:
            self.now = self.at(when)
        return self.composer.tick()

    def mails(self):
        with self.database.read() as session:
            rows = session.scalars(select(OutboxMail).order_by(OutboxMail.id)).all()
        return {
            row.recipient: email.message_from_bytes(row.message, policy=email_policy.default) for row in rows
        }

    def texts(self):
        return {
            to: " ".join((mail.get_body(("plain",)) or mail).get_content().split())
            for to, mail in self.mails().items()
        }

    def letters(self):
        with self.database.read() as session:
            return list(session.scalars(select(Letter).order_by(Letter.id)))

    def mailed(self):
        with self.database.read() as session:
            ledger = casebook.load(session, "site")
        return {name for name, case in ledger.cases.items() if case.mailed_at is not None}


def open_desks(tmp_path, database_url):
    """Give a way to make desks, as a fixture does; closes them."""
    made = []

    def make(*recipients, **settings):
        made.append(Desk(tmp_path, *recipients, database=database_url, **settings))
        return made[-1]

    yield make
    for one in made:
        one.database.close()


def lines_of(text):
    return {f.finding_id for f in FINDINGS if f.barcode in text}


def koha(url, emulator=None, **more):
    who = ("id", "secret") if emulator is None else (emulator.client_id, emulator.client_secret)
    return {"kind": "koha", "url": url, "client_id": who[0], "client_secret": who[1], "retries": 0, **more}


def with_ils(desk, *recipients, ils, **settings):
    site = SiteSettings("site", recipients or (Recipient(MANY),), ils=ils)
    return desk(sites=(site,), **settings)
