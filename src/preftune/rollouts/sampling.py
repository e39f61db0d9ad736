"""Drawing one token a row: temperature, top-k, top-p, and the log-probability it had."""

import torch

from preftune.records import Sampling


def filtered_logprobs(logits_BV: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Log-probabilities of the distribution that is sampled from, [B, V]; −inf where cut off.

    Temperature first, then top-k, then top-p (Holtzman et al. 2020), renormalised.
    """
    logprobs = torch.log_softmax(logits_BV.float() / sampling.temperature, dim=-1)
    if 0 < sampling.top_k < logprobs.shape[-1]:
        threshold = logprobs.topk(sampling.top_k, dim=-1).values[:, -1:]
        logprobs = logprobs.masked_fill(logprobs < threshold, float("-inf"))
    if sampling.top_p < 1:
        ordered, order = logprobs.softmax(-1).sort(dim=-1, descending=True)
        before = ordered.cumsum(-1) - ordered
        cut = torch.zeros_like(before, dtype=torch.bool).scatter(
            -1, order, before >= sampling.top_p
        )
        logprobs = logprobs.masked_fill(cut, float("-inf"))
    if sampling.top_k > 0 or sampling.top_p < 1:
        logprobs = torch.log_softmax(logprobs, dim=-1)
    return logprobs


def draw(
    logits_BV: torch.Tensor, uniforms_B: torch.Tensor, sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token for each row and its log-probability, by inverting the cumulative distribution.

    ``uniforms_B`` in [0, 1) are the only randomness, so a row's token depends on nothing but its
    own logits and number. Temperature 0 takes the most likely token, whose log-probability is 0.
    """
    if sampling.temperature == 0:
        tokens = logits_BV.argmax(dim=-1)
        return tokens, torch.zeros_like(tokens, dtype=torch.float32)
    logprobs = filtered_logprobs(logits_BV, sampling)
    tokens = inverted(logprobs, uniforms_B)
    return tokens, logprobs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def inverted(logprobs_BV: torch.Tensor, uniforms_B: torch.Tensor) -> torch.Tensor:
    """The token at which each row's cumulative distribution passes its number, [B]."""
    cumulative = logprobs_BV.exp().cumsum(-1, dtype=torch.float64)
    targets = uniforms_B.double().unsqueeze(-1) * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, targets, right=True).squeeze(-1)
    return tokens.clamp(max=logprobs_BV.shape[-1] - 1)
