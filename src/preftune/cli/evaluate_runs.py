"""``preftune evaluate overoptimization``, ``standings``, ``ratings``: from what runs and people
have written, without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from preftune.cli.evaluate import evaluate
from preftune.cli.options import AsJson, examples
from preftune.cli.reply import Reply, facts, shown, table, write_line
from preftune.records import BadInput

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")]


@evaluate.command(
    epilog=examples(
        "preftune evaluate overoptimization runs/first",
        "preftune evaluate overoptimization runs/seed-0 runs/seed-1 --stage ppo --json",
    )
)
def overoptimization(
    runs: Runs,
    stage: Annotated[
        str | None,
        typer.Option("--stage", help="Only this stage's curve.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> Reply:
    """Fit the judge's gain over √KL, and tell how far past its peak each run is.

    Three shapes are fitted and weighed by AIC: d (α − βd), d (α − β log d) and a parabola. The
    points are the scheduled evaluations of training stages, and best-of-n curves.
    """
    from preftune.reports.gains import gain_table

    found = gain_table(runs, stage).as_json()
    return Reply(found, lambda console: _show_gains(found, console))


@evaluate.command(
    epilog=examples(
        "preftune evaluate standings runs/seed-0 runs/seed-1",
        "preftune evaluate standings --games replies.jsonl",
    )
)
def standings(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False),
    ] = None,
    games: Annotated[
        Path | None,
        typer.Option(
            "--games",
            metavar="FILE",
            help="People's comparisons whose rows name both models, in place of runs.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="The score of the samples that decides a game.")
    ] = "judge",
    tie_width: Annotated[
        float, typer.Option("--tie-width", min=0.0, help="Scores no further apart are a tie.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of Elo's random orders.")] = 0,
    as_json: AsJson = False,
) -> Reply:
    """Rank policies and checkpoints: Bradley-Terry and Elo with intervals, and who beat whom.

    Each two policies that answered the same prompt played a game of it. Intervals are clustered by
    prompt. Win rates stand beside those at equal length.
    """
    import numpy as np

    from preftune.pipeline.people_games import games_of_people
    from preftune.reports.games import games_of_runs, standings_json

    if bool(runs) == (games is not None):
        raise BadInput("Give the folders of runs, or --games with people's comparisons.")
    played = (
        games_of_people(games)
        if games is not None
        else games_of_runs(runs or [], by=by, tie_width=tie_width)
    )
    found = standings_json(played, rng=np.random.default_rng(seed))
    return Reply(found, lambda console: _show_standings(found, console))


@evaluate.command(
    epilog=examples(
        "preftune evaluate ratings runs/first/stages/08-evaluation/samples.jsonl --axis rating "
        "--policy ppo --start sft --reference human",
        "preftune evaluate ratings rated.jsonl --axis overall --policy ppo --start sft "
        "--reference human --lowest 1 --highest 7",
    )
)
def ratings(
    data: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Ratings, or an evaluate stage's samples.jsonl."),
    ],
    axis: Annotated[str, typer.Option("--axis", help="What was rated.")],
    policy: Annotated[str, typer.Option("--policy", help="Who came a part of the way.")],
    start: Annotated[str, typer.Option("--start", help="Where it began, usually sft.")],
    reference: Annotated[
        str, typer.Option("--reference", help="Whose level is the end of the way.")
    ],
    lowest: Annotated[float, typer.Option("--lowest", help="The scale's lower end.")] = 1.0,
    highest: Annotated[float, typer.Option("--highest", help="The scale's upper end.")] = 7.0,
    model: Annotated[
        str, typer.Option("--model", help="Column of a ratings file that names who answered.")
    ] = "model",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
    as_json: AsJson = False,
) -> Reply:
    """Mean ratings with intervals, and the share of the gap to a reference that a policy closed.

    The share is (policy − start) / (reference − start) on the prompts that all three were rated
    on, drawn together in a bootstrap.
    """
    import numpy as np

    from preftune.pipeline.rated import means, rated_by, rating_gap

    rated = rated_by(data, axis, model)
    found = rating_gap(
        rated,
        policy=policy,
        start=start,
        reference=reference,
        scale=(lowest, highest),
        rng=np.random.default_rng(seed),
    ) | {"data": str(data), "axis": axis, "means": means(rated)}
    return Reply(found, lambda console: _show_ratings(found, console))


def _show_gains(found: Mapping[str, Any], console: Console) -> None:
    for curve in found["curves"]:
        end = curve["points"][-1]
        write_line(
            console,
            f"{curve['run']}, {curve['stage']} ({curve['source']}): after {end['kl']:.2f} nats the "
            f"judge gained {end['judge_gain']:+.3f}, the proxy {end['proxy_gain']:+.3f}",
        )
        if curve["reason"]:
            write_line(console, f"  no fit: {curve['reason']}")
            continue
        rows = [
            (
                fit["equation"],
                f"{fit['aic']:.2f}",
                f"{fit['weight']:.0%}",
                shown(fit["alpha"]),
                shown(fit["beta"]),
                shown(fit["peak_distance"]),
                shown(fit["past_peak"]),
            )
            for fit in curve["fits"]
        ]
        head = ("gain over d = √KL", "AICc", "weight", "α", "β", "peak at d", "end / peak")
        console.print(table("", head, rows))
        console.print()
    for stage, values in found["over_runs"].items():
        console.print(facts((f"{stage}, {n} over runs", shown(v)) for n, v in values.items()))


def _show_standings(found: Mapping[str, Any], console: Console) -> None:
    rows = [
        (
            row["name"],
            shown(row["rating"]),
            shown(row["elo"]),
            "–".join(map(str, dict.fromkeys(row["rank"]))),
            row["wins"],
            row["ties"],
            row["losses"],
        )
        for row in found["standings"]
    ]
    head = ("policy", "Bradley-Terry", "Elo", "rank", "wins", "ties", "losses")
    console.print(table("", head, rows))
    if found["warning"]:
        write_line(console, found["warning"])
    console.print()
    met = [
        (
            f"{one['first']} against {one['second']}",
            shown(one["win_rate"], percent=True),
            shown(one["length_controlled_win_rate"], percent=True),
        )
        for one in found["meetings"]
    ]
    console.print(table("", ("meeting", "win rate", "at equal length"), met))


def _show_ratings(found: Mapping[str, Any], console: Console) -> None:
    rows = [
        (f"{found[who]['name']} ({who})", shown(found[who]["rating"]))
        for who in ("policy", "start", "reference")
    ]
    share = found["share_closed"]
    said = shown(share, percent=True) if share else "the reference is not rated clearly above"
    console.print(facts([("prompts", found["prompts"]), *rows, ("share of the gap", said)]))
