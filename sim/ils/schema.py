"""A small check of bodies against a schema: known fields, their types, required ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

#: What a field may be: Python types, and with ``null`` also nothing.
Types = tuple[type, ...]
TEXT: Types = (str,)
TEXT_OR_NULL: Types = (str, type(None))
WHOLE: Types = (int,)
WHOLE_OR_NULL: Types = (int, type(None))
FLAG: Types = (bool,)
FLAG_OR_NULL: Types = (bool, type(None))
NUMBER_OR_NULL: Types = (int, float, type(None))
OBJECT: Types = (dict,)
OBJECT_OR_NULL: Types = (dict, type(None))
LIST: Types = (list,)
LIST_OR_NULL: Types = (list, type(None))

DATE = re.compile(r"\d{4}-\d{2}-\d{2}Z?\Z")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})\Z")


def wrong(
    body: Any,
    fields: Mapping[str, Types],
    required: Collection[str] = (),
    formats: Mapping[str, re.Pattern[str]] | None = None,
) -> str:
    """
    Return what is wrong with an object; empty: nothing.

    Parameters
    ----------
    body : object
        The parsed JSON.
    fields : mapping
        Every field there may be, with its types; any other is refused (``additionalProperties: false``).
    required : collection of str
        Fields that must be there.
    formats : mapping, optional
        Patterns of texts.
    """
    if not isinstance(body, dict):
        return f"Expected object - got {type(body).__name__}."
    given: dict[str, Any] = body  # pyright: ignore[reportUnknownVariableType]
    extra = sorted(set(given) - set(fields))
    if extra:
        return f"Properties not allowed: {', '.join(extra)}."
    missing = [name for name in required if name not in given]
    if missing:
        return f"/{missing[0]}: Missing property."
    for name, value in given.items():
        types = fields[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            return f"/{name}: Expected {'/'.join(t.__name__ for t in types)} - got {type(value).__name__}."
        pattern = (formats or {}).get(name)
        if pattern is not None and isinstance(value, str) and not pattern.match(value):
            return f"/{name}: Does not match its format."
    return ""
