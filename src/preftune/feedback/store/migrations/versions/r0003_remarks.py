"""Questions labelers ask about items, and the answers they get."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "remark",
        sa.Column("id", ID, nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("asker_id", ID, nullable=False),
        sa.Column("author_id", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_remark_item_id"),
        sa.ForeignKeyConstraint(["asker_id"], ["annotator.id"], name="fk_remark_asker_id"),
        sa.ForeignKeyConstraint(["author_id"], ["annotator.id"], name="fk_remark_author_id"),
        sa.PrimaryKeyConstraint("id", name="pk_remark"),
        sa.UniqueConstraint("seq", name="uq_remark_seq"),
    )
    op.create_index("ix_remark_item", "remark", ["item_id", "asker_id", "id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER remark_no_{verb.lower()} BEFORE {verb} ON remark "
                "BEGIN SELECT RAISE(ABORT, 'remark is append-only'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER remark_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON remark "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
