"""Parts made one: gates, Llama 2's switch, weights that the prompt says."""

import math
from collections.abc import Sequence

import pytest

from preftune.recipe.several_objectives import RewardGate, SafetySwitch
from preftune.records import Axes, Completion, Prompt, RunFailed
from preftune.rewards import (
    WEIGHTS,
    ComposedScore,
    Part,
    SwitchedSum,
    UnpromptedScore,
    prompted_sum,
)
from tests.models.made import make_policy, renderer_of
from tests.rewards.made import completions
from tests.rewards.test_compose import Fixed


def totals(score: ComposedScore, given: Sequence[Completion]) -> list[float]:
    return [axes["score"] for axes in score(given) if axes is not None]


def test_a_part_out_of_bounds_decides_alone() -> None:
    """The second breaks the first gate, the third both: the lower score counts. A part that does
    not apply breaks nothing."""
    safe = Part("safe", Fixed(0.9, 0.2, 0.2, None), 0.0, RewardGate(least=0.5, score=-1.0))
    long = Part("long", Fixed(10.0, 10.0, 99.0, 10.0), 0.1, RewardGate(most=50, score=-3.0))
    assert totals(ComposedScore((safe, long)), completions("a", "b", "c", "d")) == [
        1.0,
        -1.0,
        -3.0,
        1.0,
    ]


def switch(**settings: object) -> SwitchedSum:
    given = SafetySwitch.model_validate({"helpful": "h", "safe": "s", **settings})
    return SwitchedSum(given, frozenset({"h"}))


def test_the_switch_by_hand() -> None:
    """σ(h) is .5, .9, .9, .9; s is .9, .1, .9, .9 and the last prompt is tagged. R_c is .5
    (helpful), .1 (unsafe), .9 (helpful), .9 (safety): logits 0, −ln 9, ln 9, ln 9, their mean
    ¼ ln 9 and deviation √(11/12) ln 9. The bonus of 2 · .25 is added after whitening."""
    nine = math.log(9)
    helpful = Fixed(0.0, nine, nine, nine)
    parts = (
        Part("h", helpful),
        Part("s", Fixed(0.9, 0.1, 0.9, 0.9)),
        Part("bonus", Fixed(None, None, None, 0.25), 2.0),
    )
    given = completions("a", "b", "c", "d", safety=[None, False, 0, True])
    found = totals(ComposedScore(parts, switch()), given)
    mean = sum(logits := [0.0, -nine, nine, nine]) / 4
    deviation = math.sqrt(sum((x - mean) ** 2 for x in logits) / 3)
    expected = [(x - mean) / deviation for x in logits]
    expected[3] += 0.5
    assert found == pytest.approx(expected)


def test_what_is_no_probability_or_is_missing_is_told() -> None:
    given = completions("a", "b")
    with pytest.raises(RunFailed, match=r"'s' as a probability, and it is -1 to 0\.5"):
        ComposedScore((Part("h", Fixed(1.0, 1.0)), Part("s", Fixed(-1.0, 0.5))), switch())(given)
    with pytest.raises(RunFailed, match="needs 's' for every response"):
        ComposedScore((Part("h", Fixed(1.0, 1.0)), Part("s", Fixed(None, 0.5))), switch())(given)


def test_weights_that_the_prompt_says() -> None:
    """.25 · 4 + .75 · 8 + .5 · 2 = 8; a prompt that says none has the recipe's own 1, 1, .5."""
    parts = (
        Part("a", Fixed(4.0, 4.0)),
        Part("b", Fixed(8.0, 8.0)),
        Part("c", Fixed(2.0, 2.0), 0.5),
    )
    weights = [{"a": 0.25, "b": 0.75}, None]
    given = completions("x", "y", **{WEIGHTS: weights})
    assert totals(ComposedScore(parts, prompted_sum), given) == [8.0, 13.0]


def test_scores_do_not_see_the_weights() -> None:
    seen: list[Completion] = []

    class Seeing:
        origin = "model"

        def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
            seen.extend(completions)
            return [{"score": 0.0} for _ in completions]

    renderer = renderer_of(make_policy())
    told = Prompt("<a=1,b=0>Why?", {WEIGHTS: {"a": 1.0, "b": 0.0}})
    plain = Prompt("Why?")
    made = completions("x")[0]
    ids = renderer.prompt_ids(told.text)
    given = [
        Completion(told, "x", made.stop_reason, "v", ids, (7,)),
        Completion(plain, "x", made.stop_reason, "v", renderer.prompt_ids("Why?"), (7,)),
    ]
    UnpromptedScore(Seeing(), "<{weights}>", renderer)(given)
    assert [c.prompt.text for c in seen] == ["Why?", "Why?"]
    assert seen[0].prompt_token_ids == seen[1].prompt_token_ids == renderer.prompt_ids("Why?")
    assert [c.token_ids for c in seen] == [(7,), (7,)] and WEIGHTS in seen[0].prompt.columns
