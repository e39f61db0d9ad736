"""How far apart answers lie in meaning, as one fixed model reads them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from preftune.models import Row, micro_batches, ragged_of, states_of
from preftune.records import BadInput, Completion


@torch.no_grad()
def response_embeddings(
    reader: PreTrainedModel,
    completions: Sequence[Completion],
    *,
    micro_batch_tokens: int = 8192,
) -> NDArray[np.float64]:
    """Mean last hidden state over each response's tokens, [N, H]; the prompt is not read.

    ``reader`` must be the same model for all policies compared, and share their tokenizer.
    """
    rows = [Row(c.token_ids[:1], c.token_ids[1:] or c.token_ids[:1]) for c in completions]
    found = np.zeros((len(rows), int(reader.config.hidden_size)))
    for indices in micro_batches([len(row) for row in rows], micro_batch_tokens):
        some = [rows[i] for i in indices]
        ragged = ragged_of([[row] for row in some], reader.device)
        states_NH = states_of(reader, ragged)
        for index, row, last in zip(indices, some, ragged.last.every.tolist(), strict=True):
            mean = states_NH[last + 1 - len(row) : last + 1].mean(0)
            found[index] = mean.double().cpu().numpy()
    return found


def mean_cosine_distance(embeddings: NDArray[np.float64]) -> float:
    """1 − the mean cosine over all pairs of different rows: 0 where all point one way.

    With unit rows u, Σ_{i≠j} u_i·u_j = ‖Σ u‖² − N. The rows are centred by nothing: compare only
    numbers of the same reader. BadInput for fewer than two rows.
    """
    if len(embeddings) < 2:
        raise BadInput("A spread needs at least two answers.")
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    units = embeddings / np.maximum(norms, 1e-12)
    count = len(units)
    total = float(np.square(units.sum(axis=0)).sum())
    return 1.0 - (total - count) / (count * (count - 1))
