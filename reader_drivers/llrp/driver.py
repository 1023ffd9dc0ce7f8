"""The LLRP driver: a thread that keeps the connection, and the `Reader` in front of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue

from reader_drivers._reader import Capabilities, Reader, ReaderBatch, ReaderError, ReaderSettings
from reader_drivers.backoff import Backoff
from reader_drivers.clock_map import ClockMap
from reader_drivers.llrp.capabilities import LlrpCapabilities
from reader_drivers.llrp.codec import FrameReader, decode_reports, encode_message, message, parameter
from reader_drivers.llrp.inbox import MAX_READINGS, Inbox
from reader_drivers.llrp.link import Link
from reader_drivers.llrp.options import merge_settings, parse_options
from reader_drivers.llrp.rospec import check_settings
from reader_drivers.llrp.transport import LinkLostError, Wake

log = logging.getLogger("nightstack.readers")

_IDLE_S = 0.5


class LlrpReader(Reader):
    """An LLRP reader at `llrp://host:port`; options see `options.Options`.

    A thread of its own answers keepalives and stamps arrivals, so a caller that is busy neither loses the reader nor
    spoils times.

    Parameters
    ----------
    url
        Where the reader is, with options.
    clock
        Host time, ns UTC.
    """

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__(url)
        self._options = parse_options(url)
        self._clock = clock
        self._inbox = Inbox(clock)
        self._clock_map = ClockMap()
        self._backoff = Backoff(self._options.retry_s, self._options.retry_max_s)
        self._wanted: ReaderSettings | None = None
        self._abilities: LlrpCapabilities | None = None
        self._commands: SimpleQueue[tuple[Callable[[Link | None], None], Future[None]]] = SimpleQueue()
        self._closing = False
        self._wake = Wake()
        self._thread: threading.Thread | None = None

    def connect(self) -> Capabilities:
        """Reach the reader, end what it was doing, and learn what it can; see `Reader.connect`."""
        if self._thread is not None or self._closing:
            raise ReaderError(f"{self.url}: connected or closed before; open another reader")
        _compile()
        link = Link(self._options, self._clock, self._inbox, self._clock_map, self._wake)
        self._abilities = link.abilities
        self._thread = threading.Thread(
            target=self._run, args=(link,), name=f"llrp {link.where}", daemon=True
        )
        self._thread.start()
        return link.abilities.public

    def start(self, settings: ReaderSettings | None = None) -> None:
        """Begin to read tags; see `Reader.start`. A reader that is gone at this moment begins when it is back."""
        merged = merge_settings(settings, self._options.settings)
        if self._abilities is None:
            raise ReaderError(f"{self.url}: not connected; call connect() first")
        check_settings(merged, self._abilities, self.url)
        self._do(lambda link: self._start(link, merged))

    def _start(self, link: Link | None, settings: ReaderSettings) -> None:
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
        """Stop reading tags; see `Reader.stop`."""
        if self._thread is not None and self._thread.is_alive():
            self._do(self._stop)

    def _stop(self, link: Link | None) -> None:
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

    def _do(self, what: Callable[[Link | None], None]) -> None:
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

    def _run(self, link: Link | None) -> None:
        try:
            while link is not None:
                link = self._follow(link)
        finally:
            self._closing = True
            self._refuse_commands()
            self._inbox.close()

    def _follow(self, link: Link) -> Link | None:
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

    def _lost(self, link: Link, why: str) -> Link | None:
        link.lost()
        self._inbox.add_event("reader_gone", why)
        return self._come_back()

    def _serve(self, link: Link) -> None:
        while not self._closing:
            self._run_commands(link)
            if self._inbox.full:
                # Not receiving pushes back on the reader, which buffers; nothing is thrown away here.
                self._wake.wait(_IDLE_S)
            else:
                link.pump(_IDLE_S)

    def _come_back(self) -> Link | None:
        self._backoff.reset()
        said = ""
        while not self._closing:
            until = time.monotonic() + self._backoff.next_s()
            while not self._closing and (left := until - time.monotonic()) > 0:
                self._run_commands(None)
                self._wake.wait(left)
            if self._closing:
                break
            link: Link | None = None
            try:
                link = Link(self._options, self._clock, self._inbox, self._clock_map, self._wake)
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
            self._abilities = link.abilities
            self._inbox.add_event("reader_back", f"{link.where}: connected again")
            return link
        return None

    def _run_commands(self, link: Link | None) -> None:
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


def _compile() -> None:
    """Compile the decoder before the first report comes: it takes seconds where no cache of it is."""
    epc = parameter("EPCData", epc=(16, b"\0\0"))
    sample = message("RO_ACCESS_REPORT", 0, parameter("TagReportData", epc))
    decode_reports(FrameReader().feed(encode_message(sample)))
