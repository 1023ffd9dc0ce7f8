"""A driver of another package in use: what goes wrong with it is told as of our own drivers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any, Final, get_args

import numpy as np

from reader_drivers._foreign import Owner, a, maker, package_label
from reader_drivers._foreign_reads import MOST_HUNG, Reads, hung
from reader_drivers._foreign_rows import Judge
from reader_drivers._reader import (
    Capabilities,
    Reader,
    ReaderBatch,
    ReaderEvent,
    ReaderSettings,
    TagData,
)
from recording import Activity, Air, PhaseAmbiguity, Readings

_WORDS: Final = {"air": get_args(Air), "phase_ambiguity": get_args(PhaseAmbiguity)}
_LEAST_GRACE_S, _MOST_GRACE_S = 1.0, 5.0
_GIVEN_UP_S: Final = 60.0
_SETTLE_S: Final = 0.5
_CLOSE_S: Final = 5.0


def open_foreign(point: EntryPoint, url: str, clock: Callable[[], int]) -> Reader:
    """Make the driver that another package offers.

    Raises
    ------
    SettingsError
        It refuses the URL.
    DriverError
        It cannot be loaded, or makes no Reader.
    """
    owner = Owner(f"{url}: {maker(point)}", package_label(point))
    factory = owner.call(f"{point.value} cannot be loaded", point.load)
    if hung(url) >= MOST_HUNG:
        raise owner.fault(f"{MOST_HUNG} calls of its read have not returned; it is not asked again")
    made = owner.call(f"{point.value} failed", lambda: factory(url, clock))
    if not isinstance(made, Reader):
        raise owner.fault(f"{point.value} made {a(made)}, not a reader_drivers.Reader")
    return ForeignReader(made, url, owner, clock)


class ForeignReader(Reader):
    """A driver of another package, whose faults are DriverErrors that name it.

    A `read` that does not return, and times that cannot be, are told as a reader that is gone (`reader_gone`, later
    `reader_back`), since nothing can be made of it meanwhile. After a minute of that `read` raises, so that whoever
    uses the reader lets go of it and opens it anew.

    Parameters
    ----------
    inner
        What its factory made.
    url
        As it was opened.
    owner
        Whose it is.
    clock
        Host time, ns UTC, which the driver was given.
    """

    def __init__(self, inner: Reader, url: str, owner: Owner, clock: Callable[[], int]) -> None:
        super().__init__(url)
        self.inner = inner
        self._owner = owner
        self._clock = clock
        self.target, self.timeout_s = inner.target, inner.timeout_s
        self.air = inner.air if inner.air in _WORDS["air"] else None
        self._reads = Reads(lambda timeout_s: self.inner.read(timeout_s), f"read of {url}")
        self._judge = Judge(clock)
        self._gone_since: float | None = None
        self._grace_s = _MOST_GRACE_S
        self._closed_hanging = False

    def connect(self) -> Capabilities:
        """Reach the reader; see `Reader.connect`."""
        can = self._kind("connect", self._owner.call("its connect failed", self.inner.connect), Capabilities)
        for name, words in _WORDS.items():
            # They go into the record of a run, which is refused as a whole where one of them cannot be.
            if (said := getattr(can, name)) not in words:
                raise self._owner.fault(f"its {name} is {said!r}, not one of {', '.join(words)}")
        return can

    def check_settings(self, settings: ReaderSettings) -> None:
        """Refuse settings that no reader of this kind can follow; see `Reader.check_settings`."""
        self._owner.call("its check_settings failed", lambda: self.inner.check_settings(settings))

    def start(self, settings: ReaderSettings | None = None) -> None:
        """Begin to read tags; see `Reader.start`."""
        self._free("start")
        # Noticed before three keep-alives are over, as the loss of a reader of ours is.
        keepalive_s = (settings or ReaderSettings()).keepalive_s
        self._grace_s = min(max(2 * keepalive_s, _LEAST_GRACE_S), _MOST_GRACE_S)
        self._owner.call("its start failed", lambda: self.inner.start(settings))

    def read(self, timeout_s: float) -> ReaderBatch:
        """Return what has come in; see `Reader.read`."""
        batch = self.fetch(timeout_s)
        if batch is None:
            return ReaderBatch(
                events=self._gone(f"its read has not returned for {self._reads.lasts_s:.0f} s")
            )
        batch, wrong = self._judge.look(batch)
        if wrong:
            told = tuple(event for event in batch.events if event.kind != "reader_back")
            return ReaderBatch(events=(*told, *self._gone(wrong)), tags=batch.tags)
        if self._gone_since is None:
            return batch
        self._gone_since = None
        if any(event.kind in ("reader_gone", "reader_back") for event in batch.events):
            return batch
        back = ReaderEvent(self._clock(), "reader_back", f"{self._owner.who} reads again")
        return replace(batch, events=(back, *batch.events))

    def fetch(self, timeout_s: float) -> ReaderBatch | None:
        """Return what `read` of the driver hands out, of the right kinds but not judged; None: it has not returned."""
        if not self._reads.ready(timeout_s, self._grace_s):
            return None
        batch = self._kind("read", self._owner.call("its read failed", self._reads.take), ReaderBatch)
        self._hold("readings", batch.readings, Readings)
        if batch.activity is not None:
            self._hold("activity", batch.activity, Activity)
        for name, rows, kind in (("events", batch.events, ReaderEvent), ("tags", batch.tags, TagData)):
            self._hold(name, rows, tuple)
            for row in rows:
                self._hold(name, row, kind)
                self._hold(f"t of {name}", row.t, int, np.integer)
        for tag in batch.tags:
            self._hold("epc of tags", tag.epc, str)
        for event in batch.events:
            self._hold("kind of events", event.kind, str)
            self._hold("detail of events", event.detail, str)
        return batch

    def stop(self) -> None:
        """Stop reading tags; see `Reader.stop`."""
        self._free("stop")
        self._owner.call("its stop failed", self.inner.stop)

    def close(self) -> None:
        """Let go of the reader; see `Reader.close`. One whose `read` hangs is given some seconds for it."""
        if self._closed_hanging:
            return
        if self._reads.settled(_SETTLE_S):
            try:
                self._owner.call("its close failed", self.inner.close)
            finally:
                self._reads.end(self.url)
            return
        self._closed_hanging = True
        closing = threading.Thread(target=self._close, name=f"close of {self.url}", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        # A read that this has ended leaves no thread behind.
        self._reads.settled(_SETTLE_S)
        self._reads.end(self.url)

    def _close(self) -> None:
        with contextlib.suppress(Exception):  # that it hangs was told
            self.inner.close()

    def _gone(self, why: str) -> tuple[ReaderEvent, ...]:
        """Tell once that nothing comes, and raise if that lasts."""
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
            return (ReaderEvent(self._clock(), "reader_gone", str(self._owner.fault(why))),)
        if now - self._gone_since > _GIVEN_UP_S:
            raise self._owner.fault(why)
        return ()

    def _free(self, name: str) -> None:
        limit = self._grace_s if self._gone_since is None else _SETTLE_S
        if not self._reads.settled(limit):
            raise self._owner.fault(
                f"its {name} cannot be called: its read has not returned for {self._reads.lasts_s:.0f} s"
            )

    def _kind(self, name: str, got: Any, kind: type[Any]) -> Any:
        if not isinstance(got, kind):
            raise self._owner.fault(f"its {name} returned {a(got)}, not {a(kind)}")
        return got

    def _hold(self, column: str, value: object, *kinds: type) -> None:
        if not isinstance(value, kinds):
            raise self._owner.fault(f"its read handed out {a(value)} in {column}, not {a(kinds[0])}")
