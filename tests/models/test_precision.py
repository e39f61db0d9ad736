"""bfloat16 passes: what is in it, what stays float32, and that float32 stays what it was."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from preftune.models import (
    FUSED,
    collate,
    compute_in,
    computed_in,
    response_logits,
    response_logprobs,
    scores,
    value_head_on,
    values,
)
from tests.models.made import CPU, FAMILIES, make_policy, make_reward_model, make_rows

PAD = 1


@pytest.mark.parametrize("family", FAMILIES)
def test_products_are_bfloat16_and_weights_and_gradients_float32(family: str) -> None:
    policy, batch = make_policy(family), collate(make_rows(4), PAD, CPU)
    plain = response_logprobs(policy, batch, 1.0)
    compute_in(policy, torch.bfloat16)
    response_logprobs(policy, batch, 1.0)  # once, as attention of another name is tried
    kinds: set[torch.dtype] = set()
    for part in policy.modules():
        if isinstance(part, nn.Linear) and part is not policy.get_output_embeddings():
            part.register_forward_hook(lambda module, given, made: kinds.add(made.dtype))
    half = response_logprobs(policy, batch, 1.0)
    mask = batch.action_mask_BT
    assert family == "gpt2" or kinds == {torch.bfloat16}
    assert half.dtype == torch.float32 and not torch.equal(half[mask], plain[mask])
    assert float((half - plain)[mask].abs().mean()) < 0.1
    half[mask].sum().backward()
    assert {p.dtype for p in policy.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in policy.parameters() if p.grad is not None} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_beside_bfloat16_is_computed_in_float32(family: str) -> None:
    """With a gradient and without one alike, so that policy and reference start equal."""
    policy, batch = make_policy(family), collate(make_rows(4), PAD, CPU)
    kinds: list[torch.dtype] = []
    fused = functional.scaled_dot_product_attention

    def watched(query: torch.Tensor, *rest: torch.Tensor, **more: Any) -> torch.Tensor:
        read = fused(query, *rest, **more)
        kinds.append(read.dtype)
        return read

    compute_in(policy, torch.bfloat16)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(functional, "scaled_dot_product_attention", watched)
        learning = response_logprobs(policy, batch, 1.0)
        with torch.no_grad():
            told = response_logprobs(policy, batch, 1.0)
    assert torch.equal(learning, told)
    assert kinds and set(kinds) == {torch.float32}
    compute_in(policy, torch.float32)
    assert policy.config._attn_implementation == FUSED


def test_another_attention_stays_beside_bfloat16() -> None:
    policy = make_policy()
    policy.set_attn_implementation("eager")
    compute_in(policy, torch.bfloat16)
    assert policy.config._attn_implementation == "eager"


def test_float32_is_bit_for_bit_what_it_was_without_the_key() -> None:
    policy, batch = make_policy(), collate(make_rows(4), PAD, CPU)
    assert computed_in(policy) is torch.float32
    plain = response_logits(policy, batch)
    compute_in(policy, torch.float32)
    assert torch.equal(response_logits(policy, batch), plain)


def test_scores_and_values_are_read_in_float32() -> None:
    """Two answers whose scores differ by less than bfloat16 tells apart at their size."""
    model, batch = make_reward_model(), collate(make_rows(4), PAD, CPU)
    compute_in(model, torch.bfloat16)
    read = scores(model, batch)
    assert read.dtype == torch.float32
    assert not torch.equal(read, read.bfloat16().float())
    assert values(model, batch).dtype == torch.float32


def test_networks_that_share_a_body_share_its_number_format() -> None:
    policy = make_policy()
    compute_in(policy, torch.bfloat16)
    assert computed_in(value_head_on(policy)) is torch.bfloat16
    assert computed_in(make_policy()) is torch.float32
