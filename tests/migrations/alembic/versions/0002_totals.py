"""Totals, and an index that is built outside of a transaction."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("orders", sa.Column("total", sa.Numeric, server_default="0", nullable=False))
    with op.get_context().autocommit_block():
        op.create_index("orders_by_note", "orders", ["note"], postgresql_concurrently=True)


def downgrade():
    op.drop_index("orders_by_note", "orders")
    op.drop_column("orders", "total")
