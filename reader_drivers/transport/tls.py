"""A connection to a reader over TLS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from reader_drivers._reader import ReaderError
from reader_drivers.targets import TcpTarget
from reader_drivers.transport.base import LinkLostError, Wake, Watched
from reader_drivers.transport.tcp import TcpTransport

_MOST = 1 << 16


@dataclass(frozen=True, slots=True)
class Tls:
    """How to know the reader, and be known by it.

    Parameters
    ----------
    ca
        File with the certificates that are trusted (PEM); None: the system's.
    cert
        File with our own certificate and key (PEM), for readers that ask for one.
    verify
        False: take whatever certificate the reader shows; the line is secret, but who is at its end is not known.
    """

    ca: str | None = None
    cert: str | None = None
    verify: bool = True


class TlsTransport(TcpTransport):
    """Bytes to and from `host:port` over TLS 1.2 or later; see `TcpTransport`.

    Raises
    ------
    ReaderError
        Nothing answers there, or what does is not trusted.
    """

    def __init__(
        self,
        where: str,
        target: TcpTarget,
        timeout_s: float,
        wake: Wake,
        tls: Tls,
        connect_s: float | None = None,
    ) -> None:
        context = _context(where, tls)
        super().__init__(where, target, timeout_s, wake, connect_s)
        self._timeout_s = timeout_s
        self._watched.close()
        plain = self._socket
        try:
            self._secret = self._socket = context.wrap_socket(plain, server_hostname=target.host)
        except (OSError, ValueError) as error:
            plain.close()
            raise ReaderError(f"{where}: no TLS ({_why(error)}); {_what_to_do(error)}") from error
        self._watched = Watched(self._socket, wake)

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived; see `Transport.receive`."""
        # What is decrypted already does not show on the socket.
        if not self._secret.pending() and not self._watched.wait(timeout_s):
            return b""
        self._secret.settimeout(0)
        try:
            data = self._secret.recv(_MOST)
        except ssl.SSLWantReadError:
            # Half a record, or one without data.
            return b""
        except OSError as error:
            raise LinkLostError(f"{self.where}: connection lost ({_why(error)})") from error
        finally:
            self._secret.settimeout(self._timeout_s)
        if not data:
            raise LinkLostError(f"{self.where}: the reader closed the connection")
        return data


def _context(where: str, tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert is not None:
            context.load_cert_chain(tls.cert)
    except (OSError, ValueError) as error:
        raise ReaderError(
            f"{where}: certificates of options ca and cert cannot be read ({_why(error)}); give PEM files"
        ) from error
    return context


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)


def _what_to_do(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "name the file of its certificate with ca=FILE, or take any with verify=0"
    return "does the reader speak LLRP over TLS at this port? Leave tls out, or set it up on the reader"
