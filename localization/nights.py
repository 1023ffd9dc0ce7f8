"""Several nights of one site as one: where every tag stands now, what was moved, what is gone.

Each night is localized by itself. What the tags of a stretch of shelf share in one night (poses, clock) is another in
the next and is taken out by the tags that stand still (:mod:`localization.night_shifts`); what belongs to a tag and to
the metal about it comes back every night, so that bars narrow by what was seen to differ and by nothing else
(:mod:`localization.night_errors`). Whether a tag stayed, was moved or left is a chain from night to night in which
nights that should have heard it and did not count as well (:mod:`localization.night_chain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localization.night_chain import Chain, Rates, follow
from localization.night_coverage import Hearing, join_coverage
from localization.night_errors import Errors, learn_errors
from localization.night_shifts import Shifts, find_shifts
from localization.night_table import Night, NightsError, NightTable, tabulate
from localization.output import with_ranks
from localization.positions import Coverage, Positions
from recording.words import counted
from stacks.plan import Plan

__all__ = ["Combined", "Move", "Night", "NightsError", "combine"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: From this posterior on a tag is said to have been moved, or to be gone.
SAID_FROM = 0.5
#: What a tag keeps of a wrong shelf from night to night: nights count so much less than independent ones.
SHELF_REPEAT = 0.7
LEAST_P = 1e-4


@dataclass(frozen=True, slots=True)
class Move:
    """A tag that was moved between two nights, or went.

    Attributes
    ----------
    epc : str
    kind : str
        ``moved`` or ``gone``.
    from_shelf_id, to_shelf_id : str or None
        The face's id where it has no shelves; None for where something that is gone went.
    from_offset_m, to_offset_m : float
    p : float
        Posterior.
    last_there, first_here : str
        The night (run id) last heard at the old place, and first at the new one (or first not heard).
    """

    epc: str
    kind: str
    from_shelf_id: str | None
    from_offset_m: float
    to_shelf_id: str | None
    to_offset_m: float
    p: float
    last_there: str
    first_here: str


@dataclass(frozen=True, slots=True)
class Combined:
    """What several nights say together.

    Attributes
    ----------
    positions : Positions
        One row for every tag heard on any night, with ``p_present`` and ``p_moved``.
    coverage : Coverage
        Of all nights together.
    moves : tuple of Move
    shifts : Shifts
        What each night shared along each face.
    errors : Errors
        What nights have of tags' errors to themselves.
    notes : tuple of str
    """

    positions: Positions
    coverage: Coverage
    moves: tuple[Move, ...]
    shifts: Shifts
    errors: Errors
    notes: tuple[str, ...]


def combine(nights: Sequence[Night], plan: Plan) -> Combined:
    """Combine several nights of one site.

    Parameters
    ----------
    nights : sequence of Night
        In any order; the newest place of a tag that was moved stands.
    plan : Plan
        The plan that all of them were localized with.

    Returns
    -------
    Combined

    Raises
    ------
    NightsError
        There is no night, one is named twice, they are of several sites, or were localized with another plan.
    """
    table = tabulate(nights, plan)
    shifts = find_shifts(table)
    hearing = Hearing.of(table)
    errors = learn_errors(table, shifts, hearing)
    chain = follow(table, shifts, errors, hearing)
    positions = _positions(table, shifts, errors, chain)
    moves = _moves(table, chain, positions)
    return Combined(
        positions, join_coverage([night.coverage for night in table.nights]), moves, shifts, errors,
        _notes(table, shifts, errors, chain.rates, moves),
    )  # fmt: skip


def _positions(table: NightTable, shifts: Shifts, errors: Errors, chain: Chain) -> Positions:
    """Put every tag where the nights that saw it at its newest place say together."""
    here, second = chain.here, chain.by_second
    offset = np.where(second, table.alt_offset_m, table.offset_m) - shifts.at_tags(second)
    sigma = table.sigma_local_m
    weight = np.where(here, 1.0 / np.maximum(sigma, 1e-4) ** 2, 0.0)
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0)
    mean = np.where(total[:, 0] > 0.0, np.nansum(weight * np.nan_to_num(offset), axis=1), np.nan)
    local = errors.combined(weight, sigma)
    common = shifts.common_sigma(weight, table)
    # The night to take everything else from: the newest that saw the tag there.
    count = table.offset_m.shape[1]
    last = count - 1 - np.argmax(here[:, ::-1], axis=1)
    rows = np.arange(len(table.epc))
    base = table.base(np.where(here.any(axis=1), last, table.last_heard))
    placed = here.any(axis=1) & np.isfinite(mean)
    face = table.face_of_place[chain.place]
    angle = np.radians([f.direction_deg for f in table.plan.faces])[face]
    move = np.where(placed, mean - np.where(second, table.alt_offset_m, table.offset_m)[rows, last], 0.0)
    x, y, z = base.x_m + move * np.cos(angle), base.y_m + move * np.sin(angle), base.z_m.copy()
    elsewhere = placed & (table.place[rows, last] != chain.place)
    for row in np.flatnonzero(elsewhere).tolist():
        # Only that night's second best place is this one: it told no more of it than shelf and offset.
        known = table.plan.faces[int(face[row])]
        at = known.to_map(np.array([mean[row]]))
        x[row], y[row], z[row] = float(at[0][0]), float(at[1][0]), table.tag_height(int(chain.place[row]))
    p, alt, p_alt, alt_offset = _shelves(table, chain, shifts)
    names = table.names
    return _ranked(
        replace(
            base,
            x_m=x,
            y_m=y,
            z_m=z,
            sigma_local_m=np.where(placed, local, base.sigma_local_m),
            sigma_along_m=np.where(placed, np.hypot(local, common), base.sigma_along_m),
            readings=table.readings.sum(axis=1),
            antennas=table.antennas.max(axis=1),
            quality=np.where(placed, (weight * np.nan_to_num(table.quality)).sum(axis=1), base.quality),
            face_id=np.where(placed, table.face_ids[face], base.face_id),
            shelf_id=np.where(placed, table.shelf_ids[chain.place], base.shelf_id),
            offset_m=np.where(placed, mean, base.offset_m),
            p_shelf=np.where(placed, p, base.p_shelf),
            alt_shelf_id=np.where(
                placed, np.where(alt >= 0, names[alt], np.array(None, object)), base.alt_shelf_id
            ),
            alt_offset_m=np.where(placed, alt_offset, base.alt_offset_m),
            p_alt=np.where(placed, p_alt, base.p_alt),
            heard_from=table.heard_from,
            heard_to=table.heard_to,
            p_present=np.where(placed, chain.p_present, np.nan),
            p_moved=np.where(placed, chain.p_moved, np.nan),
        )
    )


def _ranked(positions: Positions) -> Positions:
    """Rank the tags that are there: what is gone stands between no others."""
    there = np.flatnonzero(~(positions.p_present < SAID_FROM))
    ranked = with_ranks(positions.select(there))
    rank, p_order = np.zeros(len(positions), np.int64), np.full(len(positions), np.nan)
    rank[there], p_order[there] = ranked.rank, ranked.p_order
    return replace(positions, rank=rank, p_order=p_order)


def _shelves(table: NightTable, chain: Chain, shifts: Shifts) -> tuple[Floats, Ints, Floats, Floats]:
    """Return the posterior of the chosen shelf, the second best with its posterior and offset.

    The nights' posteriors multiply, but what makes a shelf be mistaken comes back every night.
    """
    tags, count = table.place.shape
    here = chain.here
    number = np.maximum(here.sum(axis=1), 1)
    power = 1.0 / (1.0 + (number - 1) * SHELF_REPEAT)
    p, alt = np.ones(tags), np.full(tags, -1, np.int64)
    p_alt, alt_offset = np.full(tags, np.nan), np.full(tags, np.nan)
    named = np.concatenate([table.place, table.alt_place], axis=1)
    stated = np.concatenate([np.nan_to_num(table.p_shelf), np.nan_to_num(table.p_alt)], axis=1)
    corrected = np.concatenate(
        [table.offset_m - shifts.at_tags(False), table.alt_offset_m - shifts.at_tags(True)], axis=1
    )
    seen = np.concatenate([here, here], axis=1) & (named >= 0)

    def support(place: Ints) -> Floats:
        """Return the log of what the nights say together of a place, one a tag."""
        match = np.where(seen & (named == place[:, None]), stated, 0.0)
        each = np.maximum(match[:, :count] + match[:, count:], LEAST_P)
        return power * np.where(here, np.log(np.minimum(each, 1.0)), 0.0).sum(axis=1)

    best = support(chain.place)
    second = np.full(tags, -np.inf)
    for column in range(named.shape[1]):
        other = seen[:, column] & (named[:, column] != chain.place)
        value = np.where(other, support(named[:, column]), -np.inf)
        better = value > second
        second = np.where(better, value, second)
        alt = np.where(better, named[:, column], alt)
        alt_offset = np.where(better, corrected[:, column], alt_offset)
    rest = np.exp(power * np.where(here, np.log(_unnamed(table)), 0.0).sum(axis=1))
    whole = np.exp(best) + np.where(np.isfinite(second), np.exp(second), 0.0) + rest
    p = np.exp(best) / whole
    p_alt = np.where(np.isfinite(second), np.exp(second) / whole, np.nan)
    return p, alt, p_alt, alt_offset


def _unnamed(table: NightTable) -> Floats:
    """Return what each night leaves to places that it does not name, shape (tags, nights)."""
    said = np.nan_to_num(table.p_shelf, nan=1.0) + np.nan_to_num(table.p_alt)
    return np.clip(1.0 - said, LEAST_P, 1.0)


def _moves(table: NightTable, chain: Chain, positions: Positions) -> tuple[Move, ...]:
    """List what was moved and what is gone, the surest first."""
    found: list[Move] = []
    runs = [night.info.run_id for night in table.nights]
    names = table.names
    gone = np.flatnonzero(positions.p_present < SAID_FROM)
    for row in gone.tolist():
        last = int(table.last_heard[row])
        found.append(
            Move(
                str(table.epc[row]), "gone", _name(names, int(chain.place[row])), float(positions.offset_m[row]),
                None, float("nan"), 1.0 - float(positions.p_present[row]), runs[last],
                runs[min(last + 1, len(runs) - 1)],
            )
        )  # fmt: skip
    for row in np.flatnonzero((positions.p_moved >= SAID_FROM) & ~(positions.p_present < SAID_FROM)).tolist():
        first = int(np.argmax(chain.here[row]))
        before = np.flatnonzero(table.heard[row, :first] & (table.place[row, :first] >= 0))
        if not len(before):
            continue
        old = int(before[-1])
        found.append(
            Move(
                str(table.epc[row]), "moved", _name(names, int(table.place[row, old])),
                float(table.offset_m[row, old]), _name(names, int(chain.place[row])),
                float(positions.offset_m[row]), float(positions.p_moved[row]), runs[old], runs[first],
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda move: (-move.p, move.epc)))


def _name(names: npt.NDArray[np.object_], place: int) -> str | None:
    return None if place < 0 else str(names[place])


def _notes(
    table: NightTable, shifts: Shifts, errors: Errors, rates: Rates, moves: tuple[Move, ...]
) -> tuple[str, ...]:
    heard = table.heard.sum(axis=1)
    count = len(table.nights)
    notes = [
        f"{counted(count, 'night')}: {', '.join(night.info.run_id for night in table.nights)}; "
        f"{int((heard == count).sum())} of {len(heard)} tags heard in all of them"
    ]
    if count > 1 and not (heard > 1).any():
        notes.append("no tag was heard on two of the nights: are they nights of one library?")
    if errors.pairs:
        notes.append(
            f"from night to night tags differ by {np.sqrt(errors.own_share):.0%} of what their bars say "
            f"({counted(errors.pairs, 'pair')}): the rest comes back every night, and more nights do not narrow it"
        )
    if count > 1 and np.isfinite(shifts.spread_m):
        notes.append(
            f"faces are {100 * shifts.spread_m:.1f} cm apart from night to night; that was taken out by the tags that "
            "stand still"
        )
    moved, gone = (sum(move.kind == kind for move in moves) for kind in ("moved", "gone"))
    notes.append(
        f"{counted(moved, 'tag')} moved and {gone} gone; a tag is moved with a chance of {rates.move:.2%} a night and "
        f"goes with {rates.go:.2%}"
    )
    if silent := [night.info.run_id for night in table.nights if not len(night.coverage)]:
        notes.append(f"{', '.join(silent)}: no coverage, so that silence there says nothing")
    return tuple(notes)
