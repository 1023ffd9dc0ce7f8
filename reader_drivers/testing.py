"""A check for those who write drivers: whether a reader keeps what `Reader` promises."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from reader_drivers._checked_rows import mistyped, of_batch, of_capabilities
from reader_drivers._checked_settings import (
    PASSED_OVER,
    in_urls,
    nobody_follows,
    not_followed,
    to_follow,
    words,
)
from reader_drivers._foreign_reader import ForeignReader
from reader_drivers._open import open_reader
from reader_drivers._reader import (
    Capabilities,
    Reader,
    ReaderBatch,
    ReaderError,
    ReaderSettings,
    SettingsError,
)

_LATE_S: Final = 0.5
_WAIT_S: Final = 0.25
_QUIET_S: Final = 3.0
_AGAIN_S: Final = 5.0
_AHEAD_NS: Final = 86_400_000_000_000
_PACE_NS: Final = 400_000_000
"""Batches so far apart show the pace of t; half of it may be delays."""


def check_reader(url: str, *, seconds: float = 2.0) -> list[str]:
    """Use a reader as the robot does, and look at all it hands out.

    Parameters
    ----------
    url
        Of a reader, real or emulated, with tags before its first antenna.
    seconds
        How long to read, with all ports and then with the first alone.

    Returns
    -------
    list of str
        What is wrong, one sentence each; empty where nothing is.
    """
    faults: list[str] = []
    threads = set(threading.enumerate())
    with _noted(faults, "an option that no driver has"):
        _check_options(url, faults)
    with _noted(faults, "the reader"):
        reader = open_reader(url, clock=_clock)
        use = _Use(reader, faults)
        try:
            use.check(seconds)
        finally:
            reader.close()
            reader.close()
        _check_urls(url, use.can, faults)
    left = {thread.name for thread in set(threading.enumerate()) - threads if thread.is_alive()}
    if left:
        faults.append(f"close: it left threads behind ({', '.join(sorted(left))})")
    # Of faults that differ in their figures alone the first is told.
    first: dict[str, str] = {}
    for fault in faults:
        first.setdefault(re.sub(r"[\d.]+(e[+-]\d+)?", "#", fault), fault)
    return list(first.values())


def _clock() -> int:
    """Return a time that nobody else has: whoever asks the machine for it is found out."""
    return time.time_ns() + _AHEAD_NS


class _EnoughError(Exception):
    """Nothing more can be tried; why not was told."""


@contextmanager
def _noted(faults: list[str], what: str) -> Generator[None]:
    try:
        yield
    except _EnoughError:
        pass
    except ReaderError as error:
        faults.append(f"{what}: {error}")
    except Exception as error:
        faults.append(f"{what}: {type(error).__name__}: {error}")


def _check_options(url: str, faults: list[str]) -> None:
    strange = f"{url}{'&' if '?' in url else '?'}no_such_option=1"
    try:
        open_reader(strange).close()
    except ReaderError as error:
        if "no_such_option" not in str(error).replace(strange, ""):
            faults.append(f"open: the error for an unknown option does not name it: {error}")
        elif not isinstance(error, SettingsError):
            faults.append("open: an unknown option is refused with ReaderError; raise SettingsError")
    else:
        faults.append(
            "open: an unknown option in the URL is not refused; a misspelt one would be passed over"
        )


def _check_urls(url: str, can: Capabilities, faults: list[str]) -> None:
    """Ask for settings by URL; a reader that was just let go may need a moment before it is reached again."""
    for longer, asked in in_urls(url, can):
        reader: Reader | None = None
        try:
            reader = open_reader(longer, clock=_clock)
            use = _Use(reader, faults)
            _again(use.connect)
            since = _clock()
            reader.start()
            use.taken(f"the URL's {words(asked)}", asked, since)
        except SettingsError:
            continue
        finally:
            if reader is not None:
                reader.close()


def _again(connect: Callable[[], None]) -> None:
    until = time.monotonic() + _AGAIN_S
    while True:
        try:
            return connect()
        except SettingsError:
            raise
        except ReaderError:
            if time.monotonic() > until:
                raise
            time.sleep(_WAIT_S)


class _Use:
    """A reader in use: what it hands out is looked at, what is wrong goes to `faults`."""

    def __init__(self, reader: Reader, faults: list[str]) -> None:
        self._reader = reader
        self._faults = faults
        self._began = _clock()
        self.can: Capabilities

    def connect(self) -> None:
        self.can = self._reader.connect()

    def check(self, seconds: float) -> None:
        self.connect()
        if wrong := mistyped(self.can):
            self._faults += wrong
            raise _EnoughError
        self._faults += of_capabilities(self.can, self._reader)
        for ports in ((), (1,)):
            self._reader.start(ReaderSettings(ports=ports))
            if not self._listen(ports, seconds):
                self._faults.append(
                    f"read: no tag was heard in {seconds:g} s with ports={ports or 'all'}; hold one before port 1"
                )
            self._stop(ports)
        for asked in nobody_follows(self.can):
            self._refused(asked)
        for asked in to_follow(self.can):
            since = _clock()
            try:
                self._reader.start(ReaderSettings(**asked))
            except SettingsError:
                continue
            self.taken(f"start: {words(asked)}", asked, since)

    def taken(self, what: str, asked: Mapping[str, Any], since: int) -> None:
        """Look whether a setting that was taken at `since` is followed, and stop."""
        settings = ReaderSettings(**asked)
        until = time.monotonic() + 2 * _WAIT_S
        impossible = asked in list(nobody_follows(self.can))
        other = "no reader can follow it" if impossible else ""
        while not other and time.monotonic() < until:
            other = not_followed(settings, self._read(_WAIT_S), self.can, since)
        self._reader.stop()
        if other:
            self._faults.append(f"{what} is passed over ({other}): {PASSED_OVER}")

    def _refused(self, asked: Mapping[str, Any]) -> None:
        what = f"start: {words(asked)}"
        try:
            self._reader.start(ReaderSettings(**asked))
        except SettingsError:
            return
        except ReaderError:
            self._faults.append(
                f"{what} is refused with ReaderError, after which the robot tries again; raise SettingsError"
            )
        else:
            self.taken(what, asked, 0)

    def _listen(self, ports: tuple[int, ...], seconds: float) -> int:
        heard = 0
        newest: list[tuple[int, int]] = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            batch = self._looked_at(ports)
            heard += len(batch.readings)
            if len(batch.readings):
                newest.append((int(batch.readings.t.max()), _clock()))
        if newest:
            t, clock = (newest[-1][i] - newest[0][i] for i in (0, 1))
            if clock > _PACE_NS and not 0.5 * clock < t < 1.5 * clock:
                self._faults.append(
                    f"read: t advances by {t / 1e9:.3g} s while the clock that the factory was given advances by "
                    f"{clock / 1e9:.3g} s; say when each reading was heard"
                )
        return heard

    def _stop(self, ports: tuple[int, ...]) -> None:
        self._reader.stop()
        until = time.monotonic() + _QUIET_S
        while len(self._looked_at(ports).readings):
            if time.monotonic() > until:
                self._faults.append(f"stop: readings still come {_QUIET_S:g} s later")
                break

    def _looked_at(self, ports: tuple[int, ...]) -> ReaderBatch:
        batch = self._read(_WAIT_S)
        self._faults += [
            f"read: {what}" for what in of_batch(batch, self.can, ports, (self._began, _clock()))
        ]
        return batch

    def _read(self, timeout_s: float) -> ReaderBatch:
        asked = time.monotonic()
        reader = self._reader
        batch = reader.fetch(timeout_s) if isinstance(reader, ForeignReader) else reader.read(timeout_s)
        took = time.monotonic() - asked
        if batch is None:
            self._faults.append(
                f"read: called with {timeout_s:g} s, it has not returned after {took:.0f} s: give each wait in it a "
                "limit, else nobody can stop the reader"
            )
            raise _EnoughError
        if took > timeout_s + _LATE_S:
            self._faults.append(f"read: it waited longer than {timeout_s:g} s ({took:.1f} s)")
        return batch
