"""A fresh model's token vectors from the texts themselves, before any gradient step."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from preftune.maths.cooccurrence import positive_pmi, spectral_vectors
from preftune.records import BadInput

WINDOW = 4
"""Tokens on either side that count as near; one at distance d counts 1/d (Pennington et al.)."""
SMOOTHING = 0.75
"""Of the context's frequencies (Levy et al. 2015)."""


def embed_by_cooccurrence(
    model: PreTrainedModel, texts: Sequence[Sequence[int]], seed: int
) -> None:
    """Sets the token embeddings to spectral vectors of what tokens stand near in ``texts``.

    Every vector gets the same length, the mean is taken off, and the numbers are as large as the
    fresh ones were. A token that ``texts`` do not have keeps its fresh vector.
    """
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding)
    weight = embedding.weight
    size, width = weight.shape
    if width >= size:
        raise BadInput(
            f"{size} tokens have no {width} directions to be laid out along.",
            remedy='Choose a smaller hidden_size, or embeddings = "random".',
        )
    counts = cooccurrences(texts, size)
    known = torch.from_numpy(counts.sum(1) > 0).to(weight.device)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        near = positive_pmi(counts_VV=torch.from_numpy(counts).float(), smoothing=SMOOTHING)
        vectors = spectral_vectors(association_VV=near, width=width).to(weight.device)
        same = nn.functional.normalize(vectors[known], dim=1)
        centred = same - same.mean(0)
        weight[known] = centred * (weight.std() / centred.square().mean().sqrt())


def cooccurrences(texts: Sequence[Sequence[int]], size: int) -> NDArray[np.float64]:
    """How often two tokens stood within ``WINDOW`` of each other in a text, both ways, [V, V].

    A pair d apart counts 1/d. Texts do not reach into each other.
    """
    gap = np.full(WINDOW, size, dtype=np.int64)  # a token of its own between texts
    parts = [part for text in texts for part in (np.asarray(text, dtype=np.int64), gap)]
    stream = np.concatenate([*parts, gap])
    found = np.zeros((size, size))
    for distance in range(1, WINDOW + 1):
        left, right = stream[:-distance], stream[distance:]
        real = (left < size) & (right < size)
        pairs = np.bincount(left[real] * size + right[real], minlength=size * size)
        found += pairs.reshape(size, size) / distance
    return found + found.T
