"""How a stage computes: keys, their contradictions, and what stands on which stage."""

import pytest

from preftune.recipe import COMPUTING, Adapting, Computing, FromEngine, VLLMRollouts, parse_recipe
from preftune.recipe.walk import KINDS
from preftune.records import BadInput

SFT = 'kind = "sft"\nmodel = "m"\ntrain = "t"\n'
DPO = 'kind = "dpo"\nmodel = "m"\ntrain = "t"\n'
PPO = 'kind = "ppo"\npolicy = "p"\nreward_model = "r"\nprompts = "x"\n'
TRAINED = {
    "sft", "pretrain", "reward_model", "rejection_sampling", "ilql", "spin", "dpo", "ipo", "kto",
    "orpo", "simpo", "ppo", "a2c", "trpo", "nlpo", "reinforce", "rloo", "reinforce_plus_plus",
    "grpo", "dr_grpo", "dapo", "gspo", "online_dpo",
}  # fmt: skip


def stage(text: str) -> Computing:
    (found,) = parse_recipe(text).stages.values()
    assert isinstance(found, Computing)
    return found


def test_every_stage_that_trains_has_the_keys_and_float32_by_default() -> None:
    assert {kind for kind, section in KINDS.items() if issubclass(section, Computing)} == TRAINED
    adapting = {kind for kind, section in KINDS.items() if issubclass(section, Adapting)}
    assert TRAINED - adapting == {"pretrain"}
    for kind in TRAINED:
        fields = KINDS[kind].model_fields
        assert fields["precision"].default == "float32"
        assert fields["activation_checkpointing"].default is False
    assert set(COMPUTING) == {"precision", "activation_checkpointing", "adapter", "engine"}


def test_an_adapter_keeps_the_defaults_it_does_not_name() -> None:
    adapter = stage(SFT + "adapter = { rank = 4 }\n").adapter  # type: ignore[attr-defined]
    assert (adapter.rank, adapter.alpha, adapter.dropout, adapter.targets) == (4, 32, 0.0, ())
    assert adapter.merge is True


def test_an_engine_is_a_name_or_a_section() -> None:
    for text in ('engine = "vllm"\n', 'engine = { kind = "vllm" }\n'):
        found = stage(PPO + text)
        assert isinstance(found, FromEngine) and found.engine == VLLMRollouts()
    found = stage(PPO)
    assert isinstance(found, FromEngine) and found.engine.kind == "native"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SFT + 'precision = "float16"\n', "precision"),
        (SFT + "adapter = { rank = 0 }\n", "rank"),
        (DPO + "adapter = { dropout = 0.1 }\n", "does nothing in dpo"),
        (PPO + "adapter = { dropout = 0.1 }\n", "does nothing in ppo"),
        (PPO.replace("ppo", "trpo") + 'precision = "bfloat16"\n', "precision"),
        (PPO.replace("ppo", "trpo") + "adapter = { rank = 4 }\n", "adapter"),
        (PPO.replace("ppo", "nlpo") + 'engine = "vllm"\n', "engine"),
        (PPO + 'engine = "vlm"\n', "engine"),
        (SFT + 'engine = "vllm"\n', "engine"),
        (
            'kind = "reward_model"\nmodel = "m"\ntrain = "t"\nmembers = 3\naverage_weights = true\n'
            "adapter = { rank = 4 }\n",
            "average_weights",
        ),
    ],
)
def test_what_contradicts_is_refused(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse_recipe(text)


def test_dropout_of_adapters_where_a_stage_has_dropout() -> None:
    assert stage(SFT + "adapter = { dropout = 0.1 }\n").adapter.dropout == 0.1  # type: ignore[attr-defined]
