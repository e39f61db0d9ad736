"""The tables. The same on SQLite and PostgreSQL; ``migrations`` makes and changes them.

What the promises rest on: the primary key (item, slot) of ``slot`` caps the judgments of an item,
one assignment per (item, annotator) keeps a person from answering twice, the primary key of
``judgment`` is the client's own UUID, and ``event`` is a chain of hashes.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
"""A row number: SQLite counts only in a column of type INTEGER."""
Seconds = Float(53)

SETTING = Table(
    "setting",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""The store's own secrets: the salt of pseudonyms, the key of lease tokens. Never exported."""

ANNOTATOR = Table(
    "annotator",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("group_name", Text, nullable=False, server_default=""),
    Column("origin", Text, nullable=False, server_default="human"),
    Column("version", Text, nullable=False, server_default=""),
    Column("role", Text, nullable=False, server_default="annotator"),
    Column("password", Text),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Seconds, nullable=False),
    CheckConstraint("origin IN ('human', 'tool', 'model')", name="origin"),
    CheckConstraint("role IN ('admin', 'lead', 'annotator', 'viewer')", name="role"),
)

PROJECT = Table(
    "project",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("overlap", Integer, nullable=False),
    Column("lease_seconds", Seconds, nullable=False),
    Column("undo_seconds", Seconds, nullable=False),
    Column("training_items", Integer, nullable=False, server_default=text("0")),
    Column("training_pass_mark", Seconds, nullable=False, server_default=text("0.75")),
    Column("gold_fraction", Seconds, nullable=False),
    Column("cost_per_hour", Seconds),
    Column("state", Text, nullable=False, server_default="open"),
    Column("key", Text, nullable=False),
    Column("created_at", Seconds, nullable=False),
    CheckConstraint("overlap >= 1", name="overlap"),
    CheckConstraint("state IN ('open', 'paused')", name="state"),
)

GUIDELINE = Table(
    "guideline",
    METADATA,
    Column("project_id", ForeignKey("project.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("changes", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False),
    Column("published_at", Seconds, nullable=False),
)

ITEM = Table(
    "item",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("columns", Text, nullable=False, server_default="{}"),
    Column("purpose", Text, nullable=False, server_default="work"),
    Column("gold", Text),
    Column("explanation", Text, nullable=False, server_default=""),
    Column("priority", Seconds, nullable=False, server_default=text("0")),
    Column("selection_probability", Seconds, nullable=False, server_default=text("1")),
    Column("group_id", Text),
    Column("body_hash", Text, nullable=False),
    Column("added_seq", BigInteger, nullable=False),
    UniqueConstraint("project_id", "name"),
    CheckConstraint("purpose IN ('work', 'gold', 'training')", name="purpose"),
    Index("ix_item_purpose", "project_id", "purpose", "id"),
)

RESPONSE = Table(
    "response",
    METADATA,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("model", Text),
    Column("sampling", Text),
)

MEMBERSHIP = Table(
    "membership",
    METADATA,
    Column("project_id", ForeignKey("project.id"), primary_key=True),
    Column("annotator_id", ForeignKey("annotator.id"), primary_key=True),
    Column("served", Integer, nullable=False, server_default=text("0")),
    Column("precedence", Seconds),
    Column("reached", BigInteger),
    Column("training_attempt", Integer, nullable=False, server_default=text("1")),
    Column("trained_at", Seconds),
    Column("seen_guideline", Integer, nullable=False, server_default=text("0")),
)
"""A person in a project: how far they are in the queue (``precedence``, ``reached``)."""

ASSIGNMENT = Table(
    "assignment",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("item_id", ForeignKey("item.id"), nullable=False),
    Column("annotator_id", ForeignKey("annotator.id"), nullable=False),
    Column("slot", Integer),
    Column("state", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", Seconds, nullable=False),
    Column("guideline_version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("skip_reason", Text),
    Column("draft", Text),
    Column("draft_at", Seconds),
    Column("taken_at", Seconds, nullable=False),
    UniqueConstraint("item_id", "annotator_id"),
    CheckConstraint("state IN ('leased', 'released', 'skipped', 'submitted')", name="state"),
    Index("ix_assignment_live", "annotator_id", "project_id", "state", "lease_until"),
)

SLOT = Table(
    "slot",
    METADATA,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("project_id", BigInteger, nullable=False),
    Column("precedence", Seconds, nullable=False),
    Column("done", Boolean, nullable=False, server_default=text("false")),
    Column("holder", ForeignKey("assignment.id")),
    Column("lease_until", Seconds, nullable=False, server_default=text("0")),
    CheckConstraint("slot >= 1", name="slot"),
)
"""The places of an item, 1..overlap: free, leased to an assignment until a time, or done."""

Index(
    "ix_slot_queue",
    SLOT.c.project_id,
    SLOT.c.precedence,
    SLOT.c.item_id,
    SLOT.c.slot,
    sqlite_where=text("NOT done"),
    postgresql_where=text("NOT done"),
)

JUDGMENT = Table(
    "judgment",
    METADATA,
    Column("submission_id", Text, primary_key=True),
    Column("judgment_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("item_id", ForeignKey("item.id"), nullable=False),
    Column("annotator_id", ForeignKey("annotator.id"), nullable=False),
    Column("assignment_id", ForeignKey("assignment.id"), nullable=False),
    Column("slot", Integer),
    Column("status", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("labeler_version", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("presentation", Text, nullable=False),
    Column("guideline_version", Integer, nullable=False),
    Column("body_hash", Text, nullable=False),
    Column("active_ms", BigInteger),
    Column("wall_ms", BigInteger),
    Column("created_at", Seconds, nullable=False),
    Column("seq", BigInteger, nullable=False, unique=True),
    UniqueConstraint("judgment_id", "revision"),
    ForeignKeyConstraint(["item_id", "slot"], ["slot.item_id", "slot.slot"]),
    CheckConstraint("status IN ('counted', 'late', 'surplus')", name="status"),
    CheckConstraint("revision >= 1", name="revision"),
    Index("ix_judgment_item", "item_id"),
    Index("ix_judgment_mine", "project_id", "annotator_id", "seq"),
)
"""Append-only: a trigger refuses updates and deletes."""

Index(
    "uq_judgment_slot",
    JUDGMENT.c.item_id,
    JUDGMENT.c.slot,
    unique=True,
    sqlite_where=text("revision = 1 AND status <> 'surplus'"),
    postgresql_where=text("revision = 1 AND status <> 'surplus'"),
)

DECISION = Table(
    "decision",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("item_id", ForeignKey("item.id"), nullable=False),
    Column("annotator_id", ForeignKey("annotator.id"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("confidence", Text, nullable=False, server_default=""),
    Column("error_kind", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("guideline_change", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Seconds, nullable=False),
    Column("seq", BigInteger, nullable=False, unique=True),
    CheckConstraint("stage IN ('blind', 'final')", name="stage"),
    Index("ix_decision_item", "item_id", "id"),
)
"""What an adjudicator said, first blind and then with the votes in view; the votes stay."""

REMARK = Table(
    "remark",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("item_id", ForeignKey("item.id"), nullable=False),
    Column("asker_id", ForeignKey("annotator.id"), nullable=False),
    Column("author_id", ForeignKey("annotator.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Seconds, nullable=False),
    Column("seq", BigInteger, nullable=False, unique=True),
    Index("ix_remark_item", "item_id", "asker_id", "id"),
)
"""A labeler's question about an item, or a lead's answer to it. Append-only."""

EVENT = Table(
    "event",
    METADATA,
    Column(
        "seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    Column("at", Seconds, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("project_id", BigInteger),
    Column("payload", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

SESSION = Table(
    "session",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("annotator_id", ForeignKey("annotator.id"), nullable=False),
    Column("csrf", Text, nullable=False),
    Column("agent", Text, nullable=False, server_default=""),
    Column("created_at", Seconds, nullable=False),
    Column("seen_at", Seconds, nullable=False),
    Column("ended_at", Seconds),
    Index("ix_session_annotator", "annotator_id"),
)

INVITE = Table(
    "invite",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("group_name", Text, nullable=False, server_default=""),
    Column("annotator_id", ForeignKey("annotator.id")),
    Column("created_by", Text, nullable=False),
    Column("created_at", Seconds, nullable=False),
    Column("expires_at", Seconds, nullable=False),
    Column("used_at", Seconds),
    Column("used_by", ForeignKey("annotator.id")),
)

API_TOKEN = Table(
    "api_token",
    METADATA,
    Column("prefix", Text, primary_key=True),
    Column("token_hash", Text, nullable=False),
    Column("annotator_id", ForeignKey("annotator.id"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Seconds, nullable=False),
    Column("revoked_at", Seconds),
)

RATE = Table(
    "rate_window",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("started_at", Seconds, primary_key=True),
    Column("count", Integer, nullable=False),
)
