"""The library of the million copies, made small: everything planted is found, and nobody else is accused."""

from __future__ import annotations

from benchmarks.million_exceptions import measure


def test_what_is_planted_is_found():
    result = measure(6000)
    for kind, planted in result["planted"].items():
        told, right = result["told"].get(kind, 0), result["right"].get(kind, 0)
        assert told == right, kind
        assert right >= 0.95 * planted, kind
    assert result["peak_mb"] > 0
