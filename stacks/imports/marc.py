"""Copies out of MARC records, by a profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stacks.errors import HoldingsError
from stacks.imports.builder import Batch
from stacks.imports.faults import Place
from stacks.imports.marc_profiles import PROFILES, MarcProfile
from stacks.imports.marc_records import is_cnmarc, read_records, sample

_BLOCK = 2_000
_PUNCTUATION = " /:;,="
_DETAILS = ("item_id", "requests", "loans", "last_activity", "epc")


def choose_profile(path: str | Path, encoding: str | None = None) -> tuple[str, str]:
    """
    Choose the profile of a file by the fields its first records have.

    Returns
    -------
    name, why : str
        One of `stacks.imports.marc_profiles.PROFILES`, and a sentence for people.

    Raises
    ------
    HoldingsError
        None of them fits.
    """
    records = sample(path, encoding)
    have: Counter[str] = Counter()
    chinese = 0
    for record in records:
        chinese += is_cnmarc(record)
        for name, profile in PROFILES.items():
            have[name] += any(
                field.get_subfields(*profile.barcode) for field in record.get_fields(profile.field)
            )
    # Koha's own field before those that many systems leave in their records; 876 before the 852 it refers to.
    order = (
        ("905", "952", "876", "852", "949")
        if chinese * 2 > len(records)
        else ("952", "876", "852", "949", "905")
    )
    best = max(order, key=lambda name: (have[name], -order.index(name)), default="")
    if not records or not have[best]:
        tags = sorted({field.tag for record in records for field in record.fields if field.tag >= "800"})
        raise HoldingsError(
            f"{path}: none of {', '.join(PROFILES)} has barcodes in its first {len(records)} records (they have "
            f"{', '.join(tags)[:200] or 'no fields from 800 on'}); name the field with --profile and its "
            f"subfields in a "
            "mapping file"
        )
    return (
        best,
        f"copies from field {best}, which {have[best]} of the first {len(records)} records have (--profile)",
    )


class MarcSource:
    """
    The copies of a MARC file, in batches.

    Parameters
    ----------
    path : path
        ISO 2709 or MARCXML.
    profile : MarcProfile
        Where copies are.
    encoding : str, optional
        Of all records, instead of what they look like.

    Attributes
    ----------
    records : int
    without : int
        Records without a copy.
    encodings : Counter of str
    mended : int
        Records whose lengths were wrong.
    """

    def __init__(self, path: str | Path, profile: MarcProfile, encoding: str | None = None) -> None:
        self._path, self._profile, self._encoding = path, profile, encoding
        self.records = self.without = self.mended = self.broken = 0
        self.encodings: Counter[str] = Counter()

    def batches(self) -> Iterator[Batch]:
        """Yield the copies; raises HoldingsError where the file is no MARC at all."""
        copies: list[dict[str, str]] = []
        places: list[Place] = []
        broken: list[tuple[str, Place, str]] = []
        share = 0.0
        for found in read_records(self._path, self._encoding, self._profile.tags):
            self.records += 1
            share = found.share
            if found.record is None:
                self.broken += 1
                broken.append(("record", Place(f"record {found.number}", found.number, 0), found.broken))
            else:
                self.encodings[found.encoding] += 1
                self.mended += found.mended
                made = copies_of(found.record, self._profile)
                self.without += not made
                copies += made
                control = next((field.data for field in found.record.get_fields("001")), "") or ""
                named = f" ({control.strip()[:30]})" if control.strip() else ""
                places += [Place(f"record {found.number}{named}", found.number, 0)] * len(made)
            if len(copies) + len(broken) >= _BLOCK:
                yield _batch(copies, places, broken, share)
                copies, places, broken = [], [], []
        yield _batch(copies, places, broken, share)

    def notes(self) -> list[str]:
        """Return what was found out about the file, one sentence each."""
        made = [
            "encoding: " + ", ".join(f"{what} in {n:,} records" for what, n in self.encodings.most_common())
        ]
        if self.without:
            made.append(
                f"{self.without:,} of {self.records:,} records have no copy in field {self._profile.field}"
            )
        if self.mended:
            made.append(
                f"{self.mended:,} records say wrong lengths; their fields were told by their terminators"
            )
        return made


def _batch(
    copies: Sequence[dict[str, str]],
    places: Sequence[Place],
    broken: Sequence[tuple[str, Place, str]],
    share: float,
) -> Batch:
    names = dict.fromkeys(name for copy in copies for name in copy)
    columns = {name: [copy.get(name, "") for copy in copies] for name in names} or {"barcode": []}
    kept = list(places)
    where: Callable[[int], Place] = kept.__getitem__
    return Batch(columns, where, broken=list(broken), share=share)


def copies_of(record: Any, profile: MarcProfile) -> list[dict[str, str]]:
    """Return each copy of a record: our columns to raw values."""
    made: list[dict[str, str]] = []
    title = title_of(record)
    for field in record.get_fields(profile.field):
        barcodes = [value for code in profile.barcode for value in field.get_subfields(code)]
        if not barcodes:
            continue
        linked = _linked(record, field, profile)
        copy = {
            "call_number": _call_number(record, field, linked, profile),
            "scheme": _scheme(field, linked, profile),
            "title": title,
            "home_location": _first(field, profile.home_location) or _first(linked, profile.linked_location),
            "status": _status(field, profile),
        }
        for name in _DETAILS:
            if codes := getattr(profile, name):
                copy[name] = _first(field, codes)
        made += [{"barcode": barcode, **copy} for barcode in barcodes]
    return made


def title_of(record: Any) -> str:
    """Return a record's title: 245 $a $b $n $p, or 200 $a $e $h $i, without the punctuation at its end."""
    for tag, codes in (("245", "abnp"), ("200", "aehi")):
        for field in record.get_fields(tag):
            parts = [value.strip() for code, value in field.subfields if code in codes and value]
            if tag == "200":
                # $a may repeat with works bound together: the first is enough for people.
                return ". ".join(part.rstrip(_PUNCTUATION) for part in parts[:4])
            return " ".join(parts).rstrip(_PUNCTUATION).removesuffix(" .")
    return ""


def _linked(record: Any, field: Any, profile: MarcProfile) -> Any:
    """Return the holdings field that a copy's field belongs to: by the number in $8, else the only or first one."""
    if not profile.linked:
        return None
    others = record.get_fields(profile.linked)
    mine = {value.split(".")[0].strip() for value in field.get_subfields("8")}
    for other in others:
        if mine & {value.split(".")[0].strip() for value in other.get_subfields("8")}:
            return other
    return others[0] if others else None


def _call_number(record: Any, field: Any, linked: Any, profile: MarcProfile) -> str:
    its = linked if profile.linked else field
    if its is None:
        return ""
    codes = profile.call_number
    parts = {code: [value.strip() for value in its.get_subfields(code) if value.strip()] for code in codes}
    if profile.class_fields and codes and not parts[codes[0]]:
        found = (
            value
            for tag, code in profile.class_fields
            for other in record.get_fields(tag)
            for value in other.get_subfields(code)
        )
        parts[codes[0]] = [value.strip() for value in found if value.strip()][:1]
    return profile.join.join(value for code in codes for value in parts[code])


def _scheme(field: Any, linked: Any, profile: MarcProfile) -> str:
    its = linked if profile.linked else field
    if its is None:
        return profile.default_scheme
    if ours := profile.indicator_schemes.get(its.indicator1):
        return ours
    return _first(its, profile.scheme) or profile.default_scheme


def _first(field: Any, codes: str) -> str:
    if field is None:
        return ""
    for code in codes:
        for value in field.get_subfields(code):
            if value.strip():
                return value.strip()
    return ""


def _status(field: Any, profile: MarcProfile) -> str:
    for rule in profile.rules:
        value = _first(field, rule.code)
        if value and value != "0":
            ours = rule.values.get(value, rule.otherwise)
            if ours:
                return ours
    return _first(field, profile.status) or profile.plain_status
