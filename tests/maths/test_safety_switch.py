"""Llama 2's switch between two reward models, by hand."""

import math

import pytest
import torch

from preftune.maths.safety_switch import switched, whitened_logits


def test_the_safety_model_speaks_where_safety_is_in_question() -> None:
    """Untagged and safe: helpful. Tagged: safety. Below .15: safety, tagged or not."""
    found = switched(
        helpful_B=torch.tensor([0.9, 0.9, 0.9, 0.9]),
        safe_B=torch.tensor([0.8, 0.8, 0.1, 0.15]),
        tagged_B=torch.tensor([False, True, False, False]),
        threshold=0.15,
    )
    assert found.tolist() == pytest.approx([0.9, 0.8, 0.1, 0.9])


def test_logits_are_whitened_over_the_batch() -> None:
    """logit(.9) = log 9 and logit(.5) = 0: half the distance each way, over its deviation
    log 9 / √2, is ±1/√2."""
    found = whitened_logits(probabilities_B=torch.tensor([0.9, 0.5]), clip=0.01)
    assert found.tolist() == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)])


def test_certainty_is_clipped_and_no_spread_is_zero() -> None:
    found = whitened_logits(probabilities_B=torch.tensor([1.0, 0.0, 0.5]), clip=0.01)
    assert found.isfinite().all() and found[0] == -found[1]
    # log(.8 / .2) = log 4 both ways with .2, of four: each log 4 over log 4 · √(4/3).
    even = whitened_logits(probabilities_B=torch.tensor([1.0, 0.9, 0.0, 0.1]), clip=0.2)
    assert even.tolist() == pytest.approx([math.sqrt(0.75)] * 2 + [-math.sqrt(0.75)] * 2)
    apart = whitened_logits(probabilities_B=torch.tensor([1.0, 0.6, 0.5]), clip=0.2)
    logits = [math.log(4), math.log(1.5), 0.0]
    mean = sum(logits) / 3
    spread = math.sqrt(sum((logit - mean) ** 2 for logit in logits) / 2)
    assert apart.tolist() == pytest.approx([(logit - mean) / spread for logit in logits])
    assert whitened_logits(probabilities_B=torch.tensor([0.5, 0.5]), clip=0.1).tolist() == [0, 0]
    assert whitened_logits(probabilities_B=torch.tensor([0.7]), clip=0.1).tolist() == [0]
