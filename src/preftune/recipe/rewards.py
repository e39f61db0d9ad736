"""What a policy may be trained on: reward models, rules, judges, own functions, added up."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from preftune.recipe.judge import JudgeReward
from preftune.recipe.rules import Rule
from preftune.recipe.sections import Section, Source
from preftune.recipe.several_objectives import (
    Constraint,
    RewardGate,
    SafetySwitch,
    WeightsInPrompt,
)

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
TOTAL = "score"
"""The name of the sum, which no part of it can have."""


class Reward(Section):
    """One part of the reward: a reward model's score, a rule, a judge's opinion, or what a Python
    function returns."""

    model: Source | None = None
    """A reward model, which reads text with its own tokenizer and chat template."""
    callable: str | None = None
    """``module:function``: prompts, completions and columns in, a number or None for each out."""
    rule: Rule | None = None
    """A deterministic rule by its kind, such as ``{ kind = "length", most = 40 }``."""
    judge: JudgeReward | None = None
    """A language model's opinion, asked for every response."""
    weight: float = 1.0
    """What the score is multiplied with before the parts are added up; 0 with a constraint."""
    gate: RewardGate | None = None
    """What the part must be, or the whole response gets another score."""
    constraint: Constraint | None = None
    """The part's mean is kept below a limit, at the price of the other parts."""

    @model_validator(mode="before")
    @classmethod
    def _constrained_parts_stay_out_of_the_sum(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("constraint") is not None:
            return {"weight": 0.0, **given}
        return given

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = (self.model, self.callable, self.rule, self.judge)
        if sum(part is not None for part in given) != 1:
            raise ValueError(
                "a reward is either a model, a callable, a rule or a judge: "
                'write { model = "stage:…" }, { callable = "module:function" }, '
                '{ rule = { kind = "…" } } or { judge = { … } }'
            )
        if self.model is not None and self.model.startswith("gold:"):
            raise ValueError(
                f"model = {str(self.model)!r} is a gold judge, which measures and never teaches: "
                "train a reward model on labels and use that"
            )
        if self.callable is not None and not FUNCTION.fullmatch(self.callable):
            raise ValueError(
                f"callable = {self.callable!r} is not module:function: "
                "write for instance callable = 'my_rewards:short'"
            )
        return self


Rewards = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Reward]
"""Parts of the reward by name."""


class SeveralObjectives(Section):
    """How the parts of a reward become one: their sum, unless something else is said."""

    reward_model: Source | None = None
    """What the policy is trained on; may be left out where there are ``rewards``."""
    rewards: Rewards = {}
    """Further parts of the reward by name: models, functions, rules, judges."""
    safety_switch: SafetySwitch | None = None
    """Llama 2's choice between helpfulness and safety, instead of their sum."""
    weights_in_prompt: WeightsInPrompt | None = None
    """The policy reads in its prompt how much each part counts."""

    @model_validator(mode="after")
    def _something_to_optimise(self) -> Self:
        check_rewards(self.rewards, self.reward_model)
        known = [*(["reward_model"] if self.reward_model is not None else []), *self.rewards]
        switch, weighed = self.safety_switch, self.weights_in_prompt
        if switch is not None:
            _require_parts("safety_switch", (switch.helpful, switch.safe), known)
            if switch.helpful == switch.safe:
                raise ValueError("safety_switch has one part as helpful and safe: name two")
        if weighed is not None:
            _require_parts("weights_in_prompt.parts", weighed.parts, known)
            if switch is not None:
                raise ValueError(
                    "safety_switch chooses between two parts and weights_in_prompt weighs them: "
                    "leave one of the two out"
                )
        return self


def _require_parts(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(
                f"{where} names {name!r}, which is no part of the reward: "
                f"there are {', '.join(known)}"
            )


def check_rewards(rewards: Rewards, reward_model: Source | None) -> None:
    """Raises ValueError when there is no reward at all, or when a part has a name that is taken."""
    if not rewards and reward_model is None:
        raise ValueError(
            "there is nothing to optimise: "
            "name reward_model, or rewards with a model, callable, rule or judge"
        )
    taken = {TOTAL} if reward_model is None else {TOTAL, "reward_model"}
    for name in sorted(taken & set(rewards)):
        meaning = "the sum of all rewards" if name == TOTAL else "the stage's reward_model"
        raise ValueError(f"rewards.{name} has the name of {meaning}: call it something else")


def callables_in(value: object) -> dict[str, str]:
    """Every ``module:function`` inside a stage's settings, by the name of its reward."""
    found = getattr(value, "rewards", None)
    if not isinstance(found, dict):
        return {}
    return {name: part.callable for name, part in found.items() if part.callable is not None}
