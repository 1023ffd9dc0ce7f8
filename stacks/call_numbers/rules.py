"""A library's own scheme, described by rules: parts in order, each with its expression and how it compares."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from stacks.call_numbers.text import fraction, normalize, number, word

_COMPARE = ("letters", "number", "fraction", "text", "list")
_KEYS = {"name", "pattern", "compare", "optional", "order"}


class RulesError(ValueError):
    """Rules that cannot be used: one line saying where and what is wrong."""


@dataclass(frozen=True)
class Part:
    """
    One part of a call number.

    Attributes
    ----------
    name : str
    pattern : str
        Regular expression, without groups that capture.
    compare : {"letters", "number", "fraction", "text", "list"}
        By the alphabet, shorter first where one begins the other; as a whole number; digit by digit as behind
        a decimal point; runs of digits as numbers and the rest by the alphabet; by the place in `order`.
    optional : bool
        Whether it may be missing; then it stands before all that have it.
    order : tuple of str
        The values of a list, in shelving order; another value cannot be read.
    """

    name: str
    pattern: str
    compare: str
    optional: bool = False
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class LocalRules:
    """
    The rules of one scheme.

    Attributes
    ----------
    parts : tuple of Part
        In the order in which they stand and count.
    separator : str
        Regular expression of what may stand between two parts and says nothing.
    """

    parts: tuple[Part, ...]
    separator: str = r"[\s./:,-]*"

    @classmethod
    def from_json(cls, obj: object, source: str = "rules") -> LocalRules:
        """Return the rules of an object ``{"separator": ..., "part": [...]}``; raises RulesError."""
        if not isinstance(obj, Mapping):
            _fail(source, "must be an object with a list `part`")
        top = cast(Mapping[str, object], obj)
        for key in top:
            if key not in ("part", "separator", "name"):
                _fail(source, f"{key!r} is not known; there are part, separator, name")
        separator = top.get("separator", cls.separator)
        entries = top.get("part")
        if not isinstance(entries, list) or not entries:
            _fail(source, "`part` is missing; write at least one [[part]] with name, pattern, compare")
        parts = tuple(
            _part(entry, f"{source}: part {i}") for i, entry in enumerate(cast(list[object], entries), 1)
        )
        _expression(separator, f"{source}: separator")
        if len({p.name for p in parts}) < len(parts):
            _fail(source, "two parts have one name")
        return cls(parts, cast(str, separator))

    @classmethod
    def read(cls, path: str | Path) -> LocalRules:
        """Read a TOML file; raises RulesError naming the file."""
        try:
            with Path(path).open("rb") as handle:
                return cls.from_json(tomllib.load(handle), str(path))
        except OSError as e:
            raise RulesError(f"{path}: cannot be read ({e.strerror or e})") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise RulesError(f"{path}: is no TOML ({e})") from None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `from_json` reads."""
        parts: list[dict[str, Any]] = []
        for p in self.parts:
            entry: dict[str, Any] = {"name": p.name, "pattern": p.pattern, "compare": p.compare}
            parts.append(
                entry
                | ({"optional": True} if p.optional else {})
                | ({"order": list(p.order)} if p.order else {})
            )
        return {"separator": self.separator, "part": parts}


def maker(rules: LocalRules | None) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under rules; without rules nothing can be read."""
    if rules is None:
        return lambda _text: None
    pieces = [f"({p.pattern}){'?' if p.optional else ''}" for p in rules.parts]
    fullmatch = re.compile(f"(?:{rules.separator})".join(pieces), re.IGNORECASE | re.ASCII).fullmatch
    encoders = [_encoder(p) for p in rules.parts]

    def key(text: str) -> bytes | None:
        match = fullmatch(text) if text.isascii() and len(text) < 100 else None
        if match is None:
            label = normalize(text)
            match = None if label is None else fullmatch(label)
            if match is None:
                return None
        made = ""
        for encode, value in zip(encoders, match.groups(), strict=True):
            if value is None:
                made += " "
                continue
            piece = encode(value)
            if piece is None:
                return None
            made += "!" + piece + " "
        return made.encode("ascii")

    return key


_DIGITS = re.compile(r"(\d+)")


def _encoder(part: Part) -> Callable[[str], str | None]:
    if part.compare == "number":
        return lambda value: number("".join(c for c in value if c.isdecimal()))
    if part.compare == "fraction":
        return lambda value: fraction("".join(c for c in value if c.isdecimal()))
    if part.compare == "letters":
        return lambda value: _plain(word("".join(c for c in value if c.isalpha())))
    if part.compare == "list":
        places = {word(" ".join(v.split())): f"{i:04d}" for i, v in enumerate(part.order)}
        return lambda value: places.get(word(" ".join(value.split())))
    return _text


def _text(value: str) -> str:
    pieces = _DIGITS.split(value)
    return "".join(number(p) if i % 2 else _plain(word(p)) for i, p in enumerate(pieces))


def _plain(text: str) -> str:
    return " ".join("".join(c if " " < c < "\x7f" else " " for c in text).split())


def _part(value: object, where: str) -> Part:
    if not isinstance(value, Mapping):
        _fail(where, "must be a table with name, pattern, compare")
    entry = cast(Mapping[str, Any], value)
    for key in entry:
        if key not in _KEYS:
            _fail(where, f"{key!r} is not known; there are {', '.join(sorted(_KEYS))}")
    name, compare = entry.get("name"), entry.get("compare")
    if not isinstance(name, str) or not name:
        _fail(where, "`name` is missing")
    if compare not in _COMPARE:
        _fail(where, f"`compare` is {compare!r} and must be one of {', '.join(_COMPARE)}")
    _expression(entry.get("pattern"), f"{where}: pattern")
    order: object = entry.get("order", [])
    if not isinstance(order, list) or not all(isinstance(v, str) for v in cast(list[object], order)):
        _fail(where, "`order` must be a list of texts")
    if (compare == "list") != bool(order):
        _fail(where, '`order` goes with compare = "list", and only with it')
    optional = entry.get("optional", False)
    if not isinstance(optional, bool):
        _fail(where, "`optional` must be true or false")
    return Part(name, entry["pattern"], compare, optional, tuple(cast(list[str], order)))


def _expression(value: object, where: str) -> None:
    if not isinstance(value, str):
        _fail(where, "is missing or no text")
    try:
        if re.compile(value).groups:
            _fail(where, "has a group that captures; write (?:...) instead of (...)")
    except re.error as e:
        _fail(where, f"is no regular expression ({e})")


def _fail(where: str, what: str) -> NoReturn:
    raise RulesError(f"{where}: {what}")
