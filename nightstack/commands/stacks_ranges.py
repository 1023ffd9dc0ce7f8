"""``nightstack stacks ranges ...``: what belongs on which shelf; checked, imported, learned from a scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightstack.commands.shared import AsJson, say_notes
from nightstack.commands.stacks_import import Columns, Delimiter, Encoding, MappingFile, Sheet, character
from nightstack.errors import FAILED, InputError
from nightstack.inputs import holdings_file, input_file, plan_file, recording_or_combined
from nightstack.outputs import output_file
from nightstack.progress import progress

if TYPE_CHECKING:
    from stacks.imports import Learned, RangeCheck
    from stacks.plan import Plan

_app = typer.Typer(
    no_args_is_help=True,
    help="The shelves' ranges: which call numbers belong on which shelf.",
    rich_markup_mode=None,
)
_MOST_LINES = 40

Plan_ = Annotated[Path, typer.Option("--plan", help="The plan.json.", metavar="FILE")]
Holdings_ = Annotated[
    Path | None,
    typer.Option("--holdings", help="holdings.csv, to hold the ranges against the books.", metavar="FILE"),
]
Scheme = Annotated[
    str | None,
    typer.Option(help="Of call numbers; default: what most books of the holdings have.", metavar="SCHEME"),
]
Loose = Annotated[
    bool, typer.Option("--loose", help="A shelf may start with the number the one before it ends with.")
]
OutPlan = Annotated[
    Path | None,
    typer.Option(help="Where the new plan.json goes; without it nothing is written.", metavar="FILE"),
]


def register(app: typer.Typer) -> None:
    """Add these commands to ``nightstack stacks``."""
    app.add_typer(_app, name="ranges")


@_app.command("check")
def check(
    plan: Plan_,
    holdings: Holdings_ = None,
    scheme: Scheme = None,
    loose: Loose = False,
    as_json: AsJson = False,
) -> None:
    """Check a plan's ranges: order, starts that cannot be read, books without a shelf, shelves with too many.

    Exit status 1 where something is wrong.
    """
    plan_file(plan)
    holdings_file(holdings)
    from stacks.holdings import read_holdings
    from stacks.imports import check_ranges
    from stacks.plan import read_plan

    copies = read_holdings(holdings) if holdings is not None else None
    the_plan = read_plan(plan)
    found = check_ranges(the_plan, _scheme(scheme, copies, the_plan), copies, loose=loose)
    _say(found, as_json)
    if found.problems:
        raise typer.Exit(FAILED)


@_app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV or workbook: shelf_id, range_start[, sequence, location].", metavar="FILE"
        ),
    ],
    plan: Plan_,
    out: OutPlan = None,
    holdings: Holdings_ = None,
    scheme: Scheme = None,
    map_: Columns = None,
    mapping: MappingFile = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    loose: Loose = False,
    most_unknown: Annotated[
        float, typer.Option(help="Largest share of rows whose shelf the plan may lack.", min=0, max=1)
    ] = 0.0,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write starts that cannot be read or contradict the sequence, too."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put each shelf's first call number into the plan; the end of a range is the next one's start."""
    input_file(file, "name the table of shelves and their first call numbers")
    plan_file(plan)
    holdings_file(holdings)
    if mapping is not None:
        input_file(mapping, "name the mapping file with --mapping")
    if out is not None:
        output_file(out, None)
    from recording.words import counted
    from stacks.holdings import read_holdings
    from stacks.imports import Mapped, apply_ranges, check_ranges, mapping_of, read_mapping, read_ranges
    from stacks.imports.range_file import RANGE_COLUMNS
    from stacks.plan import read_plan, write_plan

    words = read_mapping(mapping, RANGE_COLUMNS) if mapping is not None else Mapped()
    words = words.and_then(mapping_of(columns=map_ or (), targets=RANGE_COLUMNS))
    rows = read_ranges(file, words, encoding=encoding, delimiter=character(delimiter), sheet=sheet)
    copies = read_holdings(holdings) if holdings is not None else None
    before = read_plan(plan)
    after, notes = apply_ranges(before, rows, most_unknown=most_unknown)
    found = check_ranges(after, _scheme(scheme, copies, after), copies, rows, loose=loose)
    changed = _changed(before, after)
    wrong = [p for p in found.problems if p.kind in ("unreadable_start", "sequence")]
    if wrong and not force:
        # What was wrong before and is not of this table keeps nobody from mending the rest.
        past = check_ranges(before, _scheme(scheme, copies, after), None, loose=loose).problems
        known = {(p.kind, p.shelf_id, p.said) for p in past}
        wrong = [p for p in wrong if (p.kind, p.shelf_id, p.said) not in known]
        if wrong and out is not None:
            raise InputError(
                f"{file}: {counted(len(wrong), 'start')} cannot be read or contradict the sequence, the first: "
                f"{wrong[0].said}; nothing was written: mend the table (without --out all are listed), or write all "
                "the same with --force"
            )
    if out is not None:
        write_plan(out, after)
    if as_json:
        more = {"changed": changed, "version": after.version, "out": str(out) if out is not None else None}
        typer.echo(
            json.dumps(
                found.to_json() | {"notes": [*rows.notes, *notes, *found.notes]} | more,
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    say_notes([*rows.notes, *notes], as_json)
    _say(found, as_json)
    _say_changed(changed)
    _written(out, after)


@_app.command("learn")
def learn(
    recording: Annotated[
        Path, typer.Argument(help="A localized recording of a night that is trusted.", metavar="RECORDING")
    ],
    plan: Annotated[
        Path | None, typer.Option("--plan", help="plan.json; default: the recording's.", metavar="FILE")
    ] = None,
    holdings: Annotated[
        Path | None,
        typer.Option("--holdings", help="holdings.csv; default: the recording's.", metavar="FILE"),
    ] = None,
    positions: Annotated[
        Path | None, typer.Option(help="positions.parquet; default: the recording's.", metavar="FILE")
    ] = None,
    scheme: Scheme = None,
    location: Annotated[
        str | None, typer.Option(help="Only shelves of this location of the plan.", metavar="CODE")
    ] = None,
    out: OutPlan = None,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Write the starts of uncertain shelves as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose each shelf's range from where a trusted scan found the books; misshelved ones do not count."""
    recording_or_combined(recording)
    plan_at = plan_file(plan) or input_file(recording / "plan.json", "name the plan with --plan")
    holdings_at = holdings_file(holdings) or input_file(
        recording / "holdings.csv", "name the catalogue with --holdings"
    )
    positions_at = input_file(
        positions or recording / "positions.parquet", f"work it out first: nightstack localize {recording}"
    )
    if out is not None:
        output_file(out, None)
    from localization.positions import read_positions
    from stacks.holdings import read_holdings
    from stacks.imports import Heard, learn_ranges
    from stacks.plan import read_plan, write_plan

    with progress("learn", quiet=as_json) as tell:
        tell(0.0, "reading")
        the_plan, copies, heard = read_plan(plan_at), read_holdings(holdings_at), read_positions(positions_at)
        tell(0.5, "finding the order")
        where = Heard(heard.epc, heard.shelf_id, heard.face_id, heard.offset_m, heard.z_m)
        found = learn_ranges(
            the_plan, copies, where, scheme=_scheme(scheme, copies, the_plan), location=location
        )
    if not any(shelf.start for shelf in found.shelves):
        raise InputError(
            f"{positions_at}: no book of scheme {found.scheme} stands on a shelf of the plan; is it this "
            f"library's plan and "
            "holdings? (--plan, --holdings, --scheme)"
        )
    after = found.apply(the_plan, uncertain=uncertain)
    if out is not None:
        write_plan(out, after)
    if as_json:
        more = {
            "changed": _changed(the_plan, after),
            "version": after.version,
            "out": str(out) if out else None,
        }
        typer.echo(json.dumps(found.to_json() | more, indent=2, ensure_ascii=False))
        return
    say_notes(found.notes, as_json)
    _say_learned(found)
    _written(out, after)


def _scheme(named: str | None, holdings: object, plan: Plan) -> str:
    """Return the scheme that was named, or the one that most books have, or the one that reads the most starts."""
    from stacks.call_numbers import sort_keys
    from stacks.holding import SCHEMES
    from stacks.holdings import Holdings

    if named is not None:
        if named not in SCHEMES:
            raise InputError(f"--scheme: {named[:20]!r} is none of {', '.join(SCHEMES)}")
        return named
    if isinstance(holdings, Holdings) and len(holdings):
        column = holdings.column("scheme").tolist()
        return max(SCHEMES, key=column.count)
    starts = [shelf.range_start for shelf in plan.shelves if shelf.range_start]
    reads = {
        scheme: sum(key is not None for key in sort_keys(scheme, starts))
        for scheme in SCHEMES
        if scheme != "local"
    }
    best = max(reads, key=lambda scheme: reads[scheme])
    if not reads[best] or sum(n == reads[best] for n in reads.values()) > 1:
        raise InputError(
            "which scheme the ranges are of cannot be told: name it with --scheme, or the books with --holdings"
        )
    return best


def _say(found: RangeCheck, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    say_notes(found.notes, as_json)
    for problem in found.problems[:_MOST_LINES]:
        typer.echo(f"{problem.kind}: {problem.said}")
    if len(found.problems) > _MOST_LINES:
        typer.echo(f"and {len(found.problems) - _MOST_LINES} more (--json has all)")
    wrong = f"{len(found.problems)} things to look at" if found.problems else "nothing wrong"
    typer.echo(f"{found.with_start} of {found.shelves} shelves have a start; {wrong}")


def _changed(before: Plan, after: Plan) -> list[dict[str, object]]:
    old = {shelf.id: shelf for shelf in before.shelves}
    return [
        {"shelf_id": s.id, "from": old[s.id].range_start, "to": s.range_start}
        for s in after.shelves
        if s.range_start != old[s.id].range_start
    ]


def _say_changed(changed: list[dict[str, object]]) -> None:
    for entry in changed[:_MOST_LINES]:
        typer.echo(f"{entry['shelf_id']}: {entry['from'] or 'none'} -> {entry['to'] or 'none'}")
    if len(changed) > _MOST_LINES:
        typer.echo(f"and {len(changed) - _MOST_LINES} more")
    typer.echo(f"{len(changed)} starts change")


def _say_learned(found: Learned) -> None:
    same = moved = new = 0
    lines: list[str] = []
    for shelf in found.shelves:
        if shelf.doubts:
            lines.append(
                f"{shelf.shelf_id}: uncertain, {'; '.join(shelf.doubts)} ({shelf.start or 'no start'})"
            )
        elif shelf.apart == 0:
            same += 1
        elif shelf.present is None:
            new += 1
            lines.append(
                f"{shelf.shelf_id}: {shelf.start} (new, {shelf.in_order} of {shelf.books} books in order)"
            )
        else:
            moved += 1
            by = f"{shelf.apart} books apart" if shelf.apart > 0 else "the present one cannot be read"
            lines.append(f"{shelf.shelf_id}: {shelf.present} -> {shelf.start} ({by})")
    for line in lines[:_MOST_LINES]:
        typer.echo(line)
    if len(lines) > _MOST_LINES:
        typer.echo(f"and {len(lines) - _MOST_LINES} more (--json has all)")
    doubtful = sum(bool(shelf.doubts) for shelf in found.shelves)
    typer.echo(f"{same} shelves as they are, {moved} with another start, {new} new, {doubtful} uncertain")


def _written(out: Path | None, plan: Plan) -> None:
    if out is None:
        typer.echo("nothing was written (--out FILE)")
    else:
        typer.echo(f"plan, version {plan.version}: {out}")
