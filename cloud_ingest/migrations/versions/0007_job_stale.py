"""How often a job's night was judged on a ledger that was no longer so."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("jobs", sa.Column("stale", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take this step back."""
    op.drop_column("jobs", "stale")
