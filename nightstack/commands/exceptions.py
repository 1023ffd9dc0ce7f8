"""``nightstack exceptions``: one night's findings, and with a ledger what became of those of the nights before."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightstack.commands.shared import AsJson, At, PlanFile, plan_of, positions_of, say_notes, time_of
from nightstack.errors import InputError
from nightstack.inputs import holdings_file, input_file, plan_file, recording_or_combined
from nightstack.outputs import output_file

if TYPE_CHECKING:
    from reports.findings import Finding
    from reports.ledger import Ledger
    from reports.worklist import Worklist


_FEWEST_HEARD, _LEAST_KNOWN = 30, 0.1
"""Of so many tags and more this share at least is in the catalogue, if it is that of the library scanned."""


def exceptions(
    recording: Annotated[
        Path, typer.Argument(help="A recording folder, or one that `combine` wrote.", metavar="RECORDING")
    ],
    positions: Annotated[
        Path | None,
        typer.Option(
            help="positions.parquet; default: the one in the folder, else it is worked out now.",
            metavar="FILE",
        ),
    ] = None,
    plan: PlanFile = None,
    holdings: Annotated[
        Path | None, typer.Option(help="holdings.csv; default: the one in the folder.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Default: exceptions.csv in the recording folder.", metavar="FILE")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            help="The site's cases from night to night (JSON, made if it is not there); this night is taken in.",
            metavar="FILE",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Also write worklist.csv: the open cases worth most in so many minutes, on one walk.",
            min=0.0,
        ),
    ] = None,
    did: Annotated[
        list[str] | None,
        typer.Option(
            help="What was done about a case (its id, 8 characters of it or more, or the book's barcode), such as "
            "f0123456=reshelved (may be given again); needs --ledger, --who.",
            metavar="CASE=WHAT",
        ),
    ] = None,
    minutes_taken: Annotated[
        float | None,
        typer.Option(
            "--took",
            help="The last list is done and took so many minutes: the next are planned with that; "
            "needs --ledger, --who.",
            metavar="MINUTES",
        ),
    ] = None,
    who: Annotated[str, typer.Option(help="Who did it.")] = "",
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list",
            help="Copies staff want found (may be given again): CSV, TSV, XLSX, or barcodes one a line. "
            "Before the name its purpose: wanted, claimed_returned, reported_missing or search; hold, binding, "
            "exhibition, weeding or pull. Such as weeding:Spring=weed.csv.",
            metavar="[PURPOSE:]NAME=FILE",
        ),
    ] = None,
    security: Annotated[
        Path | None,
        typer.Option(
            help="Which copies' security was read and is off: CSV, TSV or XLSX with epc or barcode, and security, eas "
            "(on or off) or afi (07 or C2); default: security.csv in the folder, if there is one.",
            metavar="FILE",
        ),
    ] = None,
    owner: Annotated[
        list[str] | None,
        typer.Option(
            help="The library's own ISIL as its tags have it, such as DE-705 (may be given again); default: those that "
            "the tags of its own records name. A tag that names another one belongs there.",
            metavar="ISIL",
        ),
    ] = None,
    security_by: Annotated[
        str,
        typer.Option(
            help="What the gates listen to, of what tags.parquet has of each tag: either, afi or eas.",
        ),
    ] = "either",
    afi_on: Annotated[
        list[str] | None,
        typer.Option(help="An AFI of secured copies (may be given again); default: 07.", metavar="HEX"),
    ] = None,
    afi_off: Annotated[
        list[str] | None,
        typer.Option(help="An AFI of lent copies (may be given again); default: C2.", metavar="HEX"),
    ] = None,
    keep_days: Annotated[
        float,
        typer.Option(
            help="Cases that a scan resolved so many days ago go from the ledger into LEDGER.archive.jsonl.",
            min=60.0,
            max=36_500.0,
            metavar="DAYS",
        ),
    ] = 730.0,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """List what is misshelved, missing or not scanned; writes exceptions.csv."""
    recording_or_combined(recording)
    plan = plan_file(plan)
    holdings_file(holdings)
    if positions is not None:
        input_file(positions, f"`nightstack localize {recording}` makes it")
    if security is not None:
        input_file(security, "name a table of tags and whether their security is on")
    elif (recording / "security.csv").is_file():
        security = recording / "security.csv"
    target = output_file(out if out is not None else recording / "exceptions.csv", "exceptions")
    listed = output_file(target.with_name("worklist.csv"), "exceptions") if minutes is not None else None
    time_of(at)  # a wrong one is told before the work
    for given in lists or ():
        input_file(list_of(given)[2], "name a list as NAME=FILE")
    for option, given in (("--did", did), ("--took", minutes_taken is not None)):
        if given and (ledger is None or not who.strip()):
            raise InputError(f"{option}: needs the ledger (--ledger FILE) and who did it (--who NAME)")
    if ledger is not None:
        output_file(ledger, None, "--ledger")
    # What costs a second to import comes after everything that can be wrong with the paths.
    from nightstack import ledger_file
    from nightstack.combined import open_run
    from nightstack.tag_options import policy_of
    from recording.words import counted
    from reports.exceptions_csv import write_exceptions
    from reports.feedback import learn
    from reports.ledger import Ledger, mailed, update
    from reports.ledger_policy import waiting
    from reports.night import judge_night
    from reports.outcomes import outcomes
    from reports.pace_learning import learn_pace
    from reports.policy import Policy
    from reports.tag_contents import contents_of, names_of, security_of, unread_note
    from reports.worklist import make_worklist
    from stacks.holdings import read_holdings
    from stacks.security import read_security
    from stacks.staff_lists import read_staff_list

    wanted = [read_staff_list(file, name, purpose) for name, purpose, file in map(list_of, lists or ())]
    if len({of.name for of in wanted}) < len(wanted):
        raise InputError("--list: two lists have one name; give each its own")
    secured = policy_of(afi_on or (), afi_off or (), security_by)
    gates = None if security is None else read_security(security, secured)
    heard = open_run(recording)
    say_notes(heard.notes, as_json)
    the_plan = plan_of(heard, plan)
    if the_plan is None:
        raise InputError(f"{recording}: no plan.json in the folder; name one with --plan FILE")
    catalogue = holdings if holdings is not None else heard.holdings_path
    if catalogue is None:
        raise InputError(f"{recording}: no holdings.csv in the folder; name one with --holdings FILE")
    info = heard.info
    book = Ledger() if ledger is None else ledger_file.read_ledger(ledger, info.site)
    book, recorded, told_recorded = ledger_file.record(book, did or [], minutes_taken, who, time_of(at))
    books = read_holdings(catalogue)
    if gates is not None:
        say_notes([f"{security}: {note}" for note in gates.notes], as_json)
    say_notes(books.notes, as_json)
    said: dict[str, Any] = {"recorded": recorded} if recorded else {}
    findings: list[Finding] = []
    told: list[str] = []
    memory = None
    new = info.run_id not in book.runs
    if new:
        before, note = (None, "") if ledger is None else ledger_file.read_memory(ledger, book)
        say_notes([note], as_json)
        places, coverage = positions_of(heard, the_plan, recording, positions, quiet=as_json)
        policy = learn(outcomes(book.cases.values())).policy(Policy())
        memories = None if heard.recording is None else heard.recording.tag_memories
        contents = contents_of(memories, secured)
        armed, doubt = security_of(contents, places.epc.tolist())
        say_notes([doubt], as_json)
        if gates is not None:  # what somebody read goes before what the robot did
            remembered = None if before is None else before.remembered
            barcodes, tags = names_of(contents, places.epc.tolist(), remembered)
            armed |= gates.of_tags([*barcodes, *books.column("barcode")], [*tags, *books.column("epc")])
        night = judge_night(
            info.run_id,
            info.started_at,
            places,
            coverage,
            the_plan,
            books,
            memory=before,
            retag=book.retag,
            policy=policy,
            lists=wanted,
            security=armed if armed or gates is not None else None,
            contents=contents,
            owners=owner,
        )
        findings, memory = night.findings, night.memory
        say_notes([unread_note(night.unread)], as_json)
        by_contents = int(((night.looks.epc == "") & (night.looks.shelf_id != "")).sum())
        if strange := hardly_known(places.epc, books.column("epc"), catalogue, by_contents):
            say_notes([strange], as_json)
            said["notes"] = [strange]
        said |= {"lists": [of.to_json() for of in night.lists]} if wanted else {}
        told = [str(of.said) for of in night.lists]
        target.parent.mkdir(parents=True, exist_ok=True)
        write_exceptions(target, findings)
        said |= {"exceptions": str(target), "counts": _counts(findings)}
        if ledger is not None or minutes is not None:
            book = update(book, night, books, policy)
    elif not as_json:
        typer.echo(f"{info.run_id} was taken into {ledger} already: its findings are in the cases")
    if wanted and not new:
        say_notes([f"--list: ignored, as {info.run_id} is in {ledger} already"], as_json)
    work = None
    if listed is not None:
        zones = [f for f in findings if f.kind == "zone_not_scanned"]
        sure = learn(outcomes(book.cases.values())).mail_from()
        work = make_worklist(
            book.open,
            the_plan,
            books,
            minutes=minutes,
            pace=learn_pace(book, the_plan),
            zones=zones,
            new_run=info.run_id,
            mail_from=sure,
        )
        listed.parent.mkdir(parents=True, exist_ok=True)
        write_exceptions(listed, work.findings)
        if new:
            book = mailed(book, [f.finding_id for f in work.findings], info.started_at)
        said |= {"worklist": str(listed), "minutes": round(work.minutes, 1), "lines": len(work.findings)}
        said |= {"backlog": dict(work.backlog), "quiet": dict(work.quiet)}
    if ledger is not None:
        if memory is not None:
            since = info.started_at - timedelta(days=keep_days)
            memory = memory.without(books.column("barcode"), books.column("epc"), before=since)
            book, said["archived"] = ledger_file.put_away(ledger, book, info.started_at, keep_days)
        ledger_file.save(ledger, book, memory)
        said |= {"ledger": str(ledger), "open": len(book.open), "cases": len(book)}
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        return
    perhaps = {c.id for c in book.open if waiting(c)}
    for kind, n in _counts(findings, perhaps).items():
        typer.echo(f"{kind:18} {n}")
    if new:
        typer.echo(f"{counted(len(findings), 'finding')}: {target}")
    for line in told:
        typer.echo(f"list {line}")
    if work is not None:
        _say_work(work, listed, perhaps)
    if told_recorded:
        typer.echo(told_recorded)
    if ledger is not None:
        _say_cases(book, ledger)
        if said.get("archived"):
            typer.echo(f"{counted(said['archived'], 'case')} put away: {ledger_file.archive_file(ledger)}")


def list_of(given: str) -> tuple[str, str, Path]:
    """Return name, purpose and file of a list as it is given: ``[PURPOSE:]NAME=FILE``.

    A name that is itself a purpose is both.

    Raises
    ------
    InputError
    """
    from stacks.staff_lists import PURPOSES

    named, sep, file = given.partition("=")
    if not sep or not named.strip() or not file:
        raise InputError(
            f"--list {given}: say what it is called and where it is, such as wanted:Course=course.csv"
        )
    purpose, sep, name = named.partition(":")
    if sep and purpose.strip() in PURPOSES and name.strip():
        return name.strip(), purpose.strip(), Path(file)
    word = purpose.strip().casefold()
    # A name may have a colon of its own, such as "Shelf: A".
    meant = (word.isidentifier() and not name.startswith(" ")) or get_close_matches(word, PURPOSES, 1, 0.75)
    if sep and meant:
        raise InputError(f"--list {given}: {purpose.strip()!r} is none of {', '.join(PURPOSES)}")
    named = named.strip()
    return named, named if named in PURPOSES else "search", Path(file)


def hardly_known(heard: Iterable[object], known: Iterable[str], catalogue: Path, by_contents: int = 0) -> str:
    """Say that hardly any tag heard is in the catalogue; empty where enough are, or few were heard.

    `by_contents` more of them are known by the barcode that they carry.
    """
    tags = {str(epc).upper() for epc in heard}
    there = len(tags & {epc.upper() for epc in known}) + by_contents
    if len(tags) < _FEWEST_HEARD or there >= _LEAST_KNOWN * len(tags):
        return ""
    some = "none of the" if not there else f"only {there} of the"
    verb = "is" if there < 2 else "are"
    return f"{some} {len(tags)} tags heard {verb} in this catalogue ({catalogue}): is it this library's?"


def _counts(findings: list[Finding], perhaps: Collection[str] = ()) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in findings:
        kind = _kind(finding, perhaps)
        counts[kind] = counts.get(kind, 0) + 1
    return {kind: counts[kind] for kind in sorted(counts)}


def _kind(finding: Finding, perhaps: Collection[str]) -> str:
    return "perhaps missing" if finding.finding_id in perhaps else finding.kind


def _say_work(work: Worklist, listed: Path | None, perhaps: Collection[str]) -> None:
    from recording.words import counted

    for f in work.findings:
        what = " ".join(t for t in (f.call_number, f.title) if t) or f.epc
        typer.echo(f"{f.finding_id}  {f.shelf_id:10} {_kind(f, perhaps):16} {what}")
    zones = sum(f.kind == "zone_not_scanned" for f in work.findings)
    left, few, quiet = sum(work.backlog.values()), len(work.waiting), sum(work.quiet.values())
    parts = [f"{counted(len(work.findings) - zones, 'line')} for {counted(round(work.minutes), 'minute')}"]
    silent = f" ({few} of them perhaps missing: silent for too few nights)" if few else ""
    parts.append(f"{left} left for another day{silent}")
    if quiet:
        kinds = ", ".join(f"{n} {kind}" for kind, n in work.quiet.items())
        parts.append(f"{quiet} only counted ({kinds})")
    if zones:
        parts.append(f"{counted(zones, 'zone')} not scanned")
    typer.echo(f"{', '.join(parts)}: {listed}")


def _say_cases(book: Ledger, file: Path) -> None:
    from recording.words import counted

    quiet = sum(case.quiet for case in book.open)
    only = f" ({quiet} of them doubtful or known, only counted)" if quiet else ""
    typer.echo(f"{counted(len(book.open), 'open case')}{only} of {len(book)}: {file}")
