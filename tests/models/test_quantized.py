"""Weights in four bits: what is held, what is computed with it, what is saved."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from preftune.models import (
    add_adapter,
    collate,
    load_policy,
    response_logprobs,
    save_model,
    value_head_on,
    values,
    weights_digest,
    without_adapter,
)
from preftune.models.adapter_folders import is_over, merged_weights
from preftune.models.quantized import (
    QuantizedLinear,
    held_in_four_bits,
    output_by_input,
    quantized_layers,
    round_trip,
)
from preftune.recipe import Adapter
from preftune.records import BadInput
from preftune.rollouts.token_weights import passes_tokens
from preftune.training import owned_parameters
from tests.models.made import CPU, FAMILIES, make_policy, make_rows, moved, tokenizer

HELD = Adapter(rank=4, alpha=8, quantize="nf4")
PLAIN = HELD.model_copy(update={"quantize": None})
BATCH = collate(make_rows(5), 1, CPU)
MASK = BATCH.action_mask_BT
NF4 = (
    *(-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0),
    *(0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1.0),
)
"""The sixteen values, of Dettmers et al. 2023, appendix E, to four digits."""


def rounded(family: str = "llama") -> PreTrainedModel:
    """A policy whose layers' weights are what four bits hold of them."""
    policy = make_policy(family)
    for part in policy.base_model.modules():
        if isinstance(part, nn.Linear | Conv1D):
            round_trip(part)
    return policy


def said(policy: PreTrainedModel) -> torch.Tensor:
    return response_logprobs(policy, BATCH, 1.0)[MASK]


@pytest.mark.parametrize("made", [nn.Linear(96, 64, bias=False), Conv1D(96, 64)])
def test_a_block_holds_sixteen_values_of_its_largest(made: nn.Linear | Conv1D) -> None:
    """With the scales in eight bits themselves, which moves them by less than one per cent."""
    nn.init.normal_(made.weight, generator=torch.Generator().manual_seed(0))
    held = QuantizedLinear(made).weight.reshape(-1, 64)
    blocks = made.weight.detach().reshape(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    told = held / held.abs().amax(1, keepdim=True)
    assert ((told.flatten()[:, None] - torch.tensor(NF4)).abs().amin(1) < 1e-4).all()
    assert torch.allclose(held.abs().amax(1, keepdim=True), largest, rtol=0.01)
    nearest = (told[..., None] - torch.tensor(NF4)).abs().argmin(-1)
    wanted = ((blocks / largest)[..., None] - torch.tensor(NF4)).abs().argmin(-1)
    assert (nearest == wanted).float().mean() > 0.999


def test_weights_that_fill_no_block_are_held_too() -> None:
    layer = nn.Linear(7, 5, bias=False)
    held = QuantizedLinear(layer).weight
    assert held.shape == (5, 7)
    assert (held - layer.weight).norm() < 0.15 * layer.weight.norm()


def test_a_weight_takes_4_13_bits() -> None:
    layer = nn.Linear(512, 1024, bias=False)
    held = QuantizedLinear(layer)
    size = sum(table.nbytes for table in held.buffers())
    assert size == pytest.approx(layer.weight.numel() * (4 + 8 / 64 + 32 / 64 / 256) / 8, rel=0.01)
    assert held.state_dict() == {} and not list(held.parameters())


@pytest.mark.parametrize("made", [nn.Linear(32, 64), Conv1D(64, 32)])
def test_it_computes_as_the_layer_with_the_rounded_weight(made: nn.Linear | Conv1D) -> None:
    held, layer = QuantizedLinear(made), copy.deepcopy(made)
    round_trip(layer)
    x = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(held(x), layer(x)) and not torch.equal(held(x), made(x))
    assert output_by_input(held).shape == (64, 32)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_policy_and_its_gradients_are_those_over_rounded_weights(family: str) -> None:
    """Bit for bit: with the adapter, without it, and merged."""
    ours, plain = moved(make_policy(family), HELD), moved(rounded(family), PLAIN)
    assert len(quantized_layers(ours)) == (8 if family == "gpt2" else 14)
    for policy in (ours, plain):
        said(policy).sum().backward()
    assert torch.equal(said(ours), said(plain))
    for (name, one), (_, other) in zip(
        owned_parameters(ours), owned_parameters(plain), strict=True
    ):
        assert one.grad is not None and other.grad is not None, name
        assert torch.equal(one.grad, other.grad), name
    assert torch.equal(said(without_adapter(ours)), said(rounded(family)))
    assert weights_digest(ours) != weights_digest(moved(make_policy(family), PLAIN))
    merged, expected = merged_weights(ours), merged_weights(plain)
    assert merged.keys() == expected.keys() == make_policy(family).state_dict().keys()
    assert all(torch.equal(merged[name], expected[name]) for name in merged)


def test_two_networks_share_the_body_it_is_held_in() -> None:
    """Quantised once, not again from what four bits hold."""
    policy = moved(make_policy(), HELD)
    layers = quantized_layers(policy)
    value = moved(value_head_on(policy), HELD, "value")
    nn.init.normal_(value.score.weight, generator=torch.Generator().manual_seed(4))
    assert set(map(id, quantized_layers(value).values())) == set(map(id, layers.values()))
    alone = moved(value_head_on(rounded()), PLAIN, "value")
    nn.init.normal_(alone.score.weight, generator=torch.Generator().manual_seed(4))
    assert torch.equal(values(value, BATCH)[MASK], values(alone, BATCH)[MASK])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_computes_the_same(family: str, tmp_path: Path) -> None:
    """Merged, and as an adapter over the model that was quantised."""
    base = tmp_path / "base"
    save_model(make_policy(family), tokenizer(), base, "a card")
    policy = moved(load_policy(base, CPU), HELD)
    save_model(policy, tokenizer(), tmp_path / "merged", "a card")
    save_model(policy, tokenizer(), tmp_path / "adapter", "a card", base=base)
    for name in ("merged", "adapter"):
        loaded = load_policy(tmp_path / name, CPU)
        assert not quantized_layers(loaded)
        assert torch.allclose(said(loaded), said(policy), atol=1e-5), name
    digest = _sha(tmp_path / "adapter")
    assert is_over(tmp_path / "adapter", digest, policy)
    assert not is_over(tmp_path / "adapter", digest, moved(load_policy(base, CPU), PLAIN))
    (one, *_) = held_in_four_bits(policy)
    fewer = HELD.model_copy(update={"targets": (one,)})
    assert not is_over(tmp_path / "adapter", digest, moved(load_policy(base, CPU), fewer))


def _sha(folder: Path) -> str:
    return str(json.loads((folder / "preftune_base.json").read_text())["sha256"])


def test_an_engine_does_not_undo_it_for_a_request() -> None:
    assert passes_tokens(moved(make_policy(), PLAIN))
    assert not passes_tokens(moved(make_policy(), HELD))


def test_without_bitsandbytes_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", None)
    with pytest.raises(BadInput, match="qlora") as caught:
        add_adapter(make_policy(), HELD, "policy", seed=1)
    assert "preftune[qlora]" in str(caught.value.remedy)
