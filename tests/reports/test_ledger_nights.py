"""Whole nights, judged as they are judged in a library, taken into the ledger one after the other."""

from datetime import timedelta

import numpy as np

from reports.ledger import Ledger, act, confirmed, mailed, update, waiting
from reports.night import judge_night
from tests.reports.nights import FIRST


class Site:
    def __init__(self, world):
        self.world, self.ledger, self.memory, self.day = world, Ledger(), None, 0
        self.rng = np.random.default_rng(5)

    def night(self):
        self.day += 1
        w, at = self.world, FIRST + timedelta(days=self.day)
        seen = judge_night(
            f"run{self.day}", at, w.positions(self.rng), w.coverage(), w.plan, w.holdings(),
            memory=self.memory, retag=self.ledger.retag,
        )  # fmt: skip
        self.memory = seen.memory
        self.ledger = update(self.ledger, seen, w.holdings())
        return self

    def did(self, case, what):
        at = FIRST + timedelta(days=self.day, hours=8)
        self.ledger = act(self.ledger, case.id, what, who="desk", at=at)

    def case(self, epc):
        return next((c for c in self.ledger.cases.values() if c.finding.epc == epc), None)


def test_a_library_in_order_has_no_cases(library):
    site = Site(library)
    for _ in range(3):
        site.night()
    assert not site.ledger.cases


def test_a_misplaced_book_put_right_closes(library):
    site = Site(library)
    epc = library.on("A-01-1")[3]
    library.insert(epc, "A-03-2", None)
    site.night()
    case = site.case(epc)
    assert case.finding.kind == "wrong_shelf" and case.state == "open"
    site.ledger = mailed(site.ledger, [case.id], FIRST + timedelta(days=1, hours=5))
    site.did(case, "reshelved")
    library.insert(epc, "A-01-1", library.on("A-01-1")[2])
    site.night().night()
    assert site.case(epc).resolution == "reshelved" and len(site.ledger.cases) == 1
    library.insert(epc, "A-02-2", None)
    site.night()
    assert site.case(epc).state == "open" and [s.did for s in site.case(epc).history][-1] == "reopened"


def test_a_book_put_right_by_nobody_we_know_of_closes_too(library):
    site = Site(library)
    epc = library.on("A-01-1")[3]
    library.insert(epc, "A-03-2", None)
    site.night().night()
    library.insert(epc, "A-01-1", library.on("A-01-1")[2])
    site.night()
    assert site.case(epc).resolution == "seen_right"


def test_a_missing_book_is_confirmed_by_the_third_night_and_closes_when_it_is_back(library):
    site = Site(library)
    epc = library.on("A-02-1")[5]
    site.night()
    stood = library.stands.pop(epc)
    while site.case(epc) is None or site.case(epc).finding.kind != "missing":
        site.night()
    assert waiting(site.case(epc))
    site.night().night()
    assert confirmed(site.case(epc)), site.case(epc).confidence
    library.stands[epc] = stood
    site.night()
    assert site.case(epc).resolution == "seen_right"


def test_a_dead_tag_is_looked_for_once(library):
    site = Site(library)
    epc = library.on("A-02-1")[5]
    del library.stands[epc]
    site.night().night()
    site.did(site.case(epc), "found")
    kinds = []
    for _ in range(4):
        site.night()
        case = site.case(epc)
        kinds.append((case.finding.kind, case.quiet))
        site.ledger = mailed(site.ledger, [case.id], FIRST + timedelta(days=site.day, hours=5))
    assert kinds[0] == ("dead_tag", False) and kinds[2:] == [("dead_tag", True)] * 2
    assert len(site.ledger.cases) == 1


def test_a_missing_book_that_turns_up_elsewhere_is_the_same_case(library):
    site = Site(library)
    epc = library.on("A-02-1")[5]
    stood = library.stands.pop(epc)
    site.night().night()
    name = site.case(epc).id
    library.stands[epc] = stood
    library.insert(epc, "A-03-3", None)
    site.night()
    assert site.case(epc).id == name and site.case(epc).finding.kind == "wrong_shelf"
