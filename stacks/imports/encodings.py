"""
Which encoding a text file has, and how to see that a text was once read in the wrong one.

Nothing is guessed in silence: what was found and why is told, and where bytes allow two readings the file is
refused until somebody names its encoding.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacks.errors import HoldingsError

NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte order mark",
    "utf-16": "UTF-16 with a byte order mark",
    "utf-16-le": "UTF-16 (little-endian, without a mark)",
    "utf-16-be": "UTF-16 (big-endian, without a mark)",
    "gb18030": "GB18030",
    "cp1252": "Windows-1252",
}
_BLOCK = 1 << 20
_SAMPLE = 1 << 22
_HIGH = re.compile(rb"[\x80-\xff]+")

# Bytes 80 to BF as Windows-1252 and Latin-1 show them: what the tail of a UTF-8 character turns into.
_TAIL = "".join(dict.fromkeys(bytes([b]).decode("cp1252", "replace") for b in range(0x80, 0xC0))).replace(
    "\ufffd", ""
) + "".join(map(chr, range(0x80, 0xA0)))
_COMMON = "‘’“”‚„…–—‹›«»·•°\u00a0"
"""Of these, what may well stand behind a letter in a good text: Spaß“, passé…”, CAFÉ»."""
_ODD = "".join(c for c in _TAIL if c not in _COMMON)
_T, _O = f"[{re.escape(_TAIL)}]", f"[{re.escape(_ODD)}]"
_TWICE = re.compile(f"[ÂÃ]{_O}|(?:[Ã-ß]{_T}){{2,}}|[à-ï](?:{_O}{_T}|{_T}{_O})|[ð-ô]{_T}{{3}}|锟斤拷|\ufffd")
_HAN = re.compile(r"[\u3400-\u9fff\ue000-\uf8ff€]{3,}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """
    The encoding of a file.

    Attributes
    ----------
    codec : str
        As Python names it.
    why : str
        What it is and how that was told, for people.
    """

    codec: str
    why: str


def sniff_encoding(path: str | Path, named: str | None = None) -> Encoding:
    """
    Tell the encoding of a text file: by its mark, else by whether all its bytes are UTF-8, else by their look.

    Parameters
    ----------
    path : path
        The file.
    named : str, optional
        The encoding as somebody named it; then only that it exists is checked.

    Raises
    ------
    HoldingsError
        It cannot be told, or there is no encoding of that name; what to do.
    OSError
        The file cannot be read.
    """
    if named is not None:
        try:
            codec = codecs.lookup(named).name
            b"a".decode(codec)  # refuses hex and the like, which are no encodings of text
        except (LookupError, UnicodeError, ValueError):
            known = "utf-8, utf-16, gb18030, cp1252"
            raise HoldingsError(f"--encoding: {named[:40]!r} is no encoding; known are {known} ...") from None
        return Encoding("utf-8-sig" if codec == "utf-8" else codec, f"{NAMES.get(codec, codec)} (as named)")
    with Path(path).open("rb") as file:
        head = file.read(_SAMPLE)
        if head.startswith(codecs.BOM_UTF8):
            return Encoding("utf-8-sig", NAMES["utf-8-sig"])
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return Encoding("utf-16", NAMES["utf-16"])
        wide = _without_mark(head)
        if wide:
            return Encoding(wide, NAMES[wide])
        decode, block = codecs.getincrementaldecoder("utf-8")(), head
        at, ascii_only = 0, True
        try:
            while block:
                decode.decode(block)
                ascii_only = ascii_only and block.isascii()
                at += len(block)
                block = file.read(_BLOCK)
            decode.decode(b"", final=True)
        except UnicodeDecodeError:
            file.seek(0)
            return _eight_bits(file.read(), str(path))
    return Encoding("utf-8", "ASCII, read as UTF-8" if ascii_only else NAMES["utf-8"])


def decode(data: bytes, source: str) -> tuple[str, Encoding]:
    """Return the text of some bytes that are not UTF-8 or may be; raises HoldingsError as `sniff_encoding` does."""
    try:
        return data.decode("utf-8"), Encoding("utf-8", NAMES["utf-8"])
    except UnicodeDecodeError:
        found = _eight_bits(data, source)
        return data.decode(found.codec), found


def _without_mark(head: bytes) -> str | None:
    even, odd = head[0:4096:2].count(0), head[1:4096:2].count(0)
    half = len(head[:4096]) / 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else None


def _eight_bits(data: bytes, source: str) -> Encoding:
    """Tell GB18030, whose high bytes come in pairs, from Windows-1252, whose letters mostly stand alone."""
    runs = [match.group() for match in _HIGH.finditer(data, 0, _SAMPLE)]
    single = sum(len(run) == 1 for run in runs)
    chinese = _decodes(data, "gb18030") and _han_share(data[:_SAMPLE].decode("gb18030", "ignore")) > 0.5
    western = _decodes(data, "cp1252") and single >= 0.9 * len(runs)
    if not chinese and not western and _letters(runs):
        why = "no valid UTF-8; as GB18030 it would be rare characters, so its accented letters are meant"
        return Encoding("cp1252", f"Windows-1252 ({why}; reads as {_sample(data, 'cp1252')!r})")
    if chinese and not western:
        return Encoding("gb18030", f"GB18030 (no valid UTF-8; reads as {_sample(data, 'gb18030')!r})")
    if western and not chinese:
        return Encoding("cp1252", f"Windows-1252 (no valid UTF-8; reads as {_sample(data, 'cp1252')!r})")
    raise HoldingsError(
        f"{source}: its encoding cannot be told (neither UTF-8 nor plainly GB18030 or Windows-1252); "
        "name it with --encoding, or export it as UTF-8"
    )


def _letters(runs: Sequence[bytes]) -> bool:
    """Say whether the high bytes are the accented letters of words, as in Größe: seldom two together, never more."""
    letters = all(byte >= 0xC0 and byte not in (0xD7, 0xF7) for run in runs for byte in run)
    return letters and max(map(len, runs)) <= 2 and 2 * sum(len(run) == 1 for run in runs) > len(runs)


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _han_share(text: str) -> float:
    """Share of the non-ASCII characters that are Chinese ones in common use (GB 2312), or their punctuation."""
    others = [c for c in text[:200_000] if not c.isascii()]
    usual = sum(1 for c in others if len(c.encode("gb2312", "ignore")) == 2)
    return usual / len(others) if others else 0.0


def _sample(data: bytes, codec: str) -> str:
    at = _HIGH.search(data)
    text = data.decode(codec)
    # Count the characters before it rather than cut bytes, which may lie inside a character.
    place = len(data[: at.start()].decode(codec, "ignore")) if at else 0
    left = max(text.rfind(mark, 0, place) for mark in ' ,;\t"\n') + 1
    ends = [found for mark in ' ,;\t"\r\n' if (found := text.find(mark, place)) > 0]
    return text[left : min([*ends, left + 24])][:24]


def bad_text(text: str) -> str | None:
    """
    Return the part of a text that was once decoded wrongly, or None where it looks right.

    Found are U+FFFD, UTF-8 that was read as Windows-1252 or Latin-1 (``Ã¼``, ``â€™``), and UTF-8 that was read
    as GB18030.
    """
    if text.isascii():
        return None
    found = _TWICE.search(text)
    if found:
        return found.group()
    return next((run for run in _HAN.findall(text) if _was_utf8(run)), None)


def bad_texts(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the place of each text that `bad_text` finds something in, and what."""
    if _suspects(texts):
        for i, text in enumerate(texts):
            if (bad := bad_text(text)) is not None:
                yield i, bad


def _suspects(texts: Iterable[str]) -> bool:
    """One look at all texts together: far cheaper than at each, and right where it says that nothing is amiss."""
    whole = "\n".join(texts)
    if whole.isascii():
        return False
    return bool(_TWICE.search(whole)) or any(_was_utf8(run) for run in _HAN.findall(whole))


def _was_utf8(run: str) -> bool:
    # Rare characters alone make a run that is valid UTF-8 once more, and then it reads as common ones.
    try:
        back = run.encode("gb18030")
    except UnicodeEncodeError:
        return False
    for cut in (back, back[:-1], back[:-2]):
        try:
            text = cut.decode("utf-8")
        except UnicodeDecodeError:
            continue
        return len(text) >= 2 and all("\u3000" <= c <= "\u9fff" or c >= "\uff00" for c in text)
    return False
