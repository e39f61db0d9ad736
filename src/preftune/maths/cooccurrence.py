"""Word vectors from counts: what a token is seen with says what it is like.

V tokens, H numbers a token. Levy and Goldberg 2014, *Neural word embedding as implicit matrix
factorization*; Levy, Goldberg and Dagan 2015, *Improving distributional similarity*.
"""

import torch

from preftune.maths.shapes import check_shapes


def positive_pmi(*, counts_VV: torch.Tensor, smoothing: float) -> torch.Tensor:
    """max(0, log [ p(w, c) / (p(w) p_α(c)) ]), [V, V], in nats; 0 where w and c never met.

    ``counts_VV`` are how often w (row) and c (column) stood near each other, 0 or more.
    p_α(c) = n(c)^α / Σ n^α with α = ``smoothing`` (.75 in Levy et al. 2015, §3.1), which makes
    rare contexts count less; 1 is plain mutual information.
    """
    check_shapes(counts_VV=counts_VV)
    words_V1 = counts_VV.sum(1, keepdim=True)
    contexts_V = counts_VV.sum(0).pow(smoothing)
    expected_VV = words_V1 * (contexts_V / contexts_V.sum())
    met_VV = counts_VV > 0
    ratio_VV = torch.where(met_VV, counts_VV, 1) / torch.where(met_VV, expected_VV, 1)
    return torch.where(met_VV, ratio_VV.log().clamp(min=0), 0)


def spectral_vectors(*, association_VV: torch.Tensor, width: int) -> torch.Tensor:
    """U √S of the rank-``width`` singular value decomposition U S Vᵀ, [V, H].

    The square root is Levy et al. 2015's symmetric variant, §3.3. The decomposition is a
    randomised one (Halko et al. 2011) and draws from torch's generator; signs are arbitrary.
    """
    check_shapes(association_VV=association_VV)
    most = min(width + 16, len(association_VV))
    left_VR, values_R, _ = torch.svd_lowrank(association_VV, q=most, niter=4)
    return left_VR[:, :width] * values_R[:width].sqrt()
