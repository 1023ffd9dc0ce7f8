"""What every document shows, in what order: numbered lines under their shelves under their faces, in one language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from reports.failure import failure_of, tells_nothing
from reports.figures import UNWALKED, figures, local, trends
from reports.headings import KIND_ACTIONS, KIND_TITLES, PERHAPS_MISSING, P
from reports.languages import Language, language_or_english
from reports.layout_lines import Lines
from reports.layout_parts import TONES, Count, Layout
from reports.phrases import Said
from reports.report import RunReport
from reports.text import T


def lay_out(report: RunReport) -> Layout:
    """Lay a report out in its language."""
    lang = language_or_english(report.language)
    maker = Lines(report, lang)
    zones = tuple(lang(f.evidence) for f in report.findings if f.kind == "zone_not_scanned")
    unsure = {f.finding_id for f in report.perhaps_missing}
    stretches = tuple(
        maker.stretches(f for f in report.findings if f.kind not in UNWALKED and f.finding_id not in unsure)
    )
    doubts = tuple(maker.line(f, on_shelf=True) for f in report.findings if f.kind == "low_confidence")
    perhaps = tuple(maker.line(f, on_shelf=True, numbered=False) for f in report.perhaps_missing)
    counted = Counter(f.kind for f in report.findings if f.finding_id not in unsure)
    counts = tuple(_counts(report, counted, lang))
    when = _when(report, lang)
    failure, blank = failure_of(report), tells_nothing(report)
    nothing = "" if blank else P.NOTHING if failure is None else P.NOTHING_THERE
    return Layout(
        lang=lang,
        title=lang(T.title(report.info.site)),
        when=when,
        run=lang(P.run(when, report.info.run_id, report.info.robot_id)),
        # Noughts of a run that tells nothing are no results.
        plan=()
        if blank
        else tuple(lang(text) for text in _plan(report, sum(s.count for s in stretches), lang)),
        figures=()
        if blank
        else tuple((value, lang(label)) for value, label in figures(report, counted, lang)),
        counts=() if blank else counts,
        troubles=tuple(lang(text) for text in (report.troubles if failure is None else failure.troubles)),
        zones=zones,
        dropped=tuple(lang(text) for text in report.dropped),
        notes=tuple(lang(text) for text in report.notes),
        afterwards=tuple(lang(text) for text in _afterwards(report)) if stretches else (),
        nothing=lang(nothing),
        signature=lang(T.signature(report.info.site)),
        stretches=stretches,
        doubts=doubts,
        lists=() if blank else tuple(lang(text) for text in report.lists),
        trends=() if blank else tuple(trends(report, lang)),
        perhaps=perhaps,
        pace_page=_pace_page(report) if report.link else "",
        alarm=() if failure is None else tuple(lang(text) for text in (failure.heading, *failure.lines)),
        blank=blank,
    )


def _counts(report: RunReport, counted: Mapping[str, int], lang: Language) -> Iterator[Count]:
    """Count each kind; the perhaps missing apart, after the missing."""
    put_off = Counter({"missing": report.put_off})
    for kind in KIND_TITLES:
        here, left = counted.get(kind, 0), max(0, report.backlog.get(kind, 0) - put_off[kind])
        if here or left:
            tone = TONES.get(kind, "data")
            yield Count(tone, lang(KIND_TITLES[kind]), lang(KIND_ACTIONS[kind]), here, left)
        if kind == "missing" and (here := len(report.perhaps_missing)) + report.put_off:
            yield Count("data", lang(PERHAPS_MISSING[0]), lang(P.WAIT), here, report.put_off)


def _when(report: RunReport, lang: Language) -> str:
    start = local(report.info.started_at, report.time_zone)
    until = ""
    if report.ended_at is not None:
        end = local(report.ended_at, report.time_zone)
        until = lang.time(end)
        if end.date() != start.date():
            until = f"{lang.weekday(end.date())} {until}"
    return lang(P.span(lang.long_day(start.date()), lang.time(start), until, start.tzname() or "UTC"))


def _plan(report: RunReport, lines: int, lang: Language) -> Iterator[Said]:
    waiting = sum(report.backlog.values())
    if report.minutes is not None or waiting:
        yield P.planned(lines, report.minutes, waiting)
    if report.put_off:
        yield P.put_off(report.put_off)
    if report.minutes_asked is not None:
        yield P.made_for(report.minutes_asked)
    if report.minutes is not None and report.paced:
        yield P.paced(report.paced)
    if report.checked_at is not None:
        yield P.checked(lang.time(local(report.checked_at, report.time_zone)), len(report.dropped))


def _pace_page(report: RunReport) -> str:
    """Return the service's page that asks how long a morning took; the report's own link is one of its runs."""
    return f"{report.link.rsplit('/runs/', 1)[0].rstrip('/')}/pace?site={quote(report.info.site, safe='')}"


def _afterwards(report: RunReport) -> Iterator[Said]:
    yield P.not_there()
    if report.link:  # a service keeps the cases
        yield P.say_so()
        if report.minutes_asked is not None:
            yield P.say_minutes(_pace_page(report))
