"""Every policy on held-out prompts, side by side, and the reward model on held-out labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from preftune.data import load_comparisons, load_prompts, write_rows
from preftune.evaluation import (
    baselines,
    best_of_n,
    best_of_n_kl,
    calibrated_summary,
    compare_policies,
    kl_to_reference,
    policy_report,
    reward_accuracy,
    sampled_kl,
)
from preftune.evaluation.best_of_n import doublings
from preftune.models import load_policy
from preftune.monitoring import Bar
from preftune.pipeline.checked_answers import checked, majority_votes
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import (
    as_completion,
    open_guided,
    open_judge,
    open_reward_model,
    sampling_of,
)
from preftune.pipeline.further_measures import further_measures
from preftune.pipeline.profiles import told_weights
from preftune.pipeline.rule_models import open_rule_model
from preftune.recipe import Evaluate
from preftune.records import (
    Axes,
    BadInput,
    Comparison,
    Completion,
    Estimate,
    Prompt,
    Sampling,
    Score,
)
from preftune.rewards import RerankScore, unprompted
from preftune.rollouts import NativeEngine
from preftune.stats import mean_estimate

Written = dict[str, list[Completion]]
Scored = dict[str, list[dict[str, float]]]


def run(context: StageContext[Evaluate]) -> StageOutcome:
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"])[: settings.limit]
    summary: dict[str, Any] = {"prompts": len(prompts)}
    with context.console.progress("evaluate", len(settings.policies) + 3) as bar:
        written, kls = _write(context, prompts, bar)
        scored = {name: _scores(context, texts) for name, texts in written.items()}
        bar.advance()
        further = further_measures(context, written)
        summary["policies"] = {
            name: _policy_summary(texts, scored[name]) | {"kl": kls[name]} | further[name]
            for name, texts in written.items()
        }
        if settings.checked:
            summary["checked"] = checked(context, written)
        if settings.majority_of:
            summary["majority"] = majority_votes(context, prompts)
        summary["win_rates"] = [_win_rate(context, written, pair) for pair in settings.win_rates]
        if settings.comparisons is not None:
            summary |= _reward_summary(context)
        bar.advance()
        if settings.best_of:
            summary["best_of"] = _best_of(context, prompts)
        bar.advance()
    write_rows(context.folder / "samples.jsonl", _samples(prompts, written, scored))
    return StageOutcome({"samples": "samples.jsonl"}, summary)


def _write(
    context: StageContext[Evaluate], prompts: Sequence[Prompt], bar: Bar
) -> tuple[Written, dict[str, Any]]:
    """Completions of every policy, and each one's KL to the reference policy."""
    settings = context.settings
    written: Written = {}
    kls: dict[str, Any] = {}
    reference = None
    if settings.reference in settings.policies:
        source = context.inputs[f"policies.{settings.reference}"]
        reference = load_policy(source, context.device)
    for name in settings.policies:
        engine = open_guided(context, f"policies.{name}", settings.sampling)
        sampling = sampling_of(settings.sampling, engine, context.seed_for("sample", name))
        told = told_weights(prompts, settings.profiles.get(name), engine.policy)
        written[name] = engine(told.prompts, sampling)
        kls[name] = None
        if reference is not None and sampling.temperature > 0:
            kls[name] = _kl(engine, reference, written[name], sampling).as_json()
        if told.words is not None:
            written[name] = [unprompted(c, told.words, engine.renderer) for c in written[name]]
        bar.advance(note=name)
    return written, kls


def _kl(
    engine: NativeEngine,
    reference: PreTrainedModel,
    completions: Sequence[Completion],
    sampling: Sampling,
) -> Estimate:
    """Of the policy, or of what its values made of it where they guided it."""
    pad_id, temperature = int(engine.renderer.tokenizer.pad_token_id), sampling.temperature
    if sampling.value_guidance > 0:
        return sampled_kl(reference, completions, pad_id=pad_id, temperature=temperature)
    return kl_to_reference(
        engine.policy, reference, completions, pad_id=pad_id, temperature=temperature
    )


def _scores(
    context: StageContext[Evaluate], completions: Sequence[Completion]
) -> list[dict[str, float]]:
    """The judge's axes, and the reward model's score as ``proxy``, of each completion."""
    scores: list[dict[str, float]] = [{} for _ in completions]
    if context.settings.judge is not None:
        judge, axis, _ = open_judge(context, "judge")
        for mine, axes in zip(scores, _all_scored(judge(completions)), strict=True):
            mine.update(axes)
            mine["judge"] = axes[axis]
    if context.settings.reward_model is not None:
        proxy = open_reward_model(context, "reward_model")
        for mine, axes in zip(scores, _all_scored(proxy(completions)), strict=True):
            mine["proxy"] = axes["score"]
            if "disagreement" in axes:
                mine["doubt"] = axes["disagreement"]
    return scores


def _policy_summary(
    completions: Sequence[Completion], scores: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    report = policy_report(completions, scores).as_json()
    axes: Any = report["axes"]
    return report | {"judge": axes.pop("judge", None), "proxy": axes.pop("proxy", None)}


def _win_rate(
    context: StageContext[Evaluate], written: Written, pair: tuple[str, str]
) -> dict[str, Any]:
    judge, axis, tie_width = open_judge(context, "judge")
    ours, theirs = pair
    rate = compare_policies(written[ours], written[theirs], judge, axis=axis, tie_width=tie_width)
    return {"policy": ours, "against": theirs} | rate.as_json()


def _reward_summary(context: StageContext[Evaluate]) -> dict[str, Any]:
    """Accuracy on held-out labels beside what could be had at most, and two baselines."""
    comparisons = load_comparisons(context.inputs["comparisons"])
    proxy = open_reward_model(context, "reward_model")
    chosen, rejected = _sides(proxy, comparisons)
    report = reward_accuracy(chosen, rejected, comparisons).as_json() | calibrated_summary(
        np.subtract(chosen, rejected),
        [c.probability for c in comparisons],
        [c.prompt.id for c in comparisons],
        temperature=proxy.temperature,
    )
    train = None
    if context.settings.comparisons_train is not None:
        train = load_comparisons(context.inputs["comparisons_train"])
    ceiling = report.pop("noise_ceiling", None)
    return {
        "reward_model": report | {"baselines": baselines(train, comparisons).as_json()},
        "noise_ceiling": ceiling,
    }


def _best_of(context: StageContext[Evaluate], prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Best of n by the reward model, by the judge's own account, and the oracle beside it."""
    settings, n = context.settings, context.settings.best_of
    few = list(prompts[: settings.best_of_prompts])
    role = f"policies.{settings.best_of_policy}"
    engine: NativeEngine = open_guided(context, role, settings.sampling)
    sampling = sampling_of(settings.sampling, engine, context.seed_for("best of"))
    many = engine([prompt for prompt in few for _ in range(n)], replace(sampling))
    scores = _scores(context, many)
    table = {
        name: np.array([score.get(name, np.nan) for score in scores]).reshape(len(few), n)
        for name in ("proxy", "judge")
    }
    proxy = best_of_n(table["proxy"], table["proxy"], n)
    summary: dict[str, Any] = {"n": n, "kl": best_of_n_kl(n), "proxy": proxy.as_json()}
    if settings.judge is not None:
        summary |= {
            "judge": best_of_n(table["proxy"], table["judge"], n).as_json(),
            "oracle": best_of_n(table["judge"], table["judge"], n).as_json(),
            "policy": mean_estimate(table["judge"].mean(axis=1).tolist()).as_json(),
        }
    summary |= _picked(context, many, scores)
    judged = settings.judge is not None
    summary["curve"] = [
        {
            "n": k,
            "kl": best_of_n_kl(k),
            "proxy": best_of_n(table["proxy"], table["proxy"], k).as_json(),
            "judge": best_of_n(table["proxy"], table["judge"], k).as_json() if judged else None,
        }
        for k in doublings(n)
    ]
    return summary


def _picked(
    context: StageContext[Evaluate],
    many: Sequence[Completion],
    scores: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """The judge's axes of the best of n by the reward, and in Sparrow's order with its rules."""
    settings, n = context.settings, context.settings.best_of
    orders = {"axes": [score["proxy"] for score in scores]}
    if settings.rules is not None:
        told = settings.rules.model_copy(update={"how": "sum_log"})
        rules = open_rule_model(context, "rules.model", told)
        order = RerankScore(open_reward_model(context, "reward_model"), rules)
        orders["reranked_axes"] = [axes["score"] for axes in _all_scored(order(many))]
    found = {}
    for name, values in orders.items():
        table = np.array(values).reshape(-1, n)
        best = [place * n + int(pick) for place, pick in enumerate(table.argmax(axis=1))]
        found[name] = {
            axis: mean_estimate([scores[i][axis] for i in best]).as_json()
            for axis in scores[0]
            if all(axis in score for score in scores)
        }
    return found


def _samples(prompts: Sequence[Prompt], written: Written, scored: Scored) -> list[dict[str, Any]]:
    return [
        {
            "id": prompt.id,
            "prompt": prompt.text
            if isinstance(prompt.text, str)
            else [{"role": turn.role, "content": turn.content} for turn in prompt.text],
            "columns": dict(prompt.columns),
            "samples": [
                {
                    "policy": name,
                    "text": written[name][place].text,
                    "stop_reason": str(written[name][place].stop_reason),
                    "policy_version": written[name][place].policy_version,
                    "scores": scored[name][place],
                }
                for name in written
            ],
        }
        for place, prompt in enumerate(prompts)
    ]


def _sides(score: Score, comparisons: Sequence[Comparison]) -> tuple[list[float], list[float]]:
    """The scores of the chosen and of the rejected answers, all read together."""
    sides = [as_completion(c.prompt, c.chosen) for c in comparisons]
    sides += [as_completion(c.prompt, c.rejected) for c in comparisons]
    scores = [axes["score"] for axes in _all_scored(score(sides))]
    return scores[: len(comparisons)], scores[len(comparisons) :]


def _all_scored(axes: Sequence[Axes | None]) -> list[Axes]:
    if any(value is None for value in axes):
        raise BadInput(
            "The judge does not apply to some of these prompts.",
            remedy="Use prompts of the judge's own world.",
        )
    return [value for value in axes if value is not None]
