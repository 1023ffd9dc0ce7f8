"""
Where libraries keep their copies in MARC records: a field, and what its subfields are.

Sources: MARC 21 Format for Holdings Data (852, 876), the Koha manual's table of item fields (952), load tables
of Innovative's systems (949), and Chinese libraries' use of CNMARC 905. Of 949 and 905 every library has its own:
each entry can be replaced by ``[marc]`` of a mapping file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from dataclasses import field as made_by
from typing import Any

from stacks.errors import HoldingsError

_FIRST_INDICATOR = {
    "0": "lcc",
    "1": "ddc",
    "2": "nlm",
    "3": "sudoc",
    "4": "local",
    "5": "local",
    "6": "local",
    "8": "local",
}
"""852's shelving scheme; 7 names it in $2."""


@dataclass(frozen=True, slots=True)
class StatusRule:
    """A subfield that tells a status: its values, and what any other value but none and 0 means."""

    code: str
    values: Mapping[str, str]
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class MarcProfile:
    """
    How one kind of record has its copies.

    Attributes
    ----------
    name : str
        As named on the command line.
    field : str
        One field a copy (or several, where `barcode` repeats in it).
    barcode, call_number, home_location, scheme, status, item_id, requests, loans, last_activity, epc : str
        Subfield codes. Of a call number's several all are taken, in this order, joined by `join`; of any other's the
        first that is there. Empty: it has none.
    rules : tuple of StatusRule
        Looked at in turn before `status`; the first that says something counts.
    plain_status : str
        What a copy is of which neither says anything.
    default_scheme : str
        Where neither indicator nor subfield tells.
    indicator_schemes : mapping
        First indicator to scheme.
    linked, linked_location : str
        Field with the call number and scheme of several copies, tied by $8 (852 of 876), and its location's subfields.
    class_fields : tuple of (str, str)
        Where the class number stands if the field has none: field and subfield.
    join : str
        Between the parts of a call number.
    """

    name: str
    field: str
    barcode: str
    call_number: str
    home_location: str = ""
    scheme: str = ""
    status: str = ""
    item_id: str = ""
    requests: str = ""
    loans: str = ""
    last_activity: str = ""
    epc: str = ""
    rules: tuple[StatusRule, ...] = ()
    plain_status: str = ""
    default_scheme: str = ""
    indicator_schemes: Mapping[str, str] = made_by(default_factory=dict[str, str])
    linked: str = ""
    linked_location: str = ""
    class_fields: tuple[tuple[str, str], ...] = ()
    join: str = " "

    @property
    def tags(self) -> frozenset[bytes]:
        """The fields that are looked at; those of titles and numbers, which tell kinds of records apart, among them."""
        mine = {"001", "200", "245", self.field, *(tag for tag, _ in self.class_fields)}
        return frozenset(tag.encode() for tag in mine | ({self.linked} if self.linked else set()))


PROFILES: Mapping[str, MarcProfile] = {
    profile.name: profile
    for profile in (
        MarcProfile(
            "852", "852", barcode="p", call_number="khijm", home_location="cb", scheme="2",
            plain_status="available", indicator_schemes=_FIRST_INDICATOR,
        ),
        MarcProfile(
            "876", "876", barcode="p", call_number="khijm", home_location="l", scheme="2", status="j", item_id="a",
            plain_status="available", indicator_schemes=_FIRST_INDICATOR, linked="852", linked_location="cb",
        ),
        MarcProfile(
            "952", "952", barcode="p", call_number="o", home_location="ca", scheme="2", item_id="9", requests="n",
            loans="l", last_activity="sr", plain_status="available",
            rules=(
                StatusRule("0", {}, "withdrawn"),
                StatusRule("1", {"4": "missing", "5": "missing"}, "lost"),
                StatusRule("q", {}, "loaned"),
                StatusRule("7", {"-1": "in_process"}),
            ),
        ),
        MarcProfile(
            "949", "949", barcode="i", call_number="a", home_location="l", scheme="w", status="s",
            plain_status="available",
        ),
        MarcProfile(
            "905", "905", barcode="b", call_number="de", home_location="fa", plain_status="available",
            default_scheme="clc", class_fields=(("690", "a"),), join="/",
        ),
    )
}  # fmt: skip
"""By name. 905 with $d class and $e book number; where $d is not there the class is that of 690 $a."""

_TEXTS = tuple(f.name for f in fields(MarcProfile) if f.type == "str" and f.name not in ("name", "linked"))


def profile_of(name: str, changed: Mapping[str, Any], source: str = "[marc]") -> MarcProfile:
    """
    Return a profile with some of its entries replaced.

    Parameters
    ----------
    name : str
        One of `PROFILES`; any other three digits make a profile of that field with nothing but what `changed` says.
    changed : mapping
        ``field``, and subfield codes by our column's name; ``status_values``, a mapping of codes to mappings of values
        to statuses, replaces `MarcProfile.rules`.

    Raises
    ------
    HoldingsError
        Naming what is wrong.
    """
    base = PROFILES.get(name)
    if base is None:
        if len(name) != 3 or not name.isdigit():
            raise HoldingsError(
                f"--profile: {name[:20]!r} is none of {', '.join(PROFILES)}, and no field number"
            )
        base = MarcProfile(name, name, barcode="", call_number="", plain_status="available")
    made: dict[str, Any] = {}
    for key, value in changed.items():
        if key == "profile":
            continue
        if key == "status_values" and isinstance(value, dict):
            made["rules"] = tuple(
                StatusRule(
                    code, {k: v for k, v in values.items() if k != "otherwise"}, values.get("otherwise", "")
                )
                for code, values in value.items()
            )
        elif key in _TEXTS and isinstance(value, str):
            made[key] = value
        else:
            raise HoldingsError(
                f"{source}: {key[:40]!r} is none of {', '.join(_TEXTS)}, status_values, or no text"
            )
    profile = replace(base, **made)
    if not profile.barcode:
        raise HoldingsError(
            f'{source}: profile {name} does not say which subfield is the barcode; say barcode = "p" under [marc]'
        )
    return profile
