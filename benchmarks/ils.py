"""A whole catalogue out of an emulated Koha, beside the same pages fetched by httpx and only parsed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from stacks.holdings import Holding, Holdings, write_holdings
from stacks.ils import open_ils
from stacks.ils.sync import sync

ITEMS = 100_000
PAGE = 1_000


def main(items: int = ITEMS) -> dict[str, Any]:
    """Print and return the seconds of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            Holding(f"{31822000000 + i}", "", f"QA76.{i} .L{i}", "lcc", f"书名 title {i}", "GEN", "available")
            for i in range(items)
        ]
        write_holdings(folder / "holdings.csv", Holdings.of(rows))
        command = [sys.executable, "-m", "nightstack", "sim", "ils", "koha", "--listen", "127.0.0.1:0"]
        command += ["--holdings", str(folder / "holdings.csv")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                figures = _timed(f"http://{server.stdout.readline().split()[1]}", folder)
            finally:
                server.terminate()
    for what, seconds in figures.items():
        print(f"{items:,} items, {what:46} {seconds:6.1f} s")
    return figures


def _timed(url: str, folder: Path) -> dict[str, float]:
    settings = {"kind": "koha", "url": url, "user": "nightstack", "password": "koha-password"}
    settings |= {"page_size": PAGE, "journal": str(folder / "journal")}
    figures: dict[str, float] = {}
    start = time.perf_counter()
    _bare(url)
    figures["pages by httpx, parsed"] = time.perf_counter() - start
    with open_ils(settings) as ils:
        start = time.perf_counter()
        pulled = sum(len(page) for page in ils.items())
        figures[f"the connection ({pulled:,} checked items)"] = time.perf_counter() - start
        start = time.perf_counter()
        sync(ils, folder / "made.csv")
        figures["first sync, file written"] = time.perf_counter() - start
        start = time.perf_counter()
        sync(ils, folder / "made.csv", full=True)
        figures["full sync of the same, nothing changed"] = time.perf_counter() - start
    return figures


def _bare(url: str) -> None:
    headers = {"x-koha-embed": "biblio,+strings"}
    with httpx.Client(
        base_url=url, auth=("nightstack", "koha-password"), headers=headers, timeout=60
    ) as client:
        last = 0
        while True:
            query = {"q": json.dumps({"item_id": {">": last}}), "_per_page": PAGE, "_order_by": "item_id"}
            answer = client.get("/api/v1/items", params=query)
            found = answer.json()
            if int(answer.headers["x-total-count"]) == len(found):
                return
            last = found[-1]["item_id"]
