"""Several objectives in a recipe: what contradicts itself is told with the remedy."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from preftune.recipe import Stage

ADAPTER: TypeAdapter[Any] = TypeAdapter(Stage)
LENGTH = {"rule": {"kind": "length", "most": 9}}


def stage(kind: str = "ppo", **settings: object) -> Any:
    given = {"kind": kind, "policy": "p", "prompts": "x", "rewards": {"a": LENGTH, "b": LENGTH}}
    return ADAPTER.validate_python(given | settings)


def test_a_constrained_part_stays_out_of_the_sum() -> None:
    constraint = {"most": 0.1}
    found = stage(rewards={"a": LENGTH, "b": LENGTH | {"constraint": constraint}})
    assert [part.weight for part in found.rewards.values()] == [1.0, 0.0]
    given = LENGTH | {"constraint": constraint, "weight": 0.5}
    assert stage(rewards={"a": LENGTH, "b": given}).rewards["b"].weight == 0.5


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"safety_switch": {"safe": "a"}}, "names 'reward_model', which is no part"),
        ({"safety_switch": {"helpful": "a", "safe": "c"}}, "names 'c', which is no part"),
        ({"safety_switch": {"helpful": "a", "safe": "a"}}, "name two"),
        ({"weights_in_prompt": {"parts": ["a", "z"]}}, "names 'z', which is no part"),
        ({"weights_in_prompt": {"parts": ["a", "a"]}}, "name each once"),
        ({"weights_in_prompt": {"parts": ["a", "b"], "words": "x"}}, "must say {weights}"),
        (
            {
                "weights_in_prompt": {"parts": ["a", "b"]},
                "safety_switch": {"helpful": "a", "safe": "b"},
            },
            "leave one of the two out",
        ),
        ({"rewards": {"a": LENGTH | {"gate": {"score": 1.0}}}}, "least, most or both"),
    ],
)
def test_contradictions(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        stage(**settings)


def test_rejection_sampling_follows_no_multiplier() -> None:
    given = {"a": LENGTH | {"constraint": {"most": 0.1}}, "b": LENGTH}
    with pytest.raises(ValidationError, match="use ppo, rloo or another on-policy kind"):
        stage("rejection_sampling", rewards=given)
    assert stage("rejection_sampling", safety_switch={"helpful": "a", "safe": "b"})


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"c": 1.0}, "none of the policies a, b"),
        ({"a": -1.0}, "less than 0"),
        ({"a": 0.0}, "are 0"),
    ],
)
def test_weights_of_a_soup(weights: dict[str, float], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ADAPTER.validate_python(
            {"kind": "soup", "policies": {"a": "x", "b": "y"}, "weights": weights}
        )


def test_shares_of_a_soup() -> None:
    found = ADAPTER.validate_python(
        {"kind": "soup", "policies": {"a": "x", "b": "y", "c": "z"}, "weights": {"a": 3, "c": 1}}
    )
    assert found.shares() == {"a": 0.75, "b": 0.0, "c": 0.25}
