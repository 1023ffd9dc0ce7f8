"""Texts from outside, made fit for every database."""

from __future__ import annotations


def storable(text: str) -> str:
    """Return the text without what a database text cannot hold: PostgreSQL has no NUL, UTF-8 no half surrogate pair."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()


def one_line(text: str, longest: int = 500) -> str:
    """Return the text on one storable line, cut where it is longer."""
    return storable(" ".join(text.split()))[:longest]
