"""``python -m benchmarks [NAME] [--json FILE] [--out FOLDER] [--only TEXT]``: run one benchmark, or all."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from nightstack.errors import InputError
from nightstack.outputs import output_file, output_folder

NAMES = (
    "accuracy",
    "slide",
    "thinned",
    "free_space",
    "ablation",
    "antennas",
    "calibrated",
    "nights",
    "labels",
    "hf",
    "order",
    "honesty",
    "laboratories",
    "cut",
    "robustness",
    "oddities",
    "speed",
    "paths",
    "payload",
    "llrp_decode",
    "feig_decode",
    "serial_decode",
    "fuzz_bytes",
    "ils",
    "million",
    "call_numbers",
    "month",
    "worlds",
)
WITH_PLOTS = ("thinned", "free_space", "month")
WITH_OPTIONS = ("month", "worlds")
SELECTED = ("accuracy", "ablation", "calibrated", "honesty", "oddities", "worlds")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks named and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="one benchmark; all of them by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"write the plots of {', '.join(WITH_PLOTS)} there, as SVG"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT",
        help=f"of {', '.join(SELECTED)}: the groups whose names contain TEXT; may be given again",
    )  # fmt: skip
    options, own = parser.parse_known_args(arguments)
    if own and options.name not in WITH_OPTIONS:
        parser.error(f"unrecognized arguments: {' '.join(own)}")
    if options.only and options.name not in SELECTED:
        parser.error(f"--only chooses groups of {', '.join(SELECTED)}: name one of them")
    try:
        # Before the work, which may take a quarter of an hour.
        if options.json is not None:
            output_file(options.json, None, "--json")
        if options.out is not None:
            output_folder(options.out)
    except InputError as error:
        parser.error(str(error))
    figures: dict[str, Any] = {}
    for name in (options.name,) if options.name else NAMES:
        print(f"\n{name}", flush=True)
        more: dict[str, Any] = {"out": options.out} if name in WITH_PLOTS else {}
        if name in SELECTED:
            more["only"] = options.only
        if name in WITH_OPTIONS:
            more["options"] = own
        figures[name] = importlib.import_module(f"benchmarks.{name}").main(**more)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1, default=str) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
