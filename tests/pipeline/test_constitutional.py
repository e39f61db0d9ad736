"""Critique and judge stages: what they write, what it comes from, and what they refuse."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.data import load_comparisons, load_demonstrations, read_rows
from preftune.judging import Pair, Question, compare, load_constitution
from preftune.models import load_policy, load_tokenizer, renderer_for
from preftune.monitoring import Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.pipeline.stages.label import SPLITS
from preftune.recipe import parse_recipe
from preftune.records import BadInput, RunFailed
from preftune.rollouts import NativeChoose
from tests.judging.server import Reply, answer, serving
from tests.models.made import CPU, TEXTS

RECIPE = """
machine = { threads = 1, device = "cpu" }

[stages.base]
kind = "pretrain"
architecture = { hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 1500 }
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 4
batch_tokens = 128

[stages.revisions]
kind = "critique"
policy = "stage:base"
prompts = "data:prompts.jsonl"
rounds = 3
constitution = { file = "data:mine.toml" }
validation_fraction = 0.25
sampling = { max_new_tokens = 6 }

[stages.candidates]
kind = "candidates"
policies.base = { model = "stage:base", temperatures = [1.0], samples = 3 }
prompts = "data:prompts.jsonl"
sampling = { max_new_tokens = 6 }

[stages.labels]
kind = "judge"
candidates = "stage:candidates"
judge = "stage:base"
constitution = { about = ["harmless"], without = ["harm"] }
pairs_per_prompt = 2
"""
MINE = """
name = "mine"
version = 4
[[principles]]
id = "day"
about = "honest"
critique = "Which day is wrong?"
revision = "Say the right day."
comparison = "Which response names the day?"
"""


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("constitutional")
    write(folder / "documents.jsonl", [{"text": text} for text in TEXTS])
    write(folder / "prompts.jsonl", [{"prompt": f"Order {n}: where?"} for n in range(12)])
    (folder / "mine.toml").write_text(MINE)
    recipe = parse_recipe(RECIPE, overrides=[f"data.root={folder}"])
    run_recipe(recipe, RECIPE, folder / "run", Desk(Console()))
    return folder / "run"


def stage(run: Path, name: str) -> Path:
    (found,) = run.glob(f"stages/*-{name}")
    return found


def test_revisions_are_demonstrations_split_by_prompt(run: Path) -> None:
    folder = stage(run, "revisions")
    train = load_demonstrations(folder / "train.jsonl")
    validation = load_demonstrations(folder / "validation.jsonl")
    assert {d.prompt.text for d in train}.isdisjoint(d.prompt.text for d in validation)
    assert len({d.prompt.text for d in validation}) == 3
    history = read_rows(folder / "history.jsonl")
    made = {(r["prompt"], t["revision"]) for r in history for t in r["rounds"] if t["revision"]}
    assert {(d.prompt.text, d.completion) for d in [*train, *validation]} == made
    assert all(len(row["rounds"]) == 3 and isinstance(row["answer"], str) for row in history)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["principles"]["day"]["used"] == 36
    assert summary["constitution"]["name"] == "mine" and summary["constitution"]["version"] == 4
    lacking = sum(t["revision"] is None for row in history for t in row["rounds"])
    assert summary["revisions_missing"] == lacking


def test_labels_are_the_judges_own_probabilities(run: Path) -> None:
    """Every label again by a judge opened by hand, by the principle that the row names."""
    folder, model = stage(run, "labels"), stage(run, "base") / "model"
    policy = load_policy(model, CPU)
    judge = NativeChoose(policy, renderer_for(policy, load_tokenizer(model), model))
    questions = {p.id: p.comparison for p in load_constitution().principles}
    rows = [row for name in ("train", "validation", "test") for row in _rows(folder, name)]
    assert len(rows) == 24
    for row in rows:
        by = row.columns["principle"]
        pair = Pair(row.prompt, row.chosen, row.rejected, questions[by])
        (opinion,) = compare([pair], judge.ask)
        assert opinion.probability == pytest.approx(row.probability, abs=1e-5)
        assert row.probability >= 0.5 and by != "harm"
    summary = json.loads((folder / "summary.json").read_text())
    harmless = {p.id for p in load_constitution().about("harmless").principles} - {"harm"}
    assert set(summary["principles"]) <= harmless
    assert sum(p["used"] for p in summary["principles"].values()) == 24
    assert summary["unclear"] == 0 and summary["truncated"] == 0
    assert isinstance(judge.ask([Question(rows[0].prompt, ("A", "B"))])[0], dict)


def _rows(folder: Path, name: str) -> list[Any]:
    return load_comparisons(folder / f"{name}.jsonl")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stages.labels.judge=gold:helpdesk", "measures and never teaches"),
        ("stages.labels.test_fraction=0.95", "no training data"),
        ("stages.labels.reasons.clamp=[0.6,0.4]", "wrong way round"),
        ("stages.revisions.rounds=0", "rounds"),
    ],
)
def test_what_has_no_sense_is_refused(override: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_recipe(RECIPE, overrides=["data.root=DIR", override])


CHOICE = """
[stages.labels]
kind = "judge"
candidates = "data:candidates.jsonl"
endpoint = { base_url = "URL", model = "big", retries = 0 }
"""


def test_an_endpoint_labels_and_a_failure_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prefers whichever response says yes, in both orders; one failure in the first run is
    asked again in the second, and nothing else is."""
    monkeypatch.setattr("preftune.pipeline.stages.judge.CACHE", tmp_path / "cache")
    monkeypatch.setattr("preftune.pipeline.summary.write_report", lambda out: None)
    rows = [
        {"prompt": f"Hot {n}?", "completions": [{"text": f"yes {n}"}, {"text": f"no {n}"}]}
        for n in range(12)
    ]
    write(tmp_path / "candidates.jsonl", rows)
    broken = [True]

    def behave(body: dict[str, Any], n: int) -> Reply:
        text = body["messages"][0]["content"]
        if broken[0] and "Hot 3?" in text:
            return Reply(500)
        first = text.index("yes") < text.index("no ", text.index("response A"))
        yes, no = ("A", "B") if first else ("B", "A")
        return answer(yes, {yes: 0.9, no: 0.1})

    with serving(behave) as there:
        text = CHOICE.replace("URL", there.url)
        recipe = parse_recipe(text, overrides=[f"data.root={tmp_path}"])
        with pytest.raises(RunFailed, match="did not answer"):
            run_recipe(recipe, text, tmp_path / "run", Desk(Console("silent")))
        before = len(there.bodies)
        broken[0] = False
        run_recipe(recipe, text, tmp_path / "run", Desk(Console("silent")))
        assert len(there.bodies) - before < before
    made = stage(tmp_path / "run", "labels")
    labels = [row for name in SPLITS for row in read_rows(made / f"{name}.jsonl")]
    assert len(labels) == 12
    assert all(row["chosen"].startswith("yes") for row in labels)
    assert {round(row["probability"], 6) for row in labels} == {0.9}
    told = json.loads((made / "summary.json").read_text())
    assert told["consistency"] == 1.0 and told["usage"]["failed"] == 0


@pytest.mark.parametrize("both", [True, False])
def test_a_judge_stage_has_one_judge(both: bool) -> None:
    endpoint = 'endpoint = { base_url = "http://x/v1", model = "m" }\njudge = "y"' if both else ""
    text = f'[stages.labels]\nkind = "judge"\ncandidates = "x"\n{endpoint}'
    with pytest.raises(BadInput, match="one of the two"):
        parse_recipe(text, [])
