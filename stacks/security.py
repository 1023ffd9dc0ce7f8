"""Which copies' security is on, as somebody has read it: a gate's or a handheld's export, or a reader's own log.

A tag can be secured in two ways. An ISO 15693 tag carries an application family identifier (AFI), of which ISO 28560
libraries use 07 for a copy that is in the library and C2 for one that is lent; some chips have an electronic article
surveillance (EAS) bit besides. A file says either, or in words whether security is on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stacks.errors import HoldingsError
from stacks.imports import values
from stacks.imports.header import names_of
from stacks.imports.names import HOLDINGS_HEADERS, plain
from stacks.imports.table import Table, open_table
from stacks.tag_data.security import SecurityPolicy

_MOST = 10_000_000
_HEADERS: Final[Mapping[str, str]] = {
    plain(word): ours
    for ours, words in {
        "security": (
            *("security", "secured", "security bit", "armed", "sicherung", "gesichert"),
            *("防盗", "防盗位", "安全位"),
        ),
        "afi": ("afi", "afi value", "application family identifier", "应用族标识"),
        "eas": ("eas", "eas bit", "eas 位"),
    }.items()
    for word in words
}  # fmt: skip
_NAMES: Final = names_of(
    _HEADERS | {word: ours for word, ours in HOLDINGS_HEADERS.items() if ours in ("epc", "barcode")}
)
_ON: Final = frozenset(
    ("on", "armed", "set", "secured", "active", "enabled", "an", "ein", "开", "开启", "已开启")
)
_OFF: Final = frozenset(
    ("off", "disarmed", "unset", "unsecured", "inactive", "disabled", "aus", "关", "关闭", "已关闭")
)


@dataclass(slots=True)
class Security:
    """
    What was read of security; `read_security` makes it.

    Attributes
    ----------
    by_epc, by_barcode : dict of str to bool
        Whether it is on, of a tag (EPC or UID in capitals) or a copy; of what stands there twice the last.
    notes : list of str
        Where the header was found if not in the first row, and what was left out, a sentence each.
    """

    by_epc: dict[str, bool] = field(default_factory=dict[str, bool])
    by_barcode: dict[str, bool] = field(default_factory=dict[str, bool])
    notes: list[str] = field(default_factory=list[str])

    def of_tags(self, barcodes: Iterable[str], epcs: Iterable[str]) -> dict[str, bool]:
        """Return by EPC what is known of a catalogue's copies; what was read of a tag goes before a barcode's."""
        made = {
            epc.upper(): self.by_barcode[barcode]
            for barcode, epc in zip(barcodes, epcs, strict=True)
            if epc and barcode in self.by_barcode
        }
        return made | self.by_epc


def read_security(path: str | Path, policy: SecurityPolicy | None = None) -> Security:
    """
    Read a table of tags or copies and their security.

    Parameters
    ----------
    path : path
        CSV, TSV, XLSX, XLS or ODS with a column ``epc`` or ``barcode`` and one of ``security`` (on or off), ``afi``
        (07: secured, C2: lent) and ``eas`` (on or off), known by their usual English, German and Chinese names.
    policy : SecurityPolicy, optional
        Which AFIs mean secured and lent; by default 07 and C2.

    Raises
    ------
    HoldingsError
        It cannot be read, lacks a column, or says nothing that is known; one line.
    """
    policy = policy or SecurityPolicy()
    table = open_table(path, pad=True, names=_NAMES)
    at = _columns(table)
    said = next(name for name in ("security", "afi", "eas") if name in at)
    made, strange, first, nameless = Security(), 0, "", 0
    if table.header_note:
        made.notes.append(table.header_note)
    for block in table.blocks:
        made.notes.extend(
            f"{table.place(n, line)} was left out: it {table.misfit(count)}"
            for n, line, count in block.broken[:1]
        )
        for fields, n, line in zip(block.fields, block.number, block.line, strict=True):
            if not any(fields):
                continue
            on = _afi(fields[at["afi"]], policy) if said == "afi" else _word(fields[at[said]])
            if on is None:
                strange += 1
                first = first or f"{table.place(n, line)}: {values.tidy(fields[at[said]])[:40]!r}"
                continue
            epc = values.epc(values.tidy(fields[at["epc"]])) if "epc" in at else None
            barcode = values.tidy(fields[at["barcode"]]) if "barcode" in at else ""
            nameless += not (epc or barcode)
            if epc:
                made.by_epc[epc] = on
            elif barcode:
                made.by_barcode[barcode] = on
        if len(made.by_epc) + len(made.by_barcode) > _MOST:
            raise HoldingsError(f"{table.source}: has more than {_MOST:,} rows; split it")
    known = _known(policy) if said == "afi" else "on nor off"
    if not (made.by_epc or made.by_barcode):
        why = f"; {first} is neither {known}" if first else ""
        raise HoldingsError(f"{table.source}: says of no copy whether its security is on{why}")
    if strange:
        made.notes.append(
            f"{strange:,} row{_s(strange)} left out: {said} is neither {known}, such as {first}"
        )
    if nameless:
        made.notes.append(f"{nameless:,} row{_s(nameless)} left out: neither a tag nor a copy")
    return made


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _columns(table: Table) -> dict[str, int]:
    at: dict[str, int] = {}
    for i, header in enumerate(table.header):
        word = plain(header)
        ours = _HEADERS.get(word) or HOLDINGS_HEADERS.get(word)
        if ours in ("epc", "barcode", "security", "afi", "eas"):
            at.setdefault(ours, i)
    there = " ".join(", ".join(table.header).split())[:200]
    for needed in (("epc", "barcode"), ("security", "afi", "eas")):
        if at.keys().isdisjoint(needed):
            what = f"{', '.join(needed[:-1])} or {needed[-1]}"
            raise HoldingsError(f"{table.source}: no column is named {what} (there are {there}); name one so")
    return at


def _afi(text: str, policy: SecurityPolicy) -> bool | None:
    bare = values.epc(values.tidy(text).rjust(2, "0")) or ""
    return policy.of_afi(int(bare, 16)) if len(bare) == 2 else None


def _known(policy: SecurityPolicy) -> str:
    on, off = (" or ".join(f"{afi:02X}" for afi in sorted(of)) for of in (policy.secured, policy.lent))
    return f"{on} (secured) nor {off} (lent)"


def _word(text: str) -> bool | None:
    word = plain(text)
    if not word:
        return None
    if word in _ON or word in _OFF:
        return word in _ON
    told = values.tagged(word)
    return None if told is None else told != "no"
