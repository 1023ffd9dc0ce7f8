"""
Shelving order of the Chinese Library Classification (中国图书馆分类法).

《中国图书馆分类法》第五版使用手册: a class is compared sign by sign (逐位), its main letters first, the point saying
nothing; behind equal beginnings stand letters, then the auxiliary marks ``-`` ``( )`` ``" "`` ``=`` ``< >`` ``:``
``+``, then digits. The book number (种次号, or 著者号 with its letters) counts as a whole number, then come volume
``(2)`` or ``:2``, edition ``=2``, further works ``-2``. Full-width signs, a leading mark of recommendation, lines
in braces that name a place, brackets of alternative classes, and 第 卷 册 say nothing; 上 中 下 and 一 二 三 are
numbers.
"""

import re
from collections.abc import Callable

from stacks.call_numbers.enumeration import SERIES, VOLUME_WORDS, by_words, with_series
from stacks.call_numbers.policy import DEFAULT, CallNumberPolicy
from stacks.call_numbers.prefixes import Prefixes
from stacks.call_numbers.text import LENGTHS, MAX_LENGTH, fraction, normalize, number, word

_MAIN = r"(?:T[BDEFGHJKLMNPQSUV]|DF|[A-HIJKN-VXZ])(?![A-Z])"
_CLASS = re.compile(
    rf"{_MAIN}\s?(?:(?<=\s)(?=\d))?[0-9.]*(?:[-=:+<>()\"0-9.]|(?<=[-:+(<\"])[A-Z]{{1,2}}|(?<=\d)[A-Z]{{1,4}})*"
)
_PLACE = re.compile(r"\{[^{}]*\}\s*|\((?:[A-Z]{1,4})\)\s*(?=[A-Z])", re.IGNORECASE)
_LOCATION = re.compile(r"([^\W\d_a-zA-Z]{1,8}|[A-Z]{2,8}(?=\s+[A-Z]))[\s:/]*(?=[A-Z\[])")
_RUN = re.compile(r"[A-Z]+")
_REST = re.compile(r"(\d+)|([^\W\d_]+)|([(:=\"<+-])|([)>])|([/\s]+)|" + SERIES)
_SILENT = str.maketrans(
    {
        **dict.fromkeys("第卷册冊辑輯部分集期版本号號年编編篇"),
        # Figures of accounts, and short forms of 20 and 30.
        **dict(zip("零壹贰叁肆伍陆柒捌玖拾佰貳參陸", "〇一二三四五六七八九十百二三六", strict=True)),
        "廿": "二十",
        "卅": "三十",
    }
)
_PARTS = {"上": "1", "中": "2", "下": "3", "首": "0", "初": "1"} | {
    stem: str(i) for i, stem in enumerate("甲乙丙丁戊己庚辛壬癸", 1)
}
"""Parts of a set; the heavenly stems are 1 to 10."""
_NUMERALS = {c: i for i, c in enumerate("〇一二三四五六七八九")}
_ONES = "[一二三四五六七八九]"
_NUMERAL = re.compile(f"{_ONES}?百(?:〇{_ONES}|{_ONES}?十{_ONES}?)?|{_ONES}?十{_ONES}?|〇|{_ONES}")
_FAST = re.compile(
    r"(T[BDEFGHJKLMNPQSUV]|DF|[A-HIJKN-VXZ])(\d[\d.]*)(?:([-=:])(\d+)|(\()(\d+)\))?(?:/([A-Z]{0,2})0*(\d+)([A-Z]?)"
    r"(?:([:=-])0*(\d+)|\(0*(\d+)(\))| v\.0*(\d+))?)?"
)
"""The common shape; whatever differs takes the plain path, and a test holds the two equal."""


def maker(policy: CallNumberPolicy = DEFAULT, *, fast: bool = True) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under a policy; `fast` False: the plain path alone."""
    prefixes = Prefixes(policy, policy.location_prefixes, frozenset())
    # Codes between the blank (the end) and the digits: letters, then the marks in the library's order.
    ranks = {mark: chr(0x23 + i) for i, mark in enumerate(policy.clc_aux_order)}
    table = str.maketrans({**ranks, ".": "", ")": " ", ">": " "})
    book_ranks = {mark: chr(0x23 + i) for i, mark in enumerate(policy.clc_book_aux_order)}
    class_short = policy.clc_alpha_suffix == "shortfirst"
    book_short = policy.clc_book_suffix == "shortfirst"
    decimal = policy.clc_author_digits == "decimal"
    behind_first = policy.series == "behind_first"
    marks = tuple(m for m in policy.clc_marks if m)

    def of_class(text: str) -> str:
        made, at = "", 0
        for run in _RUN.finditer(text):
            made += _quoted(text[at : run.start()])
            before = text[: run.start()].rstrip(".")
            if before[-1:].isdigit():
                made += "!" + (str(len(run[0])) if class_short else "") + run[0] + "\x1f"
            else:
                made += run[0] + "\x1f"
            at = run.end()
        made = (made + _quoted(text[at:])).translate(table)
        return made.replace("\x1f", " ") + " "

    def of_book(text: str) -> str | None:
        made, seen, first, author = "", False, True, False
        for digits, letters, mark, closing, gap, series in _REST.findall(with_series(text, text.lower())):
            if series:
                # Behind words, volumes and dates of the first series.
                made += f"B{series} " if behind_first else f"A{by_words(series)} "
                seen, author = False, False
            elif digits:
                first_number = first or author
                made += "0" + fraction(digits) + " " if decimal and author else number(digits)
                if first and policy.clc_book_number == "著者号":
                    return None
                seen, first, author = True, False, False if first_number else author
            elif letters:
                name = word(letters)
                if first:
                    if policy.clc_book_number == "种次号":
                        return None
                    author = True
                named = name if first or seen else VOLUME_WORDS.get(name, name)
                if seen:
                    made += (chr(0x30 + min(len(named), 40)) if book_short else "A") + named + " "
                else:
                    made += "A" + named + " "
                first, seen = False, False
            elif mark:
                made += book_ranks[mark]
                seen = False
            elif closing:
                made += " "
                seen = False
            elif gap:
                made += "!"
                seen, author = False, False
        return made

    def plain(text: str) -> bytes | None:
        label = normalize(text)
        if label is None:
            return None
        words, rest = _front(label, marks)
        head = _CLASS.match(rest)
        if head is None:
            return None
        named = head[0].replace(" ", "")
        behind = rest[head.end() :]
        if behind and behind[0] not in "/ ":
            return None
        behind = _chinese(behind).strip("/ ")
        # 十 is 10: a text of nothing else has grown.
        book = None if len(behind) > MAX_LENGTH else of_book(behind) if behind else ""
        if book is None:
            return None
        return f"{prefixes.tag(words)} {of_class(named)}{'!' + book if book else ''}".encode("ascii")

    if not fast:
        return plain
    match_fast = _FAST.fullmatch
    tag = prefixes.tag([])
    either = policy.clc_book_number == "any" and not decimal
    colon, equals, minus, opening = (book_ranks[m] for m in ":=-(")
    book_codes = {":": colon, "=": equals, "-": minus}

    def key(text: str) -> bytes | None:
        match = match_fast(text) if either and len(text) <= 80 and text.isascii() else None
        if match is None:
            return plain(text)
        main, digits, mark, aux, bracket, inner, letters, n1, work, m2, n2, n3, closing, volume = (
            match.groups()
        )
        made = f"{tag} {main} {digits.replace('.', '')}"
        if mark:
            made += ranks[mark] + aux
        elif bracket:
            made += ranks["("] + inner + " "
        if not n1:
            return (made + " ").encode()
        made += f" !{'A' + letters + ' ' if letters else ''}{LENGTHS[len(n1)]}{n1}"
        if work:
            made += ("1" if book_short else "A") + work + " "
        if m2:
            made += f"{book_codes[m2]}{LENGTHS[len(n2)]}{n2}"
        elif closing:
            made += f"{opening}{LENGTHS[len(n3)]}{n3} "
        elif volume:
            made += f"!AV {LENGTHS[len(volume)]}{volume}"
        return made.encode()

    return key


def _front(label: str, marks: tuple[str, ...]) -> tuple[list[str], str]:
    """Take places, collections, marks and brackets off the front; the rest is in capitals."""
    label = _PLACE.sub("", label, count=1) if label[:1] in "{(" else label
    words: list[str] = []
    for mark in marks:
        if label.startswith(mark) and label[len(mark) :].lstrip()[:1].isupper():
            label = label[len(mark) :].lstrip()
            break
    label = label.upper()
    while len(words) < 3:
        match = _LOCATION.match(label)
        if match is None:
            break
        words.append(match[1])
        label = label[match.end() :]
    if label.startswith("["):
        label = label[1:].replace("]", "", 1)
    return words, label.replace("''", '"')


def _chinese(text: str) -> str:
    """Chinese numerals and parts of a set as figures; words of counting say nothing."""
    if text.isascii():
        return text
    text = text.translate(_SILENT)
    text = _NUMERAL.sub(_figure, text)
    return "".join(_PARTS.get(c, c) for c in text)


def _figure(match: re.Match[str]) -> str:
    total, ones = 0, 0
    for sign in match[0]:
        if sign in "十百":
            total, ones = total + (ones or 1) * (10 if sign == "十" else 100), 0
        else:
            ones = _NUMERALS[sign]
    return str(total + ones)


def _quoted(text: str) -> str:
    """Write closing quotation marks as other closing marks, so that the opening one alone counts."""
    if '"' not in text:
        return text
    pieces = text.split('"')
    return pieces[0] + "".join(('"' if i % 2 else ">") + p for i, p in enumerate(pieces[1:], 1))
