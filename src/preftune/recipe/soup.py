"""Policies tuned from one start, mixed by weight: what can be set."""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section, Source


class Soup(Section):
    """One policy whose weights lie between those of several (Ramé et al. 2023, rewarded soups).

    The policies were tuned from one start, each for a reward of its own.
    """

    kind: Literal["soup"] = "soup"
    policies: dict[str, Source] = Field(min_length=2)
    """The policies by what each was tuned for."""
    weights: dict[str, float] = Field(min_length=1)
    """How much each counts, divided by their sum; a policy left out counts nothing."""

    @model_validator(mode="after")
    def _weights_of_policies(self) -> Self:
        for name, weight in self.weights.items():
            if name not in self.policies:
                known = ", ".join(self.policies)
                raise ValueError(f"weights.{name} is of none of the policies {known}")
            if weight < 0:
                raise ValueError(f"weights.{name} = {weight:g} is less than 0")
        if sum(self.weights.values()) <= 0:
            raise ValueError("all weights are 0: give one policy more")
        return self

    def shares(self) -> dict[str, float]:
        """The weight of every policy; they add up to 1."""
        total = sum(self.weights.values())
        return {name: self.weights.get(name, 0.0) / total for name in self.policies}
