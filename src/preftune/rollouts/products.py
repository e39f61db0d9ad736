"""Products of few rows by a matrix that stays the same for many of them, laid out for it once.

They are made in the matrix's number format, whatever the states' is, as autocast makes them.

B rows, H width, O outputs.
"""

from typing import NamedTuple, Protocol

import torch

SMALL = 2**17
"""Matrices of up to so many weights are not packed: oneDNN takes 20 µs to begin."""

ROWS = 32
"""What matrices are packed for. Any number of rows can be multiplied; these and fewer fastest."""


class Product(Protocol):
    """x ↦ x W + b."""

    def of(self, states_BH: torch.Tensor) -> torch.Tensor:
        """x W + b, [B, O]."""

    def plus(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        """y + x W + b."""

    def times(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        """y ⊙ (x W + b)."""


class Transposed(NamedTuple):
    """W stored as [H, O]: few rows are multiplied 1.1 to 1.6 times as fast as by [O, H] where MKL
    is at home."""

    weight_HO: torch.Tensor
    bias_O: torch.Tensor | None

    def of(self, states_BH: torch.Tensor) -> torch.Tensor:
        states_BH = states_BH.to(self.weight_HO.dtype)
        if self.bias_O is None:
            return states_BH @ self.weight_HO
        return torch.addmm(self.bias_O, states_BH, self.weight_HO)

    def plus(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        return other_BO + self.of(states_BH)

    def times(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        return other_BO * self.of(states_BH)


class Packed(NamedTuple):
    """W as oneDNN lays it out; what is added or multiplied in W's format is part of the product."""

    weight: torch.Tensor
    bias_O: torch.Tensor | None

    def of(self, states_BH: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            states_BH.to(self.weight.dtype), self.weight, self.bias_O, "none", [], ""
        )
        return made

    def plus(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        if other_BO.dtype is not self.weight.dtype:
            return other_BO + self.of(states_BH)
        return self._joined(other_BO, states_BH, "add")

    def times(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        if other_BO.dtype is not self.weight.dtype:
            return other_BO * self.of(states_BH)
        return self._joined(other_BO, states_BH, "mul")

    def _joined(self, other_BO: torch.Tensor, states_BH: torch.Tensor, how: str) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            states_BH.to(self.weight.dtype), other_BO, self.weight, self.bias_O, how
        )
        return made


def product(weight_OH: torch.Tensor, bias_O: torch.Tensor | None) -> Product:
    """By a copy of this matrix."""
    if packs(weight_OH):
        return Packed(torch.ops.mkldnn._reorder_linear_weight(weight_OH, ROWS), bias_O)
    return Transposed(weight_OH.t().contiguous(), bias_O)


def packs(weight_OH: torch.Tensor) -> bool:
    """Whether a matrix is faster packed: a large one, where oneDNN multiplies in its format."""
    here = weight_OH.device.type == "cpu" and torch.backends.mkldnn.is_available()
    if not here or weight_OH.numel() <= SMALL:
        return False
    if weight_OH.dtype is torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight_OH.dtype is torch.float32
