"""The list for the minutes there are, against every list there could be."""

import itertools

import numpy as np
import pytest

from reports.pace import Pace
from reports.places import Places
from reports.tour import Jobs, choose, total_s
from reports.walk import Walk
from stacks.plan import Plan


def library(faces=12, floors=1, length=9.0):
    """Pairs of bookcases back to back, aisles 1.2 m wide."""
    made = []
    for floor in range(floors):
        rows = [
            {
                "id": f"{floor}-{i:03d}",
                "origin_m": [0.0, 1.8 * (i // 2) + 0.6 * (i % 2)]
                if i % 2 == 0
                else [length, 1.8 * (i // 2) + 0.6],
                "direction_deg": 0.0 if i % 2 == 0 else 180.0,
                "normal_deg": -90.0 if i % 2 == 0 else 90.0,
                "length_m": length,
                "tag_depth_m": 0.1,
                "shelves": [],
            }
            for i in range(faces)
        ]
        made.append({"id": str(floor), "faces": rows})
    return Plan.from_json({"format": "nightstack-plan/1", "site": "T", "version": 1, "floors": made}, "plan")


def some_jobs(rng, walk, n, carried=0.4):
    stops = len(walk.places) * 9
    pick = rng.integers(0, stops, n)
    put = np.where(rng.random(n) < carried, rng.integers(0, stops, n), -1)
    return Jobs(pick, put, rng.lognormal(0.0, 1.0, n), rng.choice([15.0, 30.0, 60.0, 90.0], n))


def best_of_all(jobs, walk, budget):
    best = 0.0
    for k in range(len(jobs) + 1):
        for rows in itertools.combinations(range(len(jobs)), k):
            chosen = np.array(rows, np.int64)
            worth = float(jobs.worth[chosen].sum())
            if worth > best and total_s(jobs, chosen, walk) <= budget + 1e-9:
                best = worth
    return best


@pytest.mark.parametrize("start", [None, ("0", -3.0, 0.0)])
@pytest.mark.parametrize("budget", [150.0, 300.0])
def test_the_list_is_near_the_best_there_is(start, budget):
    walk = Walk(Places.of(library(faces=8, floors=2)), Pace(start=start))
    shares = []
    for seed in range(12):
        jobs = some_jobs(np.random.default_rng(seed), walk, 10)
        chosen = choose(jobs, walk, budget)
        assert total_s(jobs, chosen, walk) <= budget + 1e-6
        best = best_of_all(jobs, walk, budget)
        if best:
            shares.append(float(jobs.worth[chosen].sum()) / best)
    assert len(shares) >= 8
    assert np.mean(shares) >= 0.97, shares
    assert min(shares) >= 0.85, shares


def test_a_far_corner_is_visited_where_much_is_to_be_done_there():
    """One good line near by, forty good ones a floor up: who only looks at the next line never goes there."""
    walk = Walk(Places.of(library(faces=8, floors=2)), Pace(floor_s=400.0, start=("0", 0.0, -1.0)))
    up = len(walk.places) * 9 // 2 + 20
    jobs = Jobs(
        np.array([0, 1, 2, *[up] * 40]), np.full(43, -1), np.array([0.6] * 3 + [1.0] * 40), np.full(43, 30.0)
    )
    chosen = choose(jobs, walk, 1500.0)
    assert (chosen >= 3).sum() >= 15


def test_walking_goes_round_the_ends_and_straight_across_an_aisle():
    walk = Walk(Places.of(library(faces=8)), Pace(walk_mps=1.0))
    here = walk.stop("0-001", 4.5)
    across = walk.stop("0-002", 4.5)  # looks at face 1 over the aisle
    behind = walk.stop("0-000", 4.5)  # stands back to back with face 1
    a = np.array([here])
    assert walk.seconds(a, np.array([across]))[0] < 1.5
    assert 9.0 < walk.seconds(a, np.array([behind]))[0] < 14.0
    assert walk.seconds(a, a)[0] == 0.0


def test_distances_are_symmetric_and_never_shorter_by_a_detour_along_a_face():
    walk = Walk(Places.of(library(faces=6, floors=2)), Pace())
    n = len(walk)
    a, b = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(n)))
    there, back = walk.seconds(a, b), walk.seconds(b, a)
    assert np.allclose(there, back) and (there >= 0.0).all()
    assert (there[walk.floor[a] != walk.floor[b]] >= walk.pace.floor_s).all()
