"""Best of n while sampling: which response is kept, and how it is distributed."""

from collections.abc import Sequence

import numpy as np
import pytest

from preftune.evaluation import best_of_n_policy
from preftune.records import (
    Axes,
    BadInput,
    Completion,
    Prompt,
    RunFailed,
    Sampling,
    StopReason,
)
from preftune.rollouts import BestOf, NativeEngine
from tests.models.made import make_policy, make_prompts, renderer_of

CHANCES = np.array([0.4, 0.3, 0.2, 0.1])


def dice(prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
    """One of four answers, 0 to 3, drawn with its chance."""
    drawn = np.random.default_rng(sampling.seed).choice(4, size=len(prompts), p=CHANCES)
    return [
        Completion(prompt, str(number), StopReason.EOS, "dice")
        for prompt, number in zip(prompts, drawn, strict=True)
    ]


class Number:
    """The number itself; None for those in ``unknown``."""

    origin = "rule"

    def __init__(self, *unknown: str) -> None:
        self.unknown = unknown

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [None if c.text in self.unknown else {"score": float(c.text)} for c in completions]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_what_is_kept_has_the_maximum_s_distribution(n: int) -> None:
    """4,000 draws: a share's standard error is at most √(.25/4000) = .008."""
    kept = BestOf(dice, Number(), n)([Prompt("?")] * 4000, Sampling(1, seed=n))
    shares = np.bincount([int(c.text) for c in kept], minlength=4) / 4000
    assert shares == pytest.approx(best_of_n_policy(CHANCES, range(4), n), abs=0.03)


def test_each_prompt_gets_the_best_of_its_own() -> None:
    policy = make_policy()
    engine = NativeEngine(policy, renderer_of(policy), "v")
    prompts, sampling = make_prompts(5), Sampling(6, seed=4)

    class Length:
        origin = "rule"

        def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
            return [{"score": -float(len(c.text))} for c in completions]

    many = engine([prompt for prompt in prompts for _ in range(3)], sampling)
    picked = BestOf(engine, Length(), 3).pick(prompts, sampling)
    for place, prompt in enumerate(prompts):
        own = many[3 * place : 3 * place + 3]
        shortest = min(own, key=lambda c: len(c.text))
        assert picked[place].completion == shortest and picked[place].completion.prompt == prompt
        assert picked[place].score == -len(shortest.text)


def test_responses_without_a_score_are_passed_over() -> None:
    best_of = BestOf(dice, Number("3", "2"), 40)
    assert {c.text for c in best_of([Prompt("?")] * 20, Sampling(1))} == {"1"}
    with pytest.raises(RunFailed, match="No response to prompt 'p' has a score"):
        BestOf(dice, Number("0", "1", "2", "3"), 3)([Prompt("?", {"id": "p"})], Sampling(1))


def test_greedy_responses_would_be_one() -> None:
    with pytest.raises(BadInput, match="needs 3 different responses"):
        BestOf(dice, Number(), 3)([Prompt("?")], Sampling(1, temperature=0))
    assert len(BestOf(dice, Number(), 1)([Prompt("?")], Sampling(1, temperature=0))) == 1
