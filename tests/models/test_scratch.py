"""Networks with random weights by family, drawn from a seed."""

import pytest
import torch

from preftune.models import build_policy
from preftune.recipe import Architecture
from tests.models.made import FAMILIES, architecture, make_policy, tokenizer


@pytest.mark.parametrize("family", FAMILIES)
def test_the_seed_decides_the_weights_and_nothing_else_does(family: str) -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    one = make_policy(family, seed=5).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before), "the global stream is untouched"
    torch.manual_seed(9)
    two, other = make_policy(family, seed=5).state_dict(), make_policy(family, seed=6).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family", FAMILIES)
def test_configuration_follows_the_recipe(family: str) -> None:
    config = build_policy(architecture(family, dropout=0.25, context=48), tokenizer(), 0).config
    assert config.model_type == family
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (32, 2, 2)
    assert config.max_position_embeddings == 48
    assert config.vocab_size == 300
    assert (config.eos_token_id, config.pad_token_id) == (0, 1)
    dropout = config.resid_pdrop if family == "gpt2" else config.attention_dropout
    assert dropout == 0.25


def test_the_default_has_about_a_million_weights() -> None:
    count = sum(p.numel() for p in build_policy(Architecture(), tokenizer(), 0).parameters())
    with_1024_tokens = count + (1024 - 300) * 128
    assert 0.9e6 < with_1024_tokens < 1.3e6


def test_the_spread_of_fresh_weights_is_the_recipe_s() -> None:
    weight = make_policy("llama").get_input_embeddings().weight
    assert weight[2:].std().item() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_the_head_is_the_table_of_embeddings_or_is_not(family: str, tied: bool) -> None:
    shape = architecture(family).model_copy(update={"tie_word_embeddings": tied})
    policy = build_policy(shape, tokenizer(), 0)
    head, table = policy.get_output_embeddings().weight, policy.get_input_embeddings().weight
    assert (head is table) == tied
    assert torch.equal(head, table) == tied
