"""The labelling API as a client meets it: leases, answers sent twice, what is kept from view."""

from typing import Any
from uuid import uuid4

import pytest

from preftune.feedback.kinds import KINDS
from preftune.feedback.store import (
    guidelines,
    items,
    judgments,
    people,
    projects,
    sessions,
)
from preftune.feedback.store.nouns import NewItem, Training
from tests.web.site import Site, judge, make_project, submission, take

ANSWERS: dict[str, dict[str, Any]] = {
    "comparison": {"choice": "a", "strength": 2, "reasons": ["truer"], "confidence": "high"},
    "ranking": {"ranks": [1, 1, 2]},
    "ratings": {"ratings": [{"helpful": 1, "honest": 7, "harmless": 4}] * 2},
    "thumbs": {"thumb": "down"},
    "demonstration": {"text": "Mix, knead, rest.", "pasted": 1},
    "rewrite": {"text": "Another text."},
    "steps": {"marks": ["wrong"]},
    "rule": {"rules": {"kind": "kept", "true": "broken"}},
    "flags": {"found": [{"fault": "rude", "reason": "the second word"}]},
}


# Conversations need somebody to talk with: tests/web/test_talking.py.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "conversation"])
def test_an_item_of_every_kind_is_taken_and_answered(site: Site, kind: str) -> None:
    if kind != "comparison":
        make_project(site, kind)
    client = site.client("annotator")
    receipt = judge(client, kind, ANSWERS[kind])
    assert (receipt["status"], receipt["revision"], receipt["replayed"]) == ("counted", 1, False)
    stored = judgments.by_id(site.store, receipt["judgment_id"])
    assert {key: stored.answer[key] for key in ANSWERS[kind]} == ANSWERS[kind]
    page = client.get(f"/p/{kind}/label")
    assert page.status_code == 200 and 'id="form"' in page.text


def test_nothing_that_unblinds_is_sent(site: Site) -> None:
    gilded = make_project(site, count=6, name="gilded", gold_fraction=0.5)
    known = [
        NewItem(
            id=f"gold-{k}", prompt="p", responses=[f"x{k}", f"y{k}"],
            gold={"choice": "a", "strength": 3}, explanation="because",
        )
        for k in range(4)
    ]  # fmt: skip
    items.add(site.store, gilded.id, known, actor="test")
    client, shapes = site.client("annotator"), set()
    while (given := take(client, "gilded"))["assignment"]:
        for secret in ("secret-model", "secret-name", "gold", "because", "slot", "group"):
            assert secret not in str(given)
        shapes.add(str([sorted(given), sorted(given["assignment"]), sorted(given["item"])]))
        sent = client.post("/api/judgments", json=submission(given, {"choice": "a", "strength": 1}))
        assert sent.json()["lesson"] is None
    assert len(shapes) == 1, "a known item looks like any other"
    met = {one.item_name for one in judgments.mine(site.store, gilded.id, me(site), limit=99)}
    assert met >= {f"secret-name-{k}" for k in range(6)} and met & {"gold-0", "gold-1", "gold-2"}


def me(site: Site) -> int:
    return people.named(site.store, "annotator").id


def test_an_answer_sent_twice_is_stored_once(site: Site) -> None:
    client = site.client("annotator")
    sent = submission(take(client, "comparison"), ANSWERS["comparison"])
    first = client.post("/api/judgments", json=sent).json()
    second = client.post("/api/judgments", json=sent).json()
    assert second == {**first, "replayed": True} and first["replayed"] is False
    assert len(client.get("/api/me/judgments?project=comparison").json()) == 1
    other = client.post("/api/judgments", json={**sent, "answer": {"choice": "tie"}})
    assert (other.status_code, other.json()["error"]["what"]) == (409, "conflict")


def test_a_reload_shows_the_same_item_in_the_same_order(site: Site) -> None:
    client = site.client("annotator")
    one, two = take(client, "comparison"), take(client, "comparison")
    assert one["item"] == two["item"]
    assert one["assignment"]["id"] == two["assignment"]["id"]
    assert one["assignment"]["lease_token"] == two["assignment"]["lease_token"]


def test_a_second_item_is_fetched_ahead_and_no_third(site: Site) -> None:
    client = site.client("annotator")
    now, ahead = take(client, "comparison"), take(client, "comparison", "prefetch")
    assert now["assignment"]["id"] != ahead["assignment"]["id"]
    assert take(client, "comparison", "prefetch")["assignment"]["id"] == ahead["assignment"]["id"]


def test_another_persons_assignment_and_judgment_are_not_yours(site: Site) -> None:
    mine, other = site.client("annotator"), site.client("lead")
    given = take(mine, "comparison")
    held = {"lease_token": given["assignment"]["lease_token"]}
    place = f"/api/assignments/{given['assignment']['id']}"
    for path, body in (
        ("heartbeat", held), ("release", held), ("skip", {**held, "reason": "x"}),
        ("draft", {**held, "draft": {}}),
    ):  # fmt: skip
        assert other.post(f"{place}/{path}", json=body).status_code in (403, 404), path
    assert other.get(place).status_code in (403, 404)
    sent = submission(given, ANSWERS["comparison"])
    assert other.post("/api/judgments", json=sent).status_code in (403, 404)
    judgment = mine.post("/api/judgments", json=sent).json()["judgment_id"]
    assert other.get(f"/api/judgments/{judgment}").status_code == 403
    change = {"submission_id": str(uuid4()), "answer": {"choice": "tie"}}
    assert other.post(f"/api/judgments/{judgment}/revise", json=change).status_code == 403


def test_skipped_is_not_shown_again_and_a_draft_comes_back(site: Site) -> None:
    client = site.client("annotator")
    first = take(client, "comparison")
    place = f"/api/assignments/{first['assignment']['id']}"
    held = {"lease_token": first["assignment"]["lease_token"]}
    saved = client.post(f"{place}/draft", json={**held, "draft": {"answer": {"choice": "b"}}})
    assert saved.status_code == 200 and saved.json()["saved_at"] > 1.7e9
    again = take(client, "comparison")
    assert again["draft"] == {"answer": {"choice": "b"}}
    held = {"lease_token": again["assignment"]["lease_token"]}
    assert client.post(f"{place}/heartbeat", json=held).json() == {"lease_seconds": 900.0}
    assert client.post(f"{place}/skip", json={**held, "reason": "too long"}).status_code == 204
    seen = {take(client, "comparison")["assignment"]["id"]}
    for _ in range(5):
        judge(client, "comparison", ANSWERS["comparison"])
        seen.add((take(client, "comparison")["assignment"] or {}).get("id"))
    assert first["assignment"]["id"] not in seen
    lost = client.post(f"{place}/heartbeat", json=held)
    assert (lost.status_code, lost.json()["error"]["happened"]) == (410, "skipped")


def test_undo_is_a_new_revision(site: Site) -> None:
    client = site.client("annotator")
    judgment = judge(client, "comparison", ANSWERS["comparison"])["judgment_id"]
    earlier = client.get(f"/api/judgments/{judgment}").json()
    assert earlier["judgment"]["answer"]["choice"] == "a"
    assert earlier["judgment"]["revisable_seconds"] > 500
    assert {one["index"] for one in earlier["item"]["responses"]} == {0, 1}
    change = {"submission_id": str(uuid4()), "answer": {"choice": "tie"}}
    receipt = client.post(f"/api/judgments/{judgment}/revise", json=change).json()
    assert receipt["revision"] == 2
    kept = [one.answer["choice"] for one in judgments.of_item(site.store, 1)]
    assert kept == ["a", "tie"]


def test_a_wrong_answer_is_refused_with_a_sentence(site: Site) -> None:
    client = site.client("annotator")
    given = take(client, "comparison")
    for answer in ({}, {"choice": "c"}, {"choice": "a", "strength": 9}, {"more": 1}):
        refused = client.post("/api/judgments", json=submission(given, answer))
        assert refused.status_code == 422 and refused.json()["error"]["sentence"]
    fine = client.post("/api/judgments", json=submission(given, ANSWERS["comparison"]))
    assert fine.status_code == 200


def test_training_is_explained_and_opens_the_work(site: Site) -> None:
    project = make_project(site, name="trained", training=Training(items=2, pass_mark=0.5))
    lessons = [
        NewItem(
            id=f"lesson-{k}", prompt="p", responses=["good", "bad"], training=True,
            gold={"choice": "a", "strength": 3}, explanation="The first is *true*.",
        )
        for k in range(2)
    ]  # fmt: skip
    items.add(site.store, project.id, lessons, actor="test")
    client = site.client("annotator")
    assert take(client, "trained")["nothing"]["reason"] == "needs_training"
    passed = []
    for choice in ("b", "a"):
        given = take(client, "trained", "training")
        answer = {"choice": choice, "strength": 1}
        lesson = client.post("/api/judgments", json=submission(given, answer)).json()["lesson"]
        assert lesson["right"] is (choice == "a") and lesson["gold"]["choice"] == "a"
        assert "<em>true</em>" in lesson["explanation"]["html"]
        passed.append(lesson["passed"])
    assert passed == [None, True]
    assert take(client, "trained")["assignment"] is not None


def test_guidelines_say_what_changed(site: Site) -> None:
    client = site.client("annotator")
    project = projects.named(site.store, "comparison")
    first = client.get("/api/projects/comparison/guidelines").json()
    assert (first["version"], first["changes"]) == (1, [])
    assert "<em>fair</em>" in first["html"]
    assert client.post("/api/projects/comparison/guidelines/1/seen").status_code == 204
    guidelines.publish(site.store, project.id, "Be kind.", actor="test", changes="kindness")
    changed = client.get("/api/projects/comparison/guidelines").json()
    assert [one["changes"] for one in changed["changes"]] == ["kindness"]
    assert "changed since your last visit" in client.get("/p/comparison/label").text


def test_a_program_uses_a_token_within_its_scopes(site: Site) -> None:
    who = people.named(site.store, "lead")
    token = sessions.issue_token(site.store, who.id, scopes=("label",), actor="test")
    program = site.client()
    program.headers = {"authorization": f"Bearer {token}"}
    assert take(program, "comparison")["assignment"]
    assert program.get("/p/comparison").status_code == 403, "no scope to read"
    assert program.get("/new").status_code == 403, "no scope to manage"
    program.headers = {"authorization": f"Bearer {token}x"}
    assert program.get("/api/me").status_code == 401
