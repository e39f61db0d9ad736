"""States that nobody reads are not computed, and those that are stay what they were."""

import copy

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.models import Row, forget_activations, ragged_of, states_of
from preftune.models.fused import fuse
from preftune.models.last_layer import PARTS
from preftune.models.passes import states_at
from preftune.models.ragged import Places, Ragged
from tests.models.made import CPU, moved
from tests.rollouts.test_memory import family_policy

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
GROUPS = [
    [Row((5, 6, 9, 4), (7, 8)), Row((5, 6, 9, 4), (9,))],
    [Row((5,), (7, 8, 9, 10, 11))],
    [Row((2, 3, 4), (40, 41, 42, 43))],
]


def watched(model: PreTrainedModel) -> list[int]:
    """How many tokens its MLPs were given, layer by layer."""
    seen: list[int] = []
    for part in model.modules():
        if type(part) in PARTS:
            part.mlp.register_forward_hook(lambda _, given, made: seen.append(given[0].shape[1]))
    return seen


def places_of(ragged: Ragged, kind: str) -> Places:
    return ragged.before if kind == "before" else ragged.last


@pytest.mark.parametrize("kind", ["before", "last"])
@pytest.mark.parametrize("family", FAMILIES)
def test_states_and_gradients_are_those_of_a_whole_pass(family: str, kind: str) -> None:
    """The prompt that two responses share is read at twice."""
    model, ragged = fuse(family_policy(family)), ragged_of(GROUPS, CPU)
    places, told = places_of(ragged, kind), []
    for states in (
        states_at(model, ragged, places),
        states_of(model, ragged).index_select(0, places.every),
    ):
        model.zero_grad()
        (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        told.append((states.detach(), grads))
    (ours, our_grads), (theirs, their_grads) = told
    assert torch.allclose(ours, theirs, atol=2e-5)
    assert our_grads.keys() == their_grads.keys()
    for name, gradient in their_grads.items():
        assert torch.allclose(our_grads[name], gradient, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_mlp_sees_what_is_read_alone(family: str) -> None:
    model, ragged = fuse(family_policy(family)), ragged_of(GROUPS, CPU)
    states_of(model, ragged)  # what is tried once is over
    seen = watched(model)
    states_at(model, ragged, ragged.last)
    assert seen == [20, 4], "four rows' last tokens of 7 + 6 + 7"
    seen.clear()
    states_at(model, ragged, ragged.before)
    assert seen == [20, 11], "twelve response tokens, two of them behind one prompt"
    seen.clear()
    states_of(model, ragged)
    assert seen == [20, 20]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_adapters_copies_and_layers_that_forget_read_few_too(family: str) -> None:
    ragged = ragged_of(GROUPS, CPU)
    adapted = moved(fuse(family_policy(family)))
    copied = copy.deepcopy(adapted)
    with torch.no_grad():
        for parameter in adapted.parameters():
            parameter.mul_(1.1)
    for model in (adapted, copied):
        forget_activations(model)
        whole = states_of(model, ragged).index_select(0, ragged.last.every)
        seen = watched(model)
        few = states_at(model, ragged, ragged.last)
        assert seen == [20, 4]
        assert torch.allclose(few, whole, atol=2e-5)
        grads = [
            torch.autograd.grad(states.square().sum(), learning_of(model), allow_unused=True)
            for states in (few, whole)
        ]
        for one, other in zip(*grads, strict=True):
            assert one is not None and torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def learning_of(model: PreTrainedModel) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def test_other_layers_compute_all() -> None:
    model, ragged = fuse(family_policy("phi3")), ragged_of(GROUPS, CPU)
    states = states_at(model, ragged, ragged.last)
    assert torch.allclose(states, states_of(model, ragged)[ragged.last.every], atol=1e-6)
