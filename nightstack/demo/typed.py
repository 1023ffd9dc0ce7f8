"""Paths and commands as one would type them."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def shown(path: Path) -> Path:
    """Return a path from here, where it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def command(*words: object) -> str:
    """Return a ``nightstack`` command that can be copied: by its path, where the shell would not find it."""
    ran = Path(sys.argv[0])
    name: object = "nightstack"
    if ran.name == name and shutil.which("nightstack") is None:
        name = shown(ran.absolute())
    return shlex.join(str(word) for word in (name, *words))
