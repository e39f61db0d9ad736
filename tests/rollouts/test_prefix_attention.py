"""Attention in two parts against one softmax over all of a row's tokens."""

import numpy as np
import pytest
import torch

from preftune.rollouts import own_tokens as own_module
from preftune.rollouts.own_tokens import OwnTokens, RowMajor, TokenMajor, own_tokens
from preftune.rollouts.prefix_attention import Portion, places_of, prefix_attention

K, G, D, W = 2, 3, 8, 7
PROMPT_OF_ROW = {
    "even": [0, 0, 1, 1, 2, 2],
    "one a prompt": [0, 1, 2],
    "ragged": [0, 0, 0, 1, 2, 2],
    "scattered": [2, 0, 1, 0, 2, 0, 0],
    "a prompt without rows": [0, 2, 2],
}


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 2


def written(kind: type[TokenMajor] | type[RowMajor], rows: int, tokens: int) -> OwnTokens:
    keys, values = random(rows, K, tokens, D, seed=3), random(rows, K, tokens, D, seed=4)
    own = kind(tokens + 2, keys[:, :, :1])
    for t in range(tokens):
        own.write(keys[:, :, t : t + 1], values[:, :, t : t + 1])
    return own


def one_softmax(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, hidden: torch.Tensor
) -> torch.Tensor:
    """A row at a time in float64 over the concatenated tokens."""
    scores = queries.double() @ keys.double().transpose(-1, -2)
    return scores.masked_fill(hidden, float("-inf")).softmax(-1) @ values.double()


@pytest.mark.parametrize("kind", [TokenMajor, RowMajor])
@pytest.mark.parametrize("case", PROMPT_OF_ROW)
@pytest.mark.parametrize("tokens", [1, 5, 14])
def test_both_parts_are_one_softmax(
    kind: type[TokenMajor] | type[RowMajor], case: str, tokens: int
) -> None:
    prompt_of_row = np.array(PROMPT_OF_ROW[case])
    rows = len(prompt_of_row)
    queries = random(rows, K, G, D, seed=0)
    keys, values = random(3, K, W, D, seed=1), random(3, K, W, D, seed=2)
    hidden = torch.arange(W) < torch.tensor([[0], [3], [6]])
    own = written(kind, rows, tokens)
    places = places_of(prompt_of_row, 3, torch.device("cpu"))
    portion = Portion(slice(0, rows), hidden[:, None, None], places)
    found = prefix_attention(queries, [(keys, values)], [portion], own)
    own_keys, own_values = random(rows, K, tokens, D, seed=3), random(rows, K, tokens, D, seed=4)
    for row, prompt in enumerate(prompt_of_row):
        expected = one_softmax(
            queries[row],
            torch.cat([keys[prompt], own_keys[row]], dim=1),
            torch.cat([values[prompt], own_values[row]], dim=1),
            torch.cat([hidden[prompt], torch.zeros(tokens, dtype=torch.bool)]),
        )
        assert torch.allclose(found[row].double(), expected, atol=2e-6)


def test_scores_far_apart_do_not_overflow() -> None:
    """One part's scores are 300 above the other's, whose exponentials alone would be 0 or ∞."""
    queries = torch.full((1, 1, 1, 1), 1.0)
    own = TokenMajor(1, torch.zeros(1, 1, 1, 1))
    own.write(torch.full((1, 1, 1, 1), 300.0), torch.full((1, 1, 1, 1), 5.0))
    portions = [Portion(slice(0, 1), None, places_of(np.array([0]), 1, torch.device("cpu")))]
    theirs = [(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), -7.0))]
    assert prefix_attention(queries, theirs, portions, own).item() == 5.0
    assert prefix_attention(-queries, theirs, portions, own).item() == -7.0


def test_places_by_hand() -> None:
    places = places_of(np.array([2, 0, 0]), 3, torch.device("cpu"))
    assert (places.prompts, places.slots, places.even) == (3, 2, False)
    assert places.slot_of_row.tolist() == [4, 0, 1]
    assert [places.row_of_slot[i].item() for i in (0, 1, 4)] == [1, 2, 0]
    of_rows = torch.tensor([[10.0], [20.0], [30.0]])
    there = places.to_slots(of_rows)
    assert there.shape == (3, 2, 1)
    assert torch.equal(places.to_rows(there), of_rows)
    assert places_of(np.array([0, 0, 1, 1]), 2, torch.device("cpu")).even


@pytest.mark.parametrize("kind", [TokenMajor, RowMajor])
def test_kept_rows_go_on_in_their_new_order(kind: type[TokenMajor] | type[RowMajor]) -> None:
    own, rows = written(kind, 4, 3), torch.tensor([3, 1])
    own.keep(rows)
    key, value = random(2, K, 1, D, seed=5), random(2, K, 1, D, seed=6)
    own.write(key, value)
    keys = torch.cat([random(4, K, 3, D, seed=3)[rows], key], dim=2)
    values = torch.cat([random(4, K, 3, D, seed=4)[rows], value], dim=2)
    queries, weights = random(2, K, G, D, seed=7), random(2, K, G, 4, seed=8)
    assert torch.allclose(own.scores(queries), queries @ keys.transpose(-1, -2), atol=1e-5)
    assert torch.allclose(own.weighted(weights), weights @ values, atol=1e-5)


def test_short_answers_are_token_major() -> None:
    like = torch.zeros(1, 1, 1, 1)
    assert type(own_tokens(own_module.SHORT, like)) is TokenMajor
    assert type(own_tokens(own_module.SHORT + 1, like)) is RowMajor
