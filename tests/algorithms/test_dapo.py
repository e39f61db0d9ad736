"""DAPO: groups without spread are drawn again, long responses lose, the place is remembered."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from preftune.algorithms.dapo import punished, sample_with_spread, spread
from preftune.algorithms.on_policy import judge
from preftune.records import Axes, Completion, Prompt, Sampling, StopReason
from tests.algorithms.made import EOS, make_run
from tests.algorithms.made_critic_free import completions, recipe_of, run_story, scored_as


def generate(prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
    return [Completion(p, p.text, StopReason.EOS, "v", (20, 21), (30, EOS)) for p in prompts]


class Flat:
    """Groups of two: scores 0 and 1, but no spread in the groups numbered in ``flat``."""

    origin = "model"

    def __init__(self, flat: set[int]) -> None:
        self.flat, self.seen = flat, 0
        self.asked: list[int] = []

    def __call__(self, given: Sequence[Completion]) -> list[Axes | None]:
        self.asked.append(len(given))
        found: list[Axes | None] = []
        for _ in range(len(given) // 2):
            says = 0.5 if self.seen in self.flat else 1.0
            found += [{"score": says}, {"score": 0.5 if says == 0.5 else 0.0}]
            self.seen += 1
        return found


def drawn(flat: set[int], **settings: object):  # type: ignore[no-untyped-def]
    recipe = recipe_of("dapo", rollouts=8, samples=2, **settings)
    score = Flat(flat)
    run = make_run(recipe)
    chosen = sample_with_spread(recipe, run.inputs, generate, score, drawn=10)
    return chosen, score


def test_groups_with_spread_are_taken_as_they_come() -> None:
    chosen, score = drawn(set())
    assert score.asked == [8]
    assert chosen.drawn == 14
    assert len(chosen.completions) == 8 and chosen.thrown_away == 0


def test_the_others_are_drawn_again() -> None:
    """Groups 1 and 3 are flat, then 4 is: 4 + 2 + 1 groups for four."""
    chosen, score = drawn({1, 3, 4})
    assert score.asked == [8, 4, 2]
    assert chosen.drawn == 10 + 7
    axes = chosen.score(chosen.completions)
    assert [each["score"] for each in axes if each] == [1, 0] * 4
    texts = [str(completion.prompt.text) for completion in chosen.completions]
    assert texts[::2] == texts[1::2], "sides stay together"


def test_after_the_refills_flat_groups_fill_up() -> None:
    chosen, score = drawn(set(range(1, 99)), refills=2)
    assert score.asked == [8, 6, 6]
    assert chosen.drawn == 10 + 4 + 3 + 3
    scores = [each["score"] for each in chosen.score(chosen.completions) if each]
    assert scores == [1, 0] + [0.5] * 6
    # 10 groups of 2 responses of 2 tokens were drawn, 4 groups are kept.
    assert chosen.thrown_away == (10 - 4) * 2 * 2


def test_spread_is_highest_minus_lowest() -> None:
    assert spread([{"score": 1.0}, None, {"score": -0.5}]) == 1.5
    assert spread([None]) == 0


def test_long_responses_lose() -> None:
    """Longest 8, buffer 4: 4 tokens lose nothing, 6 a half, 8 all of it."""
    recipe = recipe_of("dapo", rollouts=4, overlong_buffer=4)
    run = make_run(recipe)
    scored = judge(recipe, run.inputs, completions([4, 6, 8, 1]), scored_as([1.0] * 4))
    assert punished(recipe, scored).scores_B.tolist() == pytest.approx([1, 0.5, 0, 1])
    assert recipe_of("dapo").buffer == 1, "a fifth of 8 tokens"
    assert recipe_of("dapo", sampling={"max_new_tokens": 20480}).buffer == 4096


def test_a_run_goes_on_where_its_drawing_stopped(tmp_path: Path) -> None:
    """Every group flat: each iteration draws 1 + refills times as many."""
    recipe = recipe_of("dapo", refills=1)
    rows = run_story(tmp_path, recipe, score=lambda given: [{"score": 1.0} for _ in given]).rows
    assert [row["sampling/groups_drawn"] for row in rows] == [2, 2, 2]
