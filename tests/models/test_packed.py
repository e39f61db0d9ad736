"""Rows packed end to end: every number is the one the row alone would give."""

import pytest
import torch

from preftune.models import Row, collate, packed_logprobs, response_logprobs
from preftune.models.packing import bins
from tests.models.made import CPU, FAMILIES, make_policy

ROWS = [
    Row((5, 6, 7), (10, 11, 0)),
    Row((8,), (12, 13, 14, 15, 0)),
    Row((5, 6), (0,)),
    Row((9, 4, 5, 6), (10, 0)),
    Row((7,), tuple(range(2, 12))),
]


def alone(policy: torch.nn.Module) -> torch.Tensor:
    """The sum over all rows, each in a batch of its own."""
    parts = [response_logprobs(policy, collate([row], 1, CPU), 1.0).sum() for row in ROWS]  # type: ignore[arg-type]
    return torch.stack(parts).sum()


@pytest.mark.parametrize("width", [11, 16, 64])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_number_is_that_of_the_row_alone(family: str, width: int) -> None:
    policy = make_policy(family)
    packed = packed_logprobs(policy, ROWS, width, pad_id=1)
    single = [response_logprobs(policy, collate([row], 1, CPU), 1.0).flatten() for row in ROWS]
    assert len(packed) == sum(len(row.response_ids) for row in ROWS)
    assert torch.allclose(packed.sort().values, torch.cat(single).sort().values, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_so_are_the_gradients(family: str) -> None:
    policy = make_policy(family)
    packed_logprobs(policy, ROWS, 16, pad_id=1).sum().backward()
    ours = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    policy.zero_grad()
    alone(policy).backward()
    theirs = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
    assert ours.keys() == theirs.keys() and ours
    for name, gradient in theirs.items():
        assert torch.allclose(ours[name], gradient, atol=1e-4), name


def test_what_stands_in_padding_changes_nothing() -> None:
    policy = make_policy("llama")
    one, two = (packed_logprobs(policy, ROWS, 16, pad_id=pad) for pad in (1, 9))
    assert torch.equal(one, two)


def test_a_large_head_is_read_off_the_states(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make_policy("llama")
    made = packed_logprobs(policy, ROWS, 16, pad_id=1)
    monkeypatch.setattr("preftune.models.language_head.FEW_LOGITS", 0)
    assert torch.allclose(packed_logprobs(policy, ROWS, 16, pad_id=1), made, atol=1e-6)


def test_the_largest_goes_first_into_the_fullest_bin_it_fits() -> None:
    assert bins([3, 7, 2, 5, 4], 10) == [[1, 0], [3, 4]] + [[2]]
    assert bins([4, 4, 4], 8) == [[0, 1], [2]]
    assert bins([12, 3], 10) == [[0], [1]]
