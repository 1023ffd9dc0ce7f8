"""The tables of a simulated month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.month_figures import KINDS, share

NIGHTLY: Final = ("wrong_shelf", "wrong_order", "missing")


def print_month(console: Console, figures: Mapping[str, Any], quiet_from: int) -> None:
    """Print what each night found, what was mailed and done, and how honest chances were."""
    ours = figures["ranked"]
    _nights(console, ours["nights"])
    _kinds(console, ours["nights"], quiet_from)
    _work(console, figures)
    _missing(console, figures)
    _stated(console, ours["stated"])
    for name, one in figures.items():
        nights = one["nights"]
        cpu = {k: sum(n["cpu_s"][k] for n in nights) / len(nights) for k in nights[0]["cpu_s"]}
        each = ", ".join(f"{k} {v:.1f} s" for k, v in cpu.items())
        console.print(
            f"{name}: {one['seconds']:.0f} s for {len(nights)} nights; processor time a night: {each}"
        )


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for n, column in enumerate(columns):
        table.add_column(column, justify="right" if n else "left", no_wrap=True)
    return table


def _pair(one: Mapping[str, Any]) -> tuple[str, str]:
    """Return recall and precision as counts."""
    return f"{one['found']}/{one['due']}", f"{one['right']}/{one['said']}"


def _nights(console: Console, nights: Sequence[Mapping[str, Any]]) -> None:
    columns = ["night"]
    for kind in NIGHTLY:
        columns += [f"{kind}: found", "right"]
    columns += ["mailed: right", "new: right", "dropped", "staff min", "put right", "open"]
    table = _table(
        "findings of each night: found of those there are, right of those said; the mail, and the work",
        columns,
    )
    for n in nights:
        cells = [str(n["night"])]
        for kind in NIGHTLY:
            cells += _pair(n["findings"][kind])
        cells += [
            f"{n['mailed_right']}/{n['mailed']}", f"{n['new_right']}/{n['new']}", str(n.get("dropped", "")),
            f"{n['staff_s'] / 60:.0f}", str(n["put_right"]), str(sum(n["open"].values())),
        ]  # fmt: skip
        table.add_row(*cells)
    console.print(table)


def pooled(nights: Sequence[Mapping[str, Any]], way: str, kind: str) -> dict[str, Any]:
    """Return one kind's counts over nights."""
    total: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for n in nights:
        one = n[way][kind]
        total.update({k: one[k] for k in ("said", "right", "due", "found")})
        wrong.update(one["wrong"])
    figures: dict[str, Any] = {k: total[k] for k in ("said", "right", "due", "found")}
    return figures | {
        "wrong": dict(wrong.most_common()),
        "recall": share(total["found"], total["due"]), "precision": share(total["right"], total["said"]),
    }  # fmt: skip


def _kinds(console: Console, nights: Sequence[Mapping[str, Any]], quiet_from: int) -> None:
    ways = (("with memory", "findings"), ("each night alone", "alone"), ("naive rule", "naive"))
    parts = (("first night", nights[:1]), ("all nights", nights), ("quiet nights", nights[quiet_from:]))
    for title, some in parts:
        if not some:
            continue
        columns = [
            "kind",
            *(f"{name}: {what}" for name, _ in ways for what in ("recall", "precision")),
            "wrong ones are",
        ]
        table = _table(f"recall and precision by kind, {title}", columns)
        for kind in KINDS:
            cells = [kind]
            for _, way in ways:
                one = pooled(some, way, kind)
                cells += [_figure(one["recall"], one["due"]), _figure(one["precision"], one["said"])]
            wrong = pooled(some, "findings", kind)["wrong"]
            table.add_row(*cells, ", ".join(f"{v} {k}" for k, v in list(wrong.items())[:4]))
        console.print(table)


def _figure(value: float, of: int) -> str:
    return f"{value:.3f} of {of}" if of else "-"


def _work(console: Console, figures: Mapping[str, Any]) -> None:
    columns = (
        "list",
        "lines worked",
        "put right",
        "wanted ones",
        "staff hours",
        "put right an hour",
        "after 5 nights",
        "line right",
    )
    table = _table("what staff put right in the same minutes", columns)
    for name, one in figures.items():
        nights = one["nights"]
        seconds = sum(n["staff_s"] for n in nights)
        table.add_row(
            name, str(sum(n["worked"] for n in nights)), str(sum(n["put_right"] for n in nights)),
            str(sum(n["put_right_wanted"] for n in nights)), f"{seconds / 3600:.1f}",
            f"{share(sum(n['put_right'] for n in nights), seconds / 3600):.1f}",
            str(sum(n["put_right"] for n in nights[:5])),
            f"{share(sum(n['mailed_right'] for n in nights), sum(n['mailed'] for n in nights)):.3f}",
        )  # fmt: skip
    console.print(table)
    for name, one in figures.items():
        wrong: Counter[str] = Counter()
        for n in one["nights"]:
            wrong.update(n["mailed_wrong"])
        console.print(
            f"{name}: wrong lines mailed: {', '.join(f'{v} {k}' for k, v in wrong.most_common(8)) or 'none'}"
        )


def _missing(console: Console, figures: Mapping[str, Any]) -> None:
    for name, one in figures.items():
        m = one["missing"]
        for group in ("heard", "never heard"):
            g = m[group]
            nights = ", ".join(f"{n} on night {k}" for k, n in g["told_by_night"].items())
            console.print(
                f"{name}: of {g['gone']} books {group} before and gone for three nights or more {g['by_third']:.3f}"
                f" were told by their third ({nights}, never {g['never']}).",
                soft_wrap=True,
            )
        wrong = ", ".join(f"{n} {why}" for why, n in m["told_wrong"].items()) or "none"
        sure = ", ".join(f"{n} {why}" for why, n in m["confirmed_wrong"].items()) or "none"
        console.print(
            f"{name}: of {m['told']} told {m['told_right']:.3f} rightly (wrong: {wrong}). Confirmed: {m['confirmed']}"
            f" by the radio (wrong: {sure}), {m['looked']} by somebody who looked ({m['looked_right']} really gone):"
            f" {m['precision']:.3f} rightly.",
            soft_wrap=True,
        )


def _stated(console: Console, stated: Mapping[str, Mapping[str, Any]]) -> None:
    columns = ("what was stated", "n", "stated", "was so", "Brier", "constant", "off")
    table = _table(
        "stated chances: Brier score beside that of always saying how often it is so; mean distance by bins",
        columns,
    )
    for name, one in stated.items():
        table.add_row(
            name, str(one["n"]), f"{one['stated']:.3f}", f"{one['so']:.3f}", f"{one['brier']:.4f}",
            f"{one['brier_constant']:.4f}", f"{one['off']:.3f}",
        )  # fmt: skip
    console.print(table)
