"""Hand one mail to a mail server, and say in one line what went wrong and whether to try again."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How to reach the mail server.

    Attributes
    ----------
    host, port
        Usually port 25 for ``plain``, 587 for ``starttls``, 465 for ``tls``.
    security : {"plain", "starttls", "tls"}
        ``starttls`` refuses to send where the server does not offer it. Certificates are checked.
    user, password
        Log in where given; not over an unencrypted connection, except to this machine itself.
    timeout_s
        For connecting, and for every answer.
    ca_file
        Certificate authority of a mail server with a certificate of the house.
    """

    host: str
    port: int = 25
    security: Literal["plain", "starttls", "tls"] = "plain"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    ca_file: str | None = None


class MailError(Exception):
    """A mail that was not taken.

    Attributes
    ----------
    temporary : bool
        True: try again later. False: the same mail to the same server would be refused again.
    """

    def __init__(self, line: str, *, temporary: bool) -> None:
        super().__init__(line)
        self.temporary = temporary

    @property
    def permanent(self) -> bool:
        """Whether trying again is useless."""
        return not self.temporary


def send_mail(message: EmailMessage, settings: SmtpSettings, *, envelope_from: str | None = None) -> None:
    """Send one mail; returning means that the server has taken it for every recipient.

    Parameters
    ----------
    message
        What to send.
    settings
        The mail server.
    envelope_from
        Address that notices of failure come back to (RFC 5321, section 4.4); None: the mail's own sender.

    Raises
    ------
    MailError
        Temporary for a 4xx answer (RFC 5321, section 4.2.1), no connection, no answer in time; permanent
        for a 5xx answer, a wrong certificate, a refused log-in, or a server without the encryption asked for.
    """
    where = f"mail server {settings.host}:{settings.port}"
    refused: dict[str, tuple[int, bytes]] | None = None
    try:
        with _connect(settings) as server:
            if settings.security == "starttls":
                server.starttls(context=_tls(settings))
            if settings.user is not None:
                _refuse_open_password(settings, where)
                server.login(settings.user, settings.password or "")
            refused = server.send_message(message, from_addr=envelope_from)
    except (smtplib.SMTPException, OSError) as error:
        # Once the server has answered that it has the mail, a good-bye that fails must not send it a second time.
        if refused is None:
            raise _told(where, error, settings) from error
    except UnicodeError as error:
        raise MailError(f"{where}: {_one_line(error)}", temporary=False) from error
    if refused:
        raise _refusal(where, refused)


def _told(where: str, error: smtplib.SMTPException | OSError, settings: SmtpSettings) -> MailError:
    """Say in one line what went wrong, and whether to try again."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _refusal(where, error.recipients)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        line = f"refused user {settings.user!r} ({_answer(error)}); check [smtp] user and password"
        return MailError(f"{where}: {line}", temporary=_is_temporary(error.smtp_code))
    if isinstance(error, smtplib.SMTPResponseException):
        return MailError(f"{where}: {_answer(error)}", temporary=_is_temporary(error.smtp_code))
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return MailError(f"{where}: {_one_line(error)}; check [smtp] security and user", temporary=False)
    if isinstance(error, ssl.SSLCertVerificationError):
        line = f"its certificate was not accepted ({error.verify_message}); set [smtp] ca_file or host"
        return MailError(f"{where}: {line}", temporary=False)
    if isinstance(error, ssl.SSLError):
        line = f"no TLS there ({error.reason or _one_line(error)}); check [smtp] port and security"
        return MailError(f"{where}: {line}", temporary=False)
    return MailError(f"{where}: {_one_line(error)}", temporary=True)


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    if settings.security == "tls":
        return smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=settings.timeout_s, context=_tls(settings)
        )
    return smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)


def _tls(settings: SmtpSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca_file)


def _refuse_open_password(settings: SmtpSettings, where: str) -> None:
    if settings.security == "plain" and settings.host not in ("localhost", "127.0.0.1", "::1"):
        raise MailError(
            f"{where}: the password would travel unencrypted; set [smtp] security to starttls or tls",
            temporary=False,
        )


def _refusal(where: str, recipients: dict[str, tuple[int, bytes]]) -> MailError:
    address, (code, answer) = next(iter(recipients.items()))
    line = f"{where}: refused {address}: {code} {_one_line(answer.decode('utf-8', 'replace'))}"
    return MailError(line, temporary=all(_is_temporary(c) for c, _ in recipients.values()))


def _is_temporary(code: int) -> bool:
    # smtplib says -1 for a line that is no answer; 421 and the other 4xx are "try again" by definition.
    return not 500 <= code <= 599


def _answer(error: smtplib.SMTPResponseException) -> str:
    answer = error.smtp_error
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return f"{error.smtp_code} {_one_line(text)}"


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
