"""Leave one group out: nothing of the group is learned from, and the sums add up."""

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_linear import LinearFit, fit_linear, linear_gaps
from preftune.algorithms.reward_model import RewardInputs, RewardResult
from preftune.data import load_comparisons, read_rows, write_rows
from preftune.models import LinearModel, Row, build_policy, save_model, train_tokenizer
from preftune.monitoring import Console
from preftune.monitoring.metrics_file import read_metrics
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages import cross_validate
from preftune.pipeline.stages.cross_validate import validation_of
from preftune.recipe import Architecture, CrossValidate
from preftune.records import BadInput

TOPICS = ("apples", "boats", "clouds", "drums")
FILLERS = ("indeed we think", "people say often that", "so", "it is known")
Run = Callable[..., tuple[StageOutcome, Path]]


def rows_of(topics: tuple[str, ...] = TOPICS) -> list[dict[str, Any]]:
    """Four answers a topic; one with more reasons always beats one with fewer."""
    rows = []
    for place, topic in enumerate(topics):
        answers = [
            f"{FILLERS[(k + place) % 4]} {topic}" + " because of reasons" * k for k in range(4)
        ]
        rows += [
            {
                "id": f"{topic}-{better}-{worse}",
                "prompt": f"Argue about {topic}.",
                "chosen": answers[better],
                "rejected": answers[worse],
                "votes_chosen": 3 + (better - worse) // 2,
                "votes_rejected": 1,
                "topic": topic,
            }
            for better in range(4)
            for worse in range(better)
        ]
    return rows


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny language model with random weights."""
    folder = tmp_path_factory.mktemp("start")
    texts = [row[side] for row in rows_of() for side in ("prompt", "chosen", "rejected")]
    tokenizer = train_tokenizer(texts, 300)
    shape = Architecture(hidden_size=16, layers=1, heads=2, intermediate_size=32, context=96)
    save_model(build_policy(shape, tokenizer, 0), tokenizer, folder, "tiny")
    return folder


@pytest.fixture
def run(start: Path, tmp_path: Path) -> Run:
    data = tmp_path / "pairs.jsonl"

    def go(
        folder: str = "stage", rows: list[dict[str, Any]] | None = None, **changes: Any
    ) -> tuple[StageOutcome, Path]:
        write_rows(data, rows_of() if rows is None else rows)
        settings = {
            "data": "pairs",
            "by": "topic",
            "members": 2,
            "reward_model": {
                "model": "start",
                "train": "pairs",
                "labels": "soft",
                "batching": "prompts",
                "batch_size": 1,
                "epochs": 3,
                "evaluate_every": 2,
                "checkpoint_every": 2,
            },
        } | changes
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        context = StageContext(
            name="folds",
            settings=CrossValidate.model_validate(settings),
            inputs={"data": data, "reward_model.model": start, "reward_model.train": data},
            hashes={},
            folder=place,
            seed=5,
            device=torch.device("cpu"),
            console=Console("silent", StringIO()),
        )
        return cross_validate.run(context), place

    return go


def test_the_summary_is_what_the_predictions_say(run: Run) -> None:
    outcome, folder = run()
    predictions = read_rows(folder / outcome.outputs["predictions"])
    assert sorted(row["row"] for row in predictions) == list(range(24))
    means = {
        name: np.mean([row[name] for row in predictions])
        for name in ("model", "longer", "tfidf", "tfidf_length")
    }
    summary = outcome.summary
    assert summary["comparisons"] == 24
    assert summary["accuracy"]["value"] == pytest.approx(means["model"])
    assert summary["accuracy"]["count"] == len(TOPICS)
    for name in ("longer", "tfidf", "tfidf_length"):
        assert summary["baselines"][name]["value"] == pytest.approx(means[name])
        difference = summary["differences"][name]
        assert difference["value"] == pytest.approx(means["model"] - means[name])
        assert difference["low"] <= difference["value"] <= difference["high"]
    for fold, topic in zip(summary["folds"], TOPICS, strict=True):
        mine = [row["model"] for row in predictions if row["group"] == topic]
        assert (fold["group"], fold["count"]) == (topic, 6)
        assert fold["model"]["value"] == pytest.approx(np.mean(mine))
    rows = {row["id"]: row for row in rows_of()}
    for row in predictions:
        words = [len(rows[row["id"]][side].split()) for side in ("chosen", "rejected")]
        assert row["longer"] == (np.sign(words[0] - words[1]) + 1) / 2
        assert row["model"] == (np.sign(row["gap"]) + 1) / 2
        assert row["group"] == rows[row["id"]]["topic"]


def test_the_ensemble_is_the_mean_of_its_members_scores(run: Run) -> None:
    outcome, folder = run()
    gaps = [row["gap"] for row in read_rows(folder / "predictions.jsonl")][:6]
    members = [
        json.loads((folder / "folds" / "01" / f"member-{m}" / "result.json").read_text())["scores"]
        for m in range(2)
    ]
    assert members[0] != members[1]
    comparisons = rows_of()[:6]
    sides = [row["chosen"] for row in comparisons] + [row["rejected"] for row in comparisons]
    places = {text: at for at, text in enumerate(dict.fromkeys(sides))}
    mean = np.mean(members, axis=0)
    expected = [mean[places[r["chosen"]]] - mean[places[r["rejected"]]] for r in comparisons]
    assert gaps == pytest.approx(expected)


def with_linear(**changes: Any) -> dict[str, Any]:
    return {
        "reward_model": {
            "model": "start",
            "train": "pairs",
            "linear": {},
            "batching": "prompts",
            "batch_size": 1,
            "evaluate_every": 2,
        }
        | changes
    }


def test_a_linear_model_is_weighed_in_and_shown_beside(run: Run) -> None:
    outcome, folder = run(**with_linear())
    predictions = read_rows(folder / "predictions.jsonl")
    parts = outcome.summary["parts"]
    for name in ("networks", "linear"):
        mean = np.mean([row[name] for row in predictions])
        assert parts[name]["accuracy"]["value"] == pytest.approx(mean)
        assert parts[name]["difference"]["value"] == pytest.approx(
            outcome.summary["accuracy"]["value"] - mean
        )
    # the fold's gaps are both parts' weighed, the linear one of a model fitted on the other topics
    rows = rows_of()
    pairs = [
        Pair(
            Row((1,), (2,)),
            Row((1,), (3,)),
            texts=(row["chosen"], row["rejected"]),
            prompt=row["topic"],
        )
        for row in rows
    ]
    fold = outcome.summary["folds"][0]
    share = fold["linear_share"]
    fit = fit_linear(pairs[6:], [pair.prompt for pair in pairs[6:]], {})
    assert share["penalty"] == fit.penalty
    scores = np.mean(
        [
            json.loads((folder / "folds/01" / f"member-{m}" / "result.json").read_text())["scores"]
            for m in range(2)
        ],
        axis=0,
    )
    sides = [row["chosen"] for row in rows[:6]] + [row["rejected"] for row in rows[:6]]
    places = {text: at for at, text in enumerate(dict.fromkeys(sides))}
    network = [scores[places[r["chosen"]]] - scores[places[r["rejected"]]] for r in rows[:6]]
    expected = share["members_weight"] * np.array(network)
    expected += linear_gaps(fit.model, pairs[:6])
    assert [row["gap"] for row in predictions[:6]] == pytest.approx(expected, abs=1e-4)
    assert "validation_gaps" not in fold["members"][0]


def test_the_linear_model_never_learns_what_it_is_weighed_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[set[str]] = []
    read: list[set[str]] = []
    fit, gaps = cross_validate.fit_linear, cross_validate.linear_gaps

    def topics(pairs: Sequence[Pair]) -> set[str]:
        return {topic for topic in TOPICS for p in pairs if topic in p.texts[0]}

    def fitted(pairs: Sequence[Pair], *rest: Any) -> LinearFit:
        learned.append(topics(pairs))
        return fit(pairs, *rest)

    def compared(model: LinearModel, pairs: Sequence[Pair]) -> NDArray[np.float64]:
        read.append(topics(pairs))
        return gaps(model, pairs)

    monkeypatch.setattr(cross_validate, "fit_linear", fitted)
    monkeypatch.setattr(cross_validate, "linear_gaps", compared)
    run(**with_linear())
    # a fold: on all others; then for each member without what it stopped on, and the gaps there
    for at, topic in enumerate(TOPICS):
        mine, told = learned[3 * at : 3 * at + 3], read[3 * at : 3 * at + 3]
        assert mine[0] == set(TOPICS) - {topic} and told[2] == {topic}
        for apart, stopped in zip(mine[1:], told[:2], strict=True):
            assert len(stopped) == 1 and apart == set(TOPICS) - {topic} - stopped


def test_a_finished_run_with_a_linear_model_is_read_back(run: Run) -> None:
    first, _ = run(**with_linear())
    again, _ = run(**with_linear())
    assert again.summary == first.summary


def test_a_group_is_never_learned_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[object], set[object]]] = []
    real = cross_validate.reward_model

    def watched(recipe: Any, inputs: RewardInputs, journal: Any) -> RewardResult:
        parts = ({p.prompt for p in inputs.train}, {p.prompt for p in inputs.validation})
        seen.append(parts)
        return real(recipe, inputs, journal)

    monkeypatch.setattr(cross_validate, "reward_model", watched)
    _, folder = run()
    prompts = {
        c.columns["topic"]: c.prompt.id for c in load_comparisons(folder.parent / "pairs.jsonl")
    }
    assert len(seen) == 8
    for place, (train, validation) in enumerate(seen):
        left_out = prompts[TOPICS[place // 2]]
        assert left_out not in train | validation
        assert not train & validation
        assert len(train) == 2 and len(validation) == 1
    assert seen[0][1] != seen[1][1]


def test_validation_moves_on_with_the_member() -> None:
    names = ["a", "b", "c", "d", "e"]
    assert [validation_of(names, "b", member, 1) for member in range(5)] == [
        ["c"],
        ["d"],
        ["e"],
        ["a"],
        ["c"],
    ]
    assert validation_of(names, "e", 1, 2) == ["c", "d"]


def test_an_interrupted_run_goes_on_where_it_was(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, folder = run("whole")
    calls: list[int] = []
    real = cross_validate.reward_model

    def stopping(recipe: Any, inputs: RewardInputs, journal: Any) -> RewardResult:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(1)
        return real(recipe, inputs, journal)

    monkeypatch.setattr(cross_validate, "reward_model", stopping)
    with pytest.raises(KeyboardInterrupt):
        run("broken")
    calls.clear()
    calls.extend([1, 1, 1, 1])
    again, resumed = run("broken")
    assert len(calls) == 4 + 8 - 3
    assert again.summary == whole.summary
    for name in ("metrics.jsonl", "predictions.jsonl"):
        assert (resumed / name).read_bytes() == (folder / name).read_bytes()
    assert [row["step"] for row in read_metrics(resumed / "metrics.jsonl")] == [1, 2, 3, 4]


def test_it_learns_what_the_groups_share(run: Run) -> None:
    settings = {
        "model": "start",
        "train": "pairs",
        "batching": "prompts",
        "batch_size": 2,
        "epochs": 30,
        "optimizer": {"learning_rate": 0.01},
    }
    outcome, _ = run(reward_model=settings, members=1)
    assert outcome.summary["accuracy"]["value"] >= 0.9


def test_a_missing_column_is_named(run: Run) -> None:
    with pytest.raises(BadInput, match='no column "debate".*topic'):
        run(by="debate")


def test_two_groups_are_too_few(run: Run) -> None:
    with pytest.raises(BadInput, match="2 group.*needs 3"):
        run(rows=rows_of(TOPICS[:2]))


def test_skipping_long_rows_is_refused(run: Run) -> None:
    settings = {"model": "start", "train": "pairs", "too_long": "skip"}
    with pytest.raises(BadInput, match="none can be skipped"):
        run(reward_model=settings)
