"""Statements of the busy paths, compiled once and run on the driver itself.

SQLAlchemy writes them for either database; running them through it costs ten times what SQLite
needs, inside the one write transaction everybody waits for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.sql.elements import ClauseElement


class Prepared:
    """A statement with named parameters; plain numbers, texts and None go in and come out."""

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement, self._columns = statement, columns
        self._ready: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def all(self, connection: Connection, given: Mapping[str, Any]) -> list[Any]:
        """Every row, as a tuple."""
        return list(self._run(connection, given).fetchall())

    def first(self, connection: Connection, given: Mapping[str, Any]) -> Any:
        """The first row as a tuple, or None."""
        rows = self._run(connection, given).fetchall()
        return rows[0] if rows else None

    def change(self, connection: Connection, given: Mapping[str, Any]) -> int:
        """How many rows were changed or added."""
        return int(self._run(connection, given).rowcount)

    def _run(self, connection: Connection, given: Mapping[str, Any]) -> Any:
        ready = self._ready.get(connection.dialect.name) or self._compile(connection)
        text, places, fixed = ready
        values = {**fixed, **given}
        driver: Any = connection.connection.dbapi_connection
        if places is None:
            return driver.execute(text, values)
        return driver.execute(text, [values[name] for name in places])

    def _compile(
        self, connection: Connection
    ) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        assert isinstance(self._statement, ClauseElement)
        made: Any = self._statement.compile(
            dialect=connection.dialect, column_keys=self._columns or None
        )
        fixed = {name: value for name, value in made.params.items() if value is not None}
        places = tuple(made.positiontup) if made.positional else None
        ready = (str(made), places, fixed)
        self._ready[connection.dialect.name] = ready
        return ready
