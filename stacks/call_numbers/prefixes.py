"""Words and marks in front of a call number (or behind it) that name a collection or a size."""

from __future__ import annotations

import re

from stacks.call_numbers.policy import CallNumberPolicy
from stacks.call_numbers.text import word

SIZES = frozenset(
    ("OVERSIZE", "OVERSZ", "FOLIO", "FOL", "FF", "F", "QUARTO", "QTO", "Q", "MINI", "LARGE", "O", "OV", "OS")
)
"""Sizes; marks of ``+`` and ``*`` are sizes, too."""
COLLECTIONS = frozenset(
    ("REF", "REFERENCE", "RARE", "SPEC", "RESERVE", "RES", "THESIS", "MICROFILM", "MICROFICHE", "DVD", "CD",
     "VIDEO", "MAP", "ATLAS", "JUV", "STACKS", "STORAGE", "DOC", "DOCS", "GOVDOC", "PERIODICAL", "SERIAL")
)  # fmt: skip
"""Collections in front of letters; each is one of its own."""
_BEFORE = re.compile(r"([^\W\d_]{1,12})\.?\s+(?=[A-Za-z+*])|([+*]{1,3})\s*(?=[A-Za-z])")
_BEHIND = re.compile(r"(?:\s*([+*]{1,3})|\s+\(?(OVERSIZE|FOLIO|QUARTO)\)?)$", re.IGNORECASE)
_SIZE_ENDS = frozenset("+*)EeOo")
"""With what a size behind a call number ends; most end otherwise, and need no search."""


class Prefixes:
    """How one library treats what stands in front, from its policy."""

    def __init__(
        self, policy: CallNumberPolicy, more: tuple[tuple[str, str], ...], sizes: frozenset[str]
    ) -> None:
        self._apart, self._size_apart = policy.prefixes == "apart", policy.oversize == "apart"
        self.names = dict(more)
        self._sizes = sizes
        self._places = {name: f"!{i:03d}" for i, name in enumerate(policy.prefix_order)}

    def tag(self, words: list[str]) -> str:
        """Return what a key begins with: empty for the plain sequence, unless an order is named."""
        kept: list[str] = []
        for name in words:
            named = self.names.get(name, name)
            size = named in self._sizes or named[:1] in ("+", "*")
            if named and (self._size_apart if size else self._apart):
                kept.append(named)
        if self._places:
            named_first = "_".join(self._places.get(k, "~" + word(k)) for k in kept)
            return named_first if kept else self._places.get("", "")
        return "_".join(word(k) for k in kept)

    def split(self, label: str) -> tuple[list[str], str]:
        """Return the words in front of a class of letters (and size marks behind), and the rest."""
        words: list[str] = []
        size = _BEHIND.search(label) if label[-1:] in _SIZE_ENDS else None
        if size is not None and size.start():
            words.append((size[1] or size[2]).upper())
            label = label[: size.start()]
        while len(words) < 4:
            match = _BEFORE.match(label)
            if match is None:
                break
            name = (match[1] or match[2]).upper()
            if match[1] and name not in self.names and name not in COLLECTIONS and name not in SIZES:
                break
            words.append(name)
            label = label[match.end() :]
        return words, label
