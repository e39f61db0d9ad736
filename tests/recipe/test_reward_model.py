"""What a reward model's recipe refuses, and that an old recipe means what it meant."""

from typing import Any

import pytest
from pydantic import ValidationError

from preftune.recipe import AxesRegression, BradleyTerry, CrossValidate, RewardModel, parse_recipe
from preftune.records import BadInput

STAGE = {"model": "m", "train": "t"}


def recipe(**settings: Any) -> RewardModel:
    return RewardModel.model_validate(STAGE | settings)


def test_the_default_is_bradley_terry_alone() -> None:
    plain = recipe()
    assert plain.objective == BradleyTerry() and plain.members == 1
    assert recipe(objective={"label_smoothing": 0.1}).objective == BradleyTerry(label_smoothing=0.1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objective": {"kind": "k_wise"}, "labels": "soft"}, "belongs to bradley_terry"),
        ({"objective": {"kind": "rating"}, "center": 0.01}, "belongs to bradley_terry"),
        ({"objective": {"kind": "k_wise"}, "batching": "prompts"}, "belongs to bradley_terry"),
        ({"objective": {"kind": "process"}, "annotator_weights": {"a": 1}}, "learns from none"),
        ({"bootstrap": True}, "set members = 5"),
        ({"average_weights": True}, "set members = 5"),
        ({"aggregation": {"kind": "worst_case"}}, "set members = 5"),
        (
            {"members": 2, "average_weights": True, "aggregation": {"kind": "worst_case"}},
            "leave one out",
        ),
        ({"objective": {"kind": "rating"}, "linear": True}, "linear learns from comparisons"),
        ({"members": 2, "average_weights": True, "linear": True}, "linear stands beside it"),
        ({"objective": {"kind": "axes", "axes": ["a"]}}, "not both"),
        ({"objective": {"kind": "axes", "axes": ["a"], "score": "b"}}, "'b' is none of"),
        ({"objective": {"kind": "axes", "axes": ["a", "a"], "score": "a"}}, "twice"),
        (
            {"objective": {"kind": "axes", "axes": ["a"], "score": "a", "weights": {"a": 1}}},
            "not both",
        ),
        ({"objective": {"kind": "axes", "axes": [], "score": "a"}}, "at least 1"),
        ({"objective": {"label_smoothing": 0.5}}, "less than 0.5"),
        ({"annotator_weights": {"a": -1}}, "greater than or equal to 0"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        recipe(**settings)


def test_the_message_names_the_place() -> None:
    text = """[stages.rm]
kind = "reward_model"
model = "m"
train = "t"
objective = { kind = "axes", axes = ["help"], score = "halp" }
"""
    with pytest.raises(BadInput, match="'halp' is none of axes"):
        parse_recipe(text, file="r.toml")
    with pytest.raises(BadInput, match="plackett_luce"):
        parse_recipe(text.replace('"axes", axes', '"placket", axes'), file="r.toml")


def test_weights_of_the_axes() -> None:
    one = AxesRegression(axes=("a", "b", "c"), score="b")
    assert one.score_weights() == (0.0, 1.0, 0.0)
    some = AxesRegression(axes=("a", "b", "c"), weights={"c": 0.5, "a": 2.0})
    assert some.score_weights() == (2.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"objective": {"kind": "rating"}}, "on them"), ({"members": 2}, "one level up")],
)
def test_folds_are_of_single_models_on_comparisons(settings: dict[str, Any], words: str) -> None:
    stage = {"data": "d", "by": "topic", "reward_model": STAGE | settings}
    with pytest.raises(ValidationError, match=words):
        CrossValidate.model_validate(stage)
