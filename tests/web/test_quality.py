"""Each labeler's numbers, by hand; and what labelers may see of their own."""

from typing import Any

import pytest

from preftune.feedback.store import adjudication, people, projects
from preftune.feedback.store.adjudication import Ruling
from preftune.feedback.store.nouns import Judgment
from preftune.web import quality
from preftune.web.quality import (
    Vote,
    agreement_view,
    agreement_with_others,
    left_shares,
    own_view,
    quality_view,
)
from tests.web.site import Site, judge, make_project


def vote(annotator: int, item: int, value: float, order: tuple[int, ...] = (0, 1)) -> Vote:
    judgment = Judgment(
        submission_id=f"{annotator}-{item}", judgment_id=f"{annotator}-{item}", revision=1,
        project_id=1, item_number=item, item_name=str(item), annotator_id=annotator,
        annotator=str(annotator), group="", origin="human", status="counted",
        answer={"choice": {1.0: "a", -1.0: "b"}.get(value, "tie")},
        presentation={"order": list(order)}, guideline_version=1, version="",
        active_ms=1, wall_ms=1,
        created_at=0.0, seq=item,
    )  # fmt: skip
    return Vote(judgment, {"preference": {"": value}})


def test_agreement_with_others_is_the_share_of_the_others_who_said_the_same() -> None:
    votes = [
        vote(1, 1, 1),
        vote(2, 1, 1),
        vote(3, 1, -1),
        vote(1, 2, 0),
        vote(2, 2, 0),
        vote(1, 3, 1),
    ]
    found = agreement_with_others(votes, "preference")
    assert {who: one.value for who, one in found.items()} == {1: 0.75, 2: 0.75, 3: 0.0}
    assert {who: one.count for who, one in found.items()} == {1: 2, 2: 2, 3: 1}


def test_who_prefers_the_first_shown_is_seen_whatever_the_sides() -> None:
    votes = [vote(1, n, 1.0, (0, 1)) for n in range(30)] + [
        vote(1, n, -1.0, (1, 0)) for n in range(30, 60)
    ]
    votes += [vote(2, n, 1.0, (n % 2, 1 - n % 2)) for n in range(60)] + [vote(2, 61, 0.0)]
    left = left_shares(votes)
    assert left[1].value == 1.0 and left[1].low > 0.9
    assert left[2].value == 0.5 and left[2].count == 60


@pytest.fixture
def judged(site: Site) -> Site:
    """Twenty-four items, two groups, three labelers; the third says the opposite of the first."""
    make_project(site, count=24, name="shared", overlap=3)
    for name, group in (("Ada", "north"), ("Bo", "north"), ("Cy", "south")):
        site.person(name, group=group)
        client = site.client(name)
        for _ in range(24):
            judge(client, "shared", {"choice": "b" if name == "Cy" else "a", "strength": 1})
    return site


def test_the_pages_show_agreement_whole_and_by_group(judged: Site) -> None:
    project = projects.named(judged.store, "shared")
    measures = {one["name"]: one for one in agreement_view(judged.store, project)["measures"]}
    rows = {who: row for who, pool, row in measures["preference"]["rows"]}
    assert rows["everyone"]["percent"]["value"] == pytest.approx(1 / 3)
    assert rows["everyone"]["items"] == 24
    page = judged.client("viewer").get("/p/shared/agreement").text
    assert "33 % [33, 33]" in page and "preference" in page
    rows = quality_view(judged.store, project, [])
    shares = {row["who"].name: row["agreement"].value for row in rows}
    assert shares == {"Ada": 0.5, "Bo": 0.5, "Cy": 0.0}


def test_a_labeler_sees_own_results_only_after_a_while(
    judged: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, ada = projects.named(judged.store, "shared"), people.named(judged.store, "Ada").id
    assert own_view(judged.store, project, ada)["agreement"] is None
    monkeypatch.setattr(quality, "DELAY_SECONDS", -60.0)
    own: dict[str, Any] = own_view(judged.store, project, ada)
    assert own["agreement"].value == pytest.approx(0.5) and own["done"] == 24


def test_a_decision_is_shown_to_those_who_voted(judged: Site) -> None:
    project, lead = projects.named(judged.store, "shared"), people.named(judged.store, "lead").id
    item = adjudication.queue(judged.store, project.id, annotator_id=lead)[0].item.number
    answer = {"choice": "b", "strength": 3}
    adjudication.say_blind(judged.store, item, annotator_id=lead, answer=answer)
    ruling = Ruling(answer, note="The card says so.")
    adjudication.decide(judged.store, item, ruling, annotator_id=lead)
    page = judged.client("Ada").get("/p/shared/mine").text
    assert "The card says so." in page and "better (strength 3)" in page
    assert "The card says so." in judged.client("lead").get("/p/shared/disputed").text
