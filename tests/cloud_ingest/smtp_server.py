"""A real SMTP server in this process that does to mails what servers do: grey lists, refusals, silence, sudden ends."""

import asyncio
import ssl
import threading
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP


@dataclass
class Taken:
    mail_from: str
    rcpt_tos: list[str]
    content: bytes


@dataclass
class SmtpServer:
    """Answers as `rcpt` (by address) and `data` (in turn) say, else it takes everything.

    `data` may hold an SMTP answer, ``hang`` (never answers), ``keep and die`` (keeps the mail and closes before it
    says so) or ``keep, then die`` (says 250 and closes before the good-bye).
    """

    greylist: bool = False
    rcpt: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    attempts: int = 0
    starttls: ssl.SSLContext | None = None
    tls: ssl.SSLContext | None = None
    port: int = 0
    plain_mails: int = 0
    _known: set = field(default_factory=set)

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_):
        async def end():
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, ready):
        options = {"tls_context": self.starttls, "require_starttls": self.starttls is not None}

        async def start():
            made = await self._loop.create_server(
                lambda: SMTP(self, hostname="test", loop=self._loop, **options),
                "127.0.0.1",
                self.port,
                ssl=self.tls,
            )
            self.port = made.sockets[0].getsockname()[1]
            return made

        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(start())
        ready.set()
        self._loop.run_forever()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.rcpt:
            return self.rcpt[address]
        triple = (envelope.mail_from, address)
        if self.greylist and triple not in self._known:
            self._known.add(triple)
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.attempts += 1
        if session.ssl is None and self.tls is None:
            self.plain_mails += 1
        plan = self.data.pop(0) if self.data else "250 taken"
        if plan == "hang":
            await asyncio.sleep(3600)
        if plan.startswith(("keep", "250")):
            self.taken.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        if plan == "keep and die":
            server.transport.abort()
            return "421 gone"
        if plan == "keep, then die":
            self._loop.call_later(0.05, server.transport.abort)
            return "250 taken"
        return plan
