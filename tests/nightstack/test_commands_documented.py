"""Every command is documented, in its own words."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_command_reference_is_what_the_commands_say():
    made = subprocess.run(
        [sys.executable, "-m", "nightstack.command_reference"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert made == (ROOT / "docs" / "commands.md").read_text(), (
        "docs/commands.md is stale: python -m nightstack.command_reference > docs/commands.md"
    )


def test_the_designed_commands_are_there():
    page = (ROOT / "docs" / "commands.md").read_text()
    for command in (
        "demo", "serve", "robot run", "localize", "exceptions", "evaluate", "replay", "sim library", "sim record",
        "readers probe", "readers emulate", "report", "doctor", "calibrate",
    ):  # fmt: skip
        assert f"## `nightstack {command}`" in page


def test_every_command_and_option_has_help():
    page = (ROOT / "docs" / "commands.md").read_text()
    for section in page.split("\n## ")[1:]:
        lines = section.splitlines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            if line.startswith("  --"):
                words = line.split("  ")
                explained = len([w for w in words if w.strip()]) > 1 or following.startswith(" " * 8)
                assert explained, f"{lines[0]}: no help for {line.strip()}"
