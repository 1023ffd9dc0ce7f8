"""Small exports, and how the tests read them."""

from pathlib import Path

from stacks.imports import import_holdings, mapping_of

GERMAN = (
    "Barcode;Signatur;Titel;Standort;Ausleihstatus\r\n"
    '31001;"QA 76.9 .D3";"Bücher; über Käfer";Lesesaal;verfügbar\r\n'
    "31002;QA 77 .A1;Spaß mit Straßen;Magazin;ausgeliehen\r\n"
)
CHINESE = (
    "条码号\t索书号\t题名\t馆藏地\t状态\n"
    "31001\tTP312/123\t程序设计语言基础教程\t中文书库\t在馆\n"
    "31002\tI247.57/9\t红楼梦研究与欣赏\t文学阅览室\t借出\n"
)


def imported(path: Path, *options: str, **more):
    words = {"columns": [], "statuses": [], "schemes": [], "constants": [], "keep": []}
    for option in options:
        kind, _, value = option.partition(":")
        words[kind].append(value)
    return import_holdings(path, mapping_of(**words), **more)


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path
