"""Statements of the busy paths, compiled once and run on the driver itself.

SQLAlchemy writes them for either database; running them through it costs ten times what SQLite
needs, inside the one write transaction everybody waits for.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.sql.elements import ClauseElement


class Prepared:
    """A statement with named parameters; plain numbers, texts and None go in and come out."""

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement, self._columns = statement, columns
        self._ready: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {}

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
        run = self._ready.get(connection.dialect.name) or self._compile(connection)
        return run(connection.connection.dbapi_connection, given)

    def _compile(self, connection: Connection) -> Callable[[Any, Mapping[str, Any]], Any]:
        assert isinstance(self._statement, ClauseElement)
        made: Any = self._statement.compile(
            dialect=connection.dialect, column_keys=self._columns or None
        )
        fixed = {name: value for name, value in made.params.items() if value is not None}
        run = _by_place(str(made), made.positiontup, fixed) if made.positional else None
        run = run or _by_name(str(made), fixed)
        self._ready[connection.dialect.name] = run
        return run


def _by_place(
    text: str, places: Sequence[str], fixed: Mapping[str, Any]
) -> Callable[[Any, Mapping[str, Any]], Any]:
    if not places:
        return lambda driver, _: driver.execute(text)
    # itemgetter makes a tuple of several only, so a single place is taken twice and cut.
    pick = itemgetter(*places, places[0])
    if fixed:
        return lambda driver, given: driver.execute(text, pick({**fixed, **given})[:-1])
    return lambda driver, given: driver.execute(text, pick(given)[:-1])


def _by_name(text: str, fixed: Mapping[str, Any]) -> Callable[[Any, Mapping[str, Any]], Any]:
    return lambda driver, given: driver.execute(text, {**fixed, **given})
