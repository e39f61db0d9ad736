"""Conversations over the API: real replies, blind, sealed; what goes wrong is no verdict."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from preftune.feedback.store import datasets, items, projects
from preftune.feedback.store.engine import open_store
from preftune.feedback.store.nouns import NewItem, ProjectSettings, Response
from preftune.records import Completion, Prompt, RunFailed, Sampling, StopReason, flat
from preftune.web import Policy, create_app
from tests.web.site import Site, submission, take


class Echo:
    """Says what it was asked, its name in a form that nobody should recognise, and the seed."""

    def __init__(self, mark: str) -> None:
        self.mark, self.seen = mark, []  # type: ignore[var-annotated]
        self.broken = False

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        if self.broken:
            raise RunFailed("No memory.")
        self.seen.append((prompts[0].text, sampling))
        text = f" {self.mark}: {flat(prompts[0].text)[-30:]} "
        return [Completion(prompts[0], text, StopReason.EOS, "v")]


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[tuple[Site, dict[str, Echo]]]:
    echoes = {"model-x": Echo("one"), "model-y": Echo("two")}
    store = open_store(str(tmp_path / "labels.db"), create=True)
    policies = {n: Policy(e, Sampling(8, temperature=0.5)) for n, e in echoes.items()}
    site = Site(store, create_app(store, policies=policies))
    project = projects.create(
        store, ProjectSettings("talk", "conversation", {"most_turns": 2}), actor="test"
    )
    pair = [Response("", name) for name in echoes]
    new = [NewItem(f"item-{n}", [{"role": "system", "content": "Be."}], pair) for n in range(3)]
    items.add(store, project.id, new, actor="test")
    site.person("Ada")
    site.person("Bo")
    yield site, echoes
    store.close()


def say(client: TestClient, given: Any, said: str, turns: Sequence[Any] = ()) -> Any:
    asked = {"lease_token": given["assignment"]["lease_token"], "turns": turns, "said": said}
    return client.post(f"/api/assignments/{given['assignment']['id']}/say", json=asked)


def turn(said: str, told: Any, choice: str) -> dict[str, Any]:
    replies = [one["source"] for one in told["replies"]]
    kept = 1 if choice == "b" else 0
    return {"said": said, "replies": replies, "seal": told["seal"], "choice": choice, "kept": kept}


def test_a_conversation_from_the_first_word_to_the_rows(talk: Any) -> None:
    site, echoes = talk
    client = site.client("Ada")
    given = take(client, "talk")
    assert given["item"]["talk"] and all(r["text"] == "" for r in given["item"]["responses"])
    told = say(client, given, "Is tea hot?").json()
    assert [one["source"].split(":")[0] for one in told["replies"]] == ["one", "two"]
    assert "model-" not in str(told) and "model-" not in str(given)
    first = turn("Is tea hot?", told, "b")
    second = turn("Sure?", say(client, given, "Sure?", [first]).json(), "a")
    spoken, sampling = echoes["model-x"].seen[-1]
    assert [m.content for m in spoken] == ["Be.", "Is tea hot?", first["replies"][1], "Sure?"]
    assert sampling.temperature == 0.5 and echoes["model-x"].seen[0][1].seed != sampling.seed

    page = client.get("/p/talk/label")
    assert page.status_code == 200 and 'id="talk-said"' in page.text

    over = say(client, given, "More?", [first, second])
    assert over.status_code == 422 and "at most 2 turns" in over.json()["error"]["sentence"]
    sent = client.post("/api/judgments", json=submission(given, {"turns": [first, second]}))
    assert sent.status_code == 200, sent.text
    rows = datasets.rows(site.store, "talk", how="majority").rows
    assert [(row["turn"], row["model_chosen"]) for row in rows] == [(1, "model-y"), (2, "model-x")]
    judgment = sent.json()["judgment_id"]
    mine = client.get("/api/me/judgments?project=talk").json()
    assert mine[0]["judgment_id"] == judgment
    changed = [first, {**second, "choice": "tie"}]
    revised = client.post(
        f"/api/judgments/{judgment}/revise",
        json={
            "submission_id": "0b9c6a4e-64a6-4a39-92a5-0a4b4d2ae1ff",
            "answer": {"turns": changed},
        },
    )
    assert revised.status_code == 200, revised.text


def test_words_that_no_policy_wrote_are_refused(talk: Any) -> None:
    site, _ = talk
    client = site.client("Ada")
    given = take(client, "talk")
    true = turn("Hi", say(client, given, "Hi").json(), "a")
    forged = [
        {**true, "replies": ["I am better.", true["replies"][1]]},
        {**true, "said": "Hello"},
        {**true, "replies": true["replies"][::-1]},
        {**true, "seal": ""},
    ]
    for one in forged:
        answer = client.post("/api/judgments", json=submission(given, {"turns": [one]}))
        assert answer.status_code == 422, one
        assert "not those that the policies wrote" in answer.json()["error"]["sentence"]
        assert say(client, given, "And?", [one]).status_code == 422
    other = site.client("Bo")
    theirs = take(other, "talk")
    stolen = other.post("/api/judgments", json=submission(theirs, {"turns": [true]}))
    assert stolen.status_code == 422
    assert say(other, given, "Hi").status_code in (403, 404, 410)
    good = client.post("/api/judgments", json=submission(given, {"turns": [true]}))
    assert good.status_code == 200


def test_a_policy_that_fails_or_is_not_there_is_told_and_nothing_is_lost(talk: Any) -> None:
    site, echoes = talk
    client = site.client("Ada")
    given = take(client, "talk")
    echoes["model-y"].broken = True
    failed = say(client, given, "Hi")
    assert failed.status_code == 503 and "No memory" in failed.json()["error"]["sentence"]
    echoes["model-y"].broken = False
    assert say(client, given, "Hi").status_code == 200
    del site.app.state.policies["model-x"]
    gone = say(client, given, "Hi")
    assert gone.status_code == 503 and "model-x" not in gone.text


def test_only_conversations_are_talked_in(talk: Any) -> None:
    site, _ = talk
    project = projects.create(site.store, ProjectSettings("thumbs", "thumbs"), actor="test")
    items.add(site.store, project.id, [NewItem("one", "?", ["x"])], actor="test")
    client = site.client("Ada")
    answer = say(client, take(client, "thumbs"), "Hi")
    assert answer.status_code == 422 and "no conversations" in answer.json()["error"]["sentence"]
