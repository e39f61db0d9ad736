"""An adapter's layer as one operation: the numbers and gradients are those of PEFT's layer."""

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from transformers.pytorch_utils import Conv1D

from preftune.models.low_rank import LowRankLinear

CONFIG = LoraConfig(r=3, lora_alpha=12)
"""s = 12 / 3."""


def base_of(kind: str) -> nn.Module:
    torch.manual_seed(0)
    base = Conv1D(7, 5) if kind == "conv" else nn.Linear(5, 7, bias=kind == "biased")
    for parameter in base.parameters():
        parameter.data.normal_()
        parameter.requires_grad_(False)
    return base


def layer_of(
    made: type[LoraLinear], kind: str = "biased", config: LoraConfig = CONFIG
) -> LoraLinear:
    config.fan_in_fan_out = kind == "conv"
    layer = made(base_of(kind), "a", config=config, r=config.r, lora_alpha=config.lora_alpha)
    with torch.no_grad():
        torch.manual_seed(1)
        layer.lora_A["a"].weight.normal_()
        layer.lora_B["a"].weight.normal_()
    return layer


def found(layer: LoraLinear, half: bool = False) -> list[torch.Tensor]:
    """What a layer says of six rows, and the gradients of x, A and B."""
    torch.manual_seed(2)
    x = torch.randn(2, 3, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        said = layer(x)
    (said.float() * torch.randn(2, 3, 7)).sum().backward()
    learned = [x.grad, layer.lora_A["a"].weight.grad, layer.lora_B["a"].weight.grad]
    return [said.detach(), *[gradient for gradient in learned if gradient is not None]]


@pytest.mark.parametrize("kind", ["biased", "plain", "conv"])
def test_numbers_and_gradients_are_those_of_the_steps(kind: str) -> None:
    ours, steps = found(layer_of(LowRankLinear, kind)), found(layer_of(LoraLinear, kind))
    assert len(ours) == len(steps) == 4
    for one, other in zip(ours, steps, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_in_bfloat16_it_is_as_near_to_float32_as_the_steps() -> None:
    exact = found(layer_of(LoraLinear))
    ours, steps = (found(layer_of(made), half=True) for made in (LowRankLinear, LoraLinear))
    assert [table.dtype for table in ours] == [table.dtype for table in steps]
    for right, one, other in zip(exact, ours, steps, strict=True):
        assert (one - right).norm() <= 1.1 * (other - right).norm() + 1e-4
        assert (one - right).norm() < 0.02 * right.norm()


def test_the_gradients_are_the_derivatives_twice_over() -> None:
    layer = layer_of(LowRankLinear).double()
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    a, b = layer.lora_A["a"].weight, layer.lora_B["a"].weight

    def said(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"lora_A.a.weight": a, "lora_B.a.weight": b}, (x,))

    assert gradcheck(said, (x, a, b)) and gradgradcheck(said, (x, a, b))


def test_it_is_one_step_and_keeps_its_input_once() -> None:
    """Of the tables as wide as the layer the backward pass keeps none, and no weight."""
    layer = layer_of(LowRankLinear, "plain")
    x = torch.randn(50, 5, requires_grad=True)
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        said = layer(x)
    assert type(said.grad_fn).__name__ == "_LowRankBackward"
    assert [tuple(table.shape) for table in kept] == [(50, 5), (3, 5), (7, 3)]


def test_dropout_and_a_base_that_learns_are_left_to_the_steps() -> None:
    dropping = LoraConfig(r=3, lora_alpha=12, lora_dropout=0.5)
    ours, steps = (layer_of(made, config=dropping) for made in (LowRankLinear, LoraLinear))
    for layer in (ours, steps):
        layer.train()
        layer.lora_A["a"].weight.grad = layer.lora_B["a"].weight.grad = None
    assert all(torch.equal(*both) for both in zip(found(ours), found(steps), strict=True))
    learning = layer_of(LowRankLinear)
    learning.base_layer.weight.requires_grad_(True)
    found(learning)
    assert learning.base_layer.weight.grad is not None


def test_switched_off_it_is_the_base() -> None:
    layer = layer_of(LowRankLinear)
    x = torch.randn(4, 5)
    layer._disable_adapters = True
    assert torch.equal(layer(x), layer.base_layer(x))
