"""The service: every part started, watched, and stopped in order."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from cloud_ingest.bounces import Bounces, return_address
from cloud_ingest.broker import EmbeddedBroker
from cloud_ingest.composer import Composer
from cloud_ingest.consumer import Consumer
from cloud_ingest.database import Database, exclusive
from cloud_ingest.errors import ServeError
from cloud_ingest.jobs import JobRunner
from cloud_ingest.lifecycle import Lifecycle
from cloud_ingest.models import RECORDING, Run
from cloud_ingest.morning import Mornings
from cloud_ingest.outbox import Outbox
from cloud_ingest.settings import ServeSettings
from cloud_ingest.store import Store
from cloud_ingest.writer import Writer

_LOG = logging.getLogger(__name__)
_SUBSCRIBE_S = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """Where the service can be reached.

    Attributes
    ----------
    http
        URL of API and pages; None where this role has none.
    broker
        URL of the broker robots are to use, without user and password; None where this role has none.
    """

    http: str | None
    broker: str | None


def serve(
    settings: ServeSettings,
    *,
    on_ready: Callable[[Serving], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run the service until it is stopped.

    SIGTERM and SIGINT stop it when it runs in the main thread: no more messages are taken, those received are
    stored and acknowledged, workers end (their jobs are taken again at the next start).

    Parameters
    ----------
    settings
        What to serve.
    on_ready
        Called once everything listens.
    stop
        An event that stops it, too.

    Raises
    ------
    ServeError
        It cannot start: one line that says why and what to do.
    """
    stopping = stop or threading.Event()
    with ExitStack() as stack, _signals(stopping):
        try:
            service = _Service(settings, stack, stopping)
        except BaseException as err:
            stopping.set()  # what has started already ends, too
            if not isinstance(err, OSError):
                raise
            raise ServeError(
                f"data {settings.data}: {err.strerror or err}; name a folder that can be written"
            ) from err
        _LOG.info("%s", _listens(service.serving, settings))
        if on_ready is not None:
            on_ready(service.serving)
        stopping.wait()
        _LOG.debug("stopping")


class _Service:
    """The parts of one role; everything that must end is on the stack, in the order of starting."""

    def __init__(self, settings: ServeSettings, stack: ExitStack, stopping: threading.Event) -> None:
        self._settings = settings
        self._stopping = stopping
        self._loops: dict[str, threading.Thread] = {}
        self._broker: EmbeddedBroker | None = None
        self._consumer: Consumer | None = None
        self._http: str | None = None
        roles = {"ingest", "jobs", "web"} if settings.role == "all" else {settings.role}
        for said in settings.doubts:
            _LOG.warning("%s", said)
        settings.data.mkdir(parents=True, exist_ok=True)
        for role in sorted(roles & {"ingest", "jobs"}):
            stack.enter_context(_only_one(settings, role))
        self._database = Database(settings)
        stack.callback(self._database.close)
        if "web" in roles:
            self._start_web(stack)
        if "jobs" in roles:
            self._start_jobs(stack)
        if "ingest" in roles:
            self._start_ingest(stack)
        self.serving = Serving(self._http, None if self._consumer is None else self._consumer.broker)

    def _start_web(self, stack: ExitStack) -> None:
        from cloud_ingest.web import make_app
        from cloud_ingest.web.server import WebServer

        server = WebServer(make_app(self._database, self.health, self._settings), self._settings.http)
        stack.callback(server.stop)
        server.start()
        self._http = server.url

    def _start_ingest(self, stack: ExitStack) -> None:
        settings = self._settings
        if settings.broker is None:
            self._broker = EmbeddedBroker(settings.broker_listen)
            self._broker.start()
            stack.callback(self._broker.stop)
        url = self._broker.url if self._broker is not None else settings.broker
        assert url is not None
        store = Store(self._database, settings)
        consumer = self._consumer = Consumer(store, settings, url)
        stack.callback(consumer.stop)
        consumer.start()
        # With a broker of our own, robots may come the moment we say that we are ready.
        if not consumer.wait_subscribed(_SUBSCRIBE_S):
            _LOG.warning("%s", consumer.problem)
        lifecycle = Lifecycle(self._database, store, settings, lambda: consumer.connected_at)
        self._loop(stack, "lifecycle", 0.25, lifecycle.tick)

        def say_again() -> None:
            with self._database.read() as session:
                runs = session.query(Run.run_id).where(Run.state == RECORDING).all()
            for (run_id,) in runs:
                consumer.publish(store.acks(run_id))

        self._loop(stack, "acks", settings.ack_s, say_again)

    def _start_jobs(self, stack: ExitStack) -> None:
        settings = self._settings
        runner = JobRunner(self._database, settings, self._base_url)
        threads = [
            threading.Thread(target=runner.run, name=f"jobs-{i}", daemon=True)
            for i in range(settings.parallel_jobs)
        ]

        def stop_workers() -> None:
            runner.stop()
            for thread in threads:
                thread.join(10.0)

        stack.callback(stop_workers)
        for thread in threads:
            thread.start()
            self._loops[thread.name] = thread
        outbox = Outbox(self._database, settings, _sender(settings))
        outbox.recover()
        if settings.bounces is not None:
            self._loop(stack, "bounces", 5.0, Bounces(self._database, settings.bounces).tick)
        composer = Composer(self._database, settings, self._base_url)
        self._loop(stack, "letters", 0.5, composer.tick)
        stack.callback(composer.stop)  # before its loop is waited for
        writer = Writer(self._database, settings)
        self._loop(stack, "writes", 1.0, writer.tick)
        stack.callback(writer.stop)  # before its loop is waited for
        mornings = Mornings(self._database, settings, self._base_url)
        mornings.meet()
        self._loop(stack, "outbox", 0.5, outbox.tick)
        self._loop(stack, "mornings", 2.0, mornings.tick)

    def _loop(self, stack: ExitStack, name: str, pause_s: float, work: Callable[[], object]) -> None:
        """Call something again and again in a thread; whatever it raises is logged, and it is called again."""

        def run() -> None:
            while not self._stopping.wait(pause_s):
                try:
                    work()
                except Exception:
                    _LOG.exception("%s failed in an unforeseen way; going on", name)

        thread = threading.Thread(target=run, name=name, daemon=True)
        stack.callback(thread.join, 30.0)
        thread.start()
        self._loops[name] = thread

    def _base_url(self) -> str:
        if self._settings.base_url is not None:
            return self._settings.base_url.rstrip("/")
        return self._http or f"http://{self._settings.http}"

    def health(self) -> dict[str, Any]:
        """Say whether every part works, and which does not."""
        parts = {name: thread.is_alive() for name, thread in self._loops.items()}
        problem: str | None = None
        if self._broker is not None:
            parts["broker"] = self._broker.alive
        consumer = self._consumer
        if consumer is not None:
            parts["ingest"] = consumer.alive
            problem = consumer.problem
        dead = [name for name, alive in parts.items() if not alive]
        if dead:
            problem = f"{', '.join(dead)} stopped; restart the service and see its log"
        said: dict[str, Any] = {"ok": problem is None, "role": self._settings.role, "problem": problem}
        if consumer is not None:
            said |= {
                "connected": consumer.connected_at is not None,
                "backlog": consumer.backlog,
                "dropped": consumer.dropped,
            }
        return said


def _listens(serving: Serving, settings: ServeSettings) -> str:
    """Say in one line where the service can be reached, and what it keeps."""
    parts = [f"pages {serving.http}"] if serving.http else []
    parts += [f"robots {serving.broker}"] if serving.broker else []
    return f"listens: {', '.join([*parts, f'data {settings.data}'])}"


@contextmanager
def _only_one(settings: ServeSettings, role: str) -> Generator[None]:
    """Keep a second process of one role off the same data: watermarks and leases count on being alone."""
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(settings.data / f".{role}.lock", wait=False))
        except BlockingIOError as err:
            raise ServeError(
                f"data {settings.data}: another process serves its {role} already; stop it, or name another --data"
            ) from err
        yield


@contextmanager
def _signals(stopping: threading.Event) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end(_number: int, _frame: object) -> None:
        stopping.set()

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sender(settings: ServeSettings) -> Callable[[Any], None] | None:
    if settings.smtp is None:
        return None
    smtp = settings.smtp

    def send(mail: Any) -> None:
        # The module alone: the rest of the room brings compilers and PDF writers with it.
        from reports.smtp import send_mail

        back_to = settings.bounce_address
        send_mail(mail, smtp, envelope_from=back_to and return_address(back_to, mail["Message-ID"]))

    return send
