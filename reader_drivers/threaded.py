"""A reader with a thread of its own: it keeps the connection, and comes back where it was lost.

The thread answers keepalives and stamps arrivals, so a caller that is busy neither loses the reader nor spoils times.
What is particular to a protocol is its `Link`: one connection from set-up to loss.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import Final, Generic, Protocol, TypeVar

from reader_drivers._reader import (
    Capabilities,
    Reader,
    ReaderBatch,
    ReaderError,
    ReaderSettings,
    SettingsError,
)
from reader_drivers.backoff import Backoff
from reader_drivers.inbox import MAX_READINGS, Inbox
from reader_drivers.targets import Common, Target, merge_settings
from reader_drivers.transport import LinkLostError, Wake

log = logging.getLogger("nightstack.readers")

MISSED_KEEPALIVES: Final = 3
"""After so many keepalive periods of silence a reader counts as gone."""

_IDLE_S = 0.5
_LEAST_PAUSE_S = 0.05


class Link(Protocol):
    """A reader that answers: what lives from `connect` until the connection is lost. Its thread alone uses it."""

    @property
    def where(self) -> str:
        """Return the reader as messages name it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """Return what the reader said it can do."""
        ...

    def start(self, settings: ReaderSettings) -> None:
        """Begin to read tags; raises ReaderError where the reader cannot or will not."""
        ...

    def stop(self) -> None:
        """Stop reading tags; everything under way has arrived when this returns."""
        ...

    def pump(self, timeout_s: float) -> None:
        """Handle what comes, for at most `timeout_s`.

        Raises
        ------
        LinkLostError
            The connection is over, or the reader has been silent for too long.
        """
        ...

    def lost(self) -> None:
        """Note the end of a connection that broke, and close it."""
        ...

    def close(self) -> None:
        """Say good-bye and close the connection; a reader that is left does not go on transmitting."""
        ...


class Place(Protocol):
    """What a reader with a thread needs of its URL."""

    @property
    def target(self) -> Target:
        """Return where the reader is."""
        ...

    @property
    def settings(self) -> ReaderSettings:
        """Return what the URL asks the reader to do."""
        ...

    @property
    def common(self) -> Common:
        """Return the time limits."""
        ...


L = TypeVar("L", bound=Link)


class ThreadedReader(Reader, Generic[L]):
    """A `Reader` that follows links.

    Parameters
    ----------
    url
        Where the reader is, with options.
    clock
        Host time, ns UTC.
    place
        The URL, read: where the reader is, what `start` uses for all that it is not told, and how soon to try again.
    """

    def __init__(self, url: str, clock: Callable[[], int], place: Place) -> None:
        super().__init__(url)
        self._refuse(place.settings, self._check_kind)
        self.target, self.timeout_s = place.target, place.common.timeout_s
        self._clock = clock
        self._settings = place.settings
        self._inbox = Inbox(clock)
        self._backoff = Backoff(place.common.retry_s, place.common.retry_max_s)
        self._wanted: ReaderSettings | None = None
        self._latest: L | None = None
        """The link that was opened last: what is known of the reader."""
        self._commands: SimpleQueue[tuple[Callable[[L | None], None], Future[None]]] = SimpleQueue()
        self._closing = False
        self._wake = Wake()
        self._thread: threading.Thread | None = None

    def check_settings(self, settings: ReaderSettings) -> None:
        """Refuse settings that no reader of this kind can follow; see `Reader.check_settings`."""
        self._refuse(merge_settings(settings, self._settings), self._check_kind)

    def _refuse(self, settings: ReaderSettings, check: Callable[[ReaderSettings], None]) -> None:
        """Let `check` refuse settings, which is the caller's mistake whatever a driver calls it."""
        try:
            check(settings)
        except SettingsError:
            raise
        except ReaderError as error:
            raise SettingsError(str(error)) from error

    def _check_kind(self, settings: ReaderSettings) -> None:
        """Refuse what no reader of this kind can follow, whether one is reached or not; see `_check`."""

    @abstractmethod
    def _open_link(self) -> L:
        """Reach the reader, end what it was doing, and learn what it can; raises ReaderError."""

    def _check(self, settings: ReaderSettings, link: L) -> None:
        """Refuse what this very reader cannot follow; raises ReaderError that says which and what it can do.

        `link` is the latest: it knows what the reader can do, and may be lost.
        """

    def connect(self) -> Capabilities:
        """Reach the reader, end what it was doing, and learn what it can; see `Reader.connect`."""
        if self._thread is not None or self._closing:
            raise ReaderError(f"{self.url}: connected or closed before; open another reader")
        link = self._latest = self._open_link()
        self._thread = threading.Thread(
            target=self._run, args=(link,), name=link.where.replace("://", " "), daemon=True
        )
        self._thread.start()
        return link.capabilities

    def start(self, settings: ReaderSettings | None = None) -> None:
        """Begin to read tags; see `Reader.start`. A reader that is gone at this moment begins when it is back."""
        merged = merge_settings(settings, self._settings)
        latest = self._latest
        if latest is None:
            raise ReaderError(f"{self.url}: not connected; call connect() first")
        self._refuse(merged, self._check_kind)
        self._refuse(merged, lambda asked: self._check(asked, latest))
        self._do(lambda link: self._start(link, merged))

    def _start(self, link: L | None, settings: ReaderSettings) -> None:
        if link is not None:
            link.start(settings)
        self._wanted = settings

    def read(self, timeout_s: float) -> ReaderBatch:
        """Return what has come in; see `Reader.read`."""
        batch = self._inbox.fetch(timeout_s)
        if len(batch.readings) >= MAX_READINGS:
            # The thread stopped listening for want of room.
            self._wake.set()
        return batch

    def stop(self) -> None:
        """Stop reading tags; see `Reader.stop`. A reader that is lost meanwhile is not started again."""
        if self._thread is not None and self._thread.is_alive():
            # That it is lost an event tells.
            with contextlib.suppress(LinkLostError):
                self._do(self._stop)

    def _stop(self, link: L | None) -> None:
        running, self._wanted = self._wanted, None
        if link is not None and running is not None:
            link.stop()

    def close(self) -> None:
        """End the thread and the connection; see `Reader.close`."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._inbox.close()
        self._wake.close()

    def _do(self, what: Callable[[L | None], None]) -> None:
        """Let the thread do something and wait for it; its error is raised here."""
        done: Future[None] = Future()
        self._commands.put((what, done))
        self._wake.set()
        while not wait((done,), _IDLE_S).done:
            if self._thread is None or not self._thread.is_alive():
                # It may have ended before it saw this; what it did see is answered.
                self._refuse_commands()
        done.result()

    # The thread

    def _run(self, link: L | None) -> None:
        try:
            while link is not None:
                link = self._follow(link)
        finally:
            self._closing = True
            self._refuse_commands()
            self._inbox.close()

    def _follow(self, link: L) -> L | None:
        """Serve a link until it ends; return the next one, or None when closing."""
        try:
            self._serve(link)
        except LinkLostError as error:
            return self._lost(link, str(error))
        except Exception as error:
            # Whatever a strange reader can make go wrong costs its connection, never the thread.
            log.exception("%s: unexpected error", link.where)
            return self._lost(link, f"{link.where}: {error!r}")
        link.close()
        return None

    def _lost(self, link: L, why: str) -> L | None:
        link.lost()
        self._inbox.add_event("reader_gone", why)
        return self._come_back()

    def _serve(self, link: L) -> None:
        while not self._closing:
            self._run_commands(link)
            if self._inbox.full:
                # Not receiving pushes back on the reader, which buffers; nothing is thrown away here.
                self._wake.wait(_IDLE_S)
            else:
                link.pump(_IDLE_S)

    def _come_back(self) -> L | None:
        self._backoff.reset()
        said = ""
        began = time.monotonic()
        while not self._closing:
            # Delays count from the beginning of the try before, which may have hung: else both would add up.
            until = max(began + self._backoff.next_s(), time.monotonic() + _LEAST_PAUSE_S)
            while not self._closing and (left := until - time.monotonic()) > 0:
                self._run_commands(None)
                self._wake.wait(left)
            if self._closing:
                break
            link: L | None = None
            began = time.monotonic()
            try:
                link = self._latest = self._open_link()
                if self._wanted is not None:
                    link.start(self._wanted)
            except Exception as error:
                if not isinstance(error, ReaderError):
                    log.exception("%s: unexpected error", self.url)
                if link is not None:
                    link.lost()
                if str(error) != said:
                    said = str(error)
                    self._inbox.add_event("reader_unreachable", said)
                continue
            self._inbox.add_event("reader_back", f"{link.where}: connected again")
            return link
        return None

    def _run_commands(self, link: L | None) -> None:
        while not self._commands.empty():
            what, done = self._commands.get()
            try:
                what(link)
            except LinkLostError as error:
                done.set_exception(error)
                raise
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    def _refuse_commands(self) -> None:
        while True:
            try:
                _, done = self._commands.get_nowait()
            except Empty:
                return
            done.set_exception(ReaderError(f"{self.url}: closed"))
