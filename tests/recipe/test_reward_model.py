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
        ({"member_learning_rates": [1e-4, 4e-5]}, "set members = 5"),
        ({"member_dropouts": [0.1]}, "set members = 5"),
        ({"members": 2, "member_learning_rates": [0.0]}, "greater than 0"),
        (
            {"members": 2, "average_weights": True, "aggregation": {"kind": "worst_case"}},
            "leave one out",
        ),
        ({"objective": {"kind": "rating"}, "linear": {}}, "linear learns from comparisons"),
        ({"members": 2, "average_weights": True, "linear": {}}, "linear stands beside it"),
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


def test_members_go_through_rates_and_dropouts() -> None:
    """Three rates with two dropouts are six members, the published number."""
    six = recipe(
        members=6,
        average_weights=True,
        member_learning_rates=[1e-5, 4e-5, 1e-4],
        member_dropouts=[0.0, 0.1],
    )
    varied = [(m.optimizer.learning_rate, m.dropout) for m in map(six.of_member, range(6))]
    assert varied == [(1e-5, 0), (4e-5, 0), (1e-4, 0), (1e-5, 0.1), (4e-5, 0.1), (1e-4, 0.1)]
    assert six.of_member(6).optimizer == six.of_member(0).optimizer
    plain = recipe(members=2, dropout=0.3)
    assert plain.of_member(1) == plain
