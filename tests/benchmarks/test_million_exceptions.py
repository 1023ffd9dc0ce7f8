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


def test_a_catalogue_without_tag_numbers_finds_as_much():
    result = measure(6000, tags="untold")
    assert result["told"] == result["right"]
    for kind, planted in result["planted"].items():
        assert result["right"].get(kind, 0) >= 0.95 * planted, kind
