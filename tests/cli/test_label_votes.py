"""Votes of a file become judgments: with their annotators, origins and sides, once."""

import json
from collections import Counter
from pathlib import Path

from preftune.feedback.store import events, judgments, people, projects
from preftune.feedback.store.engine import open_store
from tests.cli.command import preftune, write_rows


def rows_in(path: Path, *votes: list[dict[str, object]]) -> Path:
    rows = [
        {
            "id": f"item-{number}",
            "prompt": f"Which is true of {number}?",
            "response_a": f"{number} is even.",
            "response_b": f"{number} is odd.",
            "model_a": "x",
            "gold": "a",
            "votes": given,
        }
        for number, given in enumerate(votes)
    ]
    return write_rows(path, *rows)


VOTES: tuple[list[dict[str, object]], ...] = (
    [
        {"annotator": "t1", "vote": "a", "strength": "better", "group": "north", "raw": "A++"},
        {"annotator": "t2", "vote": "tie", "shown_first": "b"},
        {"annotator": "gpt", "vote": "b", "strength": 1, "origin": "model"},
    ],
    [{"annotator": "t1", "vote": "both_bad", "group": "north"}],
)


def made(tmp_path: Path, overlap: int = 3, *more: str) -> Path:
    store = tmp_path / "labels.db"
    words = ("label", "init", store, "--project", "old", "--overlap", overlap, *more)
    assert preftune(*words).code == 0
    return store


def test_votes_become_judgments_of_their_annotators(tmp_path: Path) -> None:
    store, file = made(tmp_path), rows_in(tmp_path / "votes.jsonl", *VOTES)
    first = preftune("label", "import", store, "old", file, "--json").json
    again = preftune("label", "import", store, "old", file, "--json").json
    assert (first["added"], first["votes"], first["votes_added"]) == (2, 4, 4)
    assert (again["added"], again["known"], again["votes_added"]) == (0, 2, 0)

    place = open_store(str(store))
    project = projects.named(place, "old")
    said = judgments.of_item(place, 1)
    told = {
        one.annotator: (one.answer["choice"], one.answer["strength"], one.origin, one.group)
        for one in said
    }
    assert told == {
        "old: t1": ("a", 2, "human", "north"),
        "old: t2": ("tie", None, "human", ""),
        "old: gpt": ("b", 1, "model", ""),
    }
    assert [one.presentation["order"] for one in said] == [[], [1, 0], []]
    assert said[0].presentation["extra"] == {"raw": "A++"}
    assert {one.presentation["ui_version"] for one in said} == {"import"}
    [bad] = judgments.of_item(place, 2)
    assert bad.answer["both_bad"] and bad.answer["choice"] is None
    assert [one.status for one in (*said, bad)] == ["counted"] * 4
    assert Counter(one.origin for one in people.all(place)) == {"human": 2, "model": 1}
    assert len(judgments.mine(place, project.id, said[0].annotator_id)) == 2
    assert events.verify(place).ok
    place.close()

    status = preftune("label", "status", store, "old", "--json").json
    assert (status["items_done"], status["places_done"]) == (1, 4)
    out = tmp_path / "back.jsonl"
    assert preftune("label", "export", store, "old", out, "--rows", "votes").code == 0
    back = [json.loads(line) for line in out.read_text().splitlines()]
    assert [[v["vote"] for v in row["votes"]] for row in back] == [["a", "tie", "b"], ["both_bad"]]
    assert back[0]["votes"][1]["shown_first"] == "b" and back[0]["gold"] == "a"
    assert "shown_first" not in back[0]["votes"][0]
    report = preftune("label", "agreement", store, "old", "--json").json["measures"]["preference"]
    assert {"human_human", "mixed"} <= set(report)


def test_items_alone_and_another_origin(tmp_path: Path) -> None:
    store, file = made(tmp_path), rows_in(tmp_path / "votes.jsonl", *VOTES)
    none = preftune("label", "import", store, "old", file, "--no-votes", "--json").json
    assert (none["added"], none["votes"]) == (2, 0)
    tools = preftune("label", "import", store, "old", file, "--origin", "tool", "--json").json
    assert tools["votes_added"] == 4
    place = open_store(str(store))
    assert Counter(one.origin for one in people.all(place)) == {"tool": 2, "model": 1}
    place.close()


def test_what_does_not_fit_is_refused_whole(tmp_path: Path) -> None:
    file = rows_in(tmp_path / "votes.jsonl", *VOTES)
    store = made(tmp_path, 2)
    refused = preftune("label", "import", store, "old", file, "--json")
    assert refused.code == 2 and "--overlap 3" in refused.json["error"]["remedy"]
    bare = rows_in(tmp_path / "bare.jsonl", [{"annotator": "t1", "vote": "a"}])
    refused = preftune("label", "import", store, "old", bare, "--json")
    assert refused.code == 2 and "scale=2-way" in refused.json["error"]["remedy"]
    changed = rows_in(tmp_path / "changed.jsonl", [], VOTES[1])
    assert preftune("label", "import", store, "old", changed).code == 0
    other = rows_in(tmp_path / "other.jsonl", [], [{"annotator": "t1", "vote": "tie"}])
    refused = preftune("label", "import", store, "old", other, "--json")
    assert refused.code == 2 and refused.json["error"]["sentence"]
    place = open_store(str(store))
    assert judgments.of_item(place, 1) == []
    assert [one.answer["both_bad"] for one in judgments.of_item(place, 2)] == [True]
    place.close()
