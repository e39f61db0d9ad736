"""Rewarded soups: the weights of policies tuned from one start, interpolated (Ramé et al. 2023)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import PreTrainedModel

from preftune.models.loading import load_policy
from preftune.records import BadInput


@torch.no_grad()
def load_soup(
    policies: Mapping[str, str | Path], weights: Mapping[str, float], device: torch.device
) -> PreTrainedModel:
    """θ = Σ λ_i θ_i of the policies in these folders, in float32, one after the other in memory.

    ``weights`` add up to 1; a policy whose weight is 0 is not read. Raises :class:`BadInput` for
    policies whose weights have other names or shapes.
    """
    used = [name for name in policies if weights[name] > 0]
    soup = load_policy(policies[used[0]], device)
    share = weights[used[0]]
    mixed = {name: tensor * share for name, tensor in soup.state_dict().items()}
    for other in used[1:]:
        state = load_policy(policies[other], device).state_dict()
        shapes = [{name: t.shape for name, t in each.items()} for each in (mixed, state)]
        if shapes[0] != shapes[1]:
            raise BadInput(
                f"The policies {used[0]!r} and {other!r} are not of one architecture, so their "
                "weights cannot be mixed.",
                file=policies[other],
                remedy="Mix policies that were tuned from one start.",
            )
        for name, tensor in state.items():
            mixed[name].add_(tensor, alpha=weights[other])
    soup.load_state_dict(mixed)
    return soup
