"""Backups while the store is in use."""

from pathlib import Path

from preftune.feedback.store.engine import Store


def backup(store: Store, path: str | Path) -> Path:
    """A consistent copy: SQLite's online backup, or pg_dump's custom format."""
    raise NotImplementedError
