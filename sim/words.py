"""Titles of a made-up library, a fifth of them Chinese."""

from __future__ import annotations

from typing import Final

import numpy as np

_ADJECTIVES: Final = (
    "Applied", "Modern", "Practical", "Early", "Comparative", "Elementary", "Advanced", "Hidden", "Quiet", "Northern",
    "Discrete", "Organic", "Urban", "Collected", "Living", "Nonlinear", "Classical", "Forgotten", "Statistical",
    "Selected", "Rural", "Coastal", "Experimental", "Concise",
)  # fmt: skip
_NOUNS: Final = (
    "Analysis", "Rivers", "Optics", "Gardens", "Algebra", "Economics", "Poetry", "Ceramics", "Grammar", "Signals",
    "Markets", "Botany", "Letters", "Machines", "Migration", "Geology", "Ethics", "Networks", "Painting", "Medicine",
    "Bridges", "Harbours", "Memory", "Astronomy",
)  # fmt: skip
_FORMS: Final = (
    "An Introduction", "A History", "Theory and Practice", "Essays", "A Handbook", "Problems and Solutions", "A Reader",
    "Methods and Applications", "Selected Papers", "The First Century", "A Field Guide", "Lectures",
)  # fmt: skip
_HEADS: Final = (
    "中国",
    "现代",
    "古代",
    "应用",
    "高等",
    "城市",
    "比较",
    "实用",
    "基础",
    "世界",
    "东方",
    "数字",
)
_SUBJECTS: Final = (
    "文学",
    "数学",
    "图书馆",
    "经济",
    "建筑",
    "植物",
    "信号处理",
    "哲学",
    "地理",
    "艺术",
    "语言",
    "天文",
)
_TAILS: Final = ("概论", "史", "导论", "研究", "手册", "选集", "原理", "教程", "论文集", "入门")


def draw_titles(rng: np.random.Generator, n: int, chinese: float = 0.2) -> list[str]:
    """Draw ``n`` titles; they may repeat, as titles do.

    Parameters
    ----------
    rng : Generator
    n : int
    chinese : float
        Share of Chinese titles.
    """
    picks = rng.integers(0, 1 << 30, (n, 3))
    native = rng.random(n) < chinese
    titles: list[str] = []
    for (a, b, c), han in zip(picks.tolist(), native.tolist(), strict=True):
        if han:
            titles.append(_HEADS[a % len(_HEADS)] + _SUBJECTS[b % len(_SUBJECTS)] + _TAILS[c % len(_TAILS)])
        else:
            title = f"{_ADJECTIVES[a % len(_ADJECTIVES)]} {_NOUNS[b % len(_NOUNS)]}"
            titles.append(f"{title}: {_FORMS[c % len(_FORMS)]}" if c % 3 else title)
    return titles
