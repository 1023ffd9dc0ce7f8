"""Engine, transactions and migrations, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import fcntl
import logging
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cloud_ingest.errors import ServeError
from cloud_ingest.settings import ServeSettings

_MIGRATION_LOCK = 0x6E73_0001  # PostgreSQL advisory lock: one process migrates at a time
_BUSY_S = 30.0


def missing_driver(error: ModuleNotFoundError) -> str:
    """Return what to do about a database's driver that is not installed, in one line."""
    package = {"psycopg": "'psycopg[binary]'"}.get(error.name or "", str(error.name))
    return f"its driver {error.name} is not installed; {shlex.quote(sys.executable)} -m pip install {package}"


class Database:
    """One engine, and the two ways to use it: `write` and `read`.

    Parameters
    ----------
    settings
        `ServeSettings`; its data folder is made, its database opened and migrated.
    """

    def __init__(self, settings: ServeSettings) -> None:
        settings.data.mkdir(parents=True, exist_ok=True)
        self.data = settings.data
        try:
            self.engine = make_engine(settings.database_url)
            with exclusive(settings.data / ".migrate.lock", wait=True):
                migrate(self.engine)
        except ModuleNotFoundError as err:
            where = _without_password(settings.database_url)
            raise ServeError(f"database {where}: {missing_driver(err)}") from err
        except SQLAlchemyError as err:
            where = _without_password(settings.database_url)
            hint = "check the database setting, that the server runs and that the account may create tables"
            raise ServeError(f"database {where}: {_first_line(err)}; {hint}") from err

    @contextmanager
    def write(self) -> Generator[Session]:
        """One transaction that writes; committed at the end, rolled back on an error."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Generator[Session]:
        """One consistent view of the database, for reading only."""
        with Session(self.engine, expire_on_commit=False) as session:
            # Only a writer must queue for SQLite's write lock; a reader never waits in WAL mode. PostgreSQL would
            # show each statement what was committed by then.
            options: dict[str, Any] = {"read_only": True}
            if self.engine.dialect.name == "postgresql":
                options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            session.connection(execution_options=options)
            yield session

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def make_engine(url: str) -> Engine:
    """Open an engine: SQLite in WAL with full sync and foreign keys, PostgreSQL as it comes."""
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions begin late and deferred; `_begin_sqlite` opens them instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={int(_BUSY_S * 1000)}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns to writing fails at once when another one wrote meanwhile;
    # an immediate one waits for its turn.
    reading = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def alembic_config() -> Config:
    """Return where the schema's steps are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the schema to the newest version; safe to call from several processes.

    Parameters
    ----------
    engine
        SQLite or PostgreSQL.
    to
        Another version, an older one too, down to ``base``: what newer tables hold is lost then.
    """
    config = alembic_config()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        steps = ScriptDirectory.from_config(config)
        now = MigrationContext.configure(connection).get_current_revision()
        older = to == "base" or (to != "head" and now is not None and to != now and _before(steps, to, now))
        (command.downgrade if older else command.upgrade)(config, to)


def _before(steps: ScriptDirectory, one: str, other: str) -> bool:
    return one in {step.revision for step in steps.iterate_revisions(other, "base")}


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Generator[None]:
    """Hold a lock file; it is free again when the process ends, however it ends.

    Raises
    ------
    BlockingIOError
        Somebody else holds it and `wait` is false.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _first_line(err: Exception) -> str:
    return (str(err).strip() or type(err).__name__).splitlines()[0]


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "URL"
