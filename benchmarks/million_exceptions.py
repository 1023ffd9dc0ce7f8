"""A run's exceptions for a million copies: seconds, memory, and whether the planted trouble is found.

``python -m benchmarks.million_exceptions [--books N] [--memory] [--untold | --hf]``. A library of LCC call numbers on a
plan of faces, bays and boards; every copy heard in its place within a few millimetres but the planted ones: on another
shelf, out of order, gone, lent, or in no record. What is measured is a process of its own that reads holdings.csv,
plan.json, positions.parquet and coverage.parquet and writes exceptions.csv. With ``--untold`` no record has a tag
number, and every tag carries its copy's barcode (ISO/TS 28560-4). With ``--hf`` no record has one either, tags are
heard by their UIDs, and each of four nights reads the memory (ISO 28560-3) of a third of them drawn anew: what is
told and measured is the last, on which the missing are gone, and which knows the rest from the nights before.
A book that was heard until then is not told as missing after one silent night.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from localization.positions import Coverage, Positions, write_coverage, write_positions

Columns = np.ndarray[Any, Any]
Tags = Literal["told", "untold", "hf"]
"""How a copy's tag is known: by the record; by the barcode that it carries (UHF), or that its memory holds (HF)."""

BAYS, LEVELS, PER_SHELF, SHELF_M, CELL_M = 30, 6, 32, 0.9, 0.1
SIGMA_M: Final = 0.004
NIGHTS, READ = 4, 1 / 3  # with --hf
SHARES: Final = {
    "wrong_shelf": 0.003,
    "wrong_order": 0.003,
    "missing": 0.01,
    "on_shelf_loaned": 0.002,
    "unknown_tag": 0.002,
}
_CLASSES: Final = [a + b for a in "ABCDEFGHJKLMNPQRSTUVZ" for b in "ABCDEFGHKLMNPQRSTUVX"]


def make(folder: Path, books: int, seed: int = 1, *, tags: Tags = "told") -> dict[str, set[str]]:
    """Write the library's files; return what was planted by kind: barcodes, and EPCs of what is in no record."""
    rng = np.random.default_rng(seed)
    shelves = -(-books // PER_SHELF)
    faces = -(-shelves // (BAYS * LEVELS))
    shelf = np.minimum(np.arange(books) // PER_SHELF, shelves - 1)
    calls = _call_numbers(books)
    barcodes = np.array([f"3{i:013d}" for i in range(books)], object)
    # UIDs follow no order of the shelves.
    uids = [0xE004 << 48 | n for n in rng.permutation(books).tolist()]
    epcs = np.array(
        [
            _carrying(b) if tags == "untold" else f"{uids[n]:016X}" if tags == "hf" else f"3085{n:020X}"
            for n, b in enumerate(barcodes)
        ],
        object,
    )
    draw = rng.permutation(books)
    planted: dict[str, Columns] = {}
    start = 0
    for kind, share in SHARES.items():
        planted[kind] = draw[start : start + round(share * books)]
        start += len(planted[kind])
    planted["unknown_tag"] = planted["unknown_tag"][:0]
    status = np.full(books, "available", object)
    status[planted["on_shelf_loaned"]] = "loaned"
    _plan(folder, faces, shelves, calls)
    with (folder / "holdings.csv").open("w", encoding="utf-8", newline="") as out:
        out.write("barcode,epc,call_number,scheme,title,home_location,status\n")
        for i in range(books):
            epc = epcs[i] if tags == "told" else ""
            row = f'{barcodes[i]},{epc},{calls[i]},lcc,"Title {i}, volume {i % 7}",MAIN,{status[i]}\n'
            out.write(row)
    pitch = (SHELF_M - 0.02) / PER_SHELF
    offset = 0.01 + pitch * (np.arange(books) % PER_SHELF + 0.5)
    place = shelf.copy()
    far = planted["wrong_shelf"]
    place[far] = (shelf[far] + rng.integers(2, shelves - 2, len(far))) % shelves
    near = planted["wrong_order"]
    # Ten places and more to the other half of the shelf.
    offset[near] = (offset[near] + 0.5 * SHELF_M) % SHELF_M
    strangers = round(SHARES["unknown_tag"] * books)
    there = np.ones(books, bool)
    there[planted["missing"]] = False
    if tags == "hf":
        (folder / "before").mkdir()
        x = offset + rng.normal(0.0, SIGMA_M, books)
        _positions(folder / "before", epcs, place, x, rng)
    who = np.concatenate([epcs[there], [f"AB12{n:020X}" for n in range(strangers)]]).astype(object)
    at = np.concatenate([place[there], rng.integers(0, shelves, strangers)])
    x = np.concatenate([offset[there], rng.uniform(0.02, SHELF_M - 0.02, strangers)])
    _positions(folder, who, at, x + rng.normal(0.0, SIGMA_M, len(x)), rng)
    _coverage(folder, faces)
    if tags == "hf":
        for night in range(NIGHTS):
            read = (there | (night < NIGHTS - 1)) & (rng.random(books) < READ)
            _tags(folder / f"tags-{night}", epcs[read], barcodes[read])
    found = {kind: set(barcodes[rows].tolist()) for kind, rows in planted.items()}
    found["unknown_tag"] = set(who[len(who) - strangers :].tolist())
    return found


def _carrying(barcode: str) -> str:
    from stacks.tag_data import encode_uii

    return encode_uii(barcode, "DE-705")[1].hex().upper()


def _tags(folder: Path, uids: Columns, barcodes: Columns) -> None:
    """Write a recording of nothing but what was read of tags."""
    from datetime import UTC, datetime

    from recording import (
        NOT_READ,
        AntennaMount,
        Poses,
        Readings,
        Recording,
        RunInfo,
        TagMemories,
        write_recording,
    )
    from stacks.tag_data import encode_fixed

    n = len(uids)
    memory = np.empty(n, object)
    memory[:] = [encode_fixed(b, "DE-705") for b in barcodes]
    unread = np.full(n, NOT_READ, np.int16)
    read = TagMemories(
        t=np.arange(n, dtype=np.int64), epc=uids, antenna=np.ones(n, np.uint8), afi=np.full(n, 0x07, np.int16),
        eas=unread, dsfid=np.full(n, 0x3E, np.int16), memory=memory, block_bytes=np.full(n, 4, np.uint8),
    )  # fmt: skip
    mount = AntennaMount(1, "hf", 1, "iso15693", (0.0, -0.3, 0.5), (-90.0, 0.0))
    info = RunInfo(folder.name, "million", datetime(2026, 1, 1, tzinfo=UTC), "r", (mount,))
    write_recording(folder, Recording(info, Readings.empty(), Poses.empty(), tag_memories=read))


def _contents(folder: Path, night: int) -> dict[str, Any]:
    from recording.tag_memories import read_tag_memories
    from reports.tag_contents import contents_of
    from stacks.tag_data import SecurityPolicy

    file = folder / f"tags-{night}" / "tags.parquet"
    return contents_of(read_tag_memories(file, {1}, []), SecurityPolicy()) if file.exists() else {}


def _call_numbers(books: int) -> list[str]:
    """Return call numbers in shelving order, all different."""
    per_class = -(-books // len(_CLASSES))
    out: list[str] = []
    for name in sorted(_CLASSES):
        for k in range(min(per_class, books - len(out))):
            number, cutter = divmod(k, 90)
            out.append(f"{name}{number + 1} .B{10 + cutter} 20{number % 20:02d}")
    return out


def _place(shelf: int) -> tuple[int, int, int]:
    face, inside = divmod(shelf, BAYS * LEVELS)
    bay, step = divmod(inside, LEVELS)
    return face, bay, LEVELS - step


def _shelf_id(shelf: int) -> str:
    face, bay, level = _place(shelf)
    return f"F{face:03d}-{bay + 1:02d}-{level}"


def _plan(folder: Path, faces: int, shelves: int, calls: list[str]) -> None:
    made: list[dict[str, Any]] = []
    for f in range(faces):
        boards: list[dict[str, Any]] = []
        for s in range(f * BAYS * LEVELS, (f + 1) * BAYS * LEVELS):
            _, bay, level = _place(s)
            board = {
                "id": _shelf_id(s), "bay": str(bay + 1), "level": level, "from_m": bay * SHELF_M,
                "to_m": (bay + 1) * SHELF_M, "board_z_m": 0.1 + 0.35 * (level - 1), "clear_m": 0.32, "sequence": s,
            }  # fmt: skip
            if s < shelves:
                board["range_start"] = calls[s * PER_SHELF]
            boards.append(board)
        made.append({
            "id": f"F{f:03d}", "origin_m": [0.0, 2.0 * f], "direction_deg": 0.0, "normal_deg": -90.0,
            "length_m": BAYS * SHELF_M, "tag_depth_m": 0.1, "shelves": boards,
        })  # fmt: skip
    plan = {
        "format": "nightstack-plan/1",
        "site": "million",
        "version": 1,
        "floors": [{"id": "1", "faces": made}],
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def _positions(
    folder: Path,
    epc: np.ndarray[Any, Any],
    shelf: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    rng: np.random.Generator,
) -> None:
    n = len(epc)
    ids = np.array([_shelf_id(s) for s in range(int(shelf.max()) + 1)], object)
    face, bay, level = np.array([_place(s) for s in range(len(ids))]).T
    p = Positions.empty(n)
    p.epc[:], p.shelf_id[:] = epc, ids[shelf]
    p.face_id[:] = np.array([f"F{f:03d}" for f in face], object)[shelf]
    p.offset_m[:] = bay[shelf] * SHELF_M + np.clip(x, 0.001, SHELF_M - 0.001)
    p.x_m[:], p.y_m[:], p.z_m[:] = p.offset_m, 2.0 * face[shelf] + 0.1, 0.22 + 0.35 * (level[shelf] - 1)
    p.sigma_along_m[:], p.sigma_local_m[:] = 0.008, SIGMA_M
    p.readings[:], p.antennas[:], p.quality[:] = rng.poisson(14, n) + 1, 2, 0.9
    p.p_shelf[:], p.p_alt[:] = 0.998, 0.001
    order = np.lexsort((p.offset_m, shelf))
    starts = np.flatnonzero(np.diff(shelf[order], prepend=-1))
    p.rank[order] = np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n))) + 1
    write_positions(folder / "positions.parquet", p)


def _coverage(folder: Path, faces: int) -> None:
    cells = round(SHELF_M / CELL_M)
    shelves = faces * BAYS * LEVELS
    shelf = np.repeat(np.arange(shelves), cells)
    ids = np.array([_shelf_id(s) for s in range(shelves)], object)
    face, bay, level = np.array([_place(s) for s in range(shelves)]).T
    c = Coverage.empty(len(shelf))
    c.shelf_id[:], c.level[:] = ids[shelf], level[shelf]
    c.face_id[:] = np.array([f"F{f:03d}" for f in face], object)[shelf]
    c.from_m[:] = bay[shelf] * SHELF_M + CELL_M * (np.arange(len(shelf)) % cells)
    c.to_m[:] = c.from_m + CELL_M
    c.readings[:], c.p_heard[:] = 14.0, 0.998
    write_coverage(folder / "coverage.parquet", c)


def child(folder: Path, memory: bool, night: int = 0, tags: Tags = "told") -> dict[str, Any]:
    """Read, judge and write, as ``nightstack exceptions`` does, and say what each step took."""
    from datetime import UTC, datetime

    from localization.positions import read_coverage, read_positions
    from reports import find_exceptions, write_exceptions
    from stacks.holdings import read_holdings
    from stacks.plan import read_plan

    took: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    start = last = time.perf_counter()

    def done(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        took[step], last = round(now - last, 2), now

    before = tags == "hf" and night < NIGHTS - 1
    plan, holdings = read_plan(folder), read_holdings(folder / "holdings.csv")
    done("read plan and holdings")
    positions, coverage = (
        read_positions(folder / ("before" if before else "") / "positions.parquet"),
        read_coverage(folder / "coverage.parquet"),
    )
    done("read positions and coverage")
    if memory:
        from reports.memory import Memory
        from reports.night import judge_night

        file = folder / "memory.parquet"
        at = datetime(2026, 1, 1 + night, tzinfo=UTC)
        known = Memory.read(file).sharing(holdings.column("barcode"), holdings.column("epc"))
        contents = _contents(folder, night)
        if contents:
            done("read memory and tags")
        judged = judge_night("r", at, positions, coverage, plan, holdings, memory=known, contents=contents)
        findings = judged.findings
        judged.memory.to_parquet(file)
        counts["known_tags"], counts["unread"] = len(judged.memory.tags), judged.unread
    else:
        findings = find_exceptions(positions, coverage, plan, holdings)
    done("exceptions")
    write_exceptions(folder / "exceptions.csv", findings)
    done("write exceptions.csv")
    took["all"] = round(time.perf_counter() - start, 2)
    counts["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return took | counts


def measure(
    books: int = 1_000_000,
    *,
    memory: bool = False,
    seed: int = 1,
    tags: Tags = "told",
) -> dict[str, Any]:
    """Make the library, judge each night in a process of its own, and compare the last with what was planted."""
    from reports import read_exceptions

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planted = make(folder, books, seed, tags=tags)
        command = [sys.executable, "-m", "benchmarks.million_exceptions", "--child", str(folder)]
        command += [] if tags == "told" else [f"--{tags}"]
        nights: list[Any] = []
        result: dict[str, Any] = {}
        for night in range(NIGHTS if tags == "hf" else 2 if memory else 1):
            more = ["--memory", "--night", str(night)] if memory or tags == "hf" else []
            out = subprocess.run([*command, *more], check=True, capture_output=True, text=True)
            result = json.loads(out.stdout)
            nights.append({k: result[k] for k in ("all", "peak_mb", "known_tags", "unread") if k in result})
        if tags == "hf":
            result["nights"] = nights
        found = read_exceptions(folder / "exceptions.csv")
        told = Counter(f.kind for f in found)
        right = Counter(f.kind for f in found if (f.barcode or f.epc) in planted.get(f.kind, ()))
        result["planted"] = {k: len(v) for k, v in planted.items()}
        result["told"], result["right"] = dict(told), dict(right)
        return result


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=1_000_000)
    parser.add_argument(
        "--memory", action="store_true", help="the second night of two, with what the first taught"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--untold",
        action="store_const",
        dest="tags",
        const="untold",
        default="told",
        help="no record has a tag number: tags carry barcodes",
    )
    kinds.add_argument(
        "--hf", action="store_const", dest="tags", const="hf",
        help="no record has a tag number: tags' memories carry barcodes",
    )  # fmt: skip
    parser.add_argument("--night", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    result = (
        child(options.child, options.memory, options.night, options.tags)
        if options.child
        else measure(options.books, memory=options.memory, tags=options.tags)
    )
    print(json.dumps(result, indent=None if options.child else 1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
