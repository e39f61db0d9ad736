"""Rejection sampling: what is kept, what accumulates, what is learned, how it goes on."""

from pathlib import Path
from typing import Any

import pytest

from preftune.algorithms.rejection_sampling import (
    RejectionInputs,
    RejectionResult,
    Scored,
    keep,
    percentile_of,
    rejection_sampling,
    together,
)
from preftune.models import Row
from preftune.monitoring import read_metrics
from preftune.recipe import RejectionSampling
from preftune.records import RunFailed, Sampling
from preftune.rollouts import NativeEngine
from preftune.training import Training, weights_of
from tests.algorithms.made import PAD, Favourite, same_weights
from tests.models.made import make_policy, make_prompts, renderer_of
from tests.training.made import quiet_journal


def recipe_of(**settings: Any) -> RejectionSampling:
    given = {
        "policy": "p",
        "reward_model": "r",
        "prompts": "x",
        "rounds": 3,
        "samples": 4,
        "batch_size": 8,
        "drop_unfinished": False,
        "sampling": {"max_new_tokens": 8},
        "optimizer": {"learning_rate": 3e-3, "warmup_steps": 0},
    }
    return RejectionSampling.model_validate(given | settings)


def run(
    folder: Path, recipe: RejectionSampling, score: Any = None
) -> tuple[RejectionResult, list[dict[str, Any]], RejectionInputs]:
    policy = make_policy()
    engine = NativeEngine(policy, renderer_of(policy), "v")
    inputs = RejectionInputs(
        policy=policy,
        pad_id=PAD,
        prompts=make_prompts(24),
        seed=3,
        sampling=Sampling(recipe.sampling.max_new_tokens),
        publish=lambda version: setattr(engine, "version", version),
    )
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        result = rejection_sampling(
            recipe, inputs, engine, score or Favourite(), journal, lambda _: {}
        )
    return result, read_metrics(folder / "metrics.jsonl"), inputs


def scored(*scores: float, ended: str = "") -> list[Scored]:
    """Responses 0, 1, … with these scores; ``ended`` has a 0 for those that were cut off."""
    return [
        Scored(Row((9,), (place,)), score, ended[place : place + 1] != "0")
        for place, score in enumerate(scores)
    ]


def places(found: list[Scored]) -> list[int]:
    return [one.row.response_ids[0] for one in found]


def test_the_best_is_kept_and_the_first_of_equals() -> None:
    recipe = recipe_of()
    assert places(keep(recipe, scored(1.0, 3.0, 3.0, 2.0), 1)) == [1]


def test_cut_off_responses_are_not_kept() -> None:
    responses = scored(1.0, 3.0, 2.0, ended="101")
    assert places(keep(recipe_of(drop_unfinished=True), responses, 1)) == [2]
    assert places(keep(recipe_of(drop_unfinished=False), responses, 1)) == [1]
    assert keep(recipe_of(drop_unfinished=True), scored(1.0, 2.0, ended="00"), 1) == []


def test_a_percentile_rises_and_keeps_what_reaches_it() -> None:
    """Of 0 … 4 the quantiles .5, .75, 1 are 2, 3, 4."""
    recipe = recipe_of(percentile={"start": 0.5, "end": 1.0})
    assert [percentile_of(recipe, number) for number in (1, 2, 3)] == [0.5, 0.75, 1.0]
    responses = scored(0.0, 1.0, 2.0, 3.0, 4.0)
    assert [places(keep(recipe, responses, number)) for number in (1, 2, 3)] == [
        [2, 3, 4],
        [3, 4],
        [4],
    ]
    one = recipe_of(percentile={"start": 0.5, "end": 1.0}, rounds=1)
    assert percentile_of(one, 1) == 0.5


def test_rounds_accumulate_or_not_and_repeats_count_once() -> None:
    earlier, fresh = scored(1.0, 2.0), scored(1.0, 2.0, 3.0)[1:]
    assert places(together(recipe_of(), earlier, fresh)) == [0, 1, 2]
    assert places(together(recipe_of(dedupe=False), earlier, fresh)) == [0, 1, 1, 2]
    assert places(together(recipe_of(accumulate=False), earlier, fresh)) == [1, 2]
    # The same response to another prompt is another response.
    other = [Scored(Row((8,), (1,)), 2.0, True)]
    assert len(together(recipe_of(), earlier, other)) == 3


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(RunFailed, match="Every response was cut off") as told:
        together(recipe_of(), [], [])
    assert "max_new_tokens" in told.value.remedy


def test_the_score_rises_round_by_round(tmp_path: Path) -> None:
    result, rows, _ = run(tmp_path, recipe_of(rounds=5, epochs=4))
    scores = [row["objective/scores"] for row in rows]
    assert scores[-1] > scores[0] + 0.1
    assert all(row["selected/scores"] > row["objective/scores"] for row in rows)
    # Best responses to 24 prompts a round; deduped, so no more than that many.
    counts = [row["selected/count"] for row in rows]
    assert 24 * 4 < counts[-1] <= 24 * 5 and counts == sorted(counts)
    tokens = sum(96 * row["completions/mean_length"] for row in rows)
    best = pytest.approx(rows[-1]["selected/scores"])
    assert result == RejectionResult(5, counts[-1], best, pytest.approx(tokens))
    assert rows[-1]["completions/generated_tokens"] == result.generated_tokens
    assert [row["episode"] for row in rows] == [96 * number for number in range(1, 6)]


def test_every_round_samples_with_the_weights_of_the_last(tmp_path: Path) -> None:
    versions: list[set[str]] = []

    class Watching(Favourite):
        def __call__(self, completions: Any) -> Any:
            versions.append({c.policy_version for c in completions})
            return super().__call__(completions)

    run(tmp_path, recipe_of(prompts_per_round=5), Watching())
    assert versions == [{"round-0"}, {"round-1"}, {"round-2"}]


def test_prompts_go_round_and_responses_to_one_stand_together(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    class Watching(Favourite):
        def __call__(self, completions: Any) -> Any:
            texts = [str(c.prompt.text) for c in completions]
            assert all(texts[i] == texts[i - i % 4] for i in range(len(texts)))
            seen.append(texts[::4])
            return super().__call__(completions)

    run(tmp_path, recipe_of(prompts_per_round=8), Watching())
    everyone = sorted(str(prompt.text) for prompt in make_prompts(24))
    assert sorted(seen[0] + seen[1] + seen[2]) == everyone


def test_a_stopped_run_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of()
    expected, rows, whole = run(tmp_path / "whole", recipe)
    step, calls = Training.step, []

    def breaking(self: Training, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:  # 3 steps in the first round, 6 in the second: in the middle of it
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", recipe)
    monkeypatch.setattr(Training, "step", step)
    result, resumed, again = run(tmp_path / "part", recipe)
    assert result == expected and resumed == rows
    assert same_weights(weights_of(whole.policy), weights_of(again.policy))


def test_a_response_without_a_score_is_named(tmp_path: Path) -> None:
    class Silent(Favourite):
        def __call__(self, completions: Any) -> Any:
            return [None for _ in completions]

    with pytest.raises(RunFailed, match="has no score"):
        run(tmp_path, recipe_of(), Silent())
