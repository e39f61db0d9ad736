"""The event loop goes on when a write is on the disk, and only then."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from preftune.feedback.store import items, judgments, leases, people, projects
from preftune.feedback.store.engine import Errand, Store, open_store
from preftune.feedback.store.nouns import (
    Assignment,
    NewAnnotator,
    NewItem,
    Nothing,
    ProjectSettings,
    Submission,
)
from preftune.web.soon import carried_out
from tests.feedback import postgres


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


def test_on_postgresql_many_lease_and_answer_at_once() -> None:
    """There is no line there; every item is answered as often as was asked, and once by each."""
    with postgres.server() as socket:
        opened = open_store(postgres.new_database(socket), create=True)
        made = projects.create(opened, ProjectSettings("p", "comparison", overlap=2), actor="test")
        items.add(opened, made.id, [NewItem(f"{n}", "?", ("a", "b")) for n in range(6)], actor="t")
        crowd = [people.add(opened, NewAnnotator(f"n{n}"), actor="test").id for n in range(4)]

        async def one(person: int) -> list[tuple[int, int]]:
            done = []
            while True:
                errand = leases.to_take(opened, project_id=made.id, annotator_id=person)
                given: Assignment | Nothing = await carried_out(opened, errand)
                if isinstance(given, Nothing):
                    return done
                sent = Submission(str(uuid4()), given.id, given.lease_token, {"choice": "tie"})
                receipt = await carried_out(opened, judgments.to_submit(opened, sent))
                assert receipt.status == "counted"
                done.append((given.item.number, person))

        async def all_of_them() -> list[list[tuple[int, int]]]:
            return await asyncio.gather(*map(one, crowd))

        said = [pair for done in asyncio.run(all_of_them()) for pair in done]
        assert len(set(said)) == len(said) == 12
        assert sorted(Counter(item for item, _ in said).values()) == [2] * 6
        opened.close()
