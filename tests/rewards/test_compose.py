"""Several scores added up, the parts kept; gold measures and never teaches."""

import asyncio
from collections.abc import Sequence

import pytest

from preftune.records import Axes, BadInput, Completion, RunFailed
from preftune.rewards import (
    CallableScore,
    ComposedScore,
    Part,
    part_metrics,
    parts_of,
    training_score,
)
from preftune.worlds import gold_judge
from tests.rewards.made import completions


class Fixed:
    """A score of the same numbers for every batch."""

    def __init__(self, *values: float | None, origin: str = "model") -> None:
        self.values, self.origin = values, origin

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [None if value is None else {"score": value} for value in self.values]


def test_the_weighted_sum_of_the_parts_that_apply() -> None:
    """2 · 1 − .5 · 4 = 0;  2 · 3 = 6;  −.5 · 8 = −4."""
    score = ComposedScore(
        (Part("model", Fixed(1.0, 3.0, None), 2.0), Part("length", Fixed(4.0, None, 8.0), -0.5))
    )
    assert score(completions("a", "b", "c")) == [
        {"score": 0.0, "model": 1.0, "length": 4.0},
        {"score": 6.0, "model": 3.0},
        {"score": -4.0, "length": 8.0},
    ]


def test_a_row_that_no_part_applies_to_is_named() -> None:
    score = ComposedScore((Part("one", Fixed(1.0, None)), Part("two", Fixed(None, None))))
    with pytest.raises(RunFailed, match="prompt 'q': one, two all say None"):
        score(completions("a", "b", id=["p", "q"]))


def test_async_functions_of_a_batch_wait_together() -> None:
    """Each waits until the other has begun: one after the other they would wait for ever."""
    begun: list[str] = []

    def meeting(name: str):  # type: ignore[no-untyped-def]
        async def rule(completions: list[str]) -> list[float]:
            begun.append(name)
            async with asyncio.timeout(10):
                while len(begun) < 2:
                    await asyncio.sleep(0)
            return [float(len(name))] * len(completions)

        return CallableScore(name, rule)

    score = ComposedScore(
        (Part("a", meeting("a")), Part("m", Fixed(10.0)), Part("bcd", meeting("bcd")))
    )
    assert score(completions("x")) == [{"score": 14.0, "a": 1.0, "m": 10.0, "bcd": 3.0}]


def test_one_of_several_that_fails_is_told() -> None:
    async def fine(completions: list[str]) -> list[float]:
        await asyncio.sleep(5)
        return [0.0]

    async def broken(completions: list[str]) -> list[float]:
        raise OSError("no network")

    parts = (Part("a", CallableScore("a", fine)), Part("b", CallableScore("b", broken)))
    with pytest.raises(RunFailed, match="'b' failed: OSError: no network"):
        ComposedScore(parts)(completions("x"))


def test_metrics_of_the_parts_are_unweighted_and_over_the_rows_they_apply_to() -> None:
    """Of 1, 3, 5 the mean is 3 and the sample deviation 2; of 4 alone 0."""
    axes = [{"score": 9.0, "m": 1.0}, {"score": 9.0, "m": 3.0, "f": 4.0}, {"score": 9.0, "m": 5.0}]
    assert part_metrics(axes) == {
        "rewards/m/mean": 3.0,
        "rewards/m/std": 2.0,
        "rewards/f/mean": 4.0,
        "rewards/f/std": 0.0,
    }
    assert part_metrics([{"score": 1.0}]) == {}
    assert parts_of(axes[1]) == {"m": 3.0, "f": 4.0}


def test_origins() -> None:
    def of(*origins: str) -> str:
        return ComposedScore(tuple(Part(o, Fixed(origin=o)) for o in origins)).origin

    assert of("rule", "rule") == "rule"
    assert of("rule", "model") == "mixed"
    assert of("rule", "gold", "model") == "gold"


def test_gold_among_the_parts_is_refused() -> None:
    parts = (Part("m", Fixed()), Part("judge", gold_judge("helpdesk")))
    with pytest.raises(BadInput, match="gold judge cannot be a reward"):
        training_score(ComposedScore(parts))


def test_a_gold_judge_cannot_be_a_reward() -> None:
    with pytest.raises(BadInput, match="gold judge cannot be a reward"):
        training_score(gold_judge("helpdesk"))


@pytest.mark.parametrize("origin", ["model", "rule", "judge", "people"])
def test_any_other_opinion_can(origin: str) -> None:
    score = Fixed(origin=origin)
    assert training_score(score) is score  # type: ignore[comparison-overlap]
