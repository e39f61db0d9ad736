"""The spread of directions known in advance, and means over the right tokens."""

import numpy as np
import pytest

from preftune.evaluation.embedding_spread import mean_cosine_distance, response_embeddings
from preftune.records import BadInput, Completion, Prompt, StopReason
from tests.models.made import make_policy


def test_the_ends() -> None:
    assert mean_cosine_distance(np.array([[1.0, 0], [3.0, 0]])) == pytest.approx(0)
    assert mean_cosine_distance(np.array([[1.0, 0], [0, 2.0]])) == pytest.approx(1)
    assert mean_cosine_distance(np.array([[1.0, 0], [-5.0, 0]])) == pytest.approx(2)


def test_it_is_the_mean_over_pairs() -> None:
    rows = np.random.default_rng(0).normal(size=(7, 5))
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [1 - units[i] @ units[j] for i in range(7) for j in range(i)]
    assert mean_cosine_distance(rows) == pytest.approx(np.mean(pairs))


def test_an_answer_is_read_alone_and_whole() -> None:
    reader = make_policy("llama")
    written = [
        Completion(Prompt("a"), "", StopReason.EOS, "v", (5, 6), (20, 21, 22)),
        Completion(Prompt("b"), "", StopReason.EOS, "v", (9,), (20, 21, 22)),
        Completion(Prompt("c"), "", StopReason.EOS, "v", (9,), (40, 41, 42, 43, 44)),
    ]
    found = response_embeddings(reader, written)
    assert found.shape == (3, reader.config.hidden_size)
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert mean_cosine_distance(found) > 0.01


def test_one_answer_has_no_spread() -> None:
    with pytest.raises(BadInput):
        mean_cosine_distance(np.ones((1, 3)))
