"""Findings by their kind."""

from __future__ import annotations


def by_kind(findings):
    kinds = {}
    for f in findings:
        kinds.setdefault(f.kind, []).append(f)
    return kinds


def only(findings, kind):
    assert {f.kind for f in findings} == {kind}, [(f.kind, f.evidence) for f in findings]
    return findings
