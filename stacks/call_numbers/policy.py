"""
What a library decides about its call numbers where sources disagree.

A plan says it in its optional object `call_numbers`; whatever is not named there is as below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from stacks.call_numbers.rules import LocalRules, RulesError
from stacks.errors import PlanError
from stacks.plan import Plan

_CHOICES = {
    "prefixes": ("apart", "interfiled"),
    "oversize": ("apart", "interfiled"),
    "series": ("behind_first", "by_alphabet"),
    "work_letters": ("before_rest", "after_rest"),
    "lcc_bare_word": ("before_cutter", "after_cutter"),
    "ddc_work_letters": ("after_rest", "before_rest"),
    "ddc_work_case": ("ignore", "lower_first"),
    "ddc_92": ("biography", "zero_lost"),
    "clc_alpha_suffix": ("letterwise", "shortfirst"),
    "clc_book_suffix": ("shortfirst", "letterwise"),
    "clc_book_number": ("any", "种次号", "著者号"),
    "clc_author_digits": ("whole", "decimal"),
    "sudoc_three_digit_years": ("before_letters", "before_numbers", "as_numbers"),
    "sudoc_year_alone": ("year", "number"),
    "sudoc_letters": ("before_numbers", "after_numbers"),
    "sudoc_senate_hearings": ("by_letters", "last"),
    "sudoc_marks": ("ranked", "slash_first", "separators"),
}
_MARKS = {"clc_aux_order": '-("=<:+', "clc_book_aux_order": '(:=-"<+'}

NUMBERED_SERIES = ("A 1.3", "A 1.9", "A 1.36", "A 1.38", "D 101.11", "I 19.3", "L 2.3")
"""
Series with numbers above 800: department bulletins, Farmers' Bulletins, technical bulletins and miscellaneous
publications of the Department of Agriculture, technical manuals of the Army, bulletins of the Geological Survey
and of Labor Statistics (GPO, Depository Invoices of February 1924 and October 1928: ``[A 1.9 : no.]``).
"""


@dataclass(frozen=True)
class CallNumberPolicy:
    """
    How one library shelves; see docs/stacks.md for what each value means and whose practice it is.

    Attributes
    ----------
    prefixes, oversize : {"apart", "interfiled"}
        Collections (``REF``) and sizes (``FOLIO``, ``+``): a sequence of their own, or among the others.
    prefix_order : tuple of str
        Collections in shelving order, ``""`` for the plain sequence; those not named follow by the alphabet.
    location_prefixes, ddc_prefixes : tuple of (str, str)
        Further words in front of a call number, and the collection each stands for (``""``: none of its own).
    series : {"behind_first", "by_alphabet"}
        Whether ``n.s. v.1`` and ``ser.2 v.1`` stand behind the whole first series, or among words by the alphabet.
    work_letters : {"before_rest", "after_rest"}
        Whether ``.A5a`` stands before or behind ``.A5 1990`` (LCC, NLM).
    lcc_bare_word : {"before_cutter", "after_cutter"}
    ddc_work_letters : {"after_rest", "before_rest"}
        The same of Dewey's book numbers, where the letter stands in the author's line.
    ddc_work_case : {"ignore", "lower_first"}
    ddc_92 : {"biography", "zero_lost"}
        Whether ``92`` stands before 920, or is 092.
    clc_alpha_suffix, clc_book_suffix : {"letterwise", "shortfirst"}
        ``TP312AL`` before ``TP312X``, or shorter ones first; the same behind a book number.
    clc_aux_order, clc_book_aux_order : str
        The seven auxiliary marks of a class, and of a book number, in order; closing ones left out.
    clc_book_number : {"any", "种次号", "著者号"}
        Which book numbers can be read: both, whole numbers alone, or those that begin with letters alone.
    clc_author_digits : {"whole", "decimal"}
    clc_marks : tuple of str
        Marks in front of a class that say nothing about its place.
    sudoc_three_digit_years : {"before_letters", "before_numbers", "as_numbers"}
    sudoc_year_alone : {"year", "number"}
        Whether ``993`` directly behind the colon can be a year, or is a number as any other.
    sudoc_numbered_series : tuple of str
        Stems behind which stand numbers of a series and no years (``A 1.9``).
    sudoc_letters : {"before_numbers", "after_numbers"}
        Letters behind the colon.
    sudoc_senate_hearings : {"by_letters", "last"}
        ``S.HRG.`` and ``S.PRT.`` among letters, or behind all else of the committee.
    sudoc_marks : {"ranked", "slash_first", "separators"}
        Whether ``-`` stands before ``/`` or behind it, or both only part numbers.
    local : LocalRules or None
        The rules of scheme ``local``.
    """

    prefixes: str = "apart"
    oversize: str = "apart"
    prefix_order: tuple[str, ...] = ()
    location_prefixes: tuple[tuple[str, str], ...] = ()
    ddc_prefixes: tuple[tuple[str, str], ...] = ()
    series: str = "behind_first"
    work_letters: str = "before_rest"
    lcc_bare_word: str = "before_cutter"
    ddc_work_letters: str = "after_rest"
    ddc_work_case: str = "ignore"
    ddc_92: str = "biography"
    clc_alpha_suffix: str = "letterwise"
    clc_aux_order: str = '-("=<:+'
    clc_book_aux_order: str = '(:=-"<+'
    clc_book_suffix: str = "shortfirst"
    clc_book_number: str = "any"
    clc_author_digits: str = "whole"
    clc_marks: tuple[str, ...] = ("a", "+", "*")
    sudoc_three_digit_years: str = "before_letters"
    sudoc_year_alone: str = "year"
    sudoc_numbered_series: tuple[str, ...] = NUMBERED_SERIES
    sudoc_letters: str = "before_numbers"
    sudoc_senate_hearings: str = "by_letters"
    sudoc_marks: str = "ranked"
    local: LocalRules | None = None

    @classmethod
    def from_json(cls, obj: object, source: str = "call_numbers") -> CallNumberPolicy:
        """
        Return the policy of a plan's object `call_numbers`.

        Raises
        ------
        PlanError
            One line naming `source` and the name or value that is not known.
        """
        if not isinstance(obj, Mapping):
            _fail(source, 'must be an object of policies, such as {"prefixes": "interfiled"}')
        made: dict[str, Any] = {}
        names = {f.name for f in dataclasses.fields(cls)}
        for name, value in cast(Mapping[str, object], obj).items():
            if name not in names:
                _fail(source, f"{name!r} is no policy; there are {', '.join(sorted(names))}")
            made[name] = _checked(name, value, f"{source}.{name}")
        return cls(**made)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `from_json` reads, without what is as by default."""
        made: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if field.name == "local":
                value = value.to_json()
            elif field.name.endswith("_prefixes"):
                value = dict(value)
            made[field.name] = list(value) if isinstance(value, tuple) else value
        return made


DEFAULT = CallNumberPolicy()
"""The policy of a library that names none."""


def policy_of(plan: Plan | None) -> CallNumberPolicy:
    """Return the policy a plan names in `call_numbers`; raises PlanError where it is wrong."""
    obj = None if plan is None else plan.extra.get("call_numbers")
    if obj is None:
        return DEFAULT
    return CallNumberPolicy.from_json(obj)


def _checked(name: str, value: object, where: str) -> object:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            _fail(where, f"is {value!r} and must be one of {', '.join(_CHOICES[name])}")
        return value
    if name in _MARKS:
        if not isinstance(value, str) or sorted(value) != sorted(_MARKS[name]):
            _fail(where, f"is {value!r} and must have each of {' '.join(_MARKS[name])} once")
        return value
    if name.endswith("_prefixes"):
        if not isinstance(value, Mapping) or not all(
            isinstance(v, str) for pair in cast(Mapping[object, object], value).items() for v in pair
        ):
            _fail(where, "must be an object of words and the collection each stands for")
        pairs = cast(Mapping[str, str], value).items()
        return tuple(sorted((word.strip().upper(), of.strip().upper()) for word, of in pairs if word.strip()))
    if name == "local":
        try:
            return LocalRules.from_json(value, where)
        except RulesError as error:
            raise PlanError(str(error)) from None
    if not isinstance(value, Sequence) or isinstance(value, str):
        _fail(where, "must be a list of texts")
    texts = cast(Sequence[object], value)
    if not all(isinstance(v, str) for v in texts):
        _fail(where, "must be a list of texts")
    return tuple(cast(str, v).strip().upper() if name == "prefix_order" else cast(str, v) for v in texts)


def _fail(where: str, what: str) -> NoReturn:
    raise PlanError(f"{where} {what}")
