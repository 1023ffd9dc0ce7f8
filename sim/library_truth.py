"""A library that lives as its own system has it, as it truly stands, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sim.library_habits import DEAD_LOSS_DB, GONE
from sim.library_stock import Ints, LibraryStock
from sim.model import Library, Tags
from sim.oddities import TagOddities
from sim.order import movable
from sim.presets import preset
from sim.trouble import Planted
from stacks.holdings import Holding, Holdings
from stacks.ils.items import IlsItem


class TrueLibrary(LibraryStock):
    """What can be asked about the copies; nothing here changes any."""

    def holdings(self) -> Holdings:
        """Return the catalogue as the library's system has it now."""
        return Holdings.of(self._holding(c) for c in range(self.books))

    def item(self, barcode: str) -> IlsItem | None:
        """Return what the library's system says of one copy now."""
        c = self.copy.get(barcode)
        if c is None:
            return None
        h = self._holding(c)
        return IlsItem(
            barcode=h.barcode, call_number=h.call_number, scheme=h.scheme, title=h.title,
            home_location=h.home_location, status=h.status, raw_status=h.status, epc=h.epc,
            last_activity=self.activity[c], requests=int(self.requests[c]), loans=int(self.loans[c]),
        )  # fmt: skip

    def library(self) -> Library:
        """Return the library as it stands, dead tags being deaf ones, with what is wrong with it."""
        faces = [face for floor in self.plan.floors for face in floor.faces]
        order: list[int] = []
        columns: list[npt.NDArray[np.float64]] = []
        s = -1
        for f, face in enumerate(faces):
            for shelf in face.shelves:
                s += 1
                row = np.array(self.rows[s], np.int64)
                if not row.size:
                    continue
                air = self._air[row]
                thick = self.thickness[row]
                if thick.sum() + air.sum() > shelf.to_m - shelf.from_m:
                    air = air * 0.0
                left = shelf.from_m + np.cumsum(thick + air) - thick
                offset = left + thick * self._inside[row]
                x, y = face.to_map(offset, face.tag_depth_m + self._depth[row])
                z = shelf.board_z_m + np.clip(self._height[row], 0.05, shelf.clear_m - 0.05)
                order.extend(self.rows[s])
                columns.append(np.column_stack([x, y, z, offset, np.full(len(row), f), np.full(len(row), s)]))
        table = np.concatenate(columns)
        rows = np.array(order, np.int64)
        tags = Tags(
            epc=tuple(self.epcs[c] for c in order),
            place_m=np.ascontiguousarray(table[:, :3]),
            offset_m=table[:, 3].copy(),
            face=table[:, 4].astype(np.int32),
            shelf=table[:, 5].astype(np.int32),
            label=np.zeros(len(order), np.bool_),
        )
        return Library(
            plan=self.plan, holdings=self.holdings().rows, tags=tags, planted=self.planted(), robot=self.robot,
            radio=preset(self.radio_preset), radio_preset=self.radio_preset, seed=self.seed,
            odd=replace(TagOddities.none(len(order)), loss_db=np.where(self.dead[rows], DEAD_LOSS_DB, 0.0)),
            own=self._own[rows], register=2 * self.books + len(self.epcs),
        )  # fmt: skip

    # -- the truth ---------------------------------------------------------------------------------------------

    def shelf_of(self) -> Ints:
        """Return the index of the shelf each copy and stranger stands on, -1: on none; int64[all]."""
        out = np.full(len(self.epcs), -1, np.int64)
        for s, row in enumerate(self.rows):
            out[row] = s
        return out

    def wrong_shelf(self) -> set[int]:
        """Return the copies that stand on another shelf than theirs."""
        shelf = self.shelf_of()[: self.books]
        return set(np.flatnonzero((shelf >= 0) & (shelf != self.home)).tolist())

    def wrong_order(self) -> set[int]:
        """Return the copies on their own shelf whose moving puts it in order: the fewest, and rather those moved."""
        out: set[int] = set()
        for s in range(len(self.rows)):
            own = self._own_books(s)
            out.update(set(own).difference(self._stays(own)))
        return out

    def may_be_moved(self) -> set[int]:
        """Return the copies on their own shelf that some fewest moves would move: of two exchanged books, both."""
        return {c for s in range(len(self.rows)) for c in movable(self._own_books(s))}

    def really_gone(self, c: int) -> bool:
        """Say whether a copy has left the library without being lent."""
        return bool(self.where[c] == GONE)

    def planted(self) -> tuple[Planted, ...]:
        """Return what is wrong, as a made library has it."""
        shelf = self.shelf_of()
        out: list[Planted] = []

        def plant(kind: str, c: int, at: int, detail: str) -> None:
            known = c < self.books
            belongs = self.shelves[int(self.home[c])].id if known else ""
            barcode = self.barcodes[c] if known else ""
            out.append(Planted(kind, self.epcs[c], barcode, self.shelves[at].id, belongs, detail))

        wrong_order = self.wrong_order()
        for c in range(len(self.epcs)):
            at = int(shelf[c])
            if c >= self.books:
                if at >= 0:
                    plant("unknown_tag", c, at, "not in the catalogue")
                continue
            if self.where[c] == GONE and self.status[c] == "available":
                plant("missing", c, int(self.home[c]), "taken away")
            if at < 0:
                continue
            if self.status[c] == "loaned":
                plant("on_shelf_loaned", c, at, "on its shelf, not checked in")
            elif self.status[c] == "missing":
                plant("found", c, at, "marked missing, and there")
            elif at != self.home[c]:
                plant("wrong_shelf", c, at, "misplaced")
            elif c in wrong_order:
                plant("wrong_order", c, at, "misplaced on its shelf")
            if self.dead[c]:
                plant("dead_tag", c, at, "its tag does not answer")
        return tuple(out)

    def _holding(self, c: int) -> Holding:
        seen = self.activity[c]
        extra = {"requests": str(int(self.requests[c])), "loans": str(int(self.loans[c]))}
        if seen is not None:
            extra["last_activity"] = f"{seen:%Y-%m-%dT%H:%M:%SZ}"
        return Holding(
            self.barcodes[c], self.epcs[c], self.call_numbers[c], self.scheme, self.titles[c],
            self.shelves[int(self.home[c])].id, self.status[c], extra,
        )  # fmt: skip
