"""Linear layers and embeddings whose gradients are added where their sum lies.

On a processor in float32; elsewhere they are torch's. N rows, H width, O outputs.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from preftune.models.gradients import sum_of

CPUINFO = Path("/proc/cpuinfo")
SMALL = 2**17
"""Matrices of up to so many weights are left to MKL: oneDNN takes 20 µs to begin."""
FEW = 64
"""So are fewer rows."""


def adds_in_place(layer: nn.Module) -> None:
    """Makes one of this file's of such a layer, with the very weights; any other stays as it is."""
    kinds = ((nn.Linear, Linear), (Conv1D, TransposedLinear), (nn.Embedding, Embedding))
    for kind, ours in kinds:
        if type(layer) is kind:
            layer.__class__ = ours


class Linear(nn.Linear):
    """y = x Wᵀ + b, W [O, H]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[…, H] to […, O]."""
        if not _computes(x, self.weight):
            return super().forward(x)
        made: torch.Tensor = _Product.apply(x, self.weight, self.bias, False)
        return made


class TransposedLinear(Conv1D):
    """y = x W + b, W [H, O]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[…, H] to […, O]."""
        if not _computes(x, self.weight):
            told: torch.Tensor = super().forward(x)
            return told
        made: torch.Tensor = _Product.apply(x, self.weight, self.bias, True)
        return made


class Embedding(nn.Embedding):
    """Rows of W [V, H] by their numbers; that of ``padding_idx`` gets no gradient."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[…] to […, H]."""
        if self.max_norm is not None or self.scale_grad_by_freq or self.sparse:
            return super().forward(input)
        rows: torch.Tensor = _Rows.apply(self.weight, input, self.padding_idx)
        return rows


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: torch.Tensor, ids: torch.Tensor, unlearned: int | None
    ) -> torch.Tensor:
        ctx.save_for_backward(weight, ids)
        ctx.unlearned = unlearned
        return nn.functional.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, None, None]:
        weight, ids = ctx.saved_tensors
        total = sum_of(weight)
        if total is None:
            nothing = -1 if ctx.unlearned is None else ctx.unlearned
            return (
                torch.ops.aten.embedding_dense_backward(gradient, ids, len(weight), nothing, False),
                None,
                None,
            )
        if ctx.unlearned is not None:
            gradient = gradient.masked_fill((ids == ctx.unlearned).unsqueeze(-1), 0)
        total.index_add_(0, ids.flatten(), gradient.reshape(-1, weight.shape[1]))
        return None, None, None


class _Product(torch.autograd.Function):
    """With the gradient g of y = x W + b: ∂x = g Wᵀ, ∂W = xᵀ g, ∂b = Σ g."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, is_HO: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.is_HO = is_HO
        weight_HO = weight if is_HO else weight.t()
        return _times(x.reshape(-1, x.shape[-1]), weight_HO, bias).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias, _ = ctx.needs_input_grad
        x_NH = x.reshape(-1, x.shape[-1])
        gradient_NO = gradient.reshape(-1, gradient.shape[-1])
        of_x = of_weight = None
        if wants_x:
            weight_OH = weight.t() if ctx.is_HO else weight
            of_x = _times(gradient_NO, weight_OH, None).view(x.shape)
        if wants_weight:
            left, right = (x_NH, gradient_NO) if ctx.is_HO else (gradient_NO, x_NH)
            total = sum_of(weight)
            if total is None:
                of_weight = left.t() @ right
            else:
                total.addmm_(left.t(), right)
        return of_x, of_weight, gradient_NO.sum(0) if wants_bias else None, None


def _times(
    x_NH: torch.Tensor, weight_HO: torch.Tensor, bias_O: torch.Tensor | None
) -> torch.Tensor:
    """x W + b; differentiable where a gradient of the gradient is asked for."""
    if not torch.is_grad_enabled() and _by_onednn(len(x_NH), weight_HO.numel()):
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x_NH, weight_HO.t(), bias_O, "none", [], ""
        )
        return made
    return x_NH @ weight_HO if bias_O is None else torch.addmm(bias_O, x_NH, weight_HO)


def _by_onednn(rows: int, weights: int) -> bool:
    """Where MKL is not at home oneDNN multiplies 1.12 times as fast, forward and back to states;
    gradients of weights it does not."""
    return (
        rows >= FEW and weights > SMALL and _not_intels() and torch.backends.mkldnn.is_available()
    )


@cache
def _not_intels() -> bool:
    try:
        told = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "AuthenticAMD" in told


def _computes(x: torch.Tensor, weight: torch.Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype is torch.float32 is weight.dtype
        and not torch.is_autocast_enabled("cpu")
    )
