"""Activations forgotten and computed again: the same numbers, less kept."""

import pytest
import torch
from transformers import PreTrainedModel

from preftune.models import collate, compute_in, forget_activations, response_logprobs
from preftune.records import BadInput
from tests.models.made import CPU, FAMILIES, make_policy, make_rows

PAD = 1


def gradients(policy: PreTrainedModel) -> tuple[dict[str, torch.Tensor], int]:
    """Of one pass, and how many numbers autograd kept of it."""
    batch, sizes = collate(make_rows(8), PAD, CPU), [0]

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        sizes[0] += tensor.numel() if tensor.is_floating_point() else 0
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        told = response_logprobs(policy, batch, 1.0)
    told[batch.action_mask_BT].sum().backward()
    found = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
    return found, sizes[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_bit_for_bit_the_same_and_less_is_kept(
    family: str, dtype: torch.dtype
) -> None:
    """In evaluation mode, in which stories run and transformers' own switch does nothing."""
    plain, again = make_policy(family), make_policy(family)
    for policy in (plain, again):
        compute_in(policy, dtype)
    forget_activations(again)
    (theirs, more), (ours, less) = gradients(plain), gradients(again)
    assert not again.training and theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert less < more / 2


def test_dropout_is_drawn_alike_both_times() -> None:
    found = []
    for forget in (False, True):
        policy = make_policy("gpt2", dropout=0.3).train()
        if forget:
            forget_activations(policy)
        torch.manual_seed(3)
        found.append(gradients(policy)[0])
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_switching_twice_changes_nothing() -> None:
    policy = make_policy()
    forget_activations(policy)
    forget_activations(policy)
    assert gradients(policy)[0]


def test_a_model_without_such_layers_is_refused() -> None:
    policy = make_policy()
    policy.model.layers = torch.nn.ModuleList()
    with pytest.raises(BadInput, match="cannot be computed again"):
        forget_activations(policy)
