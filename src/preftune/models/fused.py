"""Operations that transformers writes out in many steps, each as one.

On a processor a step over [tokens, width] numbers costs what reading and writing them costs, and
a backward pass keeps a table for most of them.
"""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import NewGELUActivation
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.qwen2 import modeling_qwen2
from transformers.models.qwen3 import modeling_qwen3

from preftune.models.last_layer import reads_few
from preftune.models.layers import adds_in_place

ROTATING: tuple[Any, ...] = (modeling_llama, modeling_mistral, modeling_qwen2, modeling_qwen3)
"""Files of transformers whose attention calls ``apply_rotary_pos_emb``; that is :func:`rotate`
from here on, for every model of theirs in this process: a function of the file cannot be
exchanged for one model alone."""
RMS_NORMS = (
    modeling_llama.LlamaRMSNorm,
    modeling_mistral.MistralRMSNorm,
    modeling_qwen2.Qwen2RMSNorm,
    modeling_qwen3.Qwen3RMSNorm,
)
"""Classes that compute :class:`RMSNorm`, with the same names for its weight and its ε."""
BEFORE_PRODUCTS = ("input_layernorm", "post_attention_layernorm")
"""Those of their norms that linear layers alone read, three or two of them the same table."""


def fuse(model: PreTrainedModel) -> PreTrainedModel:
    """The same network to the rounding of a float, with the same names for its weights.

    GPT-2's activation 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel 2016) has
    eight steps in transformers, and PyTorch's own keeps nothing but its input.
    """
    for part in model.modules():
        for name, child in part.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(part, name, nn.GELU(approximate="tanh"))
            elif type(child) in RMS_NORMS:
                setattr(part, name, RMSNorm.like(child, name in BEFORE_PRODUCTS))
            else:
                adds_in_place(child)
    reads_few(model)
    return model


class RMSNorm(nn.Module):
    """w x / √(mean(x²) + ε) over the last axis (Zhang and Sennrich 2019, eq. 4).

    One that stands before products says it in autocast's number format, once for all of them.
    """

    def __init__(self, weight: nn.Parameter, epsilon: float, before_products: bool = False) -> None:
        super().__init__()
        self.weight = weight
        self.variance_epsilon = epsilon
        self.before_products = before_products

    @classmethod
    def like(cls, norm: Any, before_products: bool = False) -> "RMSNorm":
        """With the very weight of one of :data:`RMS_NORMS`."""
        return cls(norm.weight, norm.variance_epsilon, before_products)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[…, D] to […, D], in the type of ``x``; the mean is taken in float32."""
        if x.dtype == torch.float32 == self.weight.dtype:
            scaled: torch.Tensor = _RMSNorm.apply(x, self.weight, self.variance_epsilon)
            if self.before_products and torch.is_autocast_enabled(x.device.type):
                return scaled.to(torch.get_autocast_dtype(x.device.type))
            return scaled
        return self.weight * _normed(x.float(), self.variance_epsilon).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, eps={self.variance_epsilon}"


class _RMSNorm(torch.autograd.Function):
    """With r = 1 / √(mean(x²) + ε), x̂ = r x and the gradient g of y = w x̂:

    ∂w = Σ g x̂,    ∂x = r (w g − x̂ mean(w g x̂)).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        inverse = _inverse_rms(x, epsilon)
        ctx.save_for_backward(x, inverse, weight)
        ctx.epsilon = epsilon
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        x, inverse, weight = ctx.saved_tensors
        x_learns, weight_learns, _ = ctx.needs_input_grad
        if torch.is_grad_enabled():  # asked for a gradient of the gradient: the steps themselves
            scaled = weight * _normed(x, ctx.epsilon)
            learning = [x] * x_learns + [weight] * weight_learns
            found = torch.autograd.grad(scaled, learning, gradient, create_graph=True)
            return found[0] if x_learns else None, found[-1] if weight_learns else None, None
        width = x.shape[-1]
        normed = x * inverse
        weighted = gradient * normed
        with torch.autocast(x.device.type, enabled=False):
            mean = (weighted @ weight).unsqueeze_(-1).div_(-width)
        of_x = (gradient * weight).addcmul_(normed, mean).mul_(inverse)
        return of_x, weighted.reshape(-1, width).sum(0) if weight_learns else None, None


def _inverse_rms(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()


def _normed(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)


def rotate(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    unsqueeze_dim: int = 1,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotary positions (Su et al. 2021, eq. 34) of queries and keys [B, heads, S, D], the halves of
    D rotated against each other; ``cos`` and ``sin`` are [B, S, D]."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return _Rotation.apply(q, cos, sin), _Rotation.apply(k, cos, sin)


class _Rotation(torch.autograd.Function):
    """With x and y in halves, y₁ = x₁ cos₁ − x₂ sin₁, y₂ = x₂ cos₂ + x₁ sin₂; and with the
    gradient g of y, ∂x₁ = g₁ cos₁ + g₂ sin₂, ∂x₂ = g₂ cos₂ − g₁ sin₁."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        ctx.form, half = x.dtype, x.shape[-1] // 2
        y = x * cos
        y[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
        y[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        half = gradient.shape[-1] // 2
        of_x = gradient * cos
        of_x[..., :half].addcmul_(gradient[..., half:], sin[..., half:])
        of_x[..., half:].addcmul_(gradient[..., :half], sin[..., :half], value=-1)
        return of_x.to(ctx.form), None, None


for _file in ROTATING:
    _file.apply_rotary_pos_emb = rotate
