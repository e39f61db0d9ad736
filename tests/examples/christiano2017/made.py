"""Clips and comparisons whose reward is known: the first feature, or what a test says."""

import torch

from examples.christiano2017.teacher import Clips, Comparisons


def clips(count: int, seed: int, steps: int = 10) -> Clips:
    """Four features, even in [−1, 1]; the true reward of a step is the first less the second."""
    generator = torch.Generator().manual_seed(seed)
    features = 2 * torch.rand(count, steps, 4, generator=generator) - 1
    return Clips(features, (features[..., 0] - features[..., 1]).sum(-1))


def comparisons(count: int, seed: int) -> Comparisons:
    """Answered without mistakes."""
    first, second = clips(count, seed), clips(count, seed + 1000)
    preferences = (first.true_returns_N > second.true_returns_N).float()
    return Comparisons(first.features_NTF, second.features_NTF, preferences)
