"""The event loop goes on when a write is on the disk, and only then."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from preftune.feedback.store.engine import Errand, Store, open_store
from preftune.web.soon import carried_out


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = open_store(str(tmp_path / "labels.db"), create=True)
    opened.write(lambda connection: connection.execute(text("CREATE TABLE put (value)")))
    yield opened
    opened.close()


def put(value: int) -> Errand[str]:
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO put VALUES (:value)"), {"value": value})
        if value % 5 == 3:
            raise ValueError(f"not {value}")
        return value

    return Errand(work, lambda given: f"put {given}")


def stored(store: Store) -> list[int]:
    with closing(sqlite3.connect(str(store.writer.url.database))) as other:
        return sorted(row[0] for row in other.execute("SELECT value FROM put"))


def test_many_at_once_each_get_their_own(store: Store) -> None:
    seen: list[bool] = []

    async def one(value: int) -> str:
        told = await carried_out(store, put(value))
        seen.append(value in stored(store))
        return told

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*map(one, range(40)), return_exceptions=True)

    told = asyncio.run(all_of_them())
    kept = [value for value in range(40) if value % 5 != 3]
    assert [told[value] for value in kept] == [f"put {value}" for value in kept]
    assert [str(told[value]) for value in range(3, 40, 5)] == [f"not {v}" for v in range(3, 40, 5)]
    assert stored(store) == kept and seen == [True] * len(kept)


def test_one_that_is_not_waited_for_is_written_all_the_same(store: Store) -> None:
    async def given_up() -> str:
        first = asyncio.create_task(carried_out(store, put(1)))
        await asyncio.sleep(0)
        first.cancel()
        return await carried_out(store, put(2))

    assert asyncio.run(given_up()) == "put 2"
    assert stored(store) == [1, 2]
