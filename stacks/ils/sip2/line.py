"""One SIP2 line: a socket, messages whole and checked, each answer to its request (SIP2 2.00, "Error detection")."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TypeVar

from pysip2 import decode_message, encode_message
from pysip2.errors import SIP2ChecksumError, SIP2Error
from pysip2.models import RequestACSResend, RequestSCResend, SIPMessage, SIPResponse

from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError
from stacks.ils.http import certificate_context
from stacks.ils.sip2.settings import Sip2Settings

_MOST_BYTES = 64 << 10
_RESENDS = 3

ResponseT = TypeVar("ResponseT", bound=SIPResponse)


class Line:
    """
    A connected SIP2 line.

    Parameters
    ----------
    settings : Sip2Settings
        Where, and how it speaks.
    clock : Clock
        Tells when an answer is late.

    Raises
    ------
    IlsError
        Nobody answers there, or not in TLS; of every method: the line is dead or the other end speaks no SIP2.
    """

    def __init__(self, settings: Sip2Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.name = f"sip2 at {settings.host}:{settings.port}"
        self._sequence = -1
        self._buffer = bytearray()
        self._socket = self._connected()

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def ask(self, request: SIPMessage, wanted: type[ResponseT], *, writes: bool = False) -> ResponseT:
        """
        Send a request and return its answer.

        Parameters
        ----------
        request : SIPMessage
            What to send.
        wanted : type
            Which message must come back.
        writes : bool
            The request changes something: a lost answer leaves it unknown whether it did.

        Raises
        ------
        IlsError
            No answer in time, an answer to something else, or one that cannot be read.
        """
        self._sequence = (self._sequence + 1) % 10
        frame = self._encoded(request)
        self._send(frame, maybe_done=False)
        ends = self._clock.monotonic() + self._settings.timeout_s
        resends = 0
        while True:
            answer = self._receive(ends, writes)
            try:
                decoded = decode_message(answer, encoding=self._settings.encoding)
            except SIP2ChecksumError:
                # Asking again for the answer repeats nothing: the other end keeps what it sent last.
                resends = self._once_more(resends, "checksums are wrong", writes)
                self._send(self._encoded(RequestACSResend()), maybe_done=writes)
                continue
            except UnicodeDecodeError:
                raise IlsError(
                    f"{self.name}: its text is not {self._settings.encoding}; set encoding", maybe_done=writes
                ) from None
            except SIP2Error as error:
                raise IlsError(
                    f"{self.name}: answered with what is no SIP2 ({error})", maybe_done=writes
                ) from None
            if isinstance(decoded.message, RequestSCResend):  # it could not read ours
                resends = self._once_more(resends, "it cannot read what we send", writes)
                self._send(frame, maybe_done=writes)
                continue
            if self._settings.error_detection:
                if decoded.checksum is None:
                    raise IlsError(
                        f"{self.name}: answers without checksums; set error_detection = false if it has none",
                        maybe_done=writes,
                    )
                if decoded.sequence_number != self._sequence:
                    continue  # the late answer to an earlier request
            if not isinstance(decoded.message, wanted):
                raise IlsError(
                    f"{self.name}: answered with {type(decoded.message).__name__} where {wanted.__name__} should be",
                    maybe_done=writes,
                )
            return decoded.message

    def _once_more(self, resends: int, why: str, writes: bool) -> int:
        if resends >= _RESENDS:
            raise IlsError(f"{self.name}: {why} ({resends + 1} times)", temporary=True, maybe_done=writes)
        return resends + 1

    def _encoded(self, message: SIPMessage) -> bytes:
        try:
            return encode_message(
                message,
                sequence_number=self._sequence if self._settings.error_detection else None,
                checksum=self._settings.error_detection,
                encoding=self._settings.encoding,
            )
        except (SIP2Error, UnicodeEncodeError) as error:
            raise IlsError(f"{self.name}: cannot be asked that ({error})") from None

    def _connected(self) -> socket.socket:
        given = self._settings
        plain: socket.socket | None = None
        try:
            plain = socket.create_connection((given.host, given.port), timeout=given.timeout_s)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not given.tls:
                return plain
            context = certificate_context(None if given.ca_file is None else str(given.ca_file))
            return context.wrap_socket(plain, server_hostname=given.host)
        except ssl.SSLCertVerificationError as error:
            failed = IlsError(
                f"{self.name}: its certificate is not accepted ({error.verify_message}); "
                "if a CA of your own signed it, name its PEM file in ca_file"
            )
        except ssl.SSLError as error:
            failed = IlsError(f"{self.name}: no TLS there ({error.reason}); set tls = false, or another port")
        except TimeoutError:
            failed = IlsError(f"{self.name}: cannot be reached in {given.timeout_s:g} s", temporary=True)
        except OSError as error:
            if isinstance(error, IlsError):
                failed = error
            else:
                failed = IlsError(
                    f"{self.name}: cannot be reached ({error.strerror or error})", temporary=True
                )
        if plain is not None:
            plain.close()
        raise failed

    def _send(self, frame: bytes, *, maybe_done: bool) -> None:
        try:
            self._socket.settimeout(self._settings.timeout_s)
            self._socket.sendall(frame)
        except OSError as error:
            # The last byte ends the message: a frame that was not sent whole was not carried out.
            raise IlsError(
                f"{self.name}: the line broke ({error.strerror or error})",
                temporary=True,
                maybe_done=maybe_done,
            ) from None

    def _receive(self, ends: float, writes: bool) -> bytes:
        while (end := self._buffer.find(b"\r")) < 0:
            left = ends - self._clock.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self._socket.settimeout(left)
                part = self._socket.recv(65536)
            except TimeoutError:
                raise IlsError(
                    f"{self.name}: did not answer in {self._settings.timeout_s:g} s",
                    temporary=True,
                    maybe_done=writes,
                ) from None
            except OSError as error:
                raise IlsError(
                    f"{self.name}: the line broke ({error.strerror or error})",
                    temporary=True,
                    maybe_done=writes,
                ) from None
            if not part:
                raise IlsError(f"{self.name}: hung up", temporary=True, maybe_done=writes)
            self._buffer += part
            if len(self._buffer) > _MOST_BYTES:
                raise IlsError(f"{self.name}: sends without end; it speaks no SIP2", maybe_done=writes)
        frame = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return frame.lstrip(b"\n")  # many end their messages with CR LF
