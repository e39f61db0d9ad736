"""Which tokens a reward model pays for: integrated gradients over an answer's token embeddings.

Sundararajan et al. (2017). With e the embeddings of the answer's tokens, e⁰ a baseline that says
nothing and F the score, token t is worth

    A_t = (e_t − e⁰_t) · ∫₀¹ ∂F(e⁰ + s (e − e⁰)) / ∂e_t  ds

and the worths add up to F(e) − F(e⁰) (completeness). The integral is a Gauss–Legendre sum; what it
leaves out is reported as the residual.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.models import Row, collate, steps_of
from preftune.models.networks import read_scores
from preftune.records import BadInput

NODES = 32
"""Places along the way at which the gradient is taken at first."""
MOST_NODES = 512
CLOSE = 1e-3
"""Share of score − baseline that may be left out; the places are doubled until it is less."""
FEWEST = 5
"""Times a word must stand in the answers before its mean worth is told."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """One answer, token by token, in units of the score."""

    token_ids: tuple[int, ...]
    worths: tuple[float, ...]
    score: float
    baseline: float
    """The score of the same prompt with an answer of as many tokens that say nothing."""

    @property
    def residual(self) -> float:
        """score − baseline − Σ worths: what the integral's sum leaves out; about 0."""
        return self.score - self.baseline - float(np.sum(self.worths))


def attribute(
    model: PreTrainedModel, rows: Sequence[Row], *, pad_id: int, nodes: int = NODES
) -> list[Attribution]:
    """The worth of each response token of each row; prompts stay as they are.

    ``nodes`` places along the way are doubled, up to 512, until a thousandth is left out at most.

    The baseline's token vector is the mean of the model's whole vocabulary, at every place of the
    answer. BadInput for a model that scores steps, whose answers have no single place of reading.
    """
    if steps_of(model.config) is not None:
        raise BadInput(
            "A model that scores steps has no one score to attribute to tokens.",
            remedy="Audit a reward model of whole answers.",
        )
    return [_close_enough(model, row, pad_id, nodes) for row in rows]


def _close_enough(model: PreTrainedModel, row: Row, pad_id: int, nodes: int) -> Attribution:
    while True:
        found = _one(model, row, pad_id, nodes)
        gained = abs(found.score - found.baseline)
        if abs(found.residual) <= CLOSE * gained + 1e-5 or nodes >= MOST_NODES:
            return found
        nodes *= 2


def _one(model: PreTrainedModel, row: Row, pad_id: int, nodes: int) -> Attribution:
    batch = collate([row], pad_id, model.device)
    vectors = model.get_input_embeddings()
    assert isinstance(vectors, nn.Embedding)
    with torch.no_grad():
        there = vectors(batch.input_ids_BS)
        start = there.shape[1] - batch.width
        nothing = there.clone()
        nothing[:, start:] = vectors.weight.mean(0)
    way = there - nothing
    places, weights = np.polynomial.legendre.leggauss(nodes)
    gradient = torch.zeros_like(way, dtype=torch.float64)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        point = (nothing + float(place) * way).requires_grad_(True)
        score = _score(model, point, batch.attention_mask_BS, batch.position_ids_BS)
        (slope,) = torch.autograd.grad(score.sum(), point)
        gradient += float(weight) * slope.double()
    worths = (gradient * way.double()).sum(-1)[0, start:]
    with torch.no_grad():
        ends = [
            _score(model, one, batch.attention_mask_BS, batch.position_ids_BS).item()
            for one in (there, nothing)
        ]
    return Attribution(tuple(row.response_ids), tuple(worths.tolist()), *ends)


def _score(
    model: PreTrainedModel,
    embeddings_BSH: torch.Tensor,
    mask_BS: torch.Tensor,
    positions_BS: torch.Tensor,
) -> torch.Tensor:
    """The normalised score of rows given as embeddings, [B]; the last column is each row's last."""
    body = getattr(model, model.base_model_prefix)
    hidden = body(
        inputs_embeds=embeddings_BSH,
        attention_mask=mask_BS,
        position_ids=positions_BS,
        use_cache=False,
    ).last_hidden_state
    return read_scores(model, hidden[:, -1], 0.0)


@dataclass(frozen=True, slots=True)
class WordWorth:
    """What a token adds to the score on average, over the places where it stands."""

    token: str
    mean: float
    count: int


def word_worths(
    attributions: Sequence[Attribution], tokens: Sequence[Sequence[str]], fewest: int = FEWEST
) -> list[WordWorth]:
    """Mean worth of each token that stands ``fewest`` times or more, most worth first.

    ``tokens`` are the texts of each attribution's tokens.
    """
    found: dict[str, list[float]] = {}
    for attribution, names in zip(attributions, tokens, strict=True):
        for name, worth in zip(names, attribution.worths, strict=True):
            found.setdefault(name, []).append(worth)
    kept = [
        WordWorth(name, float(np.mean(worths)), len(worths))
        for name, worths in found.items()
        if len(worths) >= fewest
    ]
    return sorted(kept, key=lambda word: (-word.mean, word.token))
