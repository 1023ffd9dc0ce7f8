"""Jobs tell the processor time their worker has used: a long step can be told from a hang."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    op.add_column("jobs", sa.Column("cpu_s", sa.Double(), nullable=True))


def downgrade() -> None:
    """Take this step back."""
    op.drop_column("jobs", "cpu_s")
