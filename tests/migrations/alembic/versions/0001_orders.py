"""Orders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    orders = op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("note", sa.Text, comment="it's 100 % free text; really"),
        sa.Column("state", sa.Enum("open", "paid", name="order_state"), nullable=False),
    )
    # Parameters, and many rows in one statement.
    op.bulk_insert(orders, [{"note": "anvil", "state": "open"}, {"note": "hammock", "state": "paid"}])


def downgrade():
    op.drop_table("orders")
    op.execute("DROP TYPE order_state")
