"""
What stands behind a book's number: series, volumes, issues and dates, in the words of many languages.

A series is the highest level of enumeration (MARC 21 Format for Holdings Data, 853 $a), so volumes without one, the
first series, come before all that have one: ``v.99``, then ``ser.2 v.1``, ``3d ser.``, lettered ones, and new series
(``n.s.``, ``N.F.``) last. `prepared` writes what the schemes cannot read as it stands in forms they can.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stacks.call_numbers.text import DATE, TEXT, number, word

_WORDS = {
    "V": "V VOL VOLS VOLUME VOLUMES VOLUMEN BD BDE BAND BANDE BAENDE T TT TOM TOME TOMES TOMO TOMOS TOMUS KOT KOTET "
    "DEEL DL BIND SV SVAZEK том т тт",
    "NO": "NO NOS NR NRO NUM NUMS NUMBER NUMBERS NUMERO NUMEROS NUMMER ISSUE ISSUES ISS HEFT HEFTE HFT CIS CISLO "
    "SZAM SESIT ZESZ ZESZYT VYP VYPUSK вып выпуск номер",
    "PT": "PT PTS PART PARTS TEIL TL PARTIE PARTE CAST CZ CZESC DEL часть ч",
    "FASC": "FASC FASCICLE FASCICULE FASCICULO FASCICOLO FASZ LFG LIEFERUNG LIVR LIVRAISON",
    "JG": "JG JAHRG JAHRGANG ANNEE ANNO ANO ARG ARGANG AARG AARGANG JAARG JAARGANG ROC ROCNIK ROK EVF год",
    "ABT": "ABT ABTEILUNG SECT SECTION SEC",
    "C": "C COP COPY COPIES EX EXPL EXEMPLAR EXEMPLAIRE EKZ экз",
    "SER": "SER SERIES",
    "SUPPL": "SUPP SUPPL SUPPLEMENT SUPL BEIH BEIHEFT",
    "BK": "BK BOOK BUCH KN кн книга",
    "DISC": "DISC DISK",
    "ED": "ED EDN EDITION AUFL AUFLAGE",
    "OP": "OP OPUS",
}
VOLUME_WORDS = {word(name): of for of, names in _WORDS.items() for name in names.split()}
"""Words before a number, which is then compared as a number: ``v.2`` before ``v.10``."""
POINTED_WORDS = {"N": "NO", "H": "NO"}
"""Words that need their point, since they are letters of a book number else: ``H.2`` is a Heft, ``H2`` is none."""
_YEAR = (
    "WINTER JAN|JANUARY|JANUAR|JANV|JANVIER|ENE|ENERO|GEN|GENNAIO|JANEIRO FEB|FEBRUARY|FEBRUAR|FEVR|FEVRIER|FEBRERO|"
    "FEBBRAIO|FEVEREIRO MAR|MARCH|MARZ|MRZ|MAERZ|MARS|MARZO|MARCO SPRING|FRUHJAHR|PRINTEMPS|PRIMAVERA "
    "APR|APRIL|AVR|AVRIL|ABR|ABRIL|APRILE MAY|MAI|MAYO|MAG|MAGGIO|MAIO JUN|JUNE|JUNI|JUIN|JUNIO|GIU|GIUGNO|JUNHO "
    "SUMMER|SOMMER|ETE|VERANO|ESTATE JUL|JULY|JULI|JUIL|JUILLET|JULIO|LUG|LUGLIO|JULHO "
    "AUG|AUGUST|AOUT|AGO|AGOSTO SEP|SEPT|SEPTEMBER|SEPTEMBRE|SEPTIEMBRE|SET|SETTEMBRE|SETEMBRO "
    "FALL|AUTUMN|HERBST|AUTOMNE|OTONO|AUTUNNO OCT|OCTOBER|OKT|OKTOBER|OCTOBRE|OCTUBRE|OTT|OTTOBRE|OUT|OUTUBRO "
    "NOV|NOVEMBER|NOVEMBRE|NOVIEMBRE|NOVEMBRO DEC|DECEMBER|DEZ|DEZEMBER|DECEMBRE|DIC|DICIEMBRE|DICEMBRE|DEZEMBRO"
)
MONTHS = {name: f"{place:02d}" for place, names in enumerate(_YEAR.split()) for name in names.split("|")}
"""Months and seasons of an issue in the order of the year; they count behind a volume or a date only."""

SERIES = r"\x01(?P<series>[^\x02]*)\x02"
"""How `prepared` writes a series, for the schemes' expressions; controls are in no label."""

_SER = r"(?:ser(?:ies?|ia|iya|iia|ija)?|folge|reihe|reeks|rada|sarja|серия|сер)"
_TH = r"(?:st|nd|rd|th|d|e|eme|ieme|[ao]|и|я|\.)"
_VOLUME_FOLLOWS = r"[\s,:]+(?:v|vols?|bde?|band|t|tome?|no?|nr|heft|pt|jg)(?![^\W\d_])"
_ORDINALS = ("FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH", "SEVENTH", "EIGHTH", "NINTH", "TENTH")
_SERIES = re.compile(
    # New and old: n.s., new ser., N.F., Neue Folge, nouv. ser.; "ns" alone where volumes follow.
    rf"(?<![^\W_])(?<!\d\.)(?:(?P<nth>\d{{1,2}})-?{_TH}\s*)?(?:"
    rf"(?P<new>n\.\s?[sfr]\.|n\.\s?[sfr](?![^\W_]|\.)"
    rf"|n(?:ew|euv|ouv(?:elle)?|uova|ueva|ov[aya]*|eue|ieuwe|y)?\.?\s*(?:{_SER}|foljd)(?![^\W\d_])\.?"
    rf"|новая\s+серия|н\.\s?с\."
    rf"|n[sf](?={_VOLUME_FOLLOWS}))"
    rf"|(?P<old>o\.\s?s\.|old\s+{_SER}(?![^\W\d_])\.?))"
    # A number or letter behind the word.
    rf"|(?<![^\W_]){_SER}(?:\.\s*|\s+)(?:"
    rf"(?P<number>\d{{1,3}})(?!\d)|(?P<roman>[ivx]{{1,5}})(?![^\W_]|\.\s?\d|\s\d)"
    rf"|(?P<letter>(?-i:[A-Z]))(?![^\W_]|\.\s?\d|\s\d))"
    rf"|(?<![^\W_])s\.\s*(?P<short>\d{{1,2}})(?={_VOLUME_FOLLOWS})"
    # A number before the word.
    rf"|(?<![^\W_])(?<!\d\.)(?:(?P<first>\d{{1,2}})-?{_TH}|(?P<spelt>{'|'.join(_ORDINALS)}))\s*{_SER}(?![^\W\d_])(?!\.?\s*\d)\.?",
    re.IGNORECASE,
)
_SERIES_HINT = re.compile(r"ser|[no]\.? ?s|s\. ?\d|n\.? ?[fr]|folge|foljd|re[ie]|rada|sarja|сер|н\. ?с")
"""What a text in small letters must have for `_SERIES` to match, which is slow to say no."""

_ORDINAL_YEAR = re.compile(
    r"(?<![^\W_])(?<![-/])(\d{1,3}(?:\.?[-/]\d{1,3})?)(?:\.|e|eme|[ao])?\s*"
    r"(Jahrg(?:ang)?|Jg|annee|anno|ano|arg(?:ang)?|a+rg(?:ang)?|jaarg(?:ang)?|roc(?:nik)?|evf)(?![^\W_])\.?(?!\s*\d)",
    re.IGNORECASE,
)
_WORD_BEFORE = re.compile(r"(?<![^\W_])([^\W\d_]+)(\.?)\s*\Z")
_ROMAN = re.compile(
    r"(?<![^\W_])((?:v|vols?|volume|bde?|band|tom[eo]?|t|pts?|part|teil|no|nr|heft|bk|book|livr|fasc)\.\s*"
    r"|(?:vols?|volume|band|tom[eo]|part|teil|heft|book)\s+)([ivxlc]{1,13})(?![^\W_]|\.\d)",
    re.IGNORECASE,
)
_ROMAN_HINT = re.compile(r"[.\s][IVXLCivxlc]{1,13}(?![^\W_]|\.\s?\d)")
_ROMAN_FORM = re.compile(r"(?:C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_PARTS = frozenset(name for name, of in VOLUME_WORDS.items() if of == "PT")
_COPY_NUMBER = re.compile(r"\.?\s*\d{1,2}(?!\d)")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_ORDINAL = re.compile(r"(?<![A-Za-z\d.])(?:(\d+)(?:ST|ND|RD|TH)|(\d{1,3})D)(?![A-Za-z\d])", re.IGNORECASE)
_ORDINAL_ENDING = re.compile(r"\d(?:[Ss][Tt]|[NnRr]?[Dd]|[Tt][Hh])")
_DECADE = re.compile(
    r"(?<![\w.])(?<!\. )(1[4-9]\d|20\d)-(?![\w-])\??|(?<![\w.])(?<!\. )(1[4-9]|20)--(?![\w-])\??"
)
_WORD_AND_YEAR = re.compile(r"[A-Za-z]{3}\.?,? +\d{4}")
"""What a text must have for `_MONTH_FIRST` to match."""
_MONTH_FIRST = re.compile(
    rf"\b({'|'.join(sorted(MONTHS, key=len, reverse=True))})\b\.?,? +(\d{{4}})(?!\d)", re.I
)
_APOSTROPHE = re.compile(r"(?<=[A-Za-z])'(?=[A-Za-z])")


def prepared(text: str) -> str:
    """
    Return what stands behind a class with series, Roman figures, ordinals and dates in forms that can be read.

    ``Dec. 1995`` becomes 1995 Dec. (so that January of 1996 comes behind it), ``2nd`` 2, ``vol. IX`` vol. 9, ``197-``
    1970z, ``3. Jahrg.`` Jg.3; an apostrophe within a word says nothing (ALA Filing Rules), and a series is as `SERIES`.
    """
    if len(text) < 2:  # ``2d`` is an ordinal
        return text
    if "  " in text:
        text = " ".join(text.split())
    if "'" in text:
        text = _APOSTROPHE.sub("", text)
    small = text.lower()
    text = with_series(text, small)
    if "-" in text:
        text = _DECADE.sub(_decade, text)
    if _WORD_AND_YEAR.search(text) is not None:
        text = _MONTH_FIRST.sub(r"\2 \1", text)
    if "j" in small or "an" in small or "rg" in small or "roc" in small or "evf" in small:
        text = _ORDINAL_YEAR.sub(_ordinal_year, text)
    if _ORDINAL_ENDING.search(text) is not None:
        text = _ORDINAL.sub(lambda m: (m[1] or m[2]) + " ", text)
    return text


def with_series(text: str, small: str) -> str:
    """
    Return a text with its series as `SERIES` and Roman figures of volumes as Arabic ones; all else stays.

    Parameters
    ----------
    text, small : str
        The text, and the same in small letters, which tells fast what cannot be there.
    """
    if ("s" in small or "f" in small or "r" in small or "с" in small) and _SERIES_HINT.search(
        small
    ) is not None:
        text = _SERIES.sub(_series, text)
    return text if _ROMAN_HINT.search(text) is None else _ROMAN.sub(_roman, text)


def series_part(by_alphabet: bool) -> Callable[[str], str]:
    """
    Return the function from a series as `prepared` wrote it to its part of a key.

    Parameters
    ----------
    by_alphabet : bool
        Among volumes, issues and parts by the alphabet (NO, NS, PT, SER, V), instead of behind all volumes and dates.
    """
    if by_alphabet:
        return lambda code: f"{TEXT}{by_words(code)} "
    # Behind every date, of which ``:`` is the longest, and before the next Cutter number.
    return lambda code: f"{DATE};{code} "


def by_words(code: str) -> str:
    """Return a series as a word among those of volumes: OS, SER with its number or letter, or NS."""
    if code == "0":
        return "OS"
    return f"NS {code[1:]}".rstrip() if code[0] == "N" else f"SER {code}"


def _series(match: re.Match[str]) -> str:
    found = match.groupdict()
    if found["old"]:
        code = "0"
    elif found["new"]:
        code = "N" + (number(found["nth"]) if found["nth"] else "")
    elif found["letter"]:
        code = "A" + found["letter"]
    elif found["roman"]:
        code = number(str(_value(found["roman"].upper())))
    elif found["spelt"]:
        code = number(str(_ORDINALS.index(found["spelt"].upper()) + 1))
    else:
        code = number(found["number"] or found["short"] or found["first"])
    return f" \x01{code}\x02 "


def _decade(match: re.Match[str]) -> str:
    return f"{match[1]}0z" if match[1] else f"{match[2]}00z"


def _ordinal_year(match: re.Match[str]) -> str:
    # The number of ``v.12 Anno`` is the volume's.
    before = _WORD_BEFORE.search(match.string, max(0, match.start() - 20), match.start())
    if before is not None:
        name = word(before[1])
        if name in VOLUME_WORDS or (before[2] and name in POINTED_WORDS):
            return match[0]
    return f"Jg.{match[1]} "


def _roman(match: re.Match[str]) -> str:
    figures = match[2].upper()
    if _ROMAN_FORM.fullmatch(figures) is None:
        return match[0]
    # Parts have letters more often than fifty or a hundred of them; c. 2 is a copy.
    if figures in ("C", "L") and match[1].rstrip(". ").upper() in _PARTS:
        return match[0]
    if figures == "C" and _COPY_NUMBER.match(match.string, match.end()) is not None:
        return match[0]
    return f"{match[1]}{_value(figures)}"


def _value(figures: str) -> int:
    values = [_ROMAN_VALUES[c] for c in figures]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))
