"""Where a connection's settings stand: ``ils.toml``, or ``[site.NAME.ils]`` of ``serve.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stacks.ils.errors import IlsSettingsError

_PATHS = (
    "journal",
    "ca_file",
    "inventory_file",
    "password_file",
    "client_secret_file",
    "api_key_file",
    "terminal_password_file",
)


_SHARED = "ils-journal.sqlite"
"""The journal of a file of one library; of all sites, before each had its own."""


def read_ils_settings(file: str | Path, site: str | None = None) -> dict[str, Any]:
    """
    Return the settings of one connection, its paths meant from the file's folder.

    Parameters
    ----------
    file : path
        A TOML file with the settings themselves, or one with tables ``[site.NAME.ils]``.
    site : str, optional
        Which site's; needed where the file has several.

    Raises
    ------
    IlsSettingsError
        One line naming the file.
    """
    path = Path(file)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IlsSettingsError(f"{path}: no such settings file; docs/ils.md shows one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise IlsSettingsError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise IlsSettingsError(f"{path}: is no TOML: {error}") from None
    name, table, alone = _table(content, path, site)
    return anchored(table, path.parent, name, alone=alone)


def anchored(
    table: Mapping[str, Any], folder: str | Path, site: str | None = None, *, alone: bool = False
) -> dict[str, Any]:
    """
    Return settings whose paths are meant from a folder, as whole paths; the journal has its place there, too.

    Parameters
    ----------
    table : mapping
        The settings of one connection.
    folder : path
        Of the file they stand in.
    site : str, optional
        Whose they are, where the file has tables ``[site.NAME.ils]``: libraries may share barcodes, and so each has
        a journal of its own.
    alone : bool
        Whether the file has no other site's: a journal from when all sites had one is this site's then.

    Raises
    ------
    IlsSettingsError
        There is a journal from when all sites had one, and nobody knows whose it is: one line.
    """
    base = Path(folder)
    values = {"journal": _journal(base, site, alone), **table} if "journal" not in table else dict(table)
    return {k: str(base / v) if k in _PATHS and isinstance(v, str) else v for k, v in values.items()}


def _journal(base: Path, site: str | None, alone: bool) -> str:
    if site is None:
        return _SHARED
    own = f"ils-journal-{quote(site, safe='')}.sqlite"
    if not (base / _SHARED).exists() or (base / own).exists():
        return own
    if alone:  # what was written before is known, and is not written again
        return _SHARED
    raise IlsSettingsError(
        f"ils.journal: {base / _SHARED} was the journal of all sites, and each has its own now: "
        f"rename it to ils-journal-NAME.sqlite of the site it is about, such as {own}"
    )


def _table(content: dict[str, Any], path: Path, site: str | None) -> tuple[str | None, dict[str, Any], bool]:
    """Return whose settings were asked for, None in a file of one library, the settings, and whether no others are."""
    if "kind" in content and "site" not in content:
        if site is not None:
            raise IlsSettingsError(f"{path}: has the settings of one library and no sites; leave --site out")
        return None, content, True
    sites: Any = content.get("site")
    tables = {
        name: value["ils"]
        for name, value in (sites.items() if isinstance(sites, dict) else ())
        if isinstance(value, dict) and isinstance(value.get("ils"), dict)
    }
    if site is None and len(tables) == 1:
        return *next(iter(tables.items())), True
    if site is not None and site in tables:
        return site, tables[site], len(tables) == 1
    if not tables:
        raise IlsSettingsError(
            f"{path}: has neither kind = ... nor a table [site.NAME.ils]; docs/ils.md shows one"
        )
    which = f"no [site.{site}.ils]" if site is not None else "several sites"
    raise IlsSettingsError(f"{path}: {which}; name one with --site: {', '.join(sorted(tables))}")
