"""How varied a policy's answers are, beyond distinct words: self-BLEU and spread of meaning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from preftune.artifacts import derive_seed
from preftune.evaluation.embedding_spread import mean_cosine_distance, response_embeddings
from preftune.evaluation.overlap import self_bleu
from preftune.models import load_policy
from preftune.pipeline.origins import model_folder
from preftune.records import BadInput, Completion

MEASURES = ("self_bleu", "embedding_spread")


def measured_variety(
    completions: Sequence[Completion],
    measures: Sequence[str],
    reader: str | Path | None,
    *,
    device: torch.device,
    seed: int,
) -> dict[str, float]:
    """The measures asked for, by name. ``reader`` is the model whose hidden states say what an
    answer means; compare numbers of one reader only.

    BadInput for another measure, or ``embedding_spread`` without a reader or with one whose
    tokenizer is not the policy's.
    """
    unknown = sorted(set(measures) - set(MEASURES))
    if unknown:
        raise BadInput(
            f"Variety has no measure {unknown[0]!r}.", remedy=f"It has {', '.join(MEASURES)}."
        )
    found: dict[str, float] = {}
    if "self_bleu" in measures:
        rng = np.random.default_rng(derive_seed(seed, "self-bleu"))
        found["self_bleu"] = self_bleu([c.text for c in completions], rng=rng)
    if "embedding_spread" in measures:
        if reader is None:
            raise BadInput(
                "The spread of meaning needs a model that reads the answers.",
                remedy="Name one with --reference: the SFT model, for all policies compared.",
            )
        folder = model_folder(reader)
        model = load_policy(folder, device)
        largest = max((max(c.token_ids, default=0) for c in completions), default=0)
        if largest >= model.get_input_embeddings().num_embeddings:  # type: ignore[operator]
            raise BadInput(
                "The policy writes tokens that the reference does not know.", file=reader
            )
        embeddings = response_embeddings(model, completions)
        found["embedding_spread"] = mean_cosine_distance(embeddings)
    return found
