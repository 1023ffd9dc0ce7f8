"""What ``nightstack doctor`` looks at. Each check says what it found and, where something is wrong, what mends it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nightstack.checks import Check, mend_driver, reachable
from nightstack.errors import one_line

if TYPE_CHECKING:
    from cloud_ingest.sites import SiteSettings

# By this interpreter: whatever the shell finds under the name of pip may be another one's.
_PIP = f"{shlex.quote(sys.executable)} -m pip"
_WRITE_SETTINGS = (
    "name the service's settings with --settings; docs/cloud_ingest.md shows a file to start from"
)


def check_machine() -> list[Check]:
    """Look at the machine and this installation."""
    return [
        _python(),
        _packages(),
        _command(),
        _memory(),
        _kernel_cache(),
        _mosquitto(),
        _postgresql(),
        _cjk_font(),
        *_drivers(),
    ]


def _python() -> Check:
    # An older one cannot even install the package.
    return Check("Python", "good", sys.version.split()[0])


def _packages() -> Check:
    missing: list[str] = []
    try:
        wanted = requires("nightstack") or []
    except PackageNotFoundError:
        return Check("packages", "bad", "nightstack is not installed", "make demo")
    for line in wanted:
        if "extra ==" in line:
            continue
        name = line.split(";")[0].split(">")[0].split("<")[0].split("=")[0].split("[")[0].strip()
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        mend = f"{_PIP} install --require-hashes -r requirements.lock"
        return Check("packages", "bad", f"not installed: {', '.join(missing)}", mend)
    return Check("packages", "good", f"nightstack {version('nightstack')} and all it needs")


def _command() -> Check:
    if found := shutil.which("nightstack"):
        return Check("nightstack on the PATH", "good", found)
    activate = Path(sys.prefix, "bin", "activate")
    return Check(
        "nightstack on the PATH",
        "absent",
        "this shell does not find the command by its name",
        f". {shlex.quote(str(activate))}"
        if activate.exists()
        else f"add {Path(sys.executable).parent} to PATH",
    )


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = f"{total:.1f} GiB, {os.cpu_count()} cores"
    if total < 1.5:
        return Check("memory", "bad", found, "the service needs 1.5 GiB; put it on a larger machine")
    return Check("memory", "good", found)


def _kernel_cache() -> Check:
    # numba keeps compiled kernels beside the source, or where NUMBA_CACHE_DIR says.
    source = find_spec("localization")
    assert source is not None and source.origin is not None
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(source.origin).parent / "__pycache__")
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(nearest, os.W_OK):
        return Check("compiled kernels", "good", f"kept in {folder}")
    return Check(
        "compiled kernels",
        "bad",
        f"{folder} cannot be written: they would be compiled anew in every process",
        "export NUMBA_CACHE_DIR=/var/cache/nightstack   # any folder the service may write to",
    )


def _mosquitto() -> Check:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found:
        return Check("Mosquitto", "good", found)
    return Check(
        "Mosquitto",
        "absent",
        "not on this machine; the service's own broker serves one robot, Mosquitto many",
        "apt-get install mosquitto",
    )


def _postgresql() -> Check:
    try:
        return Check("PostgreSQL driver", "good", f"psycopg {version('psycopg')}")
    except PackageNotFoundError:
        return Check(
            "PostgreSQL driver",
            "absent",
            "not installed; the database is SQLite, which serves one library well",
            f"{_PIP} install 'psycopg[binary]'",
        )


def _cjk_font() -> Check:
    from reports.fonts import find_cjk_font

    font = find_cjk_font()
    if font is not None:
        return Check("Chinese, Japanese, Korean font", "good", str(font))
    return Check(
        "Chinese, Japanese, Korean font",
        "absent",
        "none that can be embedded: such titles in the PDF rely on the reader's own fonts",
        "apt-get install fonts-droid-fallback",
    )


def _drivers() -> list[Check]:
    """Look at the reader drivers of other packages, where there are any."""
    checks: list[Check] = []
    if not entry_points(group="nightstack.readers"):
        return checks  # without the time that our own drivers take to load
    from reader_drivers import drivers

    for driver in drivers():
        if driver.package == "nightstack":
            continue
        what, package = f"reader driver {driver.scheme}", f"{driver.package} {driver.version}".rstrip()
        if driver.broken:
            checks.append(Check(what, "bad", f"{package}: {driver.broken}", mend_driver(package)))
        else:
            hidden = "" if driver.used else ", not used: another driver has this scheme"
            checks.append(Check(what, "good", f"{package}{hidden}"))
    return checks


def check_service(file: Path) -> list[Check]:
    """Look at the service's settings, and at everything they point to."""
    if not file.exists() or file.is_dir():  # a pipe is as good as a file
        return [Check("settings", "bad", f"{file}: no such settings file", _WRITE_SETTINGS)]
    from nightstack.settings import read_serve_settings

    try:
        settings = read_serve_settings(file)
    except ValueError as error:
        return [
            Check("settings", "bad", one_line(error), f"edit {file}; docs/cloud_ingest.md lists the settings")
        ]
    checks = [Check("settings", "good", str(file))]
    checks += [Check("settings", "absent", said, f"correct {file}") for said in settings.doubts]
    checks.append(_data_folder(settings.data))
    checks.append(
        Check("broker", "good", f"its own, on {settings.broker_listen}")
        if settings.broker is None
        else reachable("broker", settings.broker, 1883, "start the broker, or name another in `broker`")
    )
    checks.append(_database(settings.database_url))
    if settings.smtp is None:
        checks.append(
            Check(
                "mail server", "absent", "none: mails wait until there is one", f"add [smtp] host to {file}"
            )
        )
    else:
        where = f"smtp://{settings.smtp.host}:{settings.smtp.port}"
        checks.append(reachable("mail server", where, 25, f"correct [smtp] in {file}"))
    for name in sorted({site.site for site in settings.sites} | _sites_on_disk(settings.data)):
        site = settings.site(name)
        if not site.recipients:
            checks.append(
                Check(f"site {name}: recipients", "bad", "nobody gets its mail", f"add recipients to {file}")
            )
        assert site.plan is not None and site.holdings is not None
        checks += _recipients(name, site, file)
        checks += _site_files(name, site.plan, site.holdings)
    return checks


def _recipients(name: str, site: SiteSettings, file: Path) -> list[Check]:
    """Look for floors that the plan lacks and languages that nobody has translated."""
    from reports.languages import LanguageError, language, languages
    from stacks.plan import read_plan

    assert site.plan is not None
    try:
        floors = [floor.id for floor in read_plan(site.plan).floors]
    except (ValueError, OSError):
        floors = []  # the plan's own check says so
    checks: list[Check] = []
    for who in site.recipients:
        label = f"site {name}: {who.address}"
        lost = [floor for floor in who.floors if floors and floor not in floors]
        if lost:
            found = f"floors: the plan has no {', '.join(lost)}; it has {', '.join(floors)}"
            checks.append(Check(label, "bad", found, f"correct the floors in {file}"))
        try:
            language(who.language)
        except LanguageError:
            found = f"language: {who.language} has no catalogue, so its mail is in English"
            checks.append(Check(label, "absent", found, f"write one of {', '.join(languages())} in {file}"))
    return checks


def _sites_on_disk(data: Path) -> set[str]:
    folder = data / "sites"
    return {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()


def _site_files(name: str, plan: Path, holdings: Path) -> list[Check]:
    from stacks.holdings import read_holdings
    from stacks.plan import read_plan

    checks: list[Check] = []
    for what, file, read in (("plan", plan, read_plan), ("holdings", holdings, read_holdings)):
        label = f"site {name}: {what}"
        if not file.exists():
            lost = (
                "positions have no shelves"
                if what == "plan"
                else "nothing can be called missing or misshelved"
            )
            checks.append(
                Check(label, "bad", f"{file} is not there: {lost}", f"put the library's {what} at {file}")
            )
            continue
        try:
            read(file)
        except ValueError as error:
            checks.append(Check(label, "bad", one_line(error), f"correct {file}"))
        else:
            checks.append(Check(label, "good", str(file)))
    return checks


def _data_folder(folder: Path) -> Check:
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(nearest, os.W_OK):
        return Check(
            "data folder",
            "bad",
            f"{folder} cannot be written",
            f"chown it, or name another in `data` ({nearest})",
        )
    free = shutil.disk_usage(nearest).free / 2**30
    if free < 5:
        return Check(
            "data folder", "bad", f"{folder}: {free:.1f} GiB free", "make room: a night takes up to 1 GiB"
        )
    return Check("data folder", "good", f"{folder}, {free:.0f} GiB free")


def _database(url: str) -> Check:
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from cloud_ingest.database import missing_driver

    shown = "database"
    try:
        parsed = make_url(url)
        shown = parsed.render_as_string(hide_password=True)
        if parsed.get_backend_name() == "sqlite":  # made at the first start
            return Check("database", "good", shown)
        with create_engine(parsed).connect() as connection:
            connection.execute(text("SELECT 1"))
    except ModuleNotFoundError as error:
        found, _, mend = missing_driver(error).partition("; ")
        return Check("database", "bad", f"{shown}: {found}", mend)
    except SQLAlchemyError as error:
        return Check("database", "bad", one_line(error), "correct `database`, or start the database")
    return Check("database", "good", shown)
