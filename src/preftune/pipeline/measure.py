"""Measuring models outside a run: the functions behind ``preftune evaluate``.

Models are folders written by ``save_pretrained``, a stage's folder (its ``model``), or
``hub:NAME``. Every result is the JSON object that the command line prints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from preftune.artifacts import derive_seed, hash_path
from preftune.data import load, load_prompts
from preftune.evaluation import (
    baselines,
    calibrated_summary,
    compare_policies,
    correctness,
    kl_to_reference,
    paired_accuracy,
    policy_report,
    reward_accuracy,
    sampled_kl,
)
from preftune.models import (
    load_policy,
    load_tokenizer,
    load_value_heads,
    renderer_for,
)
from preftune.monitoring import Console
from preftune.pipeline.engines import as_completion, guidance_of, reward_model_score
from preftune.pipeline.origins import model_folder, training_rows
from preftune.pipeline.sources import GOLD
from preftune.pipeline.variety import measured_variety
from preftune.records import BadInput, Comparison, Completion, Prompt, Sampling, Score
from preftune.rewards import EnsembleScore, RewardModelScore, same_vocabulary
from preftune.rollouts import NativeChoose, NativeEngine
from preftune.worlds import gold_judge, world

PORTION = 256
"""Completions scored or sampled between two movements of the progress bar."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How responses to measure are drawn, and where."""

    limit: int | None = None
    """The first so many prompts."""
    temperature: float = 1.0
    max_new_tokens: int = 32
    seed: int = 0
    batch_size: int = 256
    device: str = "auto"
    value_guidance: float | None = None
    """β for models with value heads; their own if None, 0 is off."""


def evaluate_reward_model(
    model: str | Path,
    data: str | Path,
    *,
    baseline_train: str | Path | None = None,
    skip_bad: int = 0,
    device: str = "auto",
    console: Console | None = None,
) -> dict[str, Any]:
    """Accuracy, calibration, slices and two baselines of a reward model on comparisons.

    The TF-IDF baselines are fitted on ``baseline_train``, else on the model's own training rows,
    found through the manifest of the stage that made it; where they cannot be found the baselines
    are None and ``baselines_reason`` says why. Raises :class:`BadInput`.
    """
    folder = model_folder(model)
    loaded = load(Comparison, data, skip_bad=skip_bad)
    comparisons = loaded.records
    score = open_score(folder, torch_device(device))
    train, train_from, reason = training_rows(folder, baseline_train)
    texts = [as_completion(c.prompt, c.chosen) for c in comparisons]
    texts += [as_completion(c.prompt, c.rejected) for c in comparisons]
    axes = _scored(score, texts, console or Console())
    chosen, rejected = axes[: len(comparisons)], axes[len(comparisons) :]
    report = reward_accuracy(chosen, rejected, comparisons).as_json()
    base = baselines(train, comparisons)
    found = base.as_json()
    fit_reason = found.pop("reason")
    gaps = [a - b for a, b in zip(chosen, rejected, strict=True)]
    right, units = correctness(gaps), [c.prompt.id for c in comparisons]
    observed = [c.probability for c in comparisons]
    calibrated = calibrated_summary(gaps, observed, units, temperature=score.temperature)
    return (
        report
        | calibrated
        | {
            "model": str(model),
            "data": str(data),
            "pairs": len(comparisons),
            "skipped": len(loaded.faults),
            "left_out": dict(loaded.left_out),
            "baselines": found,
            "baselines_reason": reason or fit_reason,
            "baseline_train": train_from,
            "above_baselines": {
                name: paired_accuracy(right, theirs, units).as_json()
                for name, theirs in base.correct.items()
            },
        }
    )


def evaluate_win_rate(
    policy: str | Path,
    against: str | Path,
    prompts: str | Path,
    judge: str | Path,
    *,
    drawing: Drawing = Drawing(),  # noqa: B008
    console: Console | None = None,
) -> dict[str, Any]:
    """How often ``policy`` beats ``against`` on the same prompts, one response each, ties half.

    ``judge`` is ``gold:WORLD`` or a reward model. Raises :class:`BadInput`.
    """
    desk = console or Console()
    device = torch_device(drawing.device)
    asked = load_prompts(prompts)[: drawing.limit]
    opinion, axis, tie_width = judge_of(judge, device)
    ours = write(open_engine(policy, device, drawing), asked, drawing, "policy", desk)
    theirs = write(open_engine(against, device, drawing), asked, drawing, "against", desk)
    rate = compare_policies(ours, theirs, opinion, axis=axis, tie_width=tie_width)
    return rate.as_json() | {
        "policy": str(policy),
        "against": str(against),
        "judge": str(judge),
        "prompts": len(asked),
        "temperature": drawing.temperature,
        "seed": drawing.seed,
    }


def evaluate_policy(
    policy: str | Path,
    prompts: str | Path,
    *,
    judge: str | Path | None = None,
    reference: str | Path | None = None,
    variety: Sequence[str] = (),
    drawing: Drawing = Drawing(),  # noqa: B008
    console: Console | None = None,
) -> dict[str, Any]:
    """Scores by axis, lengths, endings and variety of a policy's responses, and its KL.

    ``kl`` is in nats a response to ``reference``, None without one or where ``kl_reason`` tells
    why it cannot be measured. ``variety`` may name ``self_bleu`` and ``embedding_spread``, which
    reads by the reference. Raises :class:`BadInput`.
    """
    desk = console or Console()
    device = torch_device(drawing.device)
    asked = load_prompts(prompts)[: drawing.limit]
    opinion = None if judge is None else judge_of(judge, device)[0]
    engine = open_engine(policy, device, drawing)
    written = write(engine, asked, drawing, "policy", desk)
    scores = None if opinion is None else opinion(written)
    found = policy_report(written, scores).as_json()
    found |= measured_variety(written, variety, reference, device=device, seed=drawing.seed)
    kl, reason = None, None if reference is not None else "No reference was named."
    if reference is not None and drawing.temperature == 0:
        reason = "Greedy responses are no sample: KL needs a temperature above 0."
    elif reference is not None:
        kl = _kl(engine, reference, written, drawing).as_json()
    return found | {
        "policy": str(policy),
        "judge": None if judge is None else str(judge),
        "reference": None if reference is None else str(reference),
        "prompts": len(asked),
        "temperature": drawing.temperature,
        "seed": drawing.seed,
        "kl": kl,
        "kl_reason": reason,
    }


def torch_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one. Raises :class:`BadInput` for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise BadInput(
            f"There is no device {name!r} on this machine.", remedy="Use cpu or auto."
        ) from None


def judge_of(judge: str | Path, device: torch.device) -> tuple[Score, str, float]:
    """The opinion, the axis it decides by, and how close two scores are a tie."""
    if str(judge).startswith(GOLD):
        name = str(judge).removeprefix(GOLD)
        return gold_judge(name), "gold", world(name).tie_width
    return open_score(judge, device), "score", 0.0


def open_score(source: str | Path, device: torch.device) -> RewardModelScore | EnsembleScore:
    """A reward model's or stage's folder, or ``hub:NAME``, as a score of texts."""
    return reward_model_score(model_folder(source), device)


def open_choosing(judge: str | Path, device: str = "auto") -> NativeChoose:
    """A policy's folder, a stage's folder or ``hub:NAME`` as a judge that chooses."""
    folder = model_folder(judge)
    model = load_policy(folder, torch_device(device))
    return NativeChoose(model, renderer_for(model, load_tokenizer(_plain_name(folder)), folder))


def open_engine(policy: str | Path, device: torch.device, drawing: Drawing) -> NativeEngine:
    """A policy's folder or ``hub:NAME``, ready to write."""
    folder = model_folder(policy)
    model = load_policy(folder, device)
    renderer = renderer_for(model, load_tokenizer(_plain_name(folder)), folder)
    here = Path(folder).is_dir()
    version = hash_path(folder)[:16] if here else str(folder)
    heads = load_value_heads(folder, model)
    return NativeEngine(model, renderer, version, batch_size=drawing.batch_size, value_heads=heads)


def _plain_name(folder: str | Path) -> str:
    return str(folder).removeprefix("hub:")


def write(
    engine: NativeEngine, prompts: Sequence[Prompt], drawing: Drawing, who: str, console: Console
) -> list[Completion]:
    """One response to each prompt. Portions have seeds of their own, so the bar can move."""
    written: list[Completion] = []
    with console.progress(f"{who} writes", len(prompts)) as bar:
        for start in range(0, len(prompts), PORTION):
            part = prompts[start : start + PORTION]
            sampling = Sampling(
                max_new_tokens=drawing.max_new_tokens,
                temperature=drawing.temperature,
                seed=derive_seed(drawing.seed, who, start),
                value_guidance=guidance_of(drawing.value_guidance, engine),
            )
            written += engine(part, sampling)
            bar.advance(len(part))
    return written


def _scored(score: Score, texts: Sequence[Completion], console: Console) -> list[float]:
    found: list[float] = []
    with console.progress("score", len(texts)) as bar:
        for start in range(0, len(texts), PORTION):
            part = score(texts[start : start + PORTION])
            found += [axes["score"] for axes in part if axes is not None]
            bar.advance(len(part))
    return found


def _kl(
    engine: NativeEngine, reference: str | Path, written: Sequence[Completion], drawing: Drawing
) -> Any:
    folder = model_folder(reference)
    device = engine.policy.device
    other = load_policy(folder, device)
    renderer = renderer_for(other, load_tokenizer(_plain_name(folder)), folder)
    if not same_vocabulary(engine.renderer, renderer):
        raise BadInput(
            "The policy and the reference have different tokenizers, so their KL has no meaning.",
            file=reference,
            remedy="Name the model the policy was trained from.",
        )
    pad_id = int(engine.renderer.tokenizer.pad_token_id)
    temperature = drawing.temperature
    if guidance_of(drawing.value_guidance, engine) > 0:
        return sampled_kl(other, written, pad_id=pad_id, temperature=temperature)
    return kl_to_reference(engine.policy, other, written, pad_id=pad_id, temperature=temperature)
