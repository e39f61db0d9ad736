"""The rewards of a recipe: one origin each, names that are free, gold refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from preftune.recipe import Section, Source, sources_of
from preftune.recipe.rewards import Reward, Rewards, callables_in, check_rewards


class Stage(Section):
    """A stage with rewards."""

    rewards: Rewards = {}


def stage(**rewards: Any) -> Stage:
    return Stage.model_validate({"rewards": rewards})


def test_models_are_sources_and_functions_are_found() -> None:
    read = stage(
        helpful={"model": "stage:reward", "weight": 0.5}, short={"callable": "rules.text:short"}
    )
    assert sources_of(read) == {"rewards.helpful.model": "stage:reward"}
    assert callables_in(read) == {"short": "rules.text:short"}
    assert read.rewards["helpful"].weight == 0.5 and read.rewards["short"].weight == 1.0
    assert callables_in(Reward(model=Source("m"))) == {}
    judged = stage(kind={"judge": {"model": "stage:judge"}})
    assert sources_of(judged) == {"rewards.kind.judge.model": "stage:judge"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either a model, a callable, a rule, a judge or"),
        ({"model": "m", "callable": "a:b"}, "either a model, a callable, a rule, a judge or"),
        ({"model": "gold:helpdesk"}, "measures and never teaches"),
        (
            {"rule": {"kind": "steps"}, "model": "m"},
            "either a model, a callable, a rule, a judge or",
        ),
        ({"judge": {"model": "gold:helpdesk"}}, "measures and never teaches"),
        ({"judge": {}}, "either a model or an endpoint"),
        (
            {"judge": {"model": "m", "endpoint": {"base_url": "http://x/v1", "model": "m"}}},
            "either",
        ),
        (
            {"judge": {"model": "m", "question": "?", "propositions": {"a": {"text": "b"}}}},
            "question belongs to a rating",
        ),
        ({"callable": "short"}, "is not module:function"),
        ({"callable": "my rules:short"}, "is not module:function"),
        ({"callable": "rules:short()"}, "is not module:function"),
    ],
)
def test_what_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        stage(r=given)


def test_there_is_a_reward_and_its_name_is_free() -> None:
    one = stage(short={"callable": "rules:short"}).rewards
    check_rewards(one, None)
    check_rewards({}, Source("m"))
    check_rewards(stage(reward_model={"model": "m"}).rewards, None)
    with pytest.raises(ValueError, match="nothing to optimise"):
        check_rewards({}, None)
    with pytest.raises(ValueError, match=r"rewards.score has the name of the sum"):
        check_rewards(stage(score={"model": "m"}).rewards, None)
    with pytest.raises(ValueError, match=r"rewards.reward_model has the name of the stage's"):
        check_rewards(stage(reward_model={"model": "m"}).rewards, Source("m"))
