"""The loss on text: against transformers' own loss, and the ratio's interval."""

import numpy as np
import pytest
import torch

from preftune.evaluation.alignment_tax import nats_a_token, text_nats
from preftune.models import Row
from preftune.records import BadInput
from tests.models.made import make_policy


def test_nats_are_the_model_s_own_loss() -> None:
    policy = make_policy("llama")
    rows = [Row((5,), (20, 21, 22)), Row((7, 8), (30, 31, 32, 33, 34))]
    found = text_nats(policy, rows, pad_id=1)
    for row, nats in zip(rows, found, strict=True):
        ids = torch.tensor([[*row.prompt_ids, *row.response_ids]])
        labels = ids.clone()
        labels[0, : len(row.prompt_ids)] = -100
        loss = policy(input_ids=ids, labels=labels).loss
        assert nats == pytest.approx(float(loss) * len(row.response_ids), rel=1e-4)


def test_the_ratio_weighs_tokens_and_not_documents() -> None:
    """3 nats of 1 token and 9 of 9: 1.2 a token, not the 2 of two documents' means."""
    assert nats_a_token([3.0, 9.0], [1, 9]).value == pytest.approx(1.2)


def test_the_interval_of_the_ratio_is_the_jackknife_s() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 60, 400)
    nats = tokens * (2 + 0.3 * rng.normal(size=400))
    left = [(nats.sum() - n) / (tokens.sum() - t) for n, t in zip(nats, tokens, strict=True)]
    error = np.sqrt(399 / 400 * np.sum((np.array(left) - np.mean(left)) ** 2))
    found = nats_a_token(nats, tokens)
    assert (found.high - found.low) / 2 == pytest.approx(1.966 * error, rel=0.01)


def test_no_documents() -> None:
    with pytest.raises(BadInput):
        nats_a_token([], [])
