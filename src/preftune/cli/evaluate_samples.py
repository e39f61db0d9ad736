"""``preftune evaluate best-of-n`` and ``shift``: what fresh samples say."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from preftune.cli.evaluate import Limit, NewTokens, Policy, Prompts, SampleSeed, evaluate
from preftune.cli.options import AsJson, Device, examples
from preftune.cli.reply import Reply, facts, shown, table, write_line
from preftune.cli.train_extra import require_train

RewardModelName = Annotated[
    str, typer.Option("--reward-model", metavar="MODEL", help="The reward model.")
]


@evaluate.command(
    name="best-of-n",
    epilog=examples(
        "preftune evaluate best-of-n --policy runs/first/stages/01-sft --reward-model "
        "runs/first/stages/02-reward --prompts test.jsonl -n 16 --judge gold:helpdesk"
    ),
)
def best_of_n(
    policy: Policy,
    reward_model: RewardModelName,
    prompts: Prompts,
    n: Annotated[int, typer.Option("-n", "--n", min=2, help="Samples a prompt.")] = 16,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="JUDGE",
            help="gold:helpdesk, or a held-out reward model.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = None,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.01, help="Sampling temperature.")
    ] = 1.0,
    max_new_tokens: NewTokens = 32,
    seed: SampleSeed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Measure what picking the best of n by a reward model gains, at 1, 2, 4 … n.

    Each point is the unbiased mean over all subsets of the n samples, with its KL from the policy.
    """
    require_train("evaluate")
    from preftune.pipeline.measure import Drawing
    from preftune.pipeline.measure_samples import evaluate_best_of_n

    drawing = Drawing(limit, temperature, max_new_tokens, seed, device=device)
    found = evaluate_best_of_n(policy, reward_model, prompts, n, judge=judge, drawing=drawing)
    return Reply(found, lambda console: _show_curve(found, console))


@evaluate.command(
    epilog=examples(
        "preftune evaluate shift --model runs/first/stages/02-reward --policy "
        "runs/first/stages/03-ppo --prompts test.jsonl",
        "preftune evaluate shift --model runs/first/stages/02-reward --completions answers.jsonl",
    )
)
def shift(
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The reward model.")],
    completions: Annotated[
        str | None,
        typer.Option(
            "--completions",
            metavar="FILE",
            help="Answers with their prompts, in place of a policy's fresh ones.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", metavar="MODEL", help="Who answers.", show_default=False),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option("--prompts", metavar="FILE", help="What it answers.", show_default=False),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            "--train",
            metavar="FILE",
            help="Comparisons the model learnt from; its manifest's own if not given.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = None,
    max_new_tokens: NewTokens = 32,
    seed: SampleSeed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Tell how far a policy's answers lie from what a reward model was trained on.

    Scores, and an ensemble's disagreement, on the current answers against the training answers.
    """
    require_train("evaluate")
    from preftune.pipeline.measure import Drawing
    from preftune.pipeline.measure_samples import evaluate_shift

    drawing = Drawing(limit, 1.0, max_new_tokens, seed, device=device)
    found = evaluate_shift(
        model,
        completions=completions,
        policy=policy,
        prompts=prompts,
        train=train,
        drawing=drawing,
    )
    return Reply(found, lambda console: _show_shift(found, console))


def _show_curve(found: Mapping[str, Any], console: Console) -> None:
    rows = [
        (
            point["n"],
            f"{point['kl']:.3f}",
            shown(point["proxy"]),
            shown(point["judge"]),
            shown(point["oracle"]),
        )
        for point in found["curve"]
    ]
    head = ("n", "KL, nats", "reward model", "judge", "judge's own pick")
    console.print(table("", head, rows))


def _show_shift(found: Mapping[str, Any], console: Console) -> None:
    for sentence in found["sentences"]:
        write_line(console, sentence)
    rows = [
        ("answers", found["answers"]),
        ("training answers", found["train_answers"]),
        ("scores above a training answer", shown(found["apart"], percent=True)),
        ("disagreement, times the usual", shown(found["uncertainty"])),
        ("more doubt than a training answer", shown(found["more_uncertain"], percent=True)),
    ]
    console.print(facts(rows))
