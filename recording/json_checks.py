"""Reading JSON from outside: every value is checked, every complaint names its path."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn, cast


def parse_json(data: bytes, source: str, error: type[ValueError]) -> Any:
    """
    Parse UTF-8 JSON strictly: no byte order mark, no NaN, no key twice in one object.

    Raises
    ------
    error
        One line naming `source`.
    """

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON number")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) != len(items):
            twice = next(key for i, (key, _) in enumerate(items) if key in {k for k, _ in items[:i]})
            raise ValueError(f"key {twice[:40]!r} stands twice in one object")
        return made

    try:
        if data.startswith(b"\xef\xbb\xbf"):
            raise ValueError("it starts with a byte order mark; save it as UTF-8 without one")
        return json.loads(data.decode("utf-8"), parse_constant=constant, object_pairs_hook=pairs)
    except UnicodeDecodeError as e:
        raise error(f"{source}: byte {e.start} is not UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise error(f"{source}: is no usable JSON (nested too deeply)") from None
    except ValueError as e:
        raise error(f"{source}: is no usable JSON ({one_line(str(e))})") from None


def one_line(text: str, limit: int = 200) -> str:
    """Return a text as one line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


class Json:
    """One object of a JSON document, with its path, whose values are taken out checked."""

    def __init__(self, value: object, source: str, error: type[ValueError], path: str = "") -> None:
        self.source, self.path, self.error = source, path, error
        if not isinstance(value, dict):
            self.fail("", f"must be an object, not {_name(value)}")
        self.value = cast(dict[str, Any], value)

    def fail(self, key: str, what: str) -> NoReturn:
        """Raise this document's error at a key."""
        where = ".".join(part for part in (self.path, key) if part)
        raise self.error(f"{self.source}: {where + ' ' if where else ''}{what}")

    def get(self, key: str) -> Any:
        """Return the value of a required key."""
        if key not in self.value:
            self.fail(key, "is missing")
        return self.value[key]

    def text(self, key: str) -> str:
        """Return a non-empty string."""
        value = self.get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, f"must be a non-empty string, not {_name(value)}")
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(key, "holds half a surrogate pair, which is no text")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a non-empty string, or None where the key is missing or null."""
        return None if self.value.get(key) is None else self.text(key)

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of a few strings."""
        if default is not None and self.value.get(key) is None:
            return default
        value = self.get(key)
        if value not in allowed or not isinstance(value, str):
            self.fail(key, f"must be one of {', '.join(allowed)}, not {_name(value)}")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return an integer within bounds."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, f"must be an integer, not {_name(value)}")
        if not low <= value <= high:
            self.fail(key, f"must lie in {low} to {high}")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._number(key, self.get(key))

    def optional_number(self, key: str) -> float | None:
        """Return a finite number, or None where the key is missing or null."""
        return None if self.value.get(key) is None else self.number(key)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return a list of exactly `count` finite numbers."""
        value = self.get(key)
        if not isinstance(value, list) or len(cast(list[Any], value)) != count:
            self.fail(key, f"must be a list of {count} numbers, not {_name(value)}")
        return tuple(self._number(f"{key}[{i}]", v) for i, v in enumerate(cast(list[Any], value)))

    def object(self, key: str) -> Json:
        """Return an object inside."""
        return Json(self.get(key), self.source, self.error, ".".join(p for p in (self.path, key) if p))

    def objects(self, key: str) -> Iterator[Json]:
        """Each object of a list inside."""
        value = self.get(key)
        if not isinstance(value, list):
            self.fail(key, f"must be a list, not {_name(value)}")
        base = ".".join(p for p in (self.path, key) if p)
        for i, entry in enumerate(cast(list[Any], value)):
            yield Json(entry, self.source, self.error, f"{base}[{i}]")

    def others(self, known: set[str]) -> dict[str, Any]:
        """Return the keys that are not known."""
        return {key: value for key, value in self.value.items() if key not in known}

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"must be a number, not {_name(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(key, "must be a finite number")
        return number


def _name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(cast(list[Any], value))}"
    return one_line(repr(value), 60)
