"""``nightstack cases ...``: the site's open exceptions, and what staff did with them."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nightstack.commands.shared import AsJson, At, time_of
from nightstack.errors import InputError
from nightstack.service_cases import case_id, opened_service, site_of_cases

_app = typer.Typer(
    no_args_is_help=True,
    help="What is to be put right: list it, see one story, say what was done.",
    rich_markup_mode=None,
)

_STATES = ("todo", "open", "assigned", "resolved", "all", "archived")

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="The service's data folder. [default: ./nightstack-data]", metavar="DIR"),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="serve.toml, where the database is not in that folder.", metavar="FILE"),
]
Site = Annotated[
    str | None, typer.Option("--site", help="Which library; needed where there are several.", metavar="SITE")
]
CaseId = Annotated[
    str,
    typer.Argument(
        help="The book's barcode, or the case's id as `cases list` shows it, 8 characters of it or more.",
        metavar="CASE",
    ),
]
CaseIds = Annotated[
    list[str],
    typer.Argument(
        help="Barcodes of books, or ids of cases as `cases list` shows them, 8 characters or more.",
        metavar="CASE",
    ),
]
LedgerFile = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        help="The ledger that `exceptions --ledger` keeps, instead of a service's data.",
        metavar="FILE",
    ),
]
Why = Annotated[str, typer.Option("--why", help="In your own words; kept with the case.")]
By = Annotated[str | None, typer.Option("--by", help="Who did it. Default: the name you are logged in with.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    _app.command("list")(list_)
    _app.command()(show)
    _app.command()(assign)
    _app.command()(resolve)
    _app.command()(reopen)
    _app.command()(took)
    _app.command()(pace)
    app.add_typer(_app, name="cases")


def list_(
    data: DataFolder = None,
    settings: SettingsFile = None,
    site: Site = None,
    state: Annotated[
        str,
        typer.Option(
            help="todo: open and assigned ones that are worth a line; or open, assigned, resolved, all, "
            "archived (resolved years ago)."
        ),
    ] = "todo",
    kind: Annotated[
        str | None, typer.Option(help="One kind, such as missing or wrong_shelf.", metavar="KIND")
    ] = None,
    text: Annotated[
        str, typer.Option(help="Part of a barcode, call number, title or shelf.", metavar="TEXT")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many lines at most.", min=1)] = 50,
    ledger: LedgerFile = None,
    as_json: AsJson = False,
) -> None:
    """List cases, the surest first."""
    from reports.findings import KINDS

    if kind is not None and kind not in KINDS:
        raise InputError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    if state not in _STATES:
        raise InputError(f"--state: {state!r} is none of {', '.join(_STATES)}")
    if ledger is not None:
        from nightstack.ledger_cases import list_ledger

        _ledger_alone(data, settings, site)
        found = list_ledger(ledger, state, kind, text, limit)
    else:
        with opened_service(data, settings) as database:
            from cloud_ingest.web.case_views import list_cases

            with database.read() as session:
                if site is not None:
                    site_of_cases(session, site)
                found = list_cases(session, site, state, kind, text, 0, limit)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if found["cases"]:
        typer.echo(_row("case", "kind", "sure", "state", "shelf", "book"))
    for case in found["cases"]:
        typer.echo(_line(case))
    from recording.words import counted

    shown = len(found["cases"])
    more = "" if found["total"] == shown else f"; {shown} shown, --limit shows more"
    away = f"; {found['archived']:,} in the archive" if found["archived"] and state != "archived" else ""
    typer.echo(f"{counted(found['total'], 'case')}{more}{away}")


def show(
    case: CaseId,
    data: DataFolder = None,
    settings: SettingsFile = None,
    site: Site = None,
    ledger: LedgerFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one case: what, where, why, and everything that happened to it."""
    if ledger is not None:
        from nightstack.ledger_cases import show_ledger

        _ledger_alone(data, settings, site)
        found = show_ledger(ledger, case)
    else:
        with opened_service(data, settings) as database, database.read() as session:
            from cloud_ingest.web.case_views import show_case

            of = site_of_cases(session, site)
            found = show_case(session, of, case_id(session, of, case))
    if found is None:
        raise InputError(f"{case}: no such case; `nightstack cases list --state all` shows them")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(_line(found))
    for told in found["library_system"]:
        typer.echo(f"  library system: {told['what']}: {told['state']}  {told['error'] or ''}".rstrip())
    for name in ("evidence", "belongs", "shelf_id", "opened_at", "seen_at", "mailed_at", "nights"):
        if found[name] not in ("", None):
            typer.echo(f"  {name.replace('_', ' ')}: {found[name]}")
    for step in found["history"]:
        typer.echo(f"  {step['at']}  {step['did']}  {step['who']}  {step['why']}".rstrip())


def assign(
    cases: CaseIds,
    to: Annotated[str, typer.Option("--to", help="Who takes them on.")],
    data: DataFolder = None,
    settings: SettingsFile = None,
    site: Site = None,
    why: Why = "",
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Give cases to somebody."""
    _do(cases, "assign", to, why, data, settings, site, at, as_json)


def resolve(
    cases: CaseIds,
    how: Annotated[
        str,
        typer.Option(
            "--as",
            help="found, reshelved, checked_in, marked_missing, retagged, or false_alarm. A missing book that stands "
            "on its shelf all the same is `found`: its tag is dead.",
            metavar="OUTCOME",
        ),
    ],
    by: By = None,
    data: DataFolder = None,
    settings: SettingsFile = None,
    site: Site = None,
    why: Why = "",
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Say what was done with cases."""
    from reports.case import BY_STAFF

    if how not in BY_STAFF:
        raise InputError(f"--as: {how!r} is none of {', '.join(BY_STAFF)}")
    _do(cases, how, by, why, data, settings, site, at, as_json)


def reopen(
    cases: CaseIds,
    by: By = None,
    data: DataFolder = None,
    settings: SettingsFile = None,
    site: Site = None,
    why: Why = "",
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Open cases again that were not dealt with after all."""
    _do(cases, "reopen", by, why, data, settings, site, at, as_json)


def took(
    minutes: Annotated[
        float,
        typer.Argument(
            help="From taking up the list to the last book put away, breaks left out.", metavar="MINUTES"
        ),
    ],
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Not the whole list of the last mail, but the lines recorded since under the same name: where time "
            "ran out, or where several share a list.",
        ),
    ] = False,
    by: By = None,
    data: DataFolder = None,
    settings: SettingsFile = None,
    site: Site = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Say how long this morning's list took; the next ones are planned with that."""
    person = by if by is not None else getpass.getuser()
    when = int(time_of(at).timestamp() * 1e9)
    with opened_service(data, settings) as database:
        from cloud_ingest import casebook

        with database.write() as session:
            told = casebook.took(
                session, site_of_cases(session, site), minutes, who=person, at=when, recorded=recorded
            )
    if as_json:
        typer.echo(json.dumps({"who": told.who, "minutes": told.minutes, "lines": len(told.lines)}))
        return
    from recording.words import counted

    typer.echo(f"{counted(len(told.lines), 'line')} in {told.minutes:g} minutes, {told.who}")


def pace(
    data: DataFolder = None, settings: SettingsFile = None, site: Site = None, as_json: AsJson = False
) -> None:
    """Show how fast the work goes: the pace that lists are planned with, and what it is learnt from."""
    with opened_service(data, settings) as database:
        from cloud_ingest.web.pace_views import show_pace
        from nightstack.settings import read_serve_settings

        with database.read() as session:
            told = show_pace(session, site_of_cases(session, site), read_serve_settings(settings, data=data))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for kind in told["kinds"]:
        seen = "set by hand" if kind["by_hand"] else f"{kind['times']} times"
        typer.echo(f"{kind['kind']:18} {kind['seconds']:6.0f} s  (assumed {kind['assumed_s']:.0f})  {seen}")
    usual, left = told["assumed"], told["left_out"]
    typer.echo(f"{'walking':18} {told['walk_mps']:6.2f} m/s  (assumed {usual['walk_mps']:.2f})")
    if not told["learns"]:
        typer.echo("nothing is learnt: the settings say so")
        return
    typer.echo(
        f"learnt from {told['mornings']} mornings: {told['times']} times between lines, minutes told of "
        f"{told['said']}; left out: {left['together']} entered together, {left['breaks']} with a break, "
        f"{left['unknown']} without a place"
    )


def _do(
    cases: list[str],
    did: str,
    who: str | None,
    why: str,
    data: Path | None,
    settings: Path | None,
    site: str | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Do one thing with each case: all of them, or none where one of them cannot be."""
    person = who if who is not None else getpass.getuser()
    when = int(time_of(at).timestamp() * 1e9)
    with opened_service(data, settings) as database:
        from cloud_ingest import casebook
        from cloud_ingest.web.case_views import show_case

        with database.write() as session:
            of = site_of_cases(session, site)
            named = dict.fromkeys(case_id(session, of, case) for case in cases)
            done = [
                case.id for case in casebook.act_on_all(session, of, named, did, who=person, why=why, at=when)
            ]
            after = [show_case(session, of, case) for case in done]
    if as_json:
        typer.echo(json.dumps(after, indent=2))
        return
    for case in after:
        if case is not None:
            typer.echo(_line(case))


def _line(case: dict[str, Any]) -> str:
    kind = "perhaps missing" if case.get("perhaps") else case["kind"]
    state = case["state"] + (f" ({case['resolution']})" if case["resolution"] else "")
    if case["assigned_to"]:
        state += f" to {case['assigned_to']}"
    what = " ".join(text for text in (case["call_number"], case["barcode"], case["title"]) if text)
    what = what or (f"tag {case['epc']}" if case.get("epc") else "")
    # How sure the trouble was says nothing about one that is over.
    sure = f"{min(99, round(100 * case['confidence']))} %" if case["state"] != "resolved" else ""
    return _row(case["finding_id"], kind, sure, state, case["shelf_id"], what)


def _row(case: str, kind: str, sure: str, state: str, shelf: str, book: str) -> str:
    return f"{case:16}  {kind:16}  {sure:>4}  {state:24}  {shelf:12}  {book}"


def _ledger_alone(data: Path | None, settings: Path | None, site: str | None) -> None:
    if data is not None or settings is not None or site is not None:
        raise InputError("--ledger: a ledger is one site's and needs no --data, --settings or --site")
