"""What other systems call our columns, statuses and schemes: the tables of ``names.toml``, ready to look up."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

EXTRA = ("requests", "loans", "last_activity", "item_id", "tagged")
"""Further columns that Nightstack uses where a library gives them."""

_WORDS: Mapping[str, Mapping[str, list[str]]] = tomllib.loads(
    Path(__file__).with_name("names.toml").read_text(encoding="utf-8")
)
_HOLDINGS = ("barcode", "epc", "call_number", "scheme", "title", "home_location", "status", *EXTRA)
_RANGES = ("shelf_id", "range_start", "range_end", "sequence", "home_location")


def plain(text: str) -> str:
    """Return a word as it is compared: compatibility form, small letters, blanks for anything between words."""
    return re.sub(r"[\s_\-.:]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _turned(table: str, names: Iterable[str]) -> dict[str, str]:
    return {plain(word): ours for ours in names for word in (*_WORDS[table][ours], ours)}


HOLDINGS_HEADERS: Mapping[str, str] = _turned("headers", _HOLDINGS)
"""Header in `plain` form to our column, for holdings."""
# Reversed: a shelf's own names go before those of locations, which many of them are too.
RANGES_HEADERS: Mapping[str, str] = _turned("headers", reversed(_RANGES))
"""The same for tables of shelf ranges."""
STATUS_WORDS: Mapping[str, str] = _turned("statuses", _WORDS["statuses"])
SCHEME_WORDS: Mapping[str, str] = _turned("schemes", _WORDS["schemes"])
EXACT = {name: name for name in (*_HOLDINGS, *_RANGES)}
"""Our own names, which go before anything that merely resembles them."""
