"""Drivers of other packages: what they do wrong is one line that names them, and nothing of another kind gets in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from reader_drivers._reader import (
    Capabilities,
    Reader,
    ReaderBatch,
    ReaderError,
    ReaderEvent,
    ReaderSettings,
    TagData,
)
from recording import Activity, Readings

log = logging.getLogger("nightstack.readers")

Got = TypeVar("Got")


def maker(point: EntryPoint) -> str:
    """Return what messages call a driver: scheme, package and version."""
    package, version = package_of(point)
    return f"driver {point.name} of package {package} {version}".rstrip()


def package_of(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the package that brings an entry point."""
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else ("of no name", "")


def open_foreign(point: EntryPoint, url: str, clock: Callable[[], int]) -> Reader:
    """Make the driver that another package offers.

    Raises
    ------
    ReaderError
        It cannot be loaded, refuses the URL, or makes no Reader.
    """
    who = f"{url}: {maker(point)}"
    factory = _call(f"{who}: {point.value} cannot be loaded", point.load)
    made = _call(f"{who}: {point.value} failed", lambda: factory(url, clock))
    if not isinstance(made, Reader):
        raise ReaderError(f"{who}: {point.value} made {_a(made)}, not a reader_drivers.Reader; {_MEND}")
    return ForeignReader(made, url, who)


_WORDS = {"air": ("gen2", "iso15693"), "phase_ambiguity": ("none", "pi", "unknown")}
_MEND = "tell its maker (docs/writing_a_driver.md)"


class ForeignReader(Reader):
    """A driver of another package, whose faults are ReaderErrors that name it.

    Parameters
    ----------
    inner
        What its factory made.
    url
        As it was opened.
    who
        Where and whose it is, before each message.
    """

    def __init__(self, inner: Reader, url: str, who: str) -> None:
        super().__init__(url)
        self.inner = inner
        self._who = who
        self.target = getattr(inner, "target", None)
        air = getattr(inner, "air", None)
        self.air = air if air in _WORDS["air"] else None

    def connect(self) -> Capabilities:
        """Reach the reader; see `Reader.connect`."""
        can = self._checked("connect", self.inner.connect, Capabilities)
        for name, words in _WORDS.items():
            # They go into the record of a run, which is refused as a whole where one of them cannot be.
            if (said := getattr(can, name)) not in words:
                raise ReaderError(
                    f"{self._who}: its {name} is {said!r}, not one of {', '.join(words)}; {_MEND}"
                )
        return can

    def start(self, settings: ReaderSettings | None = None) -> None:
        """Begin to read tags; see `Reader.start`."""
        self._do("start", lambda: self.inner.start(settings))

    def read(self, timeout_s: float) -> ReaderBatch:
        """Return what has come in; see `Reader.read`."""
        batch = self._checked("read", lambda: self.inner.read(timeout_s), ReaderBatch)
        self._hold("read", "readings", batch.readings, Readings)
        if batch.activity is not None:
            self._hold("read", "activity", batch.activity, Activity)
        for name, rows, kind in (("events", batch.events, ReaderEvent), ("tags", batch.tags, TagData)):
            self._hold("read", name, rows, tuple)
            for row in rows:
                self._hold("read", name, row, kind)
        return batch

    def stop(self) -> None:
        """Stop reading tags; see `Reader.stop`."""
        self._do("stop", self.inner.stop)

    def close(self) -> None:
        """Let go of the reader; see `Reader.close`."""
        self._do("close", self.inner.close)

    def _do(self, name: str, what: Callable[[], Got]) -> Got:
        return _call(f"{self._who}: its {name} failed", what)

    def _checked(self, name: str, what: Callable[[], Got], kind: type[Got]) -> Got:
        got = self._do(name, what)
        if not isinstance(got, kind):
            raise ReaderError(f"{self._who}: its {name} returned {_a(got)}, not {_a(kind)}; {_MEND}")
        return got

    def _hold(self, name: str, column: str, value: object, kind: type) -> None:
        if not isinstance(value, kind):
            raise ReaderError(
                f"{self._who}: its {name} handed out {_a(value)} in {column}, not {_a(kind)}; {_MEND}"
            )


def _call(failing: str, what: Callable[[], Got]) -> Got:
    try:
        return what()
    except ReaderError:
        raise
    except Exception as error:
        log.debug("%s", failing, exc_info=True)
        text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
        raise ReaderError(f"{failing} ({text}); {_MEND}") from error


def _a(value: Any) -> str:
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
