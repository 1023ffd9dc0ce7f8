"""A conversation with one reader: requests and their answers, and in between reports, events and keepalives.

One thread uses a client; it does its work inside `pump` and `request`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from reader_drivers._reader import ReaderError
from reader_drivers.llrp.codec import (
    RO_ACCESS_REPORT,
    CodecError,
    ConnectionStatus,
    FrameReader,
    Message,
    Parameter,
    Reports,
    Version,
    decode_message,
    decode_reports,
    encode_message,
    message,
)
from reader_drivers.transport import LinkLostError, Transport


class Listener(Protocol):
    """Whom a client tells what the reader sends unasked; times are the host's clock, ns UTC."""

    def on_reports(self, reports: Reports, arrival_ns: int) -> None:
        """Take tag reports."""
        ...

    def on_event(self, data: Parameter, arrival_ns: int) -> None:
        """Take a ReaderEventNotificationData."""
        ...

    def on_bad_message(self, error: CodecError, arrival_ns: int) -> None:
        """Take the news of a message that cannot be read; the conversation goes on."""
        ...


class RefusedError(ReaderError):
    """The reader answered with an error status."""


class HeldError(ReaderError):
    """The reader has another client, or believes so."""


class NoAnswerError(LinkLostError):
    """No answer came in time."""


class LlrpClient:
    """Speaks LLRP over a transport.

    Parameters
    ----------
    transport
        An open connection.
    listener
        Told of everything that is not an answer.
    clock
        Host time, ns UTC; asked once for each piece of stream, as it arrives.
    timeout_s
        How long an answer may take.
    """

    def __init__(
        self, transport: Transport, listener: Listener, clock: Callable[[], int], timeout_s: float
    ) -> None:
        self.where = transport.where
        self.last_heard = time.monotonic()
        """When bytes last came, by the monotonic clock, s."""
        self.version: int = Version.V1_0_1
        """Of the messages that are sent."""
        self._transport, self._listener, self._clock = transport, listener, clock
        self._timeout_s = timeout_s
        self._frames = FrameReader()
        self._next_id = 0
        self._waiting_for: int | None = None
        self._answer: Message | None = None
        self._attempt: int | None = None

    def handshake(self, timeout_s: float | None = None) -> None:
        """Await the reader's word on this connection (LLRP 1.0.1, section 6.1), for `timeout_s` or the usual limit.

        Raises
        ------
        ReaderError
            What answers there is no LLRP reader, or refuses.
        HeldError
            Another client holds it.
        """
        limit = self._timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit
        while self._attempt is None:
            if time.monotonic() > deadline:
                raise ReaderError(
                    f"{self.where}: connected, but no LLRP greeting within {limit:g} s; "
                    "is this the LLRP port, and is the reader in LLRP mode?"
                )
            self.pump(deadline - time.monotonic())
        if self._attempt == ConnectionStatus.SUCCESS:
            return
        held = {
            ConnectionStatus.CLIENT_INITIATED_EXISTS: "another client holds the reader over a connection of its own",
            ConnectionStatus.READER_INITIATED_EXISTS: "the reader holds a connection that it opened to another host",
        }
        reason = held.get(ConnectionStatus(self._attempt) if self._attempt <= 4 else ConnectionStatus.FAILED)
        if reason is None:
            raise ReaderError(
                f"{self.where}: the reader refused the connection (status {self._attempt}); restart it"
            )
        raise HeldError(f"{self.where}: {reason}; stop that program or restart the reader")

    def request(
        self,
        name: str,
        *children: Parameter,
        version_: int | None = None,
        timeout_s: float | None = None,
        **values: int,
    ) -> Message:
        """Send a request and return its answer, handling whatever comes before it.

        Parameters
        ----------
        name, children, values
            As of `codec.message`.
        version_
            Of the header, where it is not the one agreed on.
        timeout_s
            How long the answer may take, where it is less than usual.

        Raises
        ------
        RefusedError
            The reader answered with an error status.
        NoAnswerError
            No answer came in time.
        LinkLostError
            The connection ended.
        """
        self._next_id += 1
        self._waiting_for, self._answer = self._next_id, None
        version = self.version if version_ is None else version_
        asked = message(name, self._next_id, *children, version_=version, **values)
        self._transport.send(encode_message(asked))
        limit = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        deadline = time.monotonic() + limit
        while self._answer is None:
            if time.monotonic() > deadline:
                self._waiting_for = None
                raise NoAnswerError(f"{self.where}: no answer to {name} within {limit:g} s")
            self.pump(deadline - time.monotonic())
        answer, self._waiting_for = self._answer, None
        state = next(answer.find("LLRPStatus"), None)
        code = 0 if state is None else state.number("code")
        if answer.name == "ERROR_MESSAGE" or code:
            text = "" if state is None else state.text("description")
            raise RefusedError(
                f"{self.where}: the reader refused {name} (status {code}{': ' if text else ''}{text})"
            )
        if answer.name != f"{name}_RESPONSE":
            raise LinkLostError(f"{self.where}: {answer.name} came as the answer to {name}")
        return answer

    def tell(self, name: str) -> None:
        """Send a message that has no answer.

        Raises
        ------
        LinkLostError
            The connection ended.
        """
        self._next_id += 1
        self._transport.send(encode_message(message(name, self._next_id, version_=self.version)))

    def pump(self, timeout_s: float) -> bool:
        """Wait for bytes and handle the messages they complete; False when none came.

        Raises
        ------
        LinkLostError
            The connection ended, or the stream is no LLRP.
        """
        data = self._transport.receive(timeout_s)
        if not data:
            return False
        arrival = self._clock()
        self.last_heard = time.monotonic()
        batch = self._frames.feed(data)
        for is_report, first, last in batch.runs(RO_ACCESS_REPORT):
            if is_report:
                reports = decode_reports(batch, first, last)
                for _, error in reports.bad:
                    self._listener.on_bad_message(error, arrival)
                self._listener.on_reports(reports, arrival)
                continue
            for index in range(first, last):
                try:
                    item = decode_message(batch.frame(index))
                except CodecError as error:
                    self._listener.on_bad_message(error, arrival)
                    continue
                self._handle(item, arrival)
        if self._frames.error is not None:
            raise LinkLostError(f"{self.where}: what it sends is no LLRP: {self._frames.error}")
        return True

    def _handle(self, item: Message, arrival: int) -> None:
        if item.name == "KEEPALIVE":
            # In stream order: every report before it has been handed over.
            self._transport.send(encode_message(message("KEEPALIVE_ACK", item.id, version_=self.version)))
        elif item.name == "READER_EVENT_NOTIFICATION":
            for data in item.all("ReaderEventNotificationData"):
                attempt = data.first("ConnectionAttemptEvent")
                if attempt is not None and self._attempt is None:
                    self._attempt = attempt.number("status")
                self._listener.on_event(data, arrival)
        elif item.id == self._waiting_for and (
            item.name.endswith("_RESPONSE") or item.name == "ERROR_MESSAGE"
        ):
            self._answer = item
        elif item.name == "ERROR_MESSAGE":
            state = next(item.find("LLRPStatus"), None)
            text = (
                "ERROR_MESSAGE"
                if state is None
                else f"ERROR_MESSAGE {state.number('code')}: {state.text('description')}"
            )
            self._listener.on_bad_message(CodecError(text), arrival)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()
