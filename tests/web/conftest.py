"""A site with one person of each role and a project."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preftune.feedback.store.nouns import ROLES
from tests.web.site import Site, make_project, make_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path)
    for role in ROLES:
        made.person(role, role)
    make_project(made)
    yield made
    made.store.close()
