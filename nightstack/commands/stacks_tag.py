"""``nightstack stacks tag EPC``: what one tag says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightstack.errors import InputError

if TYPE_CHECKING:
    from stacks.tag_data import TagContents

_UNTOLD = "unknown"
_NOTES = {
    "zeros": "its number is all zeros",
    "ones": "its number is all ones",
    "repeats": "its number is one pattern over and over",
    "factory": "its number is the chip's own, as it left the factory",
}
"""Words for programs (`--json`) that lines tell in sentences."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tag")(tag)


def tag(
    epc: Annotated[
        str,
        typer.Argument(
            help="EPC, UII or ISO 15693 UID in hexadecimal; blanks may stand within.", metavar="EPC"
        ),
    ],
    memory: Annotated[
        str | None,
        typer.Option(
            help="The chip's memory from its first block on, or a UHF tag's user bank.", metavar="HEX"
        ),
    ] = None,
    pc: Annotated[
        str | None, typer.Option(help="A UHF tag's protocol control word, such as 45C2.", metavar="HEX")
    ] = None,
    dsfid: Annotated[
        str | None, typer.Option(help="The chip's DSFID, such as 3E or 06.", metavar="HEX")
    ] = None,
    afi: Annotated[str | None, typer.Option(help="The chip's AFI, such as 07 or C2.", metavar="HEX")] = None,
    eas: Annotated[
        bool | None, typer.Option("--eas/--no-eas", help="Whether the EAS bit is on; not read by default.")
    ] = None,
    block_bytes: Annotated[int, typer.Option(help="Bytes of a block of the memory.", min=1, max=32)] = 4,
    security_by: Annotated[
        str, typer.Option(help="What the gates listen to: either, afi or eas.")
    ] = "either",
    afi_on: Annotated[
        list[str] | None,
        typer.Option(help="An AFI of secured copies (may be given again); default: 07.", metavar="HEX"),
    ] = None,
    afi_off: Annotated[
        list[str] | None,
        typer.Option(help="An AFI of lent copies (may be given again); default: C2.", metavar="HEX"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object instead of lines.")] = False,
) -> None:
    """
    Say what one tag says: copy, library, parts, security, and what is wrong with it.

    GRAI-96, SGTIN-96, ISO 28560-2, -3 and -4, the Chinese universities' format, plain text. A bad checksum, a blank tag
    or a foreign one is said, and nothing is guessed.
    """
    from nightstack.tag_options import byte_of, policy_of
    from stacks.tag_data import identify

    said = identify(
        _bytes("EPC", epc),
        pc=None if pc is None else byte_of("--pc", pc, 16),
        memory=None if memory is None else _bytes("--memory", memory),
        dsfid=None if dsfid is None else byte_of("--dsfid", dsfid),
        afi=None if afi is None else byte_of("--afi", afi),
        eas=eas,
        block_bytes=block_bytes,
        policy=policy_of(afi_on or (), afi_off or (), security_by),
    )
    if as_json:
        typer.echo(json.dumps(_json(said), indent=2, ensure_ascii=False))
        return
    for line in _lines(said):
        typer.echo(line)


def _bytes(option: str, text: str) -> bytes:
    bare = "".join(text.split()).removeprefix("0x").replace("-", "").replace(":", "")
    try:
        made = bytes.fromhex(bare)
    except ValueError:
        raise InputError(
            f"{option} {text[:60]} is no hexadecimal of whole bytes; two digits make a byte"
        ) from None
    if not made:
        raise InputError(f"{option} is empty; give it in hexadecimal")
    return made


def _lines(said: TagContents, indent: str = "") -> list[str]:
    from stacks.tag_data import PROBLEMS

    lines: list[str] = []

    def tell(name: str, value: str) -> None:
        if value:
            lines.append(f"{indent}{name:12} {value}")

    tell("format", said.format)
    tell("item", said.item_id)
    tell("owner", said.owner)
    tell("identifier", said.identifier)
    if said.parts is not None and said.part is not None:
        tell("part", f"{said.part} of {said.parts}")
    tell("usage", said.usage)
    for name, text in said.fields.items():
        tell(name, text)
    if said.lent is not None:
        tell("lent", "yes" if said.lent else "no")
    if not indent:
        tell("security", _UNTOLD if said.security is None else "on" if said.security else "off")
    if said.problem:
        tell("problem", f"{said.problem}: {PROBLEMS[said.problem]}")
    for note in said.notes:
        tell("note", _NOTES.get(note, note))
    for number, way in enumerate(said.readings, 1):
        lines += [f"{indent}reading {number}", *_lines(way, indent + "  ")]
    return lines


def _json(said: TagContents) -> dict[str, Any]:
    plain = (
        "format",
        "item_id",
        "owner",
        "identifier",
        "parts",
        "part",
        "usage",
        "security",
        "lent",
        "problem",
    )
    made: dict[str, Any] = {name: getattr(said, name) for name in plain}
    return made | {
        "notes": list(said.notes),
        "fields": dict(said.fields),
        "readings": [_json(way) for way in said.readings],
    }
