"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SECONDS = sa.Float(precision=53)


def upgrade() -> None:
    for make in (people, access, projects, items, work, judgments, audit):
        make()


def people() -> None:
    op.create_table(
        "annotator",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), server_default="human", nullable=False),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), server_default="annotator", nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.CheckConstraint("origin IN ('human', 'tool', 'model')", name="ck_annotator_origin"),
        sa.CheckConstraint(
            "role IN ('admin', 'lead', 'annotator', 'viewer')", name="ck_annotator_role"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_annotator"),
        sa.UniqueConstraint("name", name="uq_annotator_name"),
    )


def access() -> None:
    op.create_table(
        "session",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("annotator_id", ID, nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("seen_at", SECONDS, nullable=False),
        sa.Column("ended_at", SECONDS, nullable=True),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotator.id"], name="fk_session_annotator_id"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_session"),
    )
    op.create_index("ix_session_annotator", "session", ["annotator_id"], unique=False)
    op.create_table(
        "invite",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), server_default="", nullable=False),
        sa.Column("annotator_id", ID, nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("expires_at", SECONDS, nullable=False),
        sa.Column("used_at", SECONDS, nullable=True),
        sa.Column("used_by", ID, nullable=True),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotator.id"], name="fk_invite_annotator_id"),
        sa.ForeignKeyConstraint(["used_by"], ["annotator.id"], name="fk_invite_used_by"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_invite"),
    )
    op.create_table(
        "api_token",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("annotator_id", ID, nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("revoked_at", SECONDS, nullable=True),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name="fk_api_token_annotator_id"
        ),
        sa.PrimaryKeyConstraint("prefix", name="pk_api_token"),
    )
    op.create_table(
        "rate_window",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", SECONDS, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "started_at", name="pk_rate_window"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )


def projects() -> None:
    op.create_table(
        "project",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("lease_seconds", SECONDS, nullable=False),
        sa.Column("undo_seconds", SECONDS, nullable=False),
        sa.Column("training_items", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("training_pass_mark", SECONDS, server_default=sa.text("0.75"), nullable=False),
        sa.Column("gold_fraction", SECONDS, nullable=False),
        sa.Column("cost_per_hour", SECONDS, nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.CheckConstraint("state IN ('open', 'paused')", name="ck_project_state"),
        sa.CheckConstraint("overlap >= 1", name="ck_project_overlap"),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("name", name="uq_project_name"),
    )
    op.create_table(
        "guideline",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("published_at", SECONDS, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_guideline_project_id"),
        sa.PrimaryKeyConstraint("project_id", "version", name="pk_guideline"),
    )
    op.create_table(
        "membership",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("annotator_id", ID, nullable=False),
        sa.Column("served", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("precedence", SECONDS, nullable=True),
        sa.Column("reached", sa.BigInteger(), nullable=True),
        sa.Column("training_attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("trained_at", SECONDS, nullable=True),
        sa.Column("seen_guideline", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name="fk_membership_annotator_id"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_membership_project_id"),
        sa.PrimaryKeyConstraint("project_id", "annotator_id", name="pk_membership"),
    )


def items() -> None:
    op.create_table(
        "item",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), server_default="{}", nullable=False),
        sa.Column("purpose", sa.Text(), server_default="work", nullable=False),
        sa.Column("gold", sa.Text(), nullable=True),
        sa.Column("explanation", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", SECONDS, server_default=sa.text("0"), nullable=False),
        sa.Column("selection_probability", SECONDS, server_default=sa.text("1"), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("added_seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("purpose IN ('work', 'gold', 'training')", name="ck_item_purpose"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_item_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_item"),
        sa.UniqueConstraint("project_id", "name", name="uq_item_project_id_name"),
    )
    op.create_index("ix_item_purpose", "item", ["project_id", "purpose", "id"], unique=False)
    op.create_table(
        "response",
        sa.Column("item_id", ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("sampling", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_response_item_id"),
        sa.PrimaryKeyConstraint("item_id", "place", name="pk_response"),
    )


def work() -> None:
    op.create_table(
        "assignment",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("annotator_id", ID, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("lease_until", SECONDS, nullable=False),
        sa.Column("guideline_version", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("skip_reason", sa.Text(), nullable=True),
        sa.Column("draft", sa.Text(), nullable=True),
        sa.Column("draft_at", SECONDS, nullable=True),
        sa.Column("taken_at", SECONDS, nullable=False),
        sa.CheckConstraint(
            "state IN ('leased', 'released', 'skipped', 'submitted')", name="ck_assignment_state"
        ),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name="fk_assignment_annotator_id"
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_assignment_item_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_assignment_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_assignment"),
        sa.UniqueConstraint("item_id", "annotator_id", name="uq_assignment_item_id_annotator_id"),
    )
    op.create_index(
        "ix_assignment_live",
        "assignment",
        ["annotator_id", "project_id", "state", "lease_until"],
        unique=False,
    )
    op.create_table(
        "slot",
        sa.Column("item_id", ID, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("precedence", SECONDS, nullable=False),
        sa.Column("done", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("holder", ID, nullable=True),
        sa.Column("lease_until", SECONDS, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("slot >= 1", name="ck_slot_slot"),
        sa.ForeignKeyConstraint(["holder"], ["assignment.id"], name="fk_slot_holder"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_slot_item_id"),
        sa.PrimaryKeyConstraint("item_id", "slot", name="pk_slot"),
    )
    op.create_index(
        "ix_slot_queue",
        "slot",
        ["project_id", "precedence", "item_id", "slot"],
        unique=False,
        sqlite_where=sa.text("NOT done"),
        postgresql_where=sa.text("NOT done"),
    )


def judgments() -> None:
    op.create_table(
        "judgment",
        sa.Column("submission_id", sa.Text(), nullable=False),
        sa.Column("judgment_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("annotator_id", ID, nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("labeler_version", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("presentation", sa.Text(), nullable=False),
        sa.Column("guideline_version", sa.Integer(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("active_ms", sa.BigInteger(), nullable=True),
        sa.Column("wall_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('counted', 'late', 'surplus')", name="ck_judgment_status"),
        sa.CheckConstraint("revision >= 1", name="ck_judgment_revision"),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name="fk_judgment_annotator_id"
        ),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_judgment_assignment_id"
        ),
        sa.ForeignKeyConstraint(
            ["item_id", "slot"], ["slot.item_id", "slot.slot"], name="fk_judgment_item_id_slot"
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_judgment_item_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_judgment_project_id"),
        sa.PrimaryKeyConstraint("submission_id", name="pk_judgment"),
        sa.UniqueConstraint("judgment_id", "revision", name="uq_judgment_judgment_id_revision"),
        sa.UniqueConstraint("seq", name="uq_judgment_seq"),
    )
    op.create_index("ix_judgment_item", "judgment", ["item_id"], unique=False)
    op.create_index(
        "ix_judgment_mine", "judgment", ["project_id", "annotator_id", "seq"], unique=False
    )
    op.create_index(
        "uq_judgment_slot",
        "judgment",
        ["item_id", "slot"],
        unique=True,
        sqlite_where=sa.text("revision = 1 AND status <> 'surplus'"),
        postgresql_where=sa.text("revision = 1 AND status <> 'surplus'"),
    )


def audit() -> None:
    op.create_table(
        "decision",
        sa.Column("id", ID, nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("annotator_id", ID, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Text(), server_default="", nullable=False),
        sa.Column("error_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "guideline_change", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("stage IN ('blind', 'final')", name="ck_decision_stage"),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name="fk_decision_annotator_id"
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_decision_item_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sa.UniqueConstraint("seq", name="uq_decision_seq"),
    )
    op.create_index("ix_decision_item", "decision", ["item_id", "id"], unique=False)
    op.create_table(
        "event",
        sa.Column("seq", ID, autoincrement=False, nullable=False),
        sa.Column("at", SECONDS, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_event"),
    )
