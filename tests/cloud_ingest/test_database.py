import sqlite3
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from cloud_ingest import ServeError, ServeSettings
from cloud_ingest.database import Database, alembic_config, make_engine, migrate
from cloud_ingest.models import Base


def test_the_migrated_schema_is_that_of_the_models(database_url):
    engine = make_engine(database_url)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
        found = inspect(connection)
        for table in Base.metadata.sorted_tables:
            assert {c["name"] for c in found.get_columns(table.name)} == {c.name for c in table.columns}
            assert set(found.get_pk_constraint(table.name)["constrained_columns"]) == {
                c.name for c in table.primary_key
            }
    engine.dispose()


def test_migrating_twice_changes_nothing(database_url):
    engine = make_engine(database_url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO sites (site, first_seen) VALUES ('a', 1)"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sites")).scalar() == 1
    engine.dispose()


def test_every_step_of_the_schema_goes_up_and_down_again(database_url):
    engine = make_engine(database_url)
    steps = [step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
    tables = {}
    for revision in steps:
        migrate(engine, revision)
        tables[revision] = described(engine)
    migrate(engine)
    assert described(engine) == tables[steps[-1]], "the newest step is the last one"
    with engine.begin() as connection:  # rows of every table that has no parent but the site
        connection.execute(text("INSERT INTO sites (site, first_seen) VALUES ('a', 1)"))
        connection.execute(text("INSERT INTO casebooks (site, version, head) VALUES ('a', 1, '{}')"))
    for revision, before in zip(steps[::-1], [*steps[-2::-1], "base"], strict=True):
        assert described(engine) == tables[revision]
        migrate(engine, before)
    assert set(described(engine)) == {"alembic_version"}
    migrate(engine)
    assert described(engine) == tables[steps[-1]], "and up once more"
    engine.dispose()


def described(engine):
    """Every table with its columns, indexes, keys and constraints, as the database itself tells them."""
    found = inspect(engine)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)],
            sorted((i["name"], tuple(i["column_names"]), i["unique"]) for i in found.get_indexes(table)),
            found.get_pk_constraint(table)["constrained_columns"],
            sorted((k["name"], k["referred_table"]) for k in found.get_foreign_keys(table)),
            sorted(u["name"] for u in found.get_unique_constraints(table)),
        )
        for table in sorted(found.get_table_names())
    }


def test_sqlite_is_durable_and_keeps_its_references(tmp_path):
    database = Database(ServeSettings(tmp_path))
    with database.write() as session:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert session.connection().exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    with pytest.raises(Exception, match="FOREIGN KEY"), database.write() as session:
        session.execute(
            text("INSERT INTO mornings (site, date, at, outcome) VALUES ('none', '2026-01-01', 1, '')")
        )
    database.close()


def test_a_reader_sees_one_state_of_the_database_from_its_first_look_to_its_last(tmp_path, database_url):
    database = Database(ServeSettings(tmp_path, database=database_url))
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM sites")).scalar() == 0
        with database.write() as other:
            other.execute(text("INSERT INTO sites (site, first_seen) VALUES ('a', 1)"))
        assert session.execute(text("SELECT count(*) FROM sites")).scalar() == 0
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM sites")).scalar() == 1
    database.close()


def test_a_reader_does_not_wait_for_a_writer(tmp_path):
    database = Database(ServeSettings(tmp_path))
    other = sqlite3.connect(tmp_path / "nightstack.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM runs")).scalar() == 0
    other.close()
    database.close()


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(tmp_path):
    url = "postgresql+psycopg://me:geheim@127.0.0.1:1/nightstack?connect_timeout=2"
    with pytest.raises(ServeError) as caught:
        Database(ServeSettings(tmp_path, database=url))
    line = str(caught.value)
    assert "\n" not in line
    assert "geheim" not in line
    assert "127.0.0.1" in line


def test_a_driver_that_is_not_installed_is_told_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    settings = ServeSettings(tmp_path / "data", database="postgresql+psycopg://user:secret@127.0.0.1:1/none")
    with pytest.raises(ServeError) as caught:
        Database(settings)
    said = str(caught.value)
    assert "psycopg is not installed" in said and said.endswith("-m pip install 'psycopg[binary]'")
    assert "secret" not in said and "\n" not in said
