"""From ``plan.json`` to a plan: every value is checked, every complaint names its JSON path."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, cast

from stacks.errors import PlanError

T = TypeVar("T")


def load(data: bytes, source: str) -> Any:
    """Parse UTF-8 JSON: no byte order mark, no NaN, no key twice in one object; raises PlanError."""

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON number")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in items:
            if key in made:
                raise ValueError(f"key {key[:40]!r} stands twice in one object")
            made[key] = value
        return made

    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("it starts with a byte order mark; save it as UTF-8 without one")
        return json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    except UnicodeDecodeError as e:
        if data.startswith(b"PAR1"):
            raise PlanError(
                f"{source}: is a Parquet file, not a plan; name the plan.json of the library"
            ) from None
        raise PlanError(f"{source}: byte {e.start} is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as e:
        why = "nested too deeply" if isinstance(e, RecursionError) else " ".join(str(e).split())[:200]
        raise PlanError(f"{source}: is no usable JSON ({why})") from None


class Fields:
    """The fields of one JSON object, taken out one by one."""

    def __init__(self, value: object, source: str, path: str = "") -> None:
        self.source, self.path = source, path
        if not isinstance(value, dict):
            self.fail("", "must be an object")
        self._value = cast(dict[str, Any], value)
        self._used: set[str] = set()

    def fail(self, key: str, what: str) -> NoReturn:
        """Raise PlanError at a key."""
        where = ".".join(part for part in (self.path, key) if part)
        raise PlanError(f"{self.source}: {where}{' ' if where else ''}{what}")

    def value(self, key: str) -> Any:
        """Return the value of a required key, as it is."""
        return self._required(key)

    def text(self, key: str) -> str:
        """Return a non-empty string of at most 200 characters."""
        value = self._required(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 200 or not value.isprintable():
            self.fail(key, f"must be a text of 1 to 200 printable characters, not {_show(value)}")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._number(key, self._required(key))

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return a list of exactly `count` finite numbers."""
        value = self._required(key)
        if not isinstance(value, list) or len(cast(list[Any], value)) != count:
            self.fail(key, f"must be a list of {count} numbers, not {_show(value)}")
        return tuple(self._number(f"{key}[{i}]", v) for i, v in enumerate(cast(list[Any], value)))

    def integer(self, key: str, low: int, high: int) -> int:
        """Return an integer within bounds."""
        value = self._required(key)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, f"must be an integer, not {_show(value)}")
        if not low <= value <= high:
            self.fail(key, f"must lie in {low} to {high}")
        return value

    def optional(self, key: str, take: Callable[[str], T]) -> T | None:
        """Return what `take` makes of a key, or None where it is missing or null."""
        self._used.add(key)
        return None if self._value.get(key) is None else take(key)

    def objects(self, key: str) -> list[Fields]:
        """Return the objects of a list."""
        value = self._required(key)
        if not isinstance(value, list):
            self.fail(key, f"must be a list, not {_show(value)}")
        base = ".".join(part for part in (self.path, key) if part)
        return [Fields(v, self.source, f"{base}[{i}]") for i, v in enumerate(cast(list[Any], value))]

    def rest(self) -> Mapping[str, Any]:
        """Return the keys that nobody asked for."""
        return {key: value for key, value in self._value.items() if key not in self._used}

    def _required(self, key: str) -> Any:
        self._used.add(key)
        if key not in self._value:
            self.fail(key, "is missing")
        return self._value[key]

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"must be a number, not {_show(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(key, "must be a finite number")
        return number


def _show(value: object) -> str:
    text = " ".join(repr(value)[:200].split())
    return text if len(text) <= 60 else text[:57] + "..."
