"""A policy and people's preferences in, a better policy out: all methods that never sample."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedModel

from preftune.algorithms.dpo import dpo
from preftune.algorithms.ipo import ipo
from preftune.algorithms.kto import KTOInputs, Verdict, kto
from preftune.algorithms.offline import OfflineResult, PairInputs
from preftune.algorithms.orpo import orpo
from preftune.algorithms.reference_file import NAME
from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.simpo import simpo
from preftune.data import load
from preftune.models import (
    Renderer,
    fit_rows,
    load_policy,
    load_tokenizer,
    renderer_for,
    save_model,
)
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.networks import base_for_saving, learner, loaded_on, reference_of
from preftune.recipe import DPO, IPO, KTO, ORPO, OfflineSettings, PairSettings, SimPO
from preftune.records import Comparison, Judged
from preftune.training import Journal

T = TypeVar("T")
SAID = {
    "dpo": "optimised with DPO",
    "ipo": "optimised with IPO",
    "kto": "optimised with KTO",
    "orpo": "optimised with ORPO",
    "simpo": "optimised with SimPO",
}
"""Every kind of stage that runs here, and what the model card says was done."""


def run(context: StageContext[Any]) -> StageOutcome:
    settings: OfflineSettings = context.settings
    source = context.inputs["model"]
    policy, tokenizer = load_policy(source, loaded_on(context)), load_tokenizer(source)
    learner(context, policy)
    renderer = renderer_for(policy, tokenizer, source)
    with context.journal(settings.checkpoint_every) as journal:
        learn = _from_verdicts if isinstance(settings, KTO) else _from_pairs
        result, counts = learn(context, policy, renderer, journal)
        card = model_card(context, SAID[settings.kind])
        base = base_for_saving(context, "model")
        save_model(policy, tokenizer, context.model_folder, card, base)
    outputs = {"model": "model"}
    if (context.folder / NAME).exists():
        outputs["reference"] = NAME
    return StageOutcome(outputs, asdict(result) | counts)


Learned = tuple[OfflineResult, dict[str, int]]


def _from_pairs(
    context: StageContext[PairSettings],
    policy: PreTrainedModel,
    renderer: Renderer,
    journal: Journal,
) -> Learned:
    settings = context.settings
    inputs = PairInputs(
        policy=policy,
        train=_pairs(context, renderer, "train"),
        validation=_pairs(context, renderer, "validation") if settings.validation else [],
        seed=context.seed,
        known_reference=context.inputs.get("reference_logprobs"),
    )
    counts = {"pairs": len(inputs.train)}
    if isinstance(settings, DPO):
        return dpo(settings, inputs, reference_of(context, policy, "model"), journal), counts
    if isinstance(settings, IPO):
        return ipo(settings, inputs, reference_of(context, policy, "model"), journal), counts
    if isinstance(settings, ORPO):
        return orpo(settings, inputs, journal), counts
    assert isinstance(settings, SimPO)
    return simpo(settings, inputs, journal), counts


def _from_verdicts(
    context: StageContext[KTO], policy: PreTrainedModel, renderer: Renderer, journal: Journal
) -> Learned:
    settings = context.settings
    inputs = KTOInputs(
        policy=policy,
        train=_verdicts(context, renderer, "train"),
        validation=_verdicts(context, renderer, "validation") if settings.validation else [],
        seed=context.seed,
        known_reference=context.inputs.get("reference_logprobs"),
    )
    liked = sum(verdict.desirable for verdict in inputs.train)
    counts = {"desirable": liked, "undesirable": len(inputs.train) - liked}
    return kto(settings, inputs, reference_of(context, policy, "model"), journal), counts


def _pairs(context: StageContext[PairSettings], renderer: Renderer, role: str) -> list[Pair]:
    """Comparisons as rows of ids, fitted into the context; a pair stays or goes as a whole."""
    settings = context.settings
    comparisons = _read(Comparison, context, role)
    longest = min(settings.max_length or renderer.context, renderer.context)
    chosen = renderer.rows((c.prompt.text, c.chosen) for c in comparisons)
    rejected = renderer.rows((c.prompt.text, c.rejected) for c in comparisons)
    longer = [max(a, b, key=len) for a, b in zip(chosen, rejected, strict=True)]
    kept = fit_rows(longer, longest, settings.too_long)[1].kept
    fitted, _ = fit_rows([chosen[i] for i in kept], longest, settings.too_long)
    other, _ = fit_rows([rejected[i] for i in kept], longest, settings.too_long)
    return [
        Pair(
            chosen=a,
            rejected=b,
            probability=comparisons[i].probability if settings.labels == "soft" else 1.0,
            weight=comparisons[i].weight,
            prompt=comparisons[i].prompt.id,
        )
        for i, a, b in zip(kept, fitted, other, strict=True)
    ]


def _verdicts(context: StageContext[KTO], renderer: Renderer, role: str) -> list[Verdict]:
    settings = context.settings
    judged = _read(Judged, context, role)
    longest = min(settings.max_length or renderer.context, renderer.context)
    rows = renderer.rows((answer.prompt.text, answer.completion) for answer in judged)
    rows, fitted = fit_rows(rows, longest, settings.too_long)
    return [Verdict(row, judged[i].label) for row, i in zip(rows, fitted.kept, strict=True)]


def _read(kind: type[T], context: StageContext[Any], role: str) -> list[T]:
    settings: OfflineSettings = context.settings
    limit = settings.limit if role == "train" else settings.validation_limit
    return records_of(kind, context.inputs[role], settings.skip_bad, limit)


def records_of(kind: type[T], path: Path, skip_bad: int, limit: int | None) -> list[T]:
    """The file's records, those of ``limit`` rows at equal distances or all."""
    loaded = load(kind, path, skip_bad=skip_bad)
    kept = set(evenly(sorted(set(loaded.lines)), limit))
    return [
        record for record, line in zip(loaded.records, loaded.lines, strict=True) if line in kept
    ]


def evenly(items: Sequence[T], limit: int | None) -> list[T]:
    """``limit`` of the items at equal distances, all of them where there are no more."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[place * len(items) // limit] for place in range(limit)]
