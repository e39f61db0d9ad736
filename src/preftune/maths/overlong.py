"""What a response loses for running long (DAPO)."""

import torch

from preftune.maths.shapes import check_shapes


def soft_overlong_punishment(
    *, lengths_B: torch.Tensor, longest: float, buffer: float
) -> torch.Tensor:
    """Added to the score, [B]: 0 up to longest − buffer, then linear to −1 at ``longest``.

    Yu et al. 2025, eq. 13: 0 for |y| ≤ L − c, ((L − c) − |y|)/c for |y| ≤ L, −1 beyond.
    Lengths in tokens.
    """
    check_shapes(lengths_B=lengths_B)
    return ((longest - buffer - lengths_B) / buffer).clamp(-1.0, 0.0)
