"""What every page and route has in common: the headers of an answer, the body and the form of a request."""

from __future__ import annotations

from email.parser import BytesHeaderParser
from email.policy import HTTP
from typing import Final
from urllib.parse import parse_qs

from fastapi import HTTPException, Request

SAFE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
"""Pages and documents show catalogue texts, which come from outside: nothing in them may run, nor be framed."""

_MOST_FIELDS = 20
_MOST_HEAD = 4096


async def body_of(request: Request, most: int, otherwise: str) -> bytes:
    """
    Return what was sent, and read no more than `most` bytes of it.

    Raises
    ------
    HTTPException
        413, with `otherwise` as what is wrong and what to do.
    """
    made = bytearray()
    async for chunk in request.stream():
        made += chunk
        if len(made) > most:
            raise HTTPException(413, otherwise)
    return bytes(made)


def fields_of(content_type: str, body: bytes) -> dict[str, bytes]:
    """
    Return the fields of a form: multipart/form-data (RFC 7578) or application/x-www-form-urlencoded.

    Raises
    ------
    HTTPException
        415: it is neither; 422: it is broken, or has too many fields.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            found = parse_qs(body, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise HTTPException(422, f"the form has more than {_MOST_FIELDS} fields") from None
        return {name.decode("utf-8", "replace"): values[-1] for name, values in found.items()}
    if kind != "multipart/form-data":
        raise HTTPException(415, "send the form as multipart/form-data")
    boundary = _parameter(content_type, "boundary", "content-type").encode("latin-1", "replace")
    if not boundary:
        raise HTTPException(422, "the form names no boundary")
    # Parts are not parsed for parts of their own: a form has none, and whoever nests them means no good.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_FIELDS + 2)[1:]
    if len(parts) > _MOST_FIELDS + 1:
        raise HTTPException(422, f"the form has more than {_MOST_FIELDS} fields")
    fields: dict[str, bytes] = {}
    for part in parts:
        head, gap, content = part.partition(b"\r\n\r\n")
        if part.startswith(b"--"):  # the end
            break
        if not gap or len(head) > _MOST_HEAD:
            raise HTTPException(422, "the form is broken: a field has no name")
        about = BytesHeaderParser(policy=HTTP).parsebytes(head.lstrip(b"\r\n ") + b"\r\n\r\n")
        if name := _parameter(str(about.get("content-disposition", "")), "name", "content-disposition"):
            fields[name] = content
    return fields


def many_of(content_type: str, body: bytes, most: int) -> dict[str, list[str]]:
    """
    Return the fields of a form whose fields may come several times (application/x-www-form-urlencoded).

    Raises
    ------
    HTTPException
        415: it is something else; 422: it has more than `most` fields.
    """
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "send the form as application/x-www-form-urlencoded")
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=most, errors="replace")
    except ValueError:
        raise HTTPException(422, f"the form has more than {most} fields") from None


def _parameter(header: str, name: str, of: str) -> str:
    made = BytesHeaderParser(policy=HTTP).parsebytes(f"{of}: {header}\r\n\r\n".encode("utf-8", "replace"))
    found = made.get_param(name, header=of)
    return found if isinstance(found, str) else ""
