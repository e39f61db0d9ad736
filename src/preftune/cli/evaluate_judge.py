"""``preftune evaluate judge``: a judge measured against people before it may label."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from preftune.cli.options import AsJson, Device
from preftune.cli.reply import Reply, facts, shown, table, write_line
from preftune.cli.train_extra import require_train
from preftune.records import BadInput, GateRefused, PreftuneError, RunFailed

if TYPE_CHECKING:
    from preftune.judging import Ask, Reasoning

HOME = "~/.cache/preftune/judge"

Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        metavar="NAME",
        help="What the judge is asked: a packaged prompt such as pairwise.v1, or a file.",
        show_default=False,
    ),
]
Words = Annotated[
    str | None,
    typer.Option(
        "--propositions",
        metavar="FILE",
        help="Rows with name and text: the words propositions are asked in.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Grade this proposition; may be repeated."),
]
Cache = Annotated[
    Path,
    typer.Option("--cache", metavar="DIR", help="Where an endpoint's answers are kept."),
]


def judge(
    judge: Annotated[
        str,
        typer.Option(
            "--judge", metavar="JUDGE", help="A TOML file of an endpoint, or a model's folder."
        ),
    ],
    data: Annotated[
        str, typer.Option("--data", metavar="FILE", help="Comparisons, or graded propositions.")
    ],
    propositions: Words = None,
    only: Only = None,
    prompt: Prompt = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Let an endpoint reason before each verdict.")
    ] = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="End with 1 when the judge may not label.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Use the first so many rows.", show_default=False),
    ] = None,
    cache: Cache = Path(HOME),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply:
    """Measure a judge against people: agreement, consistency between orders, calibration.

    Comparisons are judged in both orders, and the reply says whether the judge may label. Rows
    with propositions are graded proposition by proposition. A question without an answer is never
    a verdict: the command then ends with 1, and run again it asks for what is missing only.
    """
    from preftune.pipeline.judging import Wishes, evaluate_judge

    wishes = Wishes(prompt, propositions, tuple(only or ()), limit, seed)
    with ExitStack() as opened:
        ask, extra, reasoning = _open(judge, cache, reasons, device, opened)
        found = evaluate_judge(ask, data, wishes=wishes, reasoning=reasoning)
        found |= {"judge": judge, **extra()}
    return Reply(found, lambda console: _show(found, console), _trouble(found, gate))


Extra = Callable[[], dict[str, Any]]


def _open(
    judge: str, cache: Path, reasons: bool, device: str, opened: ExitStack
) -> tuple["Ask", Extra, "Reasoning | None"]:
    """How it is asked, what else there is to tell of it afterwards, how it reasons."""
    from preftune.judging import HttpJudge, Reasoning
    from preftune.recipe.judge import load_endpoint

    if judge.endswith(".toml"):
        settings = load_endpoint(judge)
        endpoint: HttpJudge = opened.enter_context(HttpJudge(settings, cache))
        reasoning = Reasoning(endpoint.write) if reasons else None
        return endpoint.ask, lambda: {"usage": endpoint.usage.as_json()}, reasoning
    if reasons:
        raise BadInput("--reasons needs an endpoint.", remedy="Give --judge a TOML file of one.")
    require_train("evaluate")
    from preftune.pipeline.measure import open_choosing

    choosing = open_choosing(judge, device)
    return choosing.ask, lambda: {"truncated": choosing.truncated}, None


def _trouble(found: Mapping[str, Any], gate: bool) -> PreftuneError | None:
    if found["failed"]:
        total = found.get("questions", found.get("pairs"))
        why = next(iter(found["missing"]), "")
        what = "questions" if "questions" in found else "pairs"
        return RunFailed(
            f"{found['failed']} of {total} {what} have no answer ({why}).",
            remedy="Run the same command again: what was answered is kept.",
        )
    if gate and "gate" not in found:
        return GateRefused("Only comparisons say whether a judge may label.")
    if gate and not found["gate"]["ok"]:
        return GateRefused(
            f"This judge may not label: {'; '.join(found['gate']['reasons'])}.",
            remedy="Use a better judge or prompt, or ask people.",
        )
    return None


def _show(found: Mapping[str, Any], console: Console) -> None:
    if found["kind"] == "propositions":
        _show_propositions(found, console)
    else:
        _show_pairs(found, console)
    if "usage" in found:
        usage = found["usage"]
        told = "{answered} answered, {cached} from the cache, {retries} retries, cost {cost:.4g}"
        write_line(console, told.format_map(usage))
    if found.get("truncated"):
        write_line(console, f"{found['truncated']} prompts lost their start: the context is small.")


def _show_pairs(found: Mapping[str, Any], console: Console) -> None:
    rows = [
        ("pairs judged", f"{found['judged']} of {found['pairs']}"),
        ("unclear, failed", f"{found['unclear']}, {found['failed']}"),
        ("agreement with people", shown(found["agreement"], percent=True)),
        ("kappa", shown(found["kappa"])),
        ("same in both orders", shown(found["consistency"], percent=True)),
        ("the first shown wins", shown(found["first_preferred"], percent=True)),
        ("calibration error", shown(found["ece"])),
        ("may label", "yes" if found["gate"]["ok"] else "no"),
    ]
    console.print(facts(rows))
    for reason in found["gate"]["reasons"]:
        write_line(console, f"  {reason}")


def _show_propositions(found: Mapping[str, Any], console: Console) -> None:
    console.print(
        facts(
            [
                ("responses", found["responses"]),
                ("unclear, failed", f"{found['unclear']}, {found['failed']}"),
            ]
        )
    )
    lines = [
        (
            name,
            row["yes"],
            shown(row["base_rate"], percent=True),
            shown(row["accuracy"], percent=True),
            shown(row["kappa"]),
            shown(row["precision"], percent=True),
            shown(row["recall"], percent=True),
        )
        for name, row in found["propositions"].items()
    ]
    names = ("proposition", "yes", "base rate", "accuracy", "kappa", "precision", "recall")
    console.print(table("", names, lines))
