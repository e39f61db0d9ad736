"""The schema's revisions, from the first; a store is upgraded, never guessed at."""

import secrets
from pathlib import Path

from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

from preftune.records import BadInput

REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]


def bring_up(connection: Connection, *, create: bool, url: str) -> None:
    """Sees that the store has this schema; with ``create``, makes or upgrades it."""
    found = revision(connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        raise BadInput(
            f"The label store has schema {found}, which is newer than this preftune's {HEAD}.",
            remedy="Upgrade preftune.",
        )
    if not create:
        what = f"has the older schema {found}" if found else "is empty"
        raise BadInput(
            f"The label store {what}.",
            remedy=f"Bring it up to date with `preftune label init {url}`.",
        )
    upgrade_to(connection, HEAD)
    if found is None:
        for name in ("salt", "token_key"):
            connection.execute(
                text("INSERT INTO setting (name, value) VALUES (:name, :value)"),
                {"name": name, "value": secrets.token_hex(32)},
            )


def upgrade_to(connection: Connection, target: str) -> None:
    """Runs the revisions up to ``target`` inside the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    upgrade(config, target)


def revision(connection: Connection) -> str | None:
    """The store's revision; None for an empty database. BadInput for somebody else's."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables and "judgment" in tables:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    if tables:
        raise BadInput(
            f"The database holds something else (table {sorted(tables)[0]}), no label store.",
            remedy="Give another file or database.",
        )
    return None
