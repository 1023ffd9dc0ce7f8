"""
MARC records out of a file, one by one: ISO 2709 and MARCXML.

A record that is broken is told and skipped, and the next one is found by its terminator; a record whose
lengths are wrong but whose terminators are whole (a file converted to another encoding without counting anew)
is put together again.
"""

from __future__ import annotations

import logging
import unicodedata
import warnings
import xml.sax
import xml.sax.handler
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.errors import HoldingsError
from stacks.imports.encodings import decode

_BLOCK = 1 << 20
_MOST = 1 << 24
_END_OF_RECORD, _END_OF_FIELD = b"\x1d", b"\x1e"


@dataclass(frozen=True, slots=True)
class Found:
    """
    One record of a file.

    Attributes
    ----------
    number : int
        From 1.
    record : pymarc.Record or None
        With decoded texts; None where it is broken.
    broken : str
        Why.
    encoding : str
        What it was decoded from.
    mended : bool
        Its lengths were wrong.
    share : float
        How much of the file has been read.
    """

    number: int
    record: Any
    broken: str = ""
    encoding: str = ""
    mended: bool = False
    share: float = 0.0


def is_marcxml(head: bytes) -> bool:
    """Say whether a file begins as XML does."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def is_iso2709(head: bytes) -> bool:
    """Say whether a file begins with a record's leader: five digits, and indicator and subfield counts 2 2."""
    start = head.lstrip(b"\r\n \xef\xbb\xbf")
    return len(start) >= 24 and start[:5].isdigit() and start[12:17].isdigit() and start[20:22].isdigit()


def read_records(
    path: str | Path, encoding: str | None = None, tags: frozenset[bytes] | None = None
) -> Iterator[Found]:
    """
    Yield the records of a file.

    Parameters
    ----------
    path : path
        ISO 2709 or MARCXML.
    encoding : str, optional
        Of all records, instead of what they look like.
    tags : frozenset of bytes, optional
        Of ISO 2709 only these fields are parsed, which is most of the time that reading takes.

    Raises
    ------
    HoldingsError
        The file is neither.
    OSError
        It cannot be read.
    """
    file = Path(path)
    with file.open("rb") as opened:
        head = opened.read(64)
    logging.getLogger("pymarc").setLevel(logging.CRITICAL)  # says on standard error what is counted here
    if is_marcxml(head):
        yield from _xml(file)
    elif is_iso2709(head):
        yield from _iso2709(file, encoding, tags)
    else:
        raise HoldingsError(f"{file}: is neither MARC (ISO 2709) nor MARCXML; --format says what else it is")


def _chunks(file: Path) -> Iterator[tuple[bytes, bool, float]]:
    """Yield what stands before each terminator, whether there was one, and the share read."""
    size, kept = max(file.stat().st_size, 1), b""
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            share = opened.tell() / size
            parts = (kept + block).split(_END_OF_RECORD)
            kept = parts.pop()
            if len(kept) > _MOST:
                raise HoldingsError(f"{file}: has no end of record in {_MOST >> 20} MiB; it is no MARC file")
            for part in parts:
                yield part + _END_OF_RECORD, True, share
    if kept.strip(b"\r\n \0\x1a"):
        yield kept, False, 1.0


def _iso2709(file: Path, encoding: str | None, tags: frozenset[bytes] | None) -> Iterator[Found]:
    from pymarc import Record

    number = 0
    for chunk, ended, share in _chunks(file):
        number += 1
        data = chunk.lstrip(b"\r\n \xef\xbb\xbf\0\x1a")
        if not ended:
            yield Found(number, None, f"is cut off after {len(data)} bytes; the file ends there", share=share)
            continue
        try:
            whole, mended = _whole(data)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                record = Record(whole if tags is None else _only(whole, tags), to_unicode=False)
            said = _decode(record, whole, encoding)
        except HoldingsError as e:
            yield Found(number, None, str(e), share=share)
        except Exception as e:  # pymarc raises its own and Python's errors for what bytes may do to it
            why = " ".join(str(e).split())[:120] or type(e).__name__
            yield Found(number, None, f"is broken ({why})", share=share)
        else:
            yield Found(number, record, encoding=said, mended=mended, share=share)


def _whole(data: bytes) -> tuple[bytes, bool]:
    """Return a record whose directory fits its fields; where it does not, the fields are told by their ends."""
    base = int(data[12:17])
    directory = data[24 : base - 1]
    if base < 25 or base > len(data) or len(directory) % 12 or not directory:
        raise HoldingsError("is broken (its directory does not fit)")
    entries = [directory[i : i + 12] for i in range(0, len(directory), 12)]
    right = int(data[:5]) == len(data) or len(data) > 99_999
    if right:
        ends = [base + int(e[7:12]) + int(e[3:7]) - 1 for e in entries]
        if max(ends) < len(data) and {data[end] for end in ends} == {_END_OF_FIELD[0]}:
            return data, False
    # The place where the directory ends may have moved as well.
    start = data.find(_END_OF_FIELD, 24)
    fields = data[start + 1 : -1].split(_END_OF_FIELD)
    if fields and not fields[-1].strip():
        fields.pop()
    if start < 0 or (start - 24) % 12 or len(fields) != len(entries):
        raise HoldingsError("is broken (its lengths are wrong, and fields are missing)")
    made, at = b"", 0
    for entry, content in zip(sorted(entries, key=lambda e: int(e[7:12])), fields, strict=True):
        made += entry[:3] + b"%04d%05d" % (min(len(content) + 1, 9999), at)
        at += len(content) + 1
    body = b"".join(content + _END_OF_FIELD for content in fields) + _END_OF_RECORD
    base = 24 + len(made) + 1
    total = min(base + len(body), 99_999)
    return b"%05d" % total + data[5:12] + b"%05d" % base + data[17:24] + made + _END_OF_FIELD + body, True


def _only(data: bytes, tags: frozenset[bytes]) -> bytes:
    """Return a record whose directory names some of its fields only; their places behind it stay what they are."""
    base = int(data[12:17])
    entries = (data[i : i + 12] for i in range(24, base - 1, 12))
    directory = b"".join(entry for entry in entries if entry[:3] in tags)
    if not directory:
        return data
    made = (
        data[5:12] + b"%05d" % (25 + len(directory)) + data[17:24] + directory + _END_OF_FIELD + data[base:]
    )
    return b"%05d" % min(len(made) + 5, 99_999) + made


def _decode(record: Any, raw: bytes, named: str | None) -> str:
    """Decode a record's texts in place and return the encoding they had."""
    from pymarc import Subfield

    if raw.isascii() and b"\x1b" not in raw:
        codec, said = "ascii", "ASCII"
    else:
        codec, said = _encoding(record, raw, named)
    for field in record.fields:
        if field.control_field:
            field.data = _text(field.data, codec)
        else:
            field.subfields = [Subfield(code, _text(value, codec)) for code, value in field.subfields]
    return said


def _encoding(record: Any, raw: bytes, named: str | None) -> tuple[str, str]:
    """Tell a record's encoding: as named, as its leader says, by whether it is UTF-8, by the kind of record."""
    if named is not None:
        return named, f"{named} (as named)"
    try:
        raw.decode("utf-8")
        utf8 = not raw.isascii()
    except UnicodeDecodeError:
        utf8 = False
    chinese = is_cnmarc(record)
    if utf8:
        if raw[9:10] == b"a" or chinese:
            return "utf-8", "UTF-8"
        return "utf-8", "UTF-8 (although its leader does not say so)"
    if chinese:
        found = decode(raw, "record")[1]
        if found.codec != "gb18030":
            raise HoldingsError("is neither UTF-8 nor GB18030; name its encoding with --encoding")
        return "gb18030", "GB18030"
    if raw[9:10] == b"a":
        raise HoldingsError("is not the UTF-8 that its leader says; name its encoding with --encoding")
    if not _is_marc8(record):
        raise HoldingsError("is neither UTF-8 nor MARC-8; name its encoding with --encoding")
    return "marc-8", "MARC-8"


def is_cnmarc(record: Any) -> bool:
    """Say whether a record is of the UNIMARC family, which has titles in 200 and none in 245."""
    tags = {field.tag for field in record.fields}
    return "200" in tags and "245" not in tags


def _is_marc8(record: Any) -> bool:
    """Say whether all accents find their letter and all bytes a character, as chance would not have it."""
    for field in record.fields:
        values = [field.data] if field.control_field else [value for _, value in field.subfields]
        for value in values:
            if value.isascii() and b"\x1b" not in value:
                continue
            if b"\x1b" in value:
                return True
            text = _marc8(value)
            loose = any(
                unicodedata.combining(c) and (i == 0 or not text[i - 1].isalpha()) for i, c in enumerate(text)
            )
            lost = sum(c >= 0x80 for c in value) - sum(
                not c.isascii() for c in unicodedata.normalize("NFD", text)
            )
            if loose or lost > 0:
                return False
    return True


def _text(value: bytes, codec: str) -> str:
    return _marc8(value) if codec == "marc-8" else value.decode(codec)


def _marc8(value: bytes) -> str:
    from pymarc.marc8 import marc8_to_unicode

    return marc8_to_unicode(value, True) if not value.isascii() or b"\x1b" in value else value.decode("ascii")


class _Handler(xml.sax.handler.ContentHandler):
    """Gathers what pymarc's own handler makes of a stream."""

    def __init__(self) -> None:
        from pymarc.marcxml import XmlHandler

        super().__init__()
        self.made: list[Any] = []
        inner: Any = XmlHandler()
        inner.process_record = self.made.append
        self.startElementNS = inner.startElementNS
        self._end = inner.endElementNS
        self.characters = inner.characters

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802 (SAX's name)
        """End an element; a leader says nothing here, and many have lost the blanks at their ends."""
        if name[1] != "leader":
            self._end(name, qname)


def _xml(file: Path) -> Iterator[Found]:
    from pymarc.exceptions import PymarcException

    handler = _Handler()
    # Expat bounds what entities may grow to, and those outside the file are switched off below.
    parser: Any = xml.sax.make_parser()  # noqa: S317
    parser.setContentHandler(handler)
    parser.setFeature(xml.sax.handler.feature_namespaces, 1)
    parser.setFeature(xml.sax.handler.feature_external_ges, 0)
    parser.setFeature(xml.sax.handler.feature_external_pes, 0)
    number, size, fault = 0, max(file.stat().st_size, 1), ""
    with file.open("rb") as opened:
        while True:
            block = opened.read(_BLOCK >> 3)
            try:
                if block:
                    parser.feed(block)
                else:
                    parser.close()
            except (xml.sax.SAXException, PymarcException, KeyError, ValueError, TypeError) as e:
                what = e.getMessage() if isinstance(e, xml.sax.SAXException) else f"{type(e).__name__} {e}"
                line = parser.getLineNumber()
                fault = f"and all behind it cannot be read: the XML is broken in line {line} ({what})"
            share = opened.tell() / size
            for record in handler.made:
                number += 1
                yield Found(number, record, encoding="MARCXML", share=share)
            handler.made.clear()
            if fault:
                yield Found(number + 1, None, fault, share=1.0)
            if fault or not block:
                return


def sample(path: str | Path, encoding: str | None = None, most: int = 200) -> list[Any]:
    """Return the first readable records of a file, to see what fields it has; raises HoldingsError if there is none."""
    made: list[Any] = []
    broken = ""
    for found in read_records(path, encoding):
        if found.record is not None:
            made.append(found.record)
        broken = broken or (f"record {found.number}: {found.broken}" if found.broken else "")
        if found.number >= most:
            break
    if not made:
        raise HoldingsError(f"{path}: no record can be read; {broken or 'it has none'}")
    return made
