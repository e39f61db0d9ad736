"""Weights of graded propositions beside a helpful-only reward model (Mu et al. 2024, rule-based
rewards). P ordered pairs of completions of one prompt, K propositions."""

import torch

from preftune.maths.shapes import check_shapes


def ordering_loss(
    *,
    weights_K: torch.Tensor,
    features_PK: torch.Tensor,
    base_P: torch.Tensor,
    margins_P: torch.Tensor,
) -> torch.Tensor:
    """mean_p max(0, m_p − (b_p + φ_p · w)).

    ``features_PK`` are φ(better) − φ(worse), propositions' probabilities; ``base_P`` is the
    reward model's score of the better less that of the worse. Every margin is a real number
    (OpenAI's published code casts them to integers). Convex in w.
    """
    check_shapes(weights_K=weights_K, features_PK=features_PK, base_P=base_P, margins_P=margins_P)
    return torch.relu(margins_P - base_P - features_PK @ weights_K).mean()


def smooth_ordering_loss(
    *,
    weights_K: torch.Tensor,
    features_PK: torch.Tensor,
    base_P: torch.Tensor,
    margins_P: torch.Tensor,
    width: float,
) -> torch.Tensor:
    """mean_p τ log(1 + exp((m_p − b_p − φ_p · w) / τ)): above the hinge by at most τ log 2."""
    check_shapes(weights_K=weights_K, features_PK=features_PK, base_P=base_P, margins_P=margins_P)
    short_P = margins_P - base_P - features_PK @ weights_K
    return (width * torch.nn.functional.softplus(short_P / width)).mean()
