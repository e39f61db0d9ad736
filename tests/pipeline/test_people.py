"""A run that waits for people: it opens the project, ends, and goes on when they have judged."""

import json
from pathlib import Path

import pytest

from preftune.artifacts import lineage
from preftune.feedback.store import people, projects
from preftune.feedback.store.engine import open_store
from tests.cli.command import Done, preftune, write_rows
from tests.feedback import made

RECIPE = """
[stages.labels]
kind = "people"
store = "ROUND_LABELS"
project = "round_1"
candidates = "{candidates}"
votes_per_pair = {votes}
{more}

[stages.all]
kind = "gather"
sources = ["stage:labels/train", "stage:labels/validation"]
"""


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    rows = [
        {
            "prompt": f"Question {n}?",
            "completions": [
                {"text": f"short {n}", "policy": "sft", "policy_version": "v1", "temperature": 1.0},
                {"text": f"long answer {n}", "policy": "ppo", "policy_version": "v2"},
                {"text": f"other answer {n}", "policy": "ppo", "policy_version": "v2"},
            ],
        }
        for n in range(10)
    ]
    return write_rows(tmp_path / "candidates.jsonl", *rows)


def start(tmp_path: Path, candidates: Path, votes: int = 1, more: str = "") -> Done:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(candidates=candidates, votes=votes, more=more))
    return preftune("run", recipe, "--out", tmp_path / "run", "--json")


def judge(path: Path, who: str, count: int, choice: str | None = None) -> None:
    """Real judgments through the store: ``choice``, or in turn a and b."""
    store = open_store(str(path))
    project = projects.named(store, "round_1")
    person = people.add(store, people.NewAnnotator(who), actor="test")
    for place in range(count):
        said = {"choice": choice or "ab"[place % 2], "strength": 1}
        made.answer(store, made.take(store, project, person), said)
    store.close()


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUND_LABELS", str(tmp_path / "labels.db"))
    monkeypatch.setattr("preftune.pipeline.summary.write_report", lambda folder: None)


def test_it_waits_and_goes_on_with_what_was_said(tmp_path: Path, candidates: Path) -> None:
    done = start(tmp_path, candidates, more="across = true")
    assert done.code == 0, done.err
    assert done.json["status"] == "waiting" and "error" not in done.json
    waiting = done.json["waiting"]
    assert (waiting["judged"], waiting["asked"], waiting["project"]) == (0, 10, "round_1")
    assert 'preftune label serve "$ROUND_LABELS"' in waiting["remedy"]
    assert [stage["status"] for stage in done.json["stages"]] == ["waiting", "pending"]

    judge(tmp_path / "labels.db", "ada", 4)
    half = start(tmp_path, candidates, more="across = true")
    assert half.code == 0 and half.json["waiting"]["judged"] == 4

    judge(tmp_path / "labels.db", "bob", 6)
    whole = start(tmp_path, candidates, more="across = true")
    assert whole.code == 0 and whole.json["status"] == "done", whole.err
    folder = tmp_path / "run" / "stages" / "01-labels"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["pairs_judged"], summary["votes"]) == (10, 10)
    sides = [(folder / f"{n}.jsonl").read_text() for n in ("train", "validation", "test")]
    rows = [json.loads(line) for side in sides for line in side.splitlines()]
    assert len({row["prompt"] for row in rows}) == 10
    assert all(
        {row["source_a"]["policy"], row["source_b"]["policy"]} == {"sft", "ppo"} for row in rows
    )
    assert {row["votes"][0]["annotator"] for row in rows} and all(row["votes"] for row in rows)

    graph = lineage(tmp_path / "run" / "stages" / "02-all")
    [node] = [node for node in graph["nodes"] if node["kind"] == "feedback"]
    assert len(node["feedback"]["judgments"]) == 10
    before = (folder / "judgments.jsonl").read_bytes()
    again = start(tmp_path, candidates, more="across = true")
    assert again.json["status"] == "done" and (folder / "judgments.jsonl").read_bytes() == before


def test_people_must_agree_where_that_is_asked(tmp_path: Path, candidates: Path) -> None:
    more = "agreement_at_least = 0.6"
    assert start(tmp_path, candidates, 2, more).json["status"] == "waiting"
    judge(tmp_path / "labels.db", "ada", 10, "a")
    judge(tmp_path / "labels.db", "bob", 10)
    refused = start(tmp_path, candidates, 2, more)
    assert refused.code == 0 and refused.json["status"] == "waiting"
    assert "agreement of two labelers is 0.5" in refused.json["waiting"]["sentence"]


def test_another_runs_pairs_in_the_project_do_not_count(tmp_path: Path, candidates: Path) -> None:
    store = open_store(str(tmp_path / "labels.db"), create=True)
    project = made.project(store, "round_1", count=3, gold_fraction=0.0)
    person = made.person(store, "eve")
    for _ in range(3):
        made.answer(store, made.take(store, project, person))
    store.close()
    assert start(tmp_path, candidates).json["waiting"]["judged"] == 0
    judge(tmp_path / "labels.db", "ada", 10)
    done = start(tmp_path, candidates)
    assert done.json["status"] == "done"
    summary = json.loads((tmp_path / "run/stages/01-labels/summary.json").read_text())
    assert summary["pairs_judged"] == 10


def test_mistakes_are_told(
    tmp_path: Path, candidates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = start(tmp_path, candidates, more="agreement_at_least = 0.6")
    assert wrong.code == 2 and "votes_per_pair = 2" in wrong.error["remedy"]
    store = open_store(str(tmp_path / "labels.db"), create=True)
    made.project(store, "round_1", count=0)
    store.close()
    fewer = start(tmp_path, candidates, 2)
    assert fewer.code == 2 and "1 votes a pair" in fewer.error["sentence"]
    monkeypatch.delenv("ROUND_LABELS")
    unset = start(tmp_path, candidates)
    assert unset.code == 2 and "ROUND_LABELS" in unset.error["sentence"]
