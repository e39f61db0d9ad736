"""What critic-free recipes refuse, and what they say to do instead."""

import pytest

from preftune.recipe import DAPO, GRPO, parse_recipe
from preftune.records import BadInput

STAGE = """[stages.x]
kind = "{kind}"
policy = "p"
reward_model = "r"
prompts = "x.jsonl"
{setting}
"""

REFUSED = [
    ("rloo", "samples = 1", 'set samples to 2 or more, or use kind = "reinforce" or "ppo"'),
    ("grpo", "samples = 1", "nothing to compare a response with"),
    ("grpo", "samples = 3", "does not divide rollouts"),
    ("grpo", 'kl_estimator = "k1"', "expected gradient of zero"),
    ("dr_grpo", 'kl_estimator = "k1"', 'use "k2", "k3" or "k3_weighted"'),
    ("gspo", 'aggregation = "token_mean"', "the mean over a response's tokens already"),
    ("dapo", "kl = { coefficient = 0.1 }", "kl is no part of DAPO"),
    ("dapo", "overlong_buffer = 33", "every response would be punished"),
    ("reinforce", "epochs = 2", "responses of an older policy"),
    ("reinforce", "minibatches = 2", 'use kind = "rloo" or "reinforce_plus_plus"'),
    ("reinforce_plus_plus", 'baseline = "group_mean"', "set samples to 2 or more"),
    ("online_dpo", "samples = 4", "makes no pair, which has 2 sides"),
    ("online_dpo", "kl = { coefficient = 0 }", "the loss teaches nothing"),
    ("online_dpo", "minibatches = 256", "splits pairs"),
]


@pytest.mark.parametrize(("kind", "setting", "says"), REFUSED)
def test_what_cannot_be_is_refused_with_a_remedy(kind: str, setting: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_recipe(STAGE.format(kind=kind, setting=setting))
    assert says.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    "kind",
    ["reinforce", "rloo", "reinforce_plus_plus", "grpo", "dr_grpo", "dapo", "gspo", "online_dpo"],
)
def test_defaults_are_accepted(kind: str) -> None:
    stage = parse_recipe(STAGE.format(kind=kind, setting="")).stages["x"]
    assert stage.kind == kind


def test_defaults_of_the_papers() -> None:
    """DAPO: clip .2 and .28, mean over tokens, no KL. GRPO: mean over sequences, k3."""
    dapo, grpo = DAPO.model_fields, GRPO.model_fields
    assert (dapo["cliprange_low"].default, dapo["cliprange_high"].default) == (0.2, 0.28)
    assert (dapo["aggregation"].default, dapo["kl"].default.coefficient) == ("token_mean", 0.0)
    assert (grpo["aggregation"].default, grpo["kl_estimator"].default) == ("sequence_mean", "k3")
