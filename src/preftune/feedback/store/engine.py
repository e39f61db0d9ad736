"""Opening the store: SQLite by default, PostgreSQL by URL, the same code on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Store:
    """An open store. Safe to share between threads; each process opens its own."""

    url: str
    """As opened, with the password left out."""
    writer: Engine
    reader: Engine
    token_key: bytes
    salt: bytes
    lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def is_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent snapshot; writes are refused."""
        raise NotImplementedError
        yield

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, begun at once (SQLite: BEGIN IMMEDIATE); durable when it ends."""
        raise NotImplementedError
        yield

    def close(self) -> None:
        raise NotImplementedError


def open_store(url_or_path: str, *, create: bool = False) -> Store:
    """Opens a store: a path or ``sqlite:///path``, or ``postgresql://user@host/name``.

    With ``create`` a missing store is made and an older one is upgraded. Raises BadInput for a
    store that is not there, older (with the remedy) or newer than this preftune.
    """
    raise NotImplementedError
