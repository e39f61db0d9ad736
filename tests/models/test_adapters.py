"""Low-rank adapters: what they change, what they leave alone, several on one body."""

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.models import (
    adapter_of,
    add_adapter,
    collate,
    forget_activations,
    response_logprobs,
    scores,
    value_head_on,
    values,
    weights_digest,
    without_adapter,
)
from preftune.models.adapter_folders import merged_weights
from preftune.models.adapters import TRAINED
from preftune.recipe import Adapter
from preftune.records import BadInput
from preftune.training import load_weights, owned, owned_parameters, weights_of
from tests.models.made import CPU, FAMILIES, SMALL, make_policy, make_reward_model, make_rows, moved

BATCH = collate(make_rows(5), 1, CPU)
MASK = BATCH.action_mask_BT


def said(policy: PreTrainedModel) -> torch.Tensor:
    return response_logprobs(policy, BATCH, 1.0)[MASK].detach()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_adapter_changes_nothing(family: str) -> None:
    policy = add_adapter(make_policy(family), SMALL, "policy", seed=1)
    assert torch.equal(said(policy), said(make_policy(family)))


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_weights_compute_the_same(family: str) -> None:
    policy, plain = make_policy(family), make_policy(family)
    moved(policy)
    assert float((said(policy) - said(plain)).abs().max()) > 0.1
    merged = merged_weights(policy)
    assert merged.keys() == plain.state_dict().keys()
    plain.load_state_dict(merged)
    assert torch.allclose(said(policy), said(plain), atol=1e-5)


def test_the_change_is_alpha_over_rank_times_b_a() -> None:
    policy = make_policy()
    before = policy.model.layers[0].mlp.up_proj.weight.clone()
    moved(policy, Adapter(rank=4, alpha=12))
    layer = policy.model.layers[0].mlp.up_proj
    expected = before + 12 / 4 * layer.lora_B["policy"].weight @ layer.lora_A["policy"].weight
    merged = merged_weights(policy)["model.layers.0.mlp.up_proj.weight"]
    assert torch.allclose(merged, expected, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_its_adapter_a_policy_is_what_it_was(family: str) -> None:
    """Bit for bit, in the same memory, and the policy still has its adapter afterwards."""
    policy, plain = make_policy(family), make_policy(family)
    moved(policy)
    ours, reference = said(policy), without_adapter(policy)
    assert torch.equal(said(reference), said(plain))
    assert torch.equal(said(policy), ours)
    held = {p.data_ptr() for p in policy.parameters()}
    assert {p.data_ptr() for p in reference.parameters()} <= held
    assert weights_digest(reference) == weights_digest(plain) != weights_digest(policy)


def test_only_the_adapter_is_trained_saved_and_put_back() -> None:
    assert TRAINED == owned.TRAINED
    policy = make_policy()
    count = sum(p.numel() for p in policy.parameters())
    moved(policy, Adapter(rank=2, targets=("q_proj", "v_proj")))
    kept = weights_of(policy)
    assert len(kept) == 2 * 2 * 2 and all("lora_" in name for name in kept)
    assert sum(p.numel() for p in policy.parameters() if p.requires_grad) == 2 * 2 * 2 * (2 * 32)
    assert sum(p.numel() for p in policy.parameters()) == count + 2 * 2 * 2 * (2 * 32)
    ours = said(policy)
    load_weights(policy, {name: torch.zeros_like(tensor) for name, tensor in kept.items()})
    assert torch.equal(said(policy), said(make_policy()))
    load_weights(policy, kept)
    assert torch.equal(said(policy), ours)


def test_a_reward_model_trains_its_head_too() -> None:
    model = add_adapter(make_reward_model(), SMALL, "reward", seed=1)
    names = {name for name, _ in owned_parameters(model)}
    assert "score.weight" in names
    scores(model, BATCH).sum().backward()
    moving = {name for name, p in model.named_parameters() if p.grad is not None}
    assert moving == names


def shared() -> tuple[PreTrainedModel, PreTrainedModel]:
    """A policy and a value network with an adapter each over one body."""
    policy = make_policy()
    value = value_head_on(policy)
    nn.init.normal_(value.score.weight, generator=torch.Generator().manual_seed(4))
    moved(policy)
    moved(value, name="value")
    return policy, value


def separate() -> tuple[PreTrainedModel, PreTrainedModel]:
    """The same two with a body each."""
    policy, other = make_policy(), make_policy()
    value = value_head_on(other)
    nn.init.normal_(value.score.weight, generator=torch.Generator().manual_seed(4))
    moved(policy)
    moved(value, name="value")
    return policy, value


@pytest.mark.parametrize("again", [False, True])
def test_networks_over_one_body_compute_as_with_a_body_each(again: bool) -> None:
    """Numbers and gradients, with activations computed again in the backward pass too."""
    found = []
    for policy, value in (shared(), separate()):
        if again:
            forget_activations(policy)
            forget_activations(value)
        told, worth = response_logprobs(policy, BATCH, 1.0)[MASK], values(value, BATCH)[MASK]
        (told.sum() + worth.square().sum()).backward()
        grads = {n: p.grad for net in (policy, value) for n, p in owned_parameters(net)}
        found.append((told, worth, grads))
    (told, worth, grads), (other_told, other_worth, other_grads) = found
    assert torch.equal(told, other_told) and torch.equal(worth, other_worth)
    assert len(grads) == len(other_grads) > 20
    assert all(torch.equal(grads[name], other_grads[name]) for name in grads)


def test_at_rest_a_body_has_its_first_adapter() -> None:
    """An engine that knows nothing of adapters samples from the policy."""
    policy, value = shared()
    values(value, BATCH)
    said(without_adapter(policy))
    direct = policy(BATCH.input_ids_BS, BATCH.attention_mask_BS, BATCH.position_ids_BS)
    alone = separate()[0](BATCH.input_ids_BS, BATCH.attention_mask_BS, BATCH.position_ids_BS)
    assert torch.equal(direct.logits, alone.logits)
    assert adapter_of(policy) == "policy" and adapter_of(make_policy()) is None


def test_a_layer_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(BadInput, match="'c_attn'") as caught:
        add_adapter(make_policy(), Adapter(targets=("c_attn",)), "policy", seed=1)
    assert "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in str(
        caught.value.remedy
    )
