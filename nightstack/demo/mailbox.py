"""The demo's mail server: real SMTP on loopback, every message kept as it came in."""

from __future__ import annotations

import asyncio
import email
import queue
from email import policy
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller


def mail_text(file: Path) -> str:
    """Return a mail's subject and its text without HTML."""
    mail = email.message_from_bytes(file.read_bytes(), policy=policy.default)
    body = mail.get_body(("plain",))
    return f"{mail['Subject']}\n\n{body.get_content() if body is not None else ''}"


class _OnAnyPort(Controller):
    """aiosmtpd's controller takes port 0 for the port it then connects to itself; this one looks which it got."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server), "the base class makes it first"
        self.port = int(self.server.sockets[0].getsockname()[1])
        super()._trigger_server()


class Mailbox:
    """An SMTP server that writes each message it accepts into a folder.

    Parameters
    ----------
    folder
        Where ``mail-1.eml``, ``mail-2.eml`` ... go, byte for byte as received.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrived: queue.Queue[Path] = queue.Queue()
        self._count = 0
        self._controller = _OnAnyPort(self, hostname="127.0.0.1", port=0)

    @property
    def port(self) -> int:
        """The TCP port that the server listens on."""
        return self._controller.port

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name for it)
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        """Keep one message (called by aiosmtpd)."""
        self._count += 1
        file = self._folder / f"mail-{self._count}.eml"
        file.write_bytes(envelope.original_content)
        self._arrived.put(file)
        return "250 kept"

    def wait(self, timeout_s: float) -> Path | None:
        """Wait for the next message.

        Parameters
        ----------
        timeout_s
            Seconds to wait at most.

        Returns
        -------
        Path or None
            The message's file; None if none came.
        """
        try:
            return self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def __enter__(self) -> Mailbox:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
