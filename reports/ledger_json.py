"""A ledger as JSON: what comes back is what went in, sentences with their phrases too."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, cast

from reports.case import RESOLUTIONS, STATES, Case, Step
from reports.findings import KINDS, Finding
from reports.ledger_book import Ledger, LedgerError
from reports.ledger_mornings import MOST_MINUTES, Took
from reports.phrases import from_json as text_from_json
from reports.phrases import to_json as text_to_json
from reports.trend import NightFigures

FORMAT = "nightstack-ledger/1"

_SENTENCES = ("belongs", "evidence", "beside", "asked_for")
_TIMES = ("opened_at", "seen_at", "mailed_at", "looked_at")
_FINDING = {f.name: f.default for f in fields(Finding)}
_STEP = {f.name: f.default for f in fields(Step)}
_CASE = {f.name: f.default for f in fields(Case)}


def to_json(ledger: Ledger) -> dict[str, Any]:
    """Return an object for ``json.dumps``; what is as it is by default is left out."""
    made: dict[str, Any] = {"format": FORMAT, "site": ledger.site, "runs": list(ledger.runs)}
    made["nights"] = [night.to_json() for night in ledger.nights]
    if ledger.mornings:
        made["mornings"] = mornings_to_json(ledger.mornings)
    return made | {"cases": [case_to_json(case) for case in ledger.cases.values()]}


def from_json(obj: object, source: str = "ledger.json") -> Ledger:
    """Return the ledger of `to_json`'s object; raises LedgerError, one line naming `source` and the case."""
    top = _object(obj, source)
    if top.get("format") != FORMAT:
        raise LedgerError(f"{source}: format is {top.get('format')!r}; this version reads {FORMAT!r}")
    cases: dict[str, Case] = {}
    for i, entry in enumerate(_list(top.get("cases"), f"{source}: cases")):
        case = case_from_json(entry, f"{source}: cases[{i}]")
        if case.id in cases:
            raise LedgerError(f"{source}: cases[{i}]: the case {case.id} is there twice")
        cases[case.id] = case
    runs = tuple(str(run) for run in _list(top.get("runs", []), f"{source}: runs"))
    nights = nights_from_json(top.get("nights", []), source)
    mornings = mornings_from_json(top.get("mornings", []), f"{source}: mornings")
    return Ledger(cases, str(top.get("site", "")), runs, nights, mornings)


def nights_from_json(obj: object, source: str) -> tuple[NightFigures, ...]:
    """Return the nights' figures; raises LedgerError."""
    try:
        return tuple(NightFigures.from_json(row) for row in _list(obj, f"{source}: nights"))
    except (ValueError, TypeError) as error:
        raise LedgerError(f"{source}: nights: a row is no night's figures ({error})") from None


def mornings_to_json(mornings: Iterable[Took]) -> list[dict[str, Any]]:
    """Return the list of what staff said mornings took."""
    return [
        {"at": t.at.isoformat(), "who": t.who, "minutes": t.minutes, "lines": list(t.lines)} for t in mornings
    ]


def mornings_from_json(obj: object, source: str = "mornings") -> tuple[Took, ...]:
    """Return the mornings of `mornings_to_json`'s list; raises LedgerError."""
    made: list[Took] = []
    for i, entry in enumerate(_list(obj, source)):
        where = f"{source}[{i}]"
        values = _object(entry, where)
        minutes = values.get("minutes")
        if (
            isinstance(minutes, bool)
            or not isinstance(minutes, int | float)
            or not 0.0 < minutes <= MOST_MINUTES
        ):
            raise LedgerError(f"{where}: minutes is {str(minutes)[:40]!r}, no time a morning takes")
        lines = tuple(str(line) for line in _list(values.get("lines"), f"{where}.lines"))
        made.append(
            Took(_time(values.get("at"), f"{where}.at"), str(values.get("who", "")), float(minutes), lines)
        )
    return tuple(made)


def case_to_json(case: Case) -> dict[str, Any]:
    """Return the object of one case, such as a database may keep."""
    made = _changed(case, _CASE)
    made["finding"] = finding_to_json(case.finding)
    made["history"] = [_step_to_json(step) for step in case.history]
    for name in _TIMES:
        if name in made:
            made[name] = made[name].isoformat()
    if "also" in made:
        made["also"] = list(case.also)
    return made


def case_from_json(obj: object, source: str = "case") -> Case:
    """Return the case of `case_to_json`'s object; raises LedgerError."""
    values = _object(obj, source)
    finding = finding_from_json(values.get("finding"), f"{source}.finding")
    steps = _list(values.get("history", []), f"{source}.history")
    history = tuple(_step_from_json(step, f"{source}.history[{i}]") for i, step in enumerate(steps))
    made = _taken(values, _CASE, source, skip=("finding", "history"))
    for name in _TIMES:
        if made.get(name) is not None:
            made[name] = _time(made[name], f"{source}.{name}")
    made["also"] = tuple(str(other) for other in _list(made.get("also", []), f"{source}.also"))
    case = Case(finding=finding, history=history, **made)
    if case.state not in STATES or case.resolution not in RESOLUTIONS:
        raise LedgerError(
            f"{source}: state {case.state!r} with resolution {case.resolution!r} is none we know"
        )
    return case


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return the object of one finding, its sentences as phrases."""
    made = _changed(finding, _FINDING)
    for name in _SENTENCES:
        if name in made:
            made[name] = text_to_json(made[name])
    if "lists" in made:
        made["lists"] = list(finding.lists)
    if finding.listed_at is not None:
        made["listed_at"] = finding.listed_at.isoformat()
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in made.items()}


def finding_from_json(obj: object, source: str = "finding") -> Finding:
    """Return the finding of `finding_to_json`'s object; raises LedgerError."""
    values = _taken(_object(obj, source), _FINDING, source)
    if values["kind"] not in KINDS:
        raise LedgerError(f"{source}: kind {values['kind']!r} is none of {', '.join(KINDS)}")
    if "lists" in values:
        lists = values["lists"]  # ledgers of before hold the names in one text
        lists = lists.split("; ") if isinstance(lists, str) else lists
        values["lists"] = tuple(str(name) for name in lists if name)
    if values.get("listed_at") is not None:
        values["listed_at"] = _time(values["listed_at"], f"{source}.listed_at")
    return Finding(**_sentences(values, _SENTENCES, source))


def _step_to_json(step: Step) -> dict[str, Any]:
    made = _changed(step, _STEP)
    made["at"] = step.at.isoformat()
    if "why" in made:
        made["why"] = text_to_json(step.why)
    return made


def _step_from_json(obj: object, source: str) -> Step:
    values = _taken(_object(obj, source), _STEP, source)
    values["at"] = _time(values["at"], f"{source}.at")
    return Step(**_sentences(values, ("why",), source))


def _changed(thing: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    named = ((name, getattr(thing, name), default) for name, default in defaults.items())
    return {name: value for name, value, default in named if default is MISSING or value != default}


def _taken(
    values: dict[str, Any], defaults: dict[str, Any], source: str, skip: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the values of known names, checked for being there and for their kind."""
    made: dict[str, Any] = {}
    for name, default in defaults.items():
        if name in skip:
            continue
        if name not in values:
            if default is MISSING:
                raise LedgerError(f"{source}: {name} is missing")
            continue
        value = values[name]
        if isinstance(default, bool):
            good = isinstance(value, bool)
        elif isinstance(default, (int, float)):
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif default is None:
            good = value is None or isinstance(value, (int, float, str))
        else:
            good = isinstance(value, (str, list))
        if not good:
            raise LedgerError(f"{source}: {name} is {str(value)[:40]!r}, which is of the wrong type")
        made[name] = value
    return made


def _sentences(values: dict[str, Any], names: tuple[str, ...], source: str) -> dict[str, Any]:
    for name in names:
        if name in values:
            try:
                values[name] = text_from_json(values[name])
            except (KeyError, TypeError, AttributeError, ValueError, IndexError):
                raise LedgerError(f"{source}: {name} is no text and no phrases") from None
    return values


def _time(value: object, source: str) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise LedgerError(f"{source} is {str(value)[:40]!r}, no ISO 8601 time") from None
    if at.tzinfo is None:
        raise LedgerError(f"{source} is {value}, without a time zone")
    return at


def _object(value: object, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LedgerError(f"{source}: is no JSON object")
    return cast("dict[str, Any]", value)


def _list(value: object, source: str) -> list[Any]:
    if not isinstance(value, list):
        raise LedgerError(f"{source}: is no JSON list")
    return cast("list[Any]", value)
