"""Base rates of a neglected library, and of a well kept one, are found from its own books."""

from __future__ import annotations

import numpy as np
import pytest

from reports import find_exceptions
from reports.base_rates import fit_shares
from reports.books import Catalogue
from reports.places import Places
from reports.policy import Policy
from sim.library_folder import truth_of
from sim.library_life import Habits, LibraryLife
from tests.reports.test_planted_library import coverage_of, positions_of


def fitted(life):
    """Return exceptions with the policy's own shares and with the fitted ones, and the fitted policy."""
    truth = truth_of(life.library())
    there = truth.select(np.flatnonzero(truth.present))
    positions = positions_of(there, life.plan, np.random.default_rng(1), sigma=0.004, slips=0.0)
    coverage, holdings, places = coverage_of(life.plan), life.holdings(), Places.of(life.plan)
    policy = fit_shares(positions, coverage, places, Catalogue.of(holdings, places), Policy())
    made = [find_exceptions(positions, coverage, life.plan, holdings, policy=p) for p in (Policy(), policy)]
    plain, with_shares = ({f.barcode for f in found if f.kind == "wrong_order"} for found in made)
    return plain, with_shares, policy


def test_a_neglected_librarys_books_are_found_out_of_order():
    life = LibraryLife(3000, seed=6)
    plain, with_shares, policy = fitted(life)
    due = {life.barcodes[c] for c in life.wrong_order()}
    may = {life.barcodes[c] for c in life.may_be_moved()}
    assert policy.disorder_share == pytest.approx(len(due) / 2600, rel=0.25)
    assert policy.misshelved_share == pytest.approx(len(life.wrong_shelf()) / 2600, rel=0.35)
    assert len(with_shares & due) > 0.95 * len(due) and with_shares <= may
    assert len(plain & due) > 0.95 * len(due), "each run fits its own"


def test_of_a_well_kept_library_less_is_expected_wrong():
    life = LibraryLife(1000, seed=6, habits=Habits(misplaced_near=0.002, misplaced_far=0.002))
    plain, with_shares, policy = fitted(life)
    due = {life.barcodes[c] for c in life.wrong_order()}
    assert 0.003 <= policy.disorder_share < 0.01 and 0.003 <= policy.misshelved_share < 0.01
    assert plain == with_shares == due


@pytest.mark.parametrize(
    ("books", "seed", "slips"), [(400, 1, 0.0), (400, 2, 0.03), (1000, 3, 0.0), (1000, 4, 0.03)]
)
def test_in_a_small_neglected_library_misplaced_books_are_told_from_slips(books, seed, slips):
    """Every shelf is near every other there; what tells them is whether the offset is that of the book's own place."""
    life = LibraryLife(books, seed=seed)
    truth = truth_of(life.library())
    there = truth.select(np.flatnonzero(truth.present))
    positions = positions_of(there, life.plan, np.random.default_rng(seed), sigma=0.004, slips=slips)
    found = find_exceptions(positions, coverage_of(life.plan), life.plan, life.holdings())
    named = {f.barcode for f in found if f.kind == "wrong_shelf"}
    due = {life.barcodes[c] for c in life.wrong_shelf() if life.status[c] == "available"}
    assert len(named & due) >= 0.85 * len(due)
    assert len(named - due) <= 0.02 * len(named)


def test_of_books_that_are_badly_heard_no_more_are_misplaced_than_of_all():
    """One in ten is heard a few times, with a wide bar, and of those one in eight is placed on a shelf anywhere."""
    life = LibraryLife(2000, seed=5, habits=Habits(misplaced_near=0.001, misplaced_far=0.002))
    truth = truth_of(life.library())
    rng = np.random.default_rng(5)
    there = truth.select(np.flatnonzero(truth.present))
    positions = positions_of(there, life.plan, rng, sigma=0.004, slips=0.0)
    shelves = [(face.id, s) for face in life.plan.faces for s in face.shelves]
    for i in np.flatnonzero(rng.random(len(positions)) < 0.1):
        positions.sigma_along_m[i] = positions.sigma_local_m[i] = 0.2
        positions.readings[i], positions.p_shelf[i] = 2, rng.uniform(0.95, 0.99)
        if rng.random() < 0.125:
            face, s = shelves[int(rng.integers(len(shelves)))]
            positions.face_id[i], positions.shelf_id[i] = face, s.id
            positions.offset_m[i] = rng.uniform(s.from_m, s.to_m)
            positions.x_m[i], positions.y_m[i] = life.plan.face(face).to_map(positions.offset_m[i], 0.1)
    found = find_exceptions(positions, coverage_of(life.plan), life.plan, life.holdings())
    named = {f.barcode for f in found if f.kind == "wrong_shelf"}
    due = {life.barcodes[c] for c in life.wrong_shelf() if life.status[c] == "available"}
    assert len(named & due) >= 0.5 * len(due)
    assert len(named - due) <= 1


def test_without_a_catalogue_nothing_is_fitted():
    life = LibraryLife(100, seed=1)
    truth = truth_of(life.library())
    positions = positions_of(
        truth.select(np.flatnonzero(truth.present)),
        life.plan,
        np.random.default_rng(1),
        sigma=0.004,
        slips=0.0,
    )
    places = Places.of(life.plan)
    assert fit_shares(positions, None, places, Catalogue.of(None, places), Policy()) == Policy()
