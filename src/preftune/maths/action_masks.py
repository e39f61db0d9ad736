"""Sets of tokens that may be written, and the policy renormalised to them (NLPO)."""

import torch

from preftune.maths.shapes import check_shapes


def top_p_set(
    *,
    logits_BTV: torch.Tensor,
    always_V: torch.Tensor,
    temperature: float,
    top_p: float,
    min_tokens: int,
) -> torch.Tensor:
    """True at the fewest most likely tokens with probability ``top_p`` together, [B, T, V].

    Ramamurthy et al. 2023, after Holtzman et al. 2020. At least ``min_tokens`` tokens are in it,
    and those of ``always_V``. With ``top_p`` = 1 every token is.
    """
    check_shapes(logits_BTV=logits_BTV, always_V=always_V)
    if top_p >= 1:
        return torch.ones_like(logits_BTV, dtype=torch.bool)
    ordered_BTV, order_BTV = (logits_BTV.float() / temperature).softmax(-1).sort(descending=True)
    before_BTV = ordered_BTV.cumsum(-1) - ordered_BTV
    rank_V = torch.arange(logits_BTV.shape[-1], device=logits_BTV.device)
    kept_BTV = (before_BTV < top_p) | (rank_V < min_tokens)
    allowed_BTV = torch.zeros_like(kept_BTV).scatter(-1, order_BTV, kept_BTV)
    return allowed_BTV | always_V


def with_tokens(*, allowed_BTV: torch.Tensor, tokens_BT: torch.Tensor) -> torch.Tensor:
    """The same sets with each position's own token in them, [B, T, V].

    A token at the very edge of its set may fall out when the same network is read in another
    batch shape; what was written counts as allowed.
    """
    check_shapes(allowed_BTV=allowed_BTV, tokens_BT=tokens_BT)
    written_BTV = torch.zeros_like(allowed_BTV).scatter(-1, tokens_BT.unsqueeze(-1), True)
    return allowed_BTV | written_BTV


def restricted_logits(*, logits_BTV: torch.Tensor, allowed_BTV: torch.Tensor) -> torch.Tensor:
    """Logits with −∞ where a token may not be written: their softmax sums to 1 over the rest.

    Ramamurthy et al. 2023, whose released code does not renormalise; here the softmax does.
    """
    check_shapes(logits_BTV=logits_BTV, allowed_BTV=allowed_BTV)
    return logits_BTV.masked_fill(~allowed_BTV, float("-inf"))
