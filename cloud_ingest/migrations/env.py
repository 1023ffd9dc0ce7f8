"""Alembic's entry: migrations run on the connection that `cloud_ingest.database.migrate` hands over."""

from alembic import context

from cloud_ingest.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    compare_type=True,
)
context.run_migrations()
