"""What the API's own description allows never makes the server fail."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from preftune.feedback.store import people, sessions
from tests.web.site import Site, make_project, make_site


def tried(site: Site, examples: int) -> dict[str, int]:
    """Every operation with random requests, valid and not; how many of each were sent."""
    who = people.named(site.store, "Ada").id
    scopes = ("label", "read", "manage")
    token = sessions.issue_token(site.store, who, scopes=scopes, actor="test")
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", site.app)
    sent: dict[str, int] = {}
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: schemathesis.Case) -> None:
            sent[case.operation.label] = sent.get(case.operation.label, 0) + 1
            case.call_and_validate(
                headers={"Authorization": f"Bearer {token}"}, checks=(not_a_server_error,)
            )

        call()
    return sent


@pytest.fixture
def described(tmp_path: Path) -> Site:
    site = make_site(tmp_path)
    site.person("Ada", "lead")
    for kind in ("comparison", "ranking", "demonstration"):
        make_project(site, kind, count=3)
    return site


def test_no_request_makes_the_server_fail(described: Site) -> None:
    sent = tried(described, 6)
    assert len(sent) == 20 and min(sent.values()) >= 1
    described.store.close()


@pytest.mark.proof
def test_no_request_of_many_makes_the_server_fail(described: Site) -> None:
    sent = tried(described, 150)
    assert len(sent) == 20
    described.store.close()
