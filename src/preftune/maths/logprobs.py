"""Log-probabilities and entropies of tokens, at the temperature they were sampled with."""

import torch

from preftune.maths.shapes import check_shapes


def token_logprobs(
    *, logits_BTV: torch.Tensor, tokens_BT: torch.Tensor, temperature: float
) -> torch.Tensor:
    """log softmax(logits / temperature) at each token, [B, T], in nats, float32.

    ``logits_BTV[:, t]`` are those that predict ``tokens_BT[:, t]``.
    """
    check_shapes(logits_BTV=logits_BTV, tokens_BT=tokens_BT)
    scaled = logits_BTV.float() / temperature
    chosen = scaled.gather(-1, tokens_BT.unsqueeze(-1)).squeeze(-1)
    return chosen - torch.logsumexp(scaled, dim=-1)


def token_entropy(*, logits_BTV: torch.Tensor, temperature: float) -> torch.Tensor:
    """−Σ_v p log p of softmax(logits / temperature) at each position, [B, T], in nats.

    A logit of −∞ is a token that cannot be written: its term is 0.
    """
    check_shapes(logits_BTV=logits_BTV)
    logprobs = torch.log_softmax(logits_BTV.float() / temperature, dim=-1)
    impossible = torch.isneginf(logprobs)
    return -(logprobs.exp() * logprobs.masked_fill(impossible, 0.0)).sum(dim=-1)


def response_sums(*, logprobs_BT: torch.Tensor, action_mask_BT: torch.Tensor) -> torch.Tensor:
    """log π(y|x) = Σ_t log π(y_t | x, y_<t) over response tokens, [B], in nats a response."""
    check_shapes(logprobs_BT=logprobs_BT, action_mask_BT=action_mask_BT)
    return torch.where(action_mask_BT, logprobs_BT, logprobs_BT.new_zeros(())).sum(-1)
