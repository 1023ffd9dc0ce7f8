"""What a site calls things: its columns, its words for statuses and schemes, and constants."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from stacks.errors import HoldingsError
from stacks.holding import COLUMNS, SCHEMES, STATUSES
from stacks.imports.names import EXACT, EXTRA, plain

TARGETS = (*COLUMNS, *EXTRA)


@dataclass(frozen=True, slots=True)
class Mapped:
    """
    How a site's file is read; all of it may be empty.

    Attributes
    ----------
    columns : mapping of str to tuple of str
        Our column to the file's, several of them joined by a blank.
    statuses, schemes : mapping of str to str
        The site's words to ours.
    constants : mapping of str to str
        Columns that have one value in every row.
    keep : tuple of str
        The file's columns that are kept as they are.
    marc : mapping
        Of MARC records: ``field`` and the subfields; see `stacks.imports.marc_profiles`.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    statuses: Mapping[str, str] = field(default_factory=dict[str, str])
    schemes: Mapping[str, str] = field(default_factory=dict[str, str])
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    keep: tuple[str, ...] = ()
    marc: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def and_then(self, other: Mapped) -> Mapped:
        """Return this with another one's words added; the other's go first."""
        return replace(
            self,
            columns={**self.columns, **other.columns},
            statuses={**self.statuses, **other.statuses},
            schemes={**self.schemes, **other.schemes},
            constants={**self.constants, **other.constants},
            keep=(*self.keep, *(name for name in other.keep if name not in self.keep)),
            marc={**self.marc, **other.marc},
        )


def mapping_of(
    *,
    columns: Iterable[str] = (),
    statuses: Iterable[str] = (),
    schemes: Iterable[str] = (),
    constants: Iterable[str] = (),
    keep: Iterable[str] = (),
    targets: Sequence[str] = TARGETS,
) -> Mapped:
    """
    Return a mapping from what stands on a command line, each ``A=B``.

    Parameters
    ----------
    columns : iterable of str
        ``OURS=THEIRS``, several of theirs joined by ``+``.
    statuses, schemes : iterable of str
        ``THEIR WORD=ours``.
    constants : iterable of str
        ``OURS=VALUE``.
    keep : iterable of str
        Their columns.
    targets : sequence of str
        The columns that may be mapped.

    Raises
    ------
    HoldingsError
        Naming what is wrong and what is allowed.
    """
    made = Mapped(
        columns={ours: (theirs,) for ours, theirs in _pairs(columns, "--map", "COLUMN=HEADER")},
        statuses=dict(_pairs(statuses, "--status", "WORD=STATUS", last=True)),
        schemes=dict(_pairs(schemes, "--scheme", "WORD=SCHEME", last=True)),
        constants=dict(_pairs(constants, "--set", "COLUMN=VALUE")),
        keep=tuple(keep),
    )
    return _checked(
        made,
        targets,
        {"columns": "--map", "statuses": "--status", "schemes": "--scheme", "constants": "--set"},
    )


def read_mapping(path: str | Path, targets: Sequence[str] = TARGETS) -> Mapped:
    """
    Read a mapping file: TOML with ``[columns]``, ``[statuses]``, ``[schemes]``, ``[set]``, ``[marc]`` and ``keep``.

    Raises
    ------
    HoldingsError
        Naming the file, the place and what is wrong.
    """
    file = Path(path)
    try:
        obj = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise HoldingsError(f"{file}: is missing; name the mapping file with --mapping") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise HoldingsError(f"{file}: is no usable TOML ({e})") from None
    known = ("columns", "statuses", "schemes", "set", "marc", "keep")
    for name in obj:
        if name not in known:
            raise HoldingsError(f"{file}: {name[:40]!r} is none of {', '.join(known)}")
    columns = {
        name: tuple(value) if isinstance(value, list) else (value,)
        for name, value in _table(obj, "columns", file).items()
    }
    for name, value in columns.items():
        if not value or not all(isinstance(part, str) for part in value):
            raise HoldingsError(f"{file}: columns.{name} must be a header or a list of headers")
    keep: Any = obj.get("keep", [])
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in cast(list[Any], keep)):
        raise HoldingsError(f"{file}: keep must be a list of headers")
    marc = _table(obj, "marc", file)
    made = Mapped(
        columns=cast(dict[str, tuple[str, ...]], columns),
        statuses=_words(obj, "statuses", file),
        schemes=_words(obj, "schemes", file),
        constants=_words(obj, "set", file),
        keep=tuple(cast(list[str], keep)),
        marc=marc,
    )
    where = {name: f"{file}: {name}" for name in ("columns", "statuses", "schemes")}
    return _checked(made, targets, {**where, "constants": f"{file}: set"})


def resolve(
    header: Sequence[str], mapped: Mapped, known: Mapping[str, str], source: str
) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """
    Say which columns of a table are which of ours.

    What is mapped goes first, then our own names, then usual names of others. Of two columns that look like the same
    one the first is taken, and the other named.

    Parameters
    ----------
    header : sequence of str
        The table's.
    mapped : Mapped
        The site's own words.
    known : mapping of str to str
        Usual headers (`stacks.imports.names`) to our columns.
    source : str
        The file, for errors.

    Returns
    -------
    columns : dict of str to tuple of int
        Our column to places in the header.
    notes : list of str
        What was recognised by its look, and what was left out.

    Raises
    ------
    HoldingsError
        A mapped column is not there, or is there twice.
    """
    shown = ", ".join(name for name in header if name)[:300] or "no names at all"
    made: dict[str, tuple[int, ...]] = {}
    for ours, theirs in mapped.columns.items():
        parts = list(theirs)
        if len(parts) == 1 and parts[0] not in header and "+" in parts[0]:
            parts = [part.strip() for part in parts[0].split("+")]
        made[ours] = tuple(_place(part, header, shown, source, f"mapped to {ours}") for part in parts)
    kept = {name: _place(name, header, shown, source, "to be kept") for name in mapped.keep}
    used = {place for places in made.values() for place in places}
    notes: list[str] = []
    looked: list[str] = []
    ours_known = set(known.values())
    for test in (EXACT, known):
        for place, name in enumerate(header):
            ours = test.get(plain(name) if test is known else name.strip())
            if ours is None or ours not in ours_known or place in used or ours in mapped.constants:
                continue
            if ours in made:
                if ours not in mapped.columns:
                    notes.append(
                        f"column {name!r} was not read: {header[made[ours][0]]!r} is taken for {ours} (--map)"
                    )
                used.add(place)
                continue
            made[ours] = (place,)
            used.add(place)
            if ours != name:
                looked.append(f"{ours} = {name!r}")
    if looked:
        notes.insert(0, "columns by their names: " + ", ".join(looked))
    made.update({name: (place,) for name, place in kept.items() if name not in made})
    used |= set(kept.values())
    left = [name for place, name in enumerate(header) if name and place not in used]
    if left:
        notes.append(f"columns left out (--keep takes one along): {', '.join(left)[:400]}")
    return made, notes


def _place(name: str, header: Sequence[str], shown: str, source: str, what: str) -> int:
    places = [i for i, head in enumerate(header) if head == name.strip()] or [
        i for i, head in enumerate(header) if plain(head) == plain(name)
    ]
    if not places:
        raise HoldingsError(f"{source}: has no column {name[:60]!r}, which is {what}; it has {shown}")
    if len(places) > 1:
        raise HoldingsError(f"{source}: column {name[:60]!r}, which is {what}, is there {len(places)} times")
    return places[0]


def _pairs(texts: Iterable[str], option: str, form: str, *, last: bool = False) -> list[tuple[str, str]]:
    made: list[tuple[str, str]] = []
    for text in texts:
        left, mark, right = text.rpartition("=") if last else text.partition("=")
        if not mark or (not last and not left.strip()):
            raise HoldingsError(f"{option} {text[:60]!r}: must be {form}")
        made.append((left.strip(), right.strip()))
    return made


def _checked(made: Mapped, targets: Sequence[str], where: Mapping[str, str]) -> Mapped:
    for name in (*made.columns, *made.constants):
        if name not in targets:
            option = where["columns" if name in made.columns else "constants"]
            raise HoldingsError(
                f"{option}: {name[:40]!r} is no column of ours; they are {', '.join(targets)}"
            )
    for ours, words, what in ((STATUSES, made.statuses, "statuses"), (SCHEMES, made.schemes, "schemes")):
        for word, value in words.items():
            if value not in ours:
                raise HoldingsError(
                    f"{where[what]}: {word[:40]!r} = {value[:40]!r}, which is none of {', '.join(ours)}"
                )
    for name, ours in (("status", STATUSES), ("scheme", SCHEMES)):
        value = made.constants.get(name)
        if value is not None and value not in ours:
            raise HoldingsError(f"{where['constants']}: {name} {value[:40]!r} is none of {', '.join(ours)}")
    return made


def _table(obj: Mapping[str, Any], name: str, file: Path) -> dict[str, Any]:
    value = obj.get(name, {})
    if not isinstance(value, dict):
        raise HoldingsError(f"{file}: {name} must be a table, [{name}]")
    return cast(dict[str, Any], value)


def _words(obj: Mapping[str, Any], name: str, file: Path) -> dict[str, str]:
    table = _table(obj, name, file)
    for key, value in table.items():
        if not isinstance(value, str):
            raise HoldingsError(f"{file}: {name}.{key} must be a text in quotation marks")
    return cast(dict[str, str], table)
