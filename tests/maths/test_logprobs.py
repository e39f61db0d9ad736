"""Token log-probabilities and entropies against scipy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from preftune.maths.logprobs import response_sums, token_entropy, token_logprobs

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (2, 4, 7))
TOKENS = RNG.integers(0, 7, (2, 4))


@pytest.mark.parametrize("temperature", [0.5, 0.7, 1.0, 2.0])
def test_logprobs_divide_logits_by_the_temperature(temperature: float) -> None:
    ours = token_logprobs(
        logits_BTV=torch.tensor(LOGITS), tokens_BT=torch.tensor(TOKENS), temperature=temperature
    )
    expected = np.take_along_axis(
        log_softmax(LOGITS / temperature, axis=-1), TOKENS[..., None], axis=-1
    )[..., 0]
    assert np.allclose(ours.numpy(), expected, atol=2e-6)


def test_uniform_logits() -> None:
    flat = torch.zeros(1, 1, 8)
    logprob = token_logprobs(logits_BTV=flat, tokens_BT=torch.tensor([[3]]), temperature=0.7)
    assert logprob.item() == pytest.approx(-np.log(8), abs=1e-6)
    assert token_entropy(logits_BTV=flat, temperature=0.7).item() == pytest.approx(np.log(8))


def test_entropy_of_a_known_distribution() -> None:
    logits = torch.tensor([[[0.5, 0.3, 0.2]]]).log() * 2
    entropy = token_entropy(logits_BTV=logits, temperature=2.0)
    expected = -(0.5 * np.log(0.5) + 0.3 * np.log(0.3) + 0.2 * np.log(0.2))
    assert entropy.item() == pytest.approx(expected, abs=1e-6)


def test_half_precision_logits_are_read_in_float32() -> None:
    half = torch.tensor(LOGITS, dtype=torch.bfloat16)
    ours = token_logprobs(logits_BTV=half, tokens_BT=torch.tensor(TOKENS), temperature=1.0)
    assert ours.dtype == torch.float32
    expected = log_softmax(half.double().numpy(), axis=-1)
    assert np.allclose(
        ours, np.take_along_axis(expected, TOKENS[..., None], axis=-1)[..., 0], atol=2e-6
    )


def test_a_response_s_logprob_is_the_sum_over_its_tokens() -> None:
    mask = torch.tensor([[True, True, False], [True, False, False]])
    logprobs = torch.tensor([[-1.0, -0.5, -9.0], [-2.0, -9.0, -9.0]])
    assert response_sums(logprobs_BT=logprobs, action_mask_BT=mask).tolist() == [-1.5, -2.0]


def test_nan_in_the_padding_reaches_neither_sum_nor_gradient() -> None:
    mask = torch.tensor([[True, True, False], [True, False, False]])
    clean = torch.tensor([[-1.0, -0.5, -9.0], [-2.0, -9.0, -9.0]], requires_grad=True)
    poisoned = torch.where(mask, clean, torch.nan).detach().requires_grad_()
    for logprobs in (clean, poisoned):
        response_sums(logprobs_BT=logprobs, action_mask_BT=mask).square().sum().backward()
    assert clean.grad is not None and poisoned.grad is not None
    assert poisoned.grad.tolist() == clean.grad.tolist() == [[-3, -3, 0], [-4, 0, 0]]


def test_what_cannot_be_written_has_no_entropy() -> None:
    """A logit of −∞ beside two equal ones: log 2, with a gradient that is a number."""
    logits = torch.tensor([[[0.0, 0.0, float("-inf")]]], requires_grad=True)
    entropy = token_entropy(logits_BTV=logits, temperature=1.0)
    entropy.sum().backward()
    assert entropy.item() == pytest.approx(0.693147, abs=1e-6)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
