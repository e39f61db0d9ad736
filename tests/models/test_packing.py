"""Batches without their padding: the same numbers and gradients, in fewer columns."""

import pytest
import torch
from transformers import PreTrainedModel

from preftune.models import (
    Row,
    TokenStatistics,
    collate,
    networks,
    response_logits,
    response_logprobs,
    response_statistics,
    scores,
    values,
)
from preftune.models.batches import Batch
from preftune.models.packing import packing_of
from tests.models.made import CPU, FAMILIES, make_policy, make_reward_model
from tests.rollouts.test_memory import family_policy

PAD = 1
ROWS = [
    Row(tuple(range(2, 2 + prompt)), tuple(range(40, 40 + response)))
    for prompt, response in ((3, 12), (15, 2), (4, 4), (9, 1), (2, 8))
]


def both() -> tuple[Batch, Batch]:
    batch = collate(ROWS, PAD, CPU)
    assert batch.packing is not None
    return batch, batch._replace(packing=None)


def test_packing_by_hand() -> None:
    """Rows of 3, 2 and 1 tokens, the first starting at column 1 of 5."""
    packing = packing_of([1, 0, 2], [3, 2, 1], columns=5)
    assert packing is not None
    assert packing.segments_LW.tolist() == [[1, 1, 1], [1, 1, 2]]
    assert packing.source_N.tolist() == [1, 2, 3, 5, 6, 12]
    assert packing.place_N.tolist() == [0, 1, 2, 3, 4, 5]
    table = torch.arange(15).view(3, 5)
    assert packing.packed(table).tolist() == [[1, 2, 3], [5, 6, 12]]
    there = packing.spread(packing.packed(table).unsqueeze(-1), 3, 5).squeeze(-1)
    assert there.tolist() == [[0, 1, 2, 3, 0], [5, 6, 0, 0, 0], [0, 0, 12, 0, 0]]


def test_nearly_full_tables_stay_as_they_are() -> None:
    assert packing_of([0, 0], [5, 3], columns=5) is None, "8 of 10"
    assert packing_of([0, 0], [5, 2], columns=5) is not None, "7 of 10"
    assert collate([Row((2, 3), (4,))] * 3, PAD, CPU).packing is None


@pytest.mark.parametrize("family", FAMILIES)
def test_states_of_real_tokens_and_their_gradients_are_equal(family: str) -> None:
    policy, value = make_policy(family), make_reward_model(family)
    packed, padded = both()
    mask = padded.action_mask_BT

    def told(batch: Batch) -> list[torch.Tensor]:
        statistics: TokenStatistics = response_statistics(policy, batch, 0.7, entropy_learns=True)
        return [
            statistics.logprobs_BT[mask],
            statistics.entropy_BT[mask],
            response_logprobs(policy, batch, 0.7)[mask],
            response_logits(policy, batch)[mask],
            values(value, batch)[mask],
            scores(value, batch),
        ]

    ours, theirs = told(packed), told(padded)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=2e-5)
    for model, places in ((policy, (0, 1)), (value, (4, 5))):
        weights = [p for p in model.parameters() if p.requires_grad]
        grads = [
            torch.autograd.grad(
                sum(part[k].square().sum() for k in places), weights, allow_unused=True
            )
            for part in (ours, theirs)
        ]
        for one, other in zip(*grads, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def test_fewer_columns_go_through_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []
    read = networks.hidden_states

    def watched(model: PreTrainedModel, ids: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        seen.append(ids.shape)
        return read(model, ids, *rest)

    monkeypatch.setattr(networks, "hidden_states", watched)
    packed, padded = both()
    model = make_reward_model("llama")
    values(model, packed)
    values(model, padded)
    assert seen == [torch.Size([5, 17]), torch.Size([5, 27])]


def test_sliding_windows_keep_their_padding() -> None:
    """A window of 8 tokens hides the start of a row, and a packed mask would show it."""
    policy = family_policy("mistral", sliding_window=8)
    packed, padded = both()
    ours, theirs = (response_logprobs(policy, batch, 1.0) for batch in (packed, padded))
    assert torch.equal(ours, theirs)
