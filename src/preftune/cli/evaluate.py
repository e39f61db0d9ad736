"""``preftune evaluate``: reward models and policies measured, with intervals."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from preftune.cli.options import AsJson, Device, SkipBad, examples
from preftune.cli.reply import Reply, facts, shown, table, write_line
from preftune.cli.train_extra import require_train
from preftune.records import BadInput

VARIETY = ("self_bleu", "embedding_spread")

evaluate = typer.Typer(
    help="Measure reward models and policies, every number with a 95 % interval.",
    epilog=examples(
        "preftune evaluate win-rate --policy runs/first/stages/03-ppo --against "
        "runs/first/stages/01-sft --prompts prompts.jsonl --judge gold:helpdesk"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)

Policy = Annotated[
    str, typer.Option("--policy", metavar="MODEL", help="The policy: a model folder or hub:NAME.")
]
Prompts = Annotated[
    str, typer.Option("--prompts", metavar="FILE", help="Held-out prompts, any format with them.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Use the first so many prompts.", show_default=False),
]
Temperature = Annotated[
    float, typer.Option("--temperature", min=0.0, help="Sampling temperature; 0 is greedy.")
]
NewTokens = Annotated[
    int, typer.Option("--max-new-tokens", min=1, help="Longest response, in tokens.")
]
SampleSeed = Annotated[int, typer.Option("--seed", min=0, help="Of the sampling.")]


@evaluate.command(
    name="reward-model",
    epilog=examples(
        "preftune evaluate reward-model --model runs/first/stages/02-reward --data test.jsonl"
    ),
)
def reward_model(
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The reward model.")],
    data: Annotated[str, typer.Option("--data", metavar="FILE", help="Held-out comparisons.")],
    baseline_train: Annotated[
        str | None,
        typer.Option(
            "--baseline-train",
            metavar="FILE",
            help="Comparisons the TF-IDF baseline is fitted on; the model's own if not given.",
            show_default=False,
        ),
    ] = None,
    skip_bad: SkipBad = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Measure a reward model on held-out comparisons: accuracy, calibration, slices, baselines.

    The baselines are "the longer answer wins" and a TF-IDF classifier fitted on the rows the model
    itself was trained on, which its manifest names.
    """
    require_train("evaluate")
    from preftune.pipeline.measure import evaluate_reward_model

    found = evaluate_reward_model(
        model, data, baseline_train=baseline_train, skip_bad=skip_bad, device=device
    )
    return Reply(found, lambda console: _show_reward_model(found, console))


@evaluate.command(
    name="win-rate",
    epilog=examples(
        "preftune evaluate win-rate --policy runs/first/stages/03-ppo --against "
        "runs/first/stages/01-sft --prompts test.jsonl --judge gold:helpdesk --limit 500"
    ),
)
def win_rate(
    policy: Policy,
    against: Annotated[str, typer.Option("--against", metavar="MODEL", help="The policy to beat.")],
    prompts: Prompts,
    judge: Annotated[
        str, typer.Option("--judge", metavar="JUDGE", help="gold:helpdesk, or a reward model.")
    ],
    limit: Limit = None,
    temperature: Temperature = 1.0,
    max_new_tokens: NewTokens = 32,
    seed: SampleSeed = 0,
    sequential: Annotated[
        bool,
        typer.Option("--sequential", help="Stop as soon as one of the two is known to be better."),
    ] = False,
    half_width: Annotated[
        float | None,
        typer.Option(
            "--half-width",
            min=0.001,
            max=0.5,
            help="With --sequential: stop too when the interval is this wide on either side.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Measure how often one policy is preferred to another on the same prompts, ties half.

    Beside it stands the win rate at equal length. With --sequential prompts are answered in
    portions until the answer is known; two equal policies are told apart by mistake at most once
    in twenty, however often one looks.
    """
    require_train("evaluate")
    from preftune.pipeline.measure import Drawing, evaluate_win_rate
    from preftune.pipeline.stopping import sequential_evaluation

    if half_width is not None and not sequential:
        raise BadInput("--half-width belongs to --sequential.", remedy="Add --sequential.")
    drawing = Drawing(limit, temperature, max_new_tokens, seed, device=device)
    if sequential:
        found = sequential_evaluation(
            policy, against, prompts, judge, half_width=half_width, drawing=drawing
        )
    else:
        found = evaluate_win_rate(policy, against, prompts, judge, drawing=drawing)
    return Reply(found, lambda console: _show_win_rate(found, console))


@evaluate.command(
    epilog=examples(
        "preftune evaluate policy --policy runs/first/stages/03-ppo --prompts test.jsonl "
        "--judge gold:helpdesk --reference runs/first/stages/01-sft"
    )
)
def policy(
    policy: Policy,
    prompts: Prompts,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="JUDGE",
            help="gold:helpdesk, or a reward model.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", metavar="MODEL", help="What KL is measured to.", show_default=False
        ),
    ] = None,
    variety: Annotated[
        list[str] | None,
        typer.Option(
            "--variety",
            metavar="MEASURE",
            help="self_bleu or embedding_spread (read by --reference); may be given twice.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = None,
    temperature: Temperature = 1.0,
    max_new_tokens: NewTokens = 32,
    seed: SampleSeed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Measure one policy: scores by axis, lengths, endings, variety, KL to a reference."""
    require_train("evaluate")
    from preftune.pipeline.measure import Drawing, evaluate_policy

    drawing = Drawing(limit, temperature, max_new_tokens, seed, device=device)
    found = evaluate_policy(
        policy,
        prompts,
        judge=judge,
        reference=reference,
        variety=variety or (),
        drawing=drawing,
    )
    return Reply(found, lambda console: _show_policy(found, console))


def _show_reward_model(found: Mapping[str, Any], console: Console) -> None:
    rows = [
        ("pairs", found["pairs"]),
        ("accuracy", shown(found["accuracy"], percent=True)),
        ("calibration error", shown(found["ece"])),
        ("mean margin", shown(found["margin"])),
    ]
    if found["noise_ceiling"] is not None:
        rows.append(("what perfect would reach", shown(found["noise_ceiling"], percent=True)))
    for name, value in found["baselines"].items():
        rows.append((f"baseline {name}", shown(value, percent=True)))
    for name, value in found["above_baselines"].items():
        rows.append((f"better than {name} by", shown(value, percent=True)))
    console.print(facts(rows))
    if found["baselines_reason"]:
        write_line(console, f"No TF-IDF baseline: {found['baselines_reason']}")
    for column, values in found["slices"].items():
        lines = [
            (value, shown(estimate, percent=True), estimate["count"])
            for value, estimate in values.items()
        ]
        console.print()
        console.print(table("", (column, "accuracy", "prompts"), lines))


def _show_win_rate(found: Mapping[str, Any], console: Console) -> None:
    rows = [
        ("prompts judged", found["judged"]),
        ("win rate", shown(found["win_rate"], percent=True)),
        ("at equal length", shown(found["length_controlled_win_rate"], percent=True)),
        ("wins, ties, losses", "{wins:.1%}, {ties:.1%}, {losses:.1%}".format_map(found)),
        ("score difference", shown(found["score_difference"])),
        ("words more", shown(found["more_words"])),
    ]
    if "decision" in found:
        rows.append(("decided", f"{found['decision']} after {found['stopped_at']} prompts"))
        rows.append(("wrong at most", f"{found['error_rate']:.1%}"))
    if found["unjudged"]:
        rows.append(("not judged", found["unjudged"]))
    console.print(facts(rows))


def _show_policy(found: Mapping[str, Any], console: Console) -> None:
    rows = [("responses", found["count"])]
    rows += [(f"score, {axis}", shown(value)) for axis, value in found["axes"].items()]
    rows += [
        ("words", shown(found["words"])),
        ("tokens", shown(found["tokens"])),
        ("ended by itself", shown(found["eos_rate"], percent=True)),
        ("cut off", shown(found["cut_off"], percent=True)),
        ("empty", shown(found["empty"], percent=True)),
        ("distinct-1, distinct-2", f"{found['distinct_1']:.3f}, {found['distinct_2']:.3f}"),
        ("repetition", shown(found["repetition"])),
        *((name.replace("_", " "), shown(found[name])) for name in VARIETY if name in found),
        ("KL, nats a response", shown(found["kl"]) if found["kl"] else found["kl_reason"]),
    ]
    console.print(facts(rows))
    console.print()
    openers = [(repr(opener), f"{share:.1%}") for opener, share in found["openers"]]
    console.print(table("", ("most frequent openings", "share"), openers))
