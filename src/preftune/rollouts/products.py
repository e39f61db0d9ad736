"""Products of few rows by a matrix that stays the same for many of them, laid out for it once.

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
        if self.bias_O is None:
            return states_BH @ self.weight_HO
        return torch.addmm(self.bias_O, states_BH, self.weight_HO)

    def plus(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        return other_BO + self.of(states_BH)

    def times(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        return other_BO * self.of(states_BH)


class Packed(NamedTuple):
    """W as oneDNN lays it out; what is added or multiplied is part of the product."""

    weight: torch.Tensor
    bias_O: torch.Tensor | None

    def of(self, states_BH: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            states_BH, self.weight, self.bias_O, "none", [], ""
        )
        return made

    def plus(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        return self._joined(other_BO, states_BH, "add")

    def times(self, other_BO: torch.Tensor, states_BH: torch.Tensor) -> torch.Tensor:
        return self._joined(other_BO, states_BH, "mul")

    def _joined(self, other_BO: torch.Tensor, states_BH: torch.Tensor, how: str) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            states_BH, other_BO, self.weight, self.bias_O, how
        )
        return made


def product(weight_OH: torch.Tensor, bias_O: torch.Tensor | None) -> Product:
    """By a copy of this matrix."""
    if packs(weight_OH):
        return Packed(torch.ops.mkldnn._reorder_linear_weight(weight_OH, ROWS), bias_O)
    return Transposed(weight_OH.t().contiguous(), bias_O)


def packs(weight_OH: torch.Tensor) -> bool:
    """Whether a matrix is faster packed: a large one in float32 on a processor with oneDNN."""
    here = weight_OH.device.type == "cpu" and weight_OH.dtype is torch.float32
    return here and weight_OH.numel() > SMALL and torch.backends.mkldnn.is_available()
