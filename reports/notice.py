"""Mail without a report: plain notices, addresses and headers. Nothing heavy is loaded for them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr

from reports.languages import language_or_english
from reports.phrases import say
from reports.text import T


class AddressError(ValueError):
    """An address or header that cannot be put into a mail."""


class _Subject(UniqueUnstructuredHeader):
    """A subject some of which always stands beside its name.

    The standard library's folding moves a text that just fits on one line to the line after the name. RFC 5322 allows
    that, yet some mail programs and filters take such a header for an empty one. The header itself does this, not the
    message's policy, so that it holds under whatever policy the mail is written with.
    """

    def fold(self, *, policy: Policy) -> str:
        """Return the header with its lines folded."""
        folded = super().fold(policy=policy)  # pyright: ignore[reportAttributeAccessIssue] (BaseHeader's)
        name, _, rest = folded.partition(":")
        if not rest.startswith(policy.linesep + " "):
            return folded
        line = f"{name}:{rest.removeprefix(policy.linesep)}"
        longest = policy.max_line_length or 78
        first = line.partition(policy.linesep)[0]
        cut = first.rfind(" ", len(name) + 3, longest + 1) if len(first) > longest else -1
        # A break before a space that is there, so that unfolding gives the same text again.
        return line if cut < 0 else line[:cut] + policy.linesep + line[cut:]


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("subject", _Subject)  # pyright: ignore[reportArgumentType] (any class, mixed with BaseHeader)
_POLICY = SMTP.clone(header_factory=_HEADERS)


def build_notice(
    site: str,
    subject: str,
    lines: Sequence[str],
    recipient: str,
    sender: str,
    *,
    about: str = "",
    message_id: str | None = None,
    date: datetime | None = None,
    language: str = "en",
    reply_to: str = "",
) -> EmailMessage:
    """Build a plain mail: no run came, a run failed, a robot is lost.

    Parameters
    ----------
    site, subject
        The subject line becomes ``Site: subject``.
    lines
        Paragraphs of the text, each as one line.
    about
        What makes this notice the same one when it is sent again (a run, a date); empty: its subject and lines.
    recipient, sender, message_id, date, reply_to
        As for `build_mail`.
    language
        What texts made with `phrases.say` are said in; the others stay as they are.
    """
    lang = language_or_english(language)
    unique = about or "\n".join((subject, *lines))
    about = f"notice {unique}"
    message = new_message(
        lang(say("{site}: {counts}", site=site, counts=subject)),
        recipient,
        sender,
        site,
        date,
        message_id,
        about,
        reply_to=reply_to,
    )
    body = "\n\n".join(" ".join(lang(line).split()) for line in lines)
    message.set_content(f"{body}\n\n-- \n{lang(T.signature(site))}\n", cte="quoted-printable")
    return message


def stable_message_id(site: str, about: str, recipient: str, sender: str) -> str:
    """Return a Message-ID that is the same whenever the same mail is built for the same recipient."""
    digest = hashlib.sha256("\x1f".join((site, about, recipient)).encode("utf-8", "replace")).hexdigest()[:32]
    host = re.sub(r"[^A-Za-z0-9.-]", "", parseaddr(sender)[1].rpartition("@")[2]) or "localhost"
    return f"<nightstack.{digest}@{host}>"


def new_message(
    subject: str,
    recipient: str,
    sender: str,
    site: str,
    date: datetime | None,
    message_id: str | None,
    about: str,
    *,
    reply_to: str = "",
) -> EmailMessage:
    """Start a mail: its headers, the same for every mail of ours; the content is the caller's.

    Parameters
    ----------
    subject, recipient, sender, date, message_id, reply_to
        As for `build_notice`.
    site, about
        What `stable_message_id` is made of where `message_id` is None.
    """
    when = (date or datetime.now(UTC)).astimezone(UTC)
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = _header("subject", " ".join(_clean(subject).split()))
    message["From"] = check_address("sender", sender)
    message["To"] = check_address("recipient", recipient)
    if reply_to:
        message["Reply-To"] = check_address("reply_to", reply_to)
    message["Date"] = format_datetime(when)
    identity = message_id or stable_message_id(site, about, recipient, sender)
    if not re.fullmatch(r"<[^<>\s@]+@[^<>\s@]+>", identity):
        raise AddressError(f"message id {identity!r} is none; it looks like <something@host>")
    message["Message-ID"] = identity
    message["Auto-Submitted"] = "auto-generated"
    message["Precedence"] = "bulk"
    message["List-Id"] = _list_id(site)
    return message


def _list_id(site: str) -> str:
    label = re.sub(r"[^a-z0-9-]+", "-", site.lower()).strip("-")
    if not label:
        label = "site-" + hashlib.sha256(site.encode()).hexdigest()[:12]
    # RFC 2919, section 3: localhost for lists without a domain. So short that the line is never folded or encoded.
    return f"<{label[:40].rstrip('-')}.nightstack.localhost>"


def _header(name: str, text: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise AddressError(f"{name} {text!r} holds a control character; take it out")
    return text


def check_address(name: str, text: str) -> Address:
    """Read one mail address; `name` says in the error whose it is.

    Raises
    ------
    AddressError
        It is none, or it holds a control character.
    """
    _header(name, text)
    try:
        parsed = SMTP.header_factory("To", text)
        addresses, broken = parsed.addresses, bool(parsed.defects)
    except (
        HeaderParseError,
        IndexError,
    ):  # the parser of the standard library trips over some half addresses
        addresses, broken = (), True
    if broken or len(addresses) != 1 or not (addresses[0].username and addresses[0].domain):
        raise AddressError(f"{name} {text!r} is not one mail address; write name@host or Name <name@host>")
    return addresses[0]


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
