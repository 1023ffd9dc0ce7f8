"""Reading what comes back: delivery status notifications (RFC 3464), and whose mail they are about."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import HeaderParser
from typing import Any

from cloud_ingest.texts import one_line

_TOKEN = re.compile(r"\+([0-9a-f]{32})@")
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of a mail for one recipient.

    Attributes
    ----------
    recipient
        Address the notice names.
    action
        ``failed``, ``delayed``, ``delivered``, ``relayed`` or ``expanded`` (RFC 3464, section 2.3.3).
    status
        Enhanced status code (RFC 3463), such as ``5.1.1``.
    diagnostic
        What the other server said, one line.
    """

    recipient: str
    action: str
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message out of the Maildir.

    Attributes
    ----------
    message_ids
        Message-IDs of the mail that it returns.
    tokens
        Of the addresses it came to: each mail of ours has a return address of its own.
    returned
        One a recipient; empty: it is no delivery status notification.
    """

    message_ids: tuple[str, ...]
    tokens: tuple[str, ...]
    returned: tuple[Returned, ...]


def read_notice(data: bytes) -> Notice:
    """Read one message; whatever is wrong with it, what can be read of it is returned."""
    # The old policy keeps headers as they came and stumbles over none.
    message = email.message_from_bytes(data, policy=policy.compat32)
    ids: list[str] = []
    returned: list[Returned] = []
    for part in message.walk():
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/global-delivery-status"):
            returned += _recipients(part)
        elif kind in ("message/rfc822", "message/global"):
            ids += [found for inner in _inner(part) for found in _ids(inner)]
        elif kind in ("text/rfc822-headers", "message/global-headers"):
            ids += _ids(HeaderParser(policy=policy.compat32).parsestr(_text(part)))
    tokens = [
        token.lower()
        for name in ("To", "Delivered-To", "X-Original-To", "Envelope-To")
        for header in message.get_all(name, [])
        for token in _TOKEN.findall(str(header).lower())
    ]
    return Notice(tuple(dict.fromkeys(ids)), tuple(dict.fromkeys(tokens)), tuple(returned))


def _recipients(part: Message[Any, Any]) -> Iterator[Returned]:
    """Yield each group of fields that names a recipient; the first group is about the message as a whole."""
    for fields in _groups(part):
        action = str(fields.get("Action", "")).split(";")[0].strip().lower()
        address = fields.get("Final-Recipient") or fields.get("Original-Recipient")
        if address is None or action not in _ACTIONS:
            continue
        said = fields.get("Diagnostic-Code") or ""
        yield Returned(
            one_line(_after_type(address), 320),
            action,
            one_line(str(fields.get("Status", "")).split("(")[0], 32),
            one_line(_after_type(said)),
        )


def _groups(part: Message[Any, Any]) -> Iterator[Message[Any, Any]]:
    inner = _inner(part)
    yield from inner
    # The library takes only the ASCII form of the report apart; of the other, the recipients are the body.
    parser = HeaderParser(policy=policy.compat32)
    for group in inner if part.get_content_type() == "message/global-delivery-status" else ():
        for block in re.split(r"\r?\n[ \t]*\r?\n", _text(group)):
            yield parser.parsestr(block.strip())


def _inner(part: Message[Any, Any]) -> list[Message[Any, Any]]:
    payload: Any = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _text(part: Message[Any, Any]) -> str:
    payload: Any = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload.decode("utf-8", "replace")
    return "\n".join(inner.as_string() for inner in _inner(part))


def _ids(message: Message[Any, Any]) -> list[str]:
    return _MESSAGE_ID.findall(str(message.get("Message-ID", "")))


def _after_type(value: Any) -> str:
    """Take the type off ``rfc822; name@host`` and ``smtp; 550 no such user``."""
    text = str(value)
    return text.partition(";")[2].strip() or text.strip()
