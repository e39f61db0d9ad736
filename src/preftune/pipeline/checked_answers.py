"""Answers that can be checked: the share each rule passes, and what a majority vote adds."""

from collections.abc import Mapping, Sequence
from typing import Any

from preftune.pipeline.context import StageContext
from preftune.pipeline.engines import open_guided, sampling_of
from preftune.recipe import Evaluate
from preftune.recipe.rules import NumericRule
from preftune.records import Completion, Prompt
from preftune.rewards import RuleScore
from preftune.rewards.rules_answers import final_number, majority_of
from preftune.stats import mean_estimate


def checked(
    context: StageContext[Evaluate], written: Mapping[str, Sequence[Completion]]
) -> dict[str, dict[str, Any]]:
    """{policy: {rule: its mean over the answers it applies to, clustered by prompt}}."""
    rules = context.settings.checked
    return {
        policy: {name: _mean(RuleScore(rule), answers) for name, rule in rules.items()}
        for policy, answers in written.items()
    }


def majority_votes(
    context: StageContext[Evaluate], prompts: Sequence[Prompt]
) -> dict[str, dict[str, Any]]:
    """Several answers a prompt and the number most of them give (Wang et al. 2022).

    ``single``: how often one answer is right; ``majority``: how often the vote is, ties and no
    number being wrong; ``any``: how often at least one is.
    """
    settings, n = context.settings, context.settings.majority_of
    rule = next(rule for rule in settings.checked.values() if isinstance(rule, NumericRule))
    known = [p for p in prompts if _truth(p, rule) is not None]
    if n < 2 or not known:
        return {}
    found = {}
    for name in settings.policies:
        engine = open_guided(context, f"policies.{name}", settings.sampling)
        sampling = sampling_of(settings.sampling, engine, context.seed_for("majority", name))
        many = engine([prompt for prompt in known for _ in range(n)], sampling)
        right = [axes["score"] if axes else 0.0 for axes in RuleScore(rule)(many)]
        groups = [slice(place * n, (place + 1) * n) for place in range(len(known))]
        voted = [
            float(majority_of([_said(c, rule) for c in many[group]]) == _truth(prompt, rule))
            for prompt, group in zip(known, groups, strict=True)
        ]
        units = [prompt.id for prompt in known]
        found[name] = {
            "n": n,
            "single": mean_estimate([sum(right[g]) / n for g in groups], units).as_json(),
            "majority": mean_estimate(voted, units).as_json(),
            "any": mean_estimate([max(right[g]) for g in groups], units).as_json(),
        }
    return found


def _said(completion: Completion, rule: NumericRule) -> Any:
    if rule.needs_marker and rule.marker not in completion.text:
        return None
    return final_number(completion.text, rule.marker)


def _truth(prompt: Prompt, rule: NumericRule) -> Any:
    column = prompt.columns.get(rule.column)
    return None if column is None else final_number(str(column), rule.marker)


def _mean(score: RuleScore, answers: Sequence[Completion]) -> dict[str, float] | None:
    """None where the rule applies to no answer."""
    told = [
        (axes["score"], c.prompt.id)
        for axes, c in zip(score(answers), answers, strict=True)
        if axes
    ]
    if not told:
        return None
    return mean_estimate([value for value, _ in told], [unit for _, unit in told]).as_json()
