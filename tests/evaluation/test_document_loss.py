"""The alignment tax: a policy's loss on documents, token by token."""

import pytest
import torch

from preftune.evaluation import document_loss
from preftune.models import Row
from preftune.records import BadInput
from preftune.stats import mean_estimate
from tests.models.made import make_policy, make_rows


def alone(row: Row) -> list[float]:
    """−log p of each token of the response, the row read by itself through the whole softmax."""
    ids = torch.tensor([[*row.prompt_ids, *row.response_ids]])
    with torch.no_grad():
        logprobs = make_policy()(input_ids=ids).logits.log_softmax(-1)[0]
    start = len(row.prompt_ids)
    return [-float(logprobs[start + t - 1, token]) for t, token in enumerate(row.response_ids)]


def test_it_is_the_mean_over_tokens_clustered_by_document() -> None:
    rows = make_rows(9)
    told = [alone(row) for row in rows]
    flat = [loss for losses in told for loss in losses]
    which = [place for place, losses in enumerate(told) for _ in losses]
    found = document_loss(make_policy(), rows, pad_id=1, micro_batch_tokens=48)
    assert found == pytest.approx(mean_estimate(flat, which), abs=1e-5)
    assert found.count == 9


def test_prompts_are_read_and_not_counted() -> None:
    row = Row((5, 6, 7), (8, 9))
    assert document_loss(make_policy(), [row], pad_id=1).value == pytest.approx(
        sum(alone(row)) / 2, abs=1e-5
    )


def test_without_documents_there_is_no_loss() -> None:
    with pytest.raises(BadInput, match="no documents"):
        document_loss(make_policy(), [], pad_id=1)
