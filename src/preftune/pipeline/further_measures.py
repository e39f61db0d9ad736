"""What an evaluate stage measures when asked: overlap with references, variety, alignment tax."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from preftune.evaluation.alignment_tax import nats_a_token, text_nats
from preftune.evaluation.embedding_spread import mean_cosine_distance, response_embeddings
from preftune.evaluation.overlap import bleu, rouge, self_bleu
from preftune.models import load_policy, load_tokenizer, renderer_for
from preftune.pipeline.context import StageContext
from preftune.pipeline.documents import document_rows, encoded, read_texts
from preftune.recipe import Evaluate
from preftune.records import BadInput, Completion, Prompt

Written = Mapping[str, Sequence[Completion]]


def further_measures(context: StageContext[Evaluate], written: Written) -> dict[str, Any]:
    """{policy: {measure: number}} of what the recipe asks for beyond the usual."""
    settings = context.settings
    found: dict[str, dict[str, Any]] = {name: {} for name in written}
    for name, completions in written.items():
        if settings.references is not None:
            references = [reference_of(c.prompt, settings.references) for c in completions]
            scores = rouge(completions, references)
            found[name] |= {key: value.as_json() for key, value in scores.items()}
            found[name]["bleu"] = bleu(completions, references)
        if "self_bleu" in settings.variety:
            rng = np.random.default_rng(context.seed_for("self-bleu"))
            found[name]["self_bleu"] = self_bleu([c.text for c in completions], rng=rng)
    if "embedding_spread" in settings.variety:
        source = context.inputs[f"policies.{settings.reference}"]
        reader = load_policy(source, context.device)
        for name, completions in written.items():
            embeddings = response_embeddings(reader, completions)
            found[name]["embedding_spread"] = mean_cosine_distance(embeddings)
    if settings.documents is not None:
        for name, told in _alignment_tax(context).items():
            found[name] |= told
    return found


def reference_of(prompt: Prompt, column: str) -> str:
    """The reference answer in a prompt's column. Raises :class:`BadInput` where there is none."""
    text = prompt.columns.get(column)
    if not isinstance(text, str) or not text.strip():
        raise BadInput(
            f"Prompt {prompt.id} has no text in the column {column!r}.",
            remedy="Name the column with reference answers in `references`, or leave it out.",
        )
    return text


def _alignment_tax(context: StageContext[Evaluate]) -> dict[str, dict[str, Any]]:
    """Each policy's own, unguided loss on the held-out documents, and how much it is above the
    reference policy's.

    The tokens are those of each policy's own tokenizer; ``alignment_tax`` is None where those
    differ from the reference's.
    """
    settings = context.settings
    texts = read_texts([context.inputs["documents"]])[: settings.documents_limit]
    nats: dict[str, list[float]] = {}
    tokens: dict[str, list[int]] = {}
    for name in settings.policies:
        source = context.inputs[f"policies.{name}"]
        policy, tokenizer = load_policy(source, context.device), load_tokenizer(source)
        room = renderer_for(policy, tokenizer, source).context
        rows = document_rows(encoded(tokenizer, texts), room, int(tokenizer.eos_token_id))
        nats[name] = text_nats(policy, rows, pad_id=int(tokenizer.pad_token_id))
        tokens[name] = [len(row.response_ids) for row in rows]
    return {name: _tax(name, settings.reference, nats, tokens) for name in settings.policies}


def _tax(
    name: str,
    reference: str,
    nats: Mapping[str, Sequence[float]],
    tokens: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    told: dict[str, Any] = {"document_loss": nats_a_token(nats[name], tokens[name]).as_json()}
    told["alignment_tax"] = None
    if reference in nats and tokens[reference] == tokens[name]:
        above = np.subtract(nats[name], nats[reference])
        told["alignment_tax"] = nats_a_token(above, tokens[name]).as_json()
    return told
