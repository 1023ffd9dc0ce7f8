"""``nightstack stacks sort SCHEME``: call numbers, a line each, in shelving order."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from nightstack.errors import FAILED, InputError

if TYPE_CHECKING:
    from stacks.call_numbers import CallNumberPolicy

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # of XLSX and ODS, and of XLS
_SCHEMES = ("lcc", "ddc", "clc", "sudoc", "nlm", "local")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sort")(sort)


def sort(
    scheme: Annotated[
        str,
        typer.Argument(help=f"Which scheme: {', '.join(_SCHEMES)}, or another name of it, such as dewey."),
    ],
    file: Annotated[Path | None, typer.Argument(help="Lines to sort; standard input by default.")] = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="Show each line's key in front of it, a tab between.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say the first two lines out of order.")
    ] = False,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", metavar="NAME=VALUE", help="A policy as in the plan's `call_numbers`; again for more."
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="TOML file of rules for scheme local.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object instead of lines.")] = False,
) -> None:
    """
    Sort call numbers, one a line, as the books stand.

    Equal ones stay as they came. Lines that cannot be read go to standard error with their numbers, and the
    exit status is then 1; so it is where --check finds a line out of order. Empty lines are left out.
    """
    from stacks.call_numbers import sort_keys

    scheme = _scheme(scheme)
    decided = _policy(policy or [], rules)
    if scheme == "local" and decided.local is None:
        raise InputError("scheme local needs the library's rules; name them: --rules FILE")
    rows = list(_lines(file))
    made = sort_keys(scheme, [text for _, text in rows], decided)
    bad = [row for row, key in zip(rows, made, strict=True) if key is None]
    good = [(key, row) for row, key in zip(rows, made, strict=True) if key is not None]
    wrong = next(((a, b) for a, b in pairwise(good) if b[0] < a[0]), None) if check else None
    if not check:
        good.sort(key=lambda pair: pair[0])
    if as_json:
        print(json.dumps(_report(good, bad, wrong, check, keys), ensure_ascii=False))
    elif check:
        if wrong is not None:
            (_, (i, before)), (_, (j, after)) = wrong
            print(f"line {j}: {after!r} belongs before line {i}: {before!r}")
    else:
        sys.stdout.flush()
        out = sys.stdout.buffer
        out.writelines(
            (f"{key.decode('ascii')}\t{text}\n" if keys else f"{text}\n").encode() for key, (_, text) in good
        )
        out.flush()
    if not as_json:
        for number, text in bad:
            print(f"line {number}: cannot be read as {scheme}: {text[:200]!r}", file=sys.stderr)
    if bad or wrong is not None:
        raise typer.Exit(FAILED)


def _scheme(named: str) -> str:
    """Return the scheme somebody named, in any case or by one of the names other systems have for it."""
    from stacks.imports.names import SCHEME_WORDS, plain

    known = SCHEME_WORDS.get(plain(named), plain(named))
    if known not in _SCHEMES:
        raise InputError(f"{named!r} is no scheme; there are {', '.join(_SCHEMES)}")
    return known


def _report(
    good: list[tuple[bytes, tuple[int, str]]],
    bad: list[tuple[int, str]],
    wrong: object,
    check: bool,
    keys: bool,
) -> dict[str, Any]:
    made: dict[str, Any] = {"unreadable": [{"line": n, "text": t} for n, t in bad]}
    if check:
        made["in_order"] = wrong is None
        if isinstance(wrong, tuple):
            made["out_of_order"] = [{"line": n, "text": t} for _, (n, t) in wrong]
        return made
    made["sorted"] = [
        {"line": n, "text": t} | ({"key": key.decode("ascii")} if keys else {}) for key, (n, t) in good
    ]
    return made


def _policy(given: list[str], rules: Path | None) -> CallNumberPolicy:
    from stacks.call_numbers import CallNumberPolicy, LocalRules, RulesError
    from stacks.errors import PlanError

    obj: dict[str, Any] = {}
    for entry in given:
        name, equals, value = entry.partition("=")
        if not equals:
            raise InputError(f"--policy {entry!r} has no value; write NAME=VALUE")
        # Lists and tables are written as JSON, all else as it stands.
        obj[name] = _value(value) if value[:1] in ("[", "{") else value
    try:
        if rules is not None:
            obj["local"] = LocalRules.read(rules).to_json()
        return CallNumberPolicy.from_json(obj, "--policy")
    except (PlanError, RulesError) as error:
        # A plan's path is dotted (`call_numbers.prefixes`); the option's own form is NAME=VALUE.
        raise InputError(str(error).replace("--policy.", "--policy: ", 1)) from None


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _lines(file: Path | None) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers; raises InputError where one is not UTF-8."""
    if file is None:
        yield from _decoded(sys.stdin.buffer, "standard input")
        return
    try:
        with file.open("rb") as handle:
            yield from _decoded(handle, str(file))
    except OSError as e:
        raise InputError(f"{file}: cannot be read ({e.strerror or e}); name a file of call numbers") from None


def _looks(data: bytes) -> str:
    """Say what bytes that are not UTF-8 look like, as the import of catalogues tells it, and how to convert them."""
    from stacks.errors import HoldingsError
    from stacks.imports.encodings import decode

    try:
        _, found = decode(data, "")
    except HoldingsError:
        return "convert it: iconv -f WINDOWS-1252 -t UTF-8 (western letters), -f GB18030 (Chinese)"
    name = {"cp1252": "WINDOWS-1252", "gb18030": "GB18030"}[found.codec]
    return f"it looks like {found.why}; convert it: iconv -f {name} -t UTF-8"


def _decoded(handle: BinaryIO, source: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(handle, 1):
        if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(f"{source}: is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")
        if number == 1 and line.startswith(_WORKBOOKS):
            raise InputError(
                f"{source}: this is a workbook, not a text file; save its column of call numbers as text, or take "
                "the whole sheet in with `nightstack stacks import`"
            )
        try:
            text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(
                f"{source}: line {number} is not UTF-8; {_looks(line + handle.read())}"
            ) from None
        text = text.rstrip("\r\n")
        if text.strip():
            yield number, text
