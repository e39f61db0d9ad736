"""``preftune evaluate audit-…``: what a reward model, labels or a new policy like too much."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from preftune.cli.evaluate import (
    Limit,
    NewTokens,
    Policy,
    Prompts,
    SampleSeed,
    Temperature,
    evaluate,
)
from preftune.cli.options import AsJson, Device, SkipBad, examples
from preftune.cli.reply import Reply, shown, table, write_line
from preftune.cli.train_extra import require_train

Pairs = Annotated[str, typer.Option("--data", metavar="FILE", help="Labelled comparisons.")]
PairLimit = Annotated[
    int | None,
    typer.Option("--limit", min=2, help="Use the first so many pairs.", show_default=False),
]


@evaluate.command(
    name="audit-reward",
    epilog=examples(
        "preftune evaluate audit-reward --model runs/first/stages/02-reward --data test.jsonl"
    ),
)
def audit_reward(
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The reward model.")],
    data: Pairs,
    phrases: Annotated[
        str | None,
        typer.Option(
            "--phrases",
            metavar="FILE",
            help="JSON with phrases for the probes, in the texts' own style or language.",
            show_default=False,
        ),
    ] = None,
    limit: PairLimit = None,
    skip_bad: SkipBad = 0,
    tokens: Annotated[
        int, typer.Option("--tokens", min=0, help="Tell so many answers token by token.")
    ] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Find what a reward model likes too much: length, flattery, certainty, agreeing with people.

    Traits are held against the labels; counterfactual probes change one thing of an answer. A bias
    is named only if it is not small and survives the correction for everything looked for. With
    --tokens, integrated gradients say what each token of some answers is worth.
    """
    require_train("evaluate")
    from preftune.pipeline.audits import audit_reward_model

    found = audit_reward_model(
        model, data, phrases=phrases, limit=limit, skip_bad=skip_bad, tokens=tokens, device=device
    )
    return Reply(found, lambda console: _show_reward(found, console))


@evaluate.command(
    name="audit-labels", epilog=examples("preftune evaluate audit-labels --data comparisons.jsonl")
)
def audit_labels(
    data: Pairs,
    limit: PairLimit = None,
    skip_bad: SkipBad = 0,
    as_json: AsJson = False,
) -> Reply:
    """Find what labels prefer by themselves: how often the longer, politer, surer answer wins."""
    require_train("evaluate")
    from preftune.pipeline.audits import audit_label_file

    found = audit_label_file(data, limit=limit, skip_bad=skip_bad)
    return Reply(found, lambda console: _show_labels(found["labels"], console))


@evaluate.command(
    name="audit-policy",
    epilog=examples(
        "preftune evaluate audit-policy --policy runs/first/stages/03-ppo --against "
        "runs/first/stages/01-sft --prompts test.jsonl --limit 500"
    ),
)
def audit_policy(
    policy: Policy,
    against: Annotated[
        str, typer.Option("--against", metavar="MODEL", help="The policy it came from.")
    ],
    prompts: Prompts,
    limit: Limit = None,
    temperature: Temperature = 1.0,
    max_new_tokens: NewTokens = 32,
    seed: SampleSeed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Tell what changed from one policy to another: length, tone, refusals, stock phrases."""
    require_train("evaluate")
    from preftune.pipeline.audits import audit_two_policies
    from preftune.pipeline.measure import Drawing

    drawing = Drawing(limit, temperature, max_new_tokens, seed, device=device)
    found = audit_two_policies(policy, against, prompts, drawing=drawing)
    return Reply(found, lambda console: _show_policy(found, console))


def _show_reward(found: Mapping[str, Any], console: Console) -> None:
    for sentence in found["sentences"]:
        write_line(console, sentence)
    rows = [
        (
            effect["name"],
            effect["kind"],
            shown(effect["effect"]),
            f"{effect['adjusted_p']:.2g}",
            "NAMED" if effect["named"] else "",
        )
        for effect in found["effects"]
    ]
    console.print()
    console.print(table("", ("looked for", "kind", "effect", "corrected p", ""), rows))
    words = found.get("words", [])
    if words:
        ends = [*words[:8], *words[8:][-8:]]
        told = [(repr(w["token"]), f"{w['worth']:+.3f}", w["count"]) for w in ends]
        console.print()
        console.print(table("", ("token, most and least worth", "mean worth", "times"), told))


def _show_labels(labels: list[Mapping[str, Any]], console: Console) -> None:
    rows = [
        (
            effect["name"],
            effect["pairs"],
            shown(effect["effect"], percent=True),
            f"{effect['adjusted_p']:.2g}",
            "NAMED" if effect["named"] else "",
        )
        for effect in labels
    ]
    head = ("the answer with more of", "pairs that differ", "is preferred", "corrected p", "")
    console.print(table("", head, rows))


def _show_policy(found: Mapping[str, Any], console: Console) -> None:
    for sentence in found["sentences"]:
        write_line(console, sentence)
    rows = [
        (
            shift["trait"],
            f"{shift['before']:.3g}",
            f"{shift['after']:.3g}",
            shown(shift["difference"]),
            f"{shift['adjusted_p']:.2g}",
        )
        for shift in found["shifts"]
    ]
    console.print()
    console.print(table("", ("trait", "before", "after", "difference", "corrected p"), rows))
