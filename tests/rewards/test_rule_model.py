"""A model of rules as a reward: what it reads, how its probabilities are put together."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from preftune.records import Axes, Completion, RunFailed
from preftune.rewards import RerankScore, RuleModelScore, WeighedRules
from tests.rewards.made import completions
from tests.rewards.test_compose import Fixed

THREE = math.log(3)
TEXTS = {"polite": "no insults", "law": "no crime"}


class Odds:
    """Log-odds ln 3 (P = .75) of a rule, −ln 3 (.25) where the answer has the rule's last word."""

    origin = "model"

    def __init__(self) -> None:
        self.seen: list[Completion] = []

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        self.seen.extend(completions)
        return [{"score": self._odds(c)} for c in completions]

    def _odds(self, completion: Completion) -> float:
        rule = str(completion.prompt.text).partition("|")[0].split()[-1]
        return -THREE if rule in completion.text else THREE


def rules(how: str) -> tuple[Odds, RuleModelScore]:
    odds: Any = Odds()
    return odds, RuleModelScore(odds, "rule {rule}|", TEXTS, how)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [0.75, 0.5]),
        ("mean_log", [math.log(0.75), (math.log(0.75) + math.log(0.25)) / 2]),
        ("sum_log", [2 * math.log(0.75), math.log(0.75) + math.log(0.25)]),
    ],
)
def test_every_rule_is_asked_with_its_words(how: str, expected: list[float]) -> None:
    odds, score = rules(how)
    found = score(completions("fine", "insults", prompt="Why?"))
    assert [axes["score"] for axes in found if axes] == pytest.approx(expected)
    assert [axes["polite"] for axes in found if axes] == pytest.approx([0.75, 0.25])
    assert [axes["law"] for axes in found if axes] == pytest.approx([0.75, 0.75])
    assert {c.prompt.text for c in odds.seen} == {"rule no insults|Why?", "rule no crime|Why?"}
    assert all(c.token_ids == () for c in odds.seen)


def test_weights_by_the_type_that_a_prompt_asks_for() -> None:
    """2 · .75 − .75 = .75 to comply; .75 by the weights for any type; nothing for a third."""
    weights = {"comply": {"polite": 2.0, "law": -1.0}, "refuse": {"law": 1.0}}
    score = WeighedRules(rules("mean")[1], weights, "response_type")
    given = completions("a", "b", "c", response_type=["comply", "refuse", "other"])
    found = score(given)
    assert [None if axes is None else axes["score"] for axes in found] == [
        pytest.approx(0.75),
        pytest.approx(0.75),
        None,
    ]
    anyhow = WeighedRules(rules("mean")[1], {"": {"law": 4.0}}, "response_type")
    assert [axes["score"] for axes in anyhow(given) if axes] == pytest.approx([3.0] * 3)


def test_sparrows_order_by_hand() -> None:
    """Preferences 1 and 3 of one prompt have the mean 2, 5 of another is its own: log σ(∓1), and
    log σ(0) = −ln 2; log P(kept) is added."""
    given = completions("a", "b", "c", id=["p", "p", "q"])
    order = RerankScore(Fixed(1.0, 3.0, 5.0), Fixed(-0.1, -2.0, -0.3))
    found = [axes["score"] for axes in order(given) if axes]

    def log_sigmoid(x: float) -> float:
        return -math.log(1 + math.exp(-x))

    assert found == pytest.approx([log_sigmoid(-1) - 0.1, log_sigmoid(1) - 2.0, -math.log(2) - 0.3])
    assert found[0] > found[1], "the rule outweighs the preference"
    with pytest.raises(RunFailed, match="said nothing"):
        RerankScore(Fixed(None, 1.0, 1.0), Fixed(0.0, 0.0, 0.0))(given)
