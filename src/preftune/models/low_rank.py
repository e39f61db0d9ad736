"""A linear layer with a low-rank adapter as one operation (Hu et al. 2021, eq. 3).

Step by step, as PEFT writes it, W x + s B A x fills three tables as wide as the output and frees
two of them at once, at every layer; here the product is added into the table that is there.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from torch import nn
from torch.nn import functional as F  # noqa: N812
from transformers.pytorch_utils import Conv1D

from preftune.models.quantized import QuantizedLinear, output_by_input


class LowRankLinear(LoraLinear):
    """PEFT's layer with one adapter and no dropout computed at once; all else is PEFT's."""

    def forward(self, x: torch.Tensor, *args: Any, **named: Any) -> torch.Tensor:
        """[…, I] to […, O]."""
        adapter = None if args or named else self._alone()
        if adapter is None:
            whole: torch.Tensor = super().forward(x, *args, **named)
            return whole
        a, b = self.lora_A[adapter].weight, self.lora_B[adapter].weight
        changed: torch.Tensor = _LowRank.apply(x, self.base_layer, a, b, self.scaling[adapter])
        return changed

    def _alone(self) -> str | None:
        """The adapter in use, where it is one and nothing else is done to it."""
        (name, *others) = self.active_adapters or [""]
        if others or name not in self.lora_A or self.disable_adapters or self.merged:
            return None
        drops = self.training and not isinstance(self.lora_dropout[name], nn.Identity)
        plain = not drops and name not in self.lora_variant and not self.lora_bias[name]
        learns = any(parameter.requires_grad for parameter in self.base_layer.parameters())
        return name if plain and not learns else None


def low_rank(config: LoraConfig) -> LoraConfig:
    """The same adapter with layers of this file."""
    config._register_custom_module({nn.Linear: LowRankLinear, Conv1D: LowRankLinear})
    return config


def quantize_beneath(model: nn.Module) -> None:
    """Every layer that has an adapter holds its own weight in four bits from now on."""
    whole = False
    for layer in model.modules():
        if isinstance(layer, LowRankLinear) and isinstance(layer.base_layer, nn.Linear | Conv1D):
            layer.base_layer = QuantizedLinear(layer.base_layer)
            whole = True
    if whole:  # a parameter that lies in a mapped file keeps all of it
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()


class _LowRank(torch.autograd.Function):
    """With the gradient g of y = W x + b + s B A x:

    ∂x = Wᵀ g + s Aᵀ Bᵀ g,    ∂A = s Bᵀ g xᵀ,    ∂B = s g (A x)ᵀ.

    W and b do not learn: nothing is kept of the layer that has them, and a W held in four bits is
    unpacked twice. Products are in autocast's number format where it is on.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, layer: Any, a: torch.Tensor, b: torch.Tensor, scale: float
    ) -> torch.Tensor:
        kind = x.device.type
        half = torch.is_autocast_enabled(kind)
        form = torch.get_autocast_dtype(kind) if half else x.dtype
        with torch.autocast(kind, enabled=False):
            x, weight = x.to(form), output_by_input(layer).to(form)
            y = F.linear(x, weight, None if layer.bias is None else layer.bias.to(form))
            low = _flat(x) @ a.to(form).T
            y.view(-1, y.shape[-1]).addmm_(low, b.to(form).T, alpha=scale)
        ctx.save_for_backward(x, a, b)
        ctx.layer, ctx.scale = layer, scale
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, a, b = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            g, rows = _flat(gradient), _flat(x)
            down, up = a.to(x.dtype), b.to(x.dtype)
            low = ctx.scale * (g @ up)
            of_a = (low.T @ rows).to(a.dtype)
            of_b = (ctx.scale * (g.T @ (rows @ down.T))).to(b.dtype)
            of_x = None
            if ctx.needs_input_grad[0]:
                weight = output_by_input(ctx.layer).to(x.dtype)
                of_x = (g @ weight).addmm_(low, down).view_as(x)
        return of_x, None, of_a, of_b, None


def _flat(table: torch.Tensor) -> torch.Tensor:
    return table.reshape(-1, table.shape[-1])
