"""What all tables of the database share."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase

CountedId = BigInteger().with_variant(Integer, "sqlite")
"""A key the database counts up; SQLite does so with INTEGER PRIMARY KEY alone."""


class Base(DeclarativeBase):
    """All tables; named constraints, so that later migrations can name them, too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
