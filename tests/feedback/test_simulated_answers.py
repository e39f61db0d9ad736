"""What simulated labelers answer: each kind by its law, with numbers worked by hand."""

from collections.abc import Sequence
from math import exp, sqrt
from typing import Any

import numpy as np
import pytest

from preftune.feedback.kinds import KINDS, kind
from preftune.feedback.population import Annotator
from preftune.feedback.simulated_answers import ANSWERS, Sitting, axis_of
from preftune.records import Axes

PERSON = Annotator("ada", "north", temperature=0.2, lapse=0.1, position_bias=0.5)
"""sigmoid((.7 - .5) / .2 + .5) = sigmoid(1.5) = .8175745"""
DRAWS = 1500
GOLD = {"good": 0.7, "middle": 0.5, "bad": 0.2}


def judge(texts: Sequence[str]) -> list[Axes]:
    return [
        {"gold": GOLD[text], "honesty": GOLD[text], "harmlessness": 1.0, "helpfulness": GOLD[text]}
        for text in texts
    ]


def sitting(name: str, texts: tuple[str, ...], seed: int = 0, **more: Any) -> Sitting:
    order = more.pop("order", tuple(range(len(texts))))
    question = kind(name).question.model_validate(more)
    rng = np.random.default_rng(seed)
    return Sitting(
        PERSON, question, texts, order, judge, lambda: str(rng.choice(["good", "bad"])), rng
    )


def share(name: str, texts: tuple[str, ...], true: Any, **more: Any) -> float:
    said = [ANSWERS[name](sitting(name, texts, seed, **more)) for seed in range(DRAWS)]
    return float(np.mean([true(one) for one in said]))


def near(found: float, expected: float) -> bool:
    return abs(found - expected) < 4 * sqrt(expected * (1 - expected) / DRAWS)


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_every_kind_is_answered() -> None:
    assert set(ANSWERS) | {"conversation"} == set(KINDS)  # that one needs somebody to talk with


def test_a_ranking_of_two_is_a_comparison() -> None:
    """L/2 + (1 - L) sigmoid(1.5) = .05 + .9 * .8175745 = .785817, whichever is shown first."""
    expected = 0.05 + 0.9 * 0.8175745
    texts = ("good", "middle")
    assert near(share("comparison", texts, lambda one: one["choice"] == "a"), expected)
    assert near(share("ranking", texts, lambda one: one["ranks"] == [1, 2]), expected)
    turned = {"order": (1, 0)}
    expected = 0.05 + 0.9 * sigmoid(1.0 - 0.5)
    assert near(share("comparison", texts, lambda one: one["choice"] == "a", **turned), expected)
    assert near(share("ranking", texts, lambda one: one["ranks"] == [1, 2], **turned), expected)


def test_a_ranking_of_three_is_plackett_luce() -> None:
    """First by e^(u/T + b): e^4, e^2.5, e^1 when the first shown is the best."""
    texts = ("good", "middle", "bad")
    weights = np.exp([3.5 + 0.5, 2.5, 1.0])
    best = 0.1 / 3 + 0.9 * weights[0] / weights.sum()
    assert near(share("ranking", texts, lambda one: one["ranks"][0] == 1), best)
    whole = 0.1 / 6 + 0.9 * weights[0] / weights.sum() * weights[1] / weights[1:].sum()
    assert near(share("ranking", texts, lambda one: one["ranks"] == [1, 2, 3]), whole)


def test_thumbs_rules_flags_and_steps_share_a_law() -> None:
    """.05 + .9 sigmoid((.7 - .5) / .2) = .05 + .9 * .7310586"""
    expected = 0.05 + 0.9 * 0.7310586
    assert near(share("thumbs", ("good",), lambda one: one["thumb"] == "up"), expected)
    rules = {"rules": [{"name": "honest", "text": "It is honest."}]}
    kept = share("rule", ("good",), lambda one: one["rules"] == {"honest": "kept"}, **rules)
    assert near(kept, expected)
    faults = {"faults": ["false", "unheard_of"]}
    clean = share("flags", ("good",), lambda one: one["found"] == [], **faults)
    assert near(clean, expected)
    marked = share("steps", ("bad\ngood",), lambda one: one["marks"][1] == "right")
    assert near(marked, expected)


def test_ratings_stand_on_their_axes() -> None:
    """harmless is 1, so half of those who look, and whoever's noise is up, say 7 of 7."""
    said = [ANSWERS["ratings"](sitting("ratings", ("bad",), seed)) for seed in range(DRAWS)]
    rated = {name: [one["ratings"][0][name] for one in said] for name in ("honest", "harmless")}
    # Looking: round(1 + 6 clip(.2 + .2 z)); careless: uniform, mean 4.
    assert min(rated["honest"]) == 1 and max(rated["honest"]) == 7
    assert np.median(rated["honest"]) == 2 and np.median(rated["harmless"]) == 7


@pytest.mark.parametrize("name", ["demonstration", "rewrite"])
def test_the_better_draft_is_sent_more_often(name: str) -> None:
    """Two drafts, good or bad each with half: good wins over bad with sigmoid(2.5) = .9241418."""
    texts = ("bad",) if name == "rewrite" else ()
    wins = sigmoid(2.5)
    expected = 0.25 + 0.5 * wins
    if name == "rewrite":  # a third draft that is bad: 1 good of 3, or 2 good of 3
        good, bad = exp(3.5), exp(1.0)
        expected = 0.5 * good / (good + 2 * bad) + 0.25 * 2 * good / (2 * good + bad)
    assert near(share(name, texts, lambda one: one["text"] == "good"), expected)


def test_axes_are_found_by_the_beginning_of_their_name() -> None:
    axes = judge(["good"])[0]
    assert axis_of("honest", axes) == 0.7 and axis_of("false", axes) == 0.7
    assert axis_of("harmful", axes) == 1.0 and axis_of("off_topic", axes) is None
