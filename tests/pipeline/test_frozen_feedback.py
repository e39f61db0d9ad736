"""A recipe that learns from a label store, and the way back from its data to each judgment."""

import json
from pathlib import Path

import pytest

from preftune.artifacts import lineage, render_lineage_text
from preftune.feedback.store.engine import open_store
from preftune.pipeline.frozen_feedback import frozen_feedback
from preftune.records import BadInput
from tests.cli.command import preftune
from tests.feedback import made


def labelled(path: Path, count: int = 12) -> list[str]:
    """A store in which one person judged ``count`` pairs; the judgments' ids."""
    store = open_store(str(path), create=True)
    project = made.project(store, count=count, gold_fraction=0.0)
    ada = made.person(store)
    done = [made.answer(store, made.take(store, project, ada)).judgment_id for _ in range(count)]
    store.close()
    return done


def test_a_run_freezes_what_was_said_and_leads_back_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_report: None
) -> None:
    done = labelled(tmp_path / "labels.db")
    monkeypatch.setenv("MY_LABELS", str(tmp_path / "labels.db"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[stages.labels]\nkind = "dataset"\nsource = "store:MY_LABELS#replies"\n', encoding="utf-8"
    )
    run = tmp_path / "run"
    assert preftune("run", recipe, "--out", run, "--json").code == 0
    frozen = run / "feedback" / "MY_LABELS-replies-majority.jsonl"
    before = frozen.read_bytes()

    graph = lineage(run / "stages" / "01-labels")
    [node] = [node for node in graph["nodes"] if node["kind"] == "feedback"]
    told = {one["judgment"]: one["guideline_version"] for one in node["feedback"]["judgments"]}
    assert told == {f"{name}/1": 1 for name in done}
    assert "12 judgments of replies" in render_lineage_text(graph)

    store = open_store(str(tmp_path / "labels.db"))
    project = made.project(store, "second", count=1)
    made.answer(store, made.take(store, project, made.person(store, "bob")))
    store.close()
    again = preftune("run", recipe, "--out", run, "--json")
    assert again.code == 0 and frozen.read_bytes() == before
    other = preftune("run", recipe, "--out", tmp_path / "other", "--json")
    assert other.code == 0
    rows = (tmp_path / "other" / "feedback" / frozen.name).read_bytes()
    assert rows == before, "other judgments of the store changed this project's rows"
    assert not any("labels.db" in path.read_text() for path in run.glob("recipe.*"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("store:MY_LABELS", "names no feedback"),
        ("store:MY_LABELS#replies/best", "names no feedback"),
        ("store:NOT_SET#replies", "NOT_SET"),
        ("store:MY_LABELS#nothing", "no project"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    labelled(tmp_path / "labels.db", 1)
    monkeypatch.setenv("MY_LABELS", str(tmp_path / "labels.db"))
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(BadInput, match=words):
        frozen_feedback("stages.labels.source", source, tmp_path / "run")


def test_rows_name_their_judgments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = labelled(tmp_path / "labels.db", 2)
    monkeypatch.setenv("MY_LABELS", str(tmp_path / "labels.db"))
    path = frozen_feedback("here", "store:MY_LABELS#replies/per_vote", tmp_path / "run")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["judgments"] for row in rows] == [[f"{name}/1"] for name in done]
