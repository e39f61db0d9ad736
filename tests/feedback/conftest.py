"""One PostgreSQL server for the store's tests, and stores on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preftune.feedback.store.engine import Store, open_store
from tests.feedback import postgres

Opener = Callable[[], Store]


@pytest.fixture(scope="session")
def socket() -> Iterator[Path]:
    with postgres.server() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store may be made, on either database."""
    if request.param == "sqlite":
        return str(tmp_path / "labels.db")
    return postgres.new_database(request.getfixturevalue("socket"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store on either database."""
    opened = open_store(url, create=True)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "labels.db"), create=True)
    yield opened
    opened.close()
