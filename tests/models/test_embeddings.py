"""Token vectors from texts: counts by hand, like words get like vectors."""

import numpy as np
import pytest
import torch
from torch import nn

from preftune.models import embed_by_cooccurrence
from preftune.models.embeddings import cooccurrences
from preftune.records import BadInput
from tests.models.made import FAMILIES, make_policy


def test_counts_fall_with_distance_and_stop_at_the_text_s_end() -> None:
    """0 1 2: (0, 1) and (1, 2) at distance 1, (0, 2) at 2. The second text does not meet the
    first; its two 3s are neighbours both ways."""
    found = cooccurrences([(0, 1, 2), (3, 3)], 5)
    expected = np.zeros((5, 5))
    expected[0, 1] = expected[1, 0] = expected[1, 2] = expected[2, 1] = 1
    expected[0, 2] = expected[2, 0] = 0.5
    expected[3, 3] = 2
    assert (found == expected).all()


def test_the_window_is_four_tokens() -> None:
    found = cooccurrences([range(6)], 6)
    assert found[0].tolist() == pytest.approx([0, 1, 1 / 2, 1 / 3, 1 / 4, 0])


@pytest.mark.parametrize("family", FAMILIES)
def test_words_in_like_company_are_alike(family: str) -> None:
    """Tokens 10 and 11 stand between the same neighbours, 12 between others."""
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(400):
        middle = int(rng.choice([10, 11, 12]))
        near = range(20, 30) if middle < 12 else range(30, 40)
        sides = rng.choice(list(near), 4).tolist()
        texts.append((*sides[:2], middle, *sides[2:]))
    model = make_policy(family)
    before = model.get_input_embeddings().weight.detach().clone()
    embed_by_cooccurrence(model, texts, seed=1)
    weight = model.get_input_embeddings().weight.detach()
    like = nn.functional.cosine_similarity(weight[10], weight[11], dim=0)
    unlike = nn.functional.cosine_similarity(weight[10], weight[12], dim=0)
    assert like > 0.8 > 0.3 > unlike
    seen = sorted({token for text in texts for token in text})
    assert weight[seen].square().mean().sqrt().item() == pytest.approx(
        before.std().item(), rel=1e-3
    )
    assert weight[seen].mean(0).abs().max() < 1e-5
    others = [token for token in range(300) if token not in seen]
    assert torch.equal(weight[others], before[others])
    assert torch.equal(model.get_output_embeddings().weight, weight), "the head stays tied"


def test_the_seed_decides_and_the_global_stream_is_untouched() -> None:
    texts = [np.random.default_rng(n).integers(0, 300, 30).tolist() for n in range(200)]
    one, two = make_policy(), make_policy()
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    embed_by_cooccurrence(one, texts, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    embed_by_cooccurrence(two, texts, seed=3)
    assert torch.equal(one.get_input_embeddings().weight, two.get_input_embeddings().weight)


def test_more_directions_than_tokens_are_refused() -> None:
    model = make_policy()
    model.resize_token_embeddings(32)
    with pytest.raises(BadInput, match="no 32 directions"):
        embed_by_cooccurrence(model, [(1, 2)], seed=0)
