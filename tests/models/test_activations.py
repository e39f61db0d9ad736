"""GPT-2's activation in one operation: its numbers, its gradient, its configuration."""

import pytest
import torch
from torch import nn
from transformers.activations import NewGELUActivation

from tests.models.made import make_policy


def test_the_fused_activation_is_transformers_own() -> None:
    x = torch.linspace(-6.0, 6.0, 1001, dtype=torch.float64, requires_grad=True)
    policy = make_policy("gpt2")
    (fused, *others) = [part for part in policy.modules() if isinstance(part, nn.GELU)]
    assert len(others) == policy.config.n_layer - 1
    assert policy.config.activation_function == "gelu_new"
    for scale in (1.0, -0.5):
        (ours,) = torch.autograd.grad(fused(x).sum() * scale, x)
        (theirs,) = torch.autograd.grad(NewGELUActivation()(x).sum() * scale, x)
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    assert torch.allclose(fused(x), NewGELUActivation()(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_other_families_keep_their_own(family: str) -> None:
    assert not any(isinstance(part, nn.GELU) for part in make_policy(family).modules())
