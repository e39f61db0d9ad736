"""Alembic's entry: runs the revisions on the connection that ``migrations`` hands over."""

from alembic import context

from preftune.feedback.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
