"""``preftune label``: people's feedback in a store of its own, from items to datasets."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from preftune.cli.label_tables import (
    show_agreement,
    show_exported,
    show_imported,
    show_init,
    show_place,
    show_status,
    show_verdict,
)
from preftune.cli.options import AsJson, SkipBad, examples
from preftune.cli.reply import Reply
from preftune.records import BadInput, RunFailed

label = typer.Typer(
    help="Collect people's feedback: a store, its projects, and what comes out of them.",
    epilog=examples("preftune label init labels.db --project replies --kind comparison"),
    no_args_is_help=True,
    rich_markup_mode=None,
)

StoreName = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="A file, or env:NAME for a URL in the environment variable NAME."
    ),
]
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="A project's name.")]
ENVIRONMENT = "env:"
ACTOR = "command line"


def store_url(name: str) -> str:
    """The file or URL a person means; a password stays in the environment. Raises BadInput."""
    if not name.startswith(ENVIRONMENT):
        return name
    variable = name.removeprefix(ENVIRONMENT)
    url = os.environ.get(variable)
    if not url:
        raise BadInput(
            f"The environment variable {variable} is not set.",
            remedy="It holds the label store's file or URL.",
        )
    return url


@contextmanager
def opened(name: str, *, create: bool = False) -> Iterator[Any]:
    """The store, closed again afterwards."""
    from preftune.feedback.store.engine import open_store

    store = open_store(store_url(name), create=create)
    try:
        yield store
    finally:
        store.close()


@label.command(
    epilog=examples(
        "preftune label init labels.db",
        "preftune label init labels.db --project replies --kind comparison --overlap 3",
    )
)
def init(
    store: StoreName,
    project: Annotated[
        str | None, typer.Option("--project", help="Make this project.", show_default=False)
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", help="comparison, ranking, ratings, thumbs, …")
    ] = "comparison",
    overlap: Annotated[int, typer.Option("--overlap", min=1, help="Judgments an item.")] = 1,
    instructions: Annotated[
        Path | None,
        typer.Option("--instructions", help="Guidelines in Markdown.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another setting: title, lease_seconds, question.scale, …",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> Reply:
    """Make a label store, or bring one up to date, and a project in it."""
    from preftune.feedback.store import projects

    with opened(store, create=True) as place:
        made: dict[str, Any] = {"store": place.url, "project": None}
        if project is not None:
            text = instructions.read_text(encoding="utf-8") if instructions else ""
            wanted = project_settings(
                {"name": project, "kind": kind, "overlap": overlap, "instructions": text},
                settings or [],
            )
            made["project"] = projects.create(place, wanted, actor=ACTOR).name
            made["kind"] = kind
    return Reply(made, lambda console: show_init(made, console))


def project_settings(given: dict[str, Any], changes: list[str]) -> Any:
    """Settings from the options and ``KEY=VALUE`` texts, whose values are TOML or plain words."""
    from preftune.feedback.store.nouns import ProjectSettings, Training

    known = {field: None for field in ProjectSettings.__dataclass_fields__}
    question: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for change in changes:
        key, mark, text = change.partition("=")
        head, _, rest = key.partition(".")
        if not mark or head not in known or (rest and head not in ("question", "training")):
            raise BadInput(
                f"--set {change!r} sets nothing a project has.",
                remedy=f"Keys are {', '.join(known)}, and question.KEY and training.KEY.",
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        if head == "question" and rest:
            question[rest] = value
        elif head == "training" and rest in ("items", "pass_mark"):
            training[rest] = value
        else:
            given[head] = value
    if question:
        given["question"] = question
    if training:
        given["training"] = Training(**training)
    return ProjectSettings(**given)


@label.command(
    name="import",
    epilog=examples(
        "preftune label import labels.db replies pairs.jsonl",
        "preftune label import labels.db replies pairs.jsonl --count 500 --by uncertainty"
        " --scores scores --diversity topic",
    ),
)
def import_items(
    store: StoreName,
    project: ProjectName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL, JSON, CSV, Parquet.")],
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Ask about this many.", show_default=False)
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="random, disagreement or uncertainty, with --count.")
    ] = "random",
    scores: Annotated[
        str, typer.Option("--scores", metavar="COLUMN", help="[[a, b], …], a pair for each model.")
    ] = "scores",
    diversity: Annotated[
        str | None,
        typer.Option(
            "--diversity", metavar="COLUMN", help="Spread over its values.", show_default=False
        ),
    ] = None,
    random_share: Annotated[
        float, typer.Option("--random-share", min=0, max=1, help="The share drawn at random.")
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw.")] = 0,
    votes: Annotated[
        bool, typer.Option("--votes/--no-votes", help="Take the rows' votes in as judgments.")
    ] = True,
    origin: Annotated[
        str, typer.Option("--origin", help="Who voted: human, tool or model.")
    ] = "human",
    skip_bad: SkipBad = 0,
    as_json: AsJson = False,
) -> Reply:
    """Add items from a dataset file: all of them, or those most worth a person's time.

    Rows with votes bring them along as judgments, each with its annotator and origin.
    """
    from preftune.cli.label_items import chosen_items, items_and_votes
    from preftune.feedback.store import items, past, projects

    with opened(store) as place:
        wanted = projects.named(place, project)
        new, given = items_and_votes(file, wanted, origin, skip_bad=skip_bad)
        if count is not None:
            draw = {"by": by, "scores": scores, "diversity": diversity}
            new = chosen_items(new, count, {**draw, "random_share": random_share, "seed": seed})
        added = items.add(place, wanted.id, new, actor=ACTOR)
        asked = {item.id for item in new}
        kept = [vote for vote in given if votes and vote.item in asked]
        fresh, _ = past.add(place, wanted.id, kept, actor=ACTOR)
    found = {"project": project, "file": file, "rows": len(new), "added": added}
    found |= {"known": len(new) - added, "votes": len(kept), "votes_added": fresh}
    return Reply(found, lambda console: show_imported(found, console))


@label.command(
    epilog=examples(
        "preftune label export labels.db replies exports/replies",
        "preftune label export labels.db replies pairs.jsonl --rows majority",
    )
)
def export(
    store: StoreName,
    project: ProjectName,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder, or a dataset file.")],
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            help="Rows to train on: majority, dawid_skene, per_vote or votes.",
            show_default=False,
        ),
    ] = None,
    watermark: Annotated[
        int | None,
        typer.Option("--watermark", help="As of this event.", show_default=False),
    ] = None,
    surplus: Annotated[
        bool, typer.Option("--surplus", help="Also judgments that were not counted.")
    ] = False,
    as_json: AsJson = False,
) -> Reply:
    """Write everything said (a folder with a manifest), or rows to train on (a dataset file).

    The same watermark gives the same bytes. Annotators are pseudonyms.
    """
    from preftune.feedback.store import datasets, exporting

    with opened(store) as place:
        if rows is None:
            made = exporting.snapshot(place, project, out, watermark=watermark, surplus=surplus)
            found: dict[str, Any] = {"path": str(out.absolute()), **made.manifest}
        elif out.name.endswith(".jsonl"):
            found = datasets.freeze(place, project, out, how=checked_way(rows), watermark=watermark)
        else:
            from preftune.data import write_rows

            ready = datasets.rows(place, project, how=checked_way(rows), watermark=watermark)
            write_rows(out, ready.rows)
            found = {"path": str(out), "rows": len(ready.rows), "watermark": ready.watermark}
            found |= {"project": project, "kind": ready.kind, "how": rows}
    return Reply(found, lambda console: show_exported(found, console))


def checked_way(given: str) -> Any:
    """A way of putting votes together. Raises BadInput."""
    from preftune.feedback.kinds import HOWS

    if given not in HOWS:
        raise BadInput(f"Votes cannot be put together by {given!r}.", remedy=f"Use {HOWS}.")
    return given


@label.command(epilog=examples("preftune label status labels.db replies"))
def status(store: StoreName, project: ProjectName, as_json: AsJson = False) -> Reply:
    """Show how far a project is, the time and money it took, and who did what."""
    from dataclasses import asdict

    from preftune.feedback.store import gold, progress, projects

    with opened(store) as place:
        wanted = projects.named(place, project)
        found: dict[str, Any] = {"project": project, "kind": wanted.kind, "state": wanted.state}
        found |= asdict(progress.summary(place, wanted.id))
        found["known_items"] = [
            {**asdict(one), "share": one.share.as_json()} for one in gold.results(place, wanted.id)
        ]
    return Reply(found, lambda console: show_status(found, console))


@label.command(
    epilog=examples(
        "preftune label agreement labels.db replies",
        "preftune label agreement votes.jsonl.gz --cluster debate --json",
    )
)
def agreement(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A label store (or env:NAME), or a votes file."),
    ],
    project: Annotated[
        str | None,
        typer.Argument(metavar="[PROJECT]", help="Of a store.", show_default=False),
    ] = None,
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="COLUMN", help="A file's independent units.")
    ] = "prompt",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals.")] = 0,
    skip_bad: SkipBad = 0,
    as_json: AsJson = False,
) -> Reply:
    """Show how far labelers agree, with 95 % intervals: people, machines and both apart.

    Of a project in a store, or of a file with votes (without PROJECT).
    """
    if project is None:
        from preftune.cli.label_agreement import file_agreement

        found = file_agreement(source, cluster=cluster, seed=seed, skip_bad=skip_bad)
        return Reply(found, lambda console: show_agreement(found, console))
    from preftune.feedback.store import agreement as agreeing

    with opened(source) as place:
        measures = agreeing.report(place, project, seed=seed)
    name, first = next(iter(measures.items()))
    pool = next(p for p in ("human_human", "machine_machine", "mixed") if p in first)
    headline = {key: first[pool][key] for key in ("percent", "kappa", "alpha", "ac1")}
    made = {"project": project, "measure": name, "pool": pool, **headline, "measures": measures}
    return Reply(made, lambda console: show_agreement(made, console))


@label.command(
    epilog=examples(
        "preftune label economics votes.jsonl --cost-per-label 0.67",
        "preftune label economics votes.jsonl --cost-per-label 0.67 --curve curve.jsonl",
    )
)
def economics(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file with votes.")],
    cost_per_label: Annotated[float, typer.Option("--cost-per-label", help="In your money.")],
    cost_per_item: Annotated[
        float, typer.Option("--cost-per-item", min=0, help="Of a further pair, before any vote.")
    ] = 0.0,
    half_width: Annotated[
        float, typer.Option("--half-width", help="Wanted of a win rate: .02 is ± 2 points.")
    ] = 0.02,
    more: Annotated[int, typer.Option("--more", min=1, help="How many labels come next.")] = 1000,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            metavar="FILE",
            help='Rows {"labels", "accuracy": {value, low, high, count}}.',
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="COLUMN", help="Independent units.")
    ] = "prompt",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals.")] = 0,
    skip_bad: SkipBad = 0,
    as_json: AsJson = False,
) -> Reply:
    """Say how many labels a precision takes, whether to buy raters or items, and what more bring.

    The next labels' gain needs a learning curve: accuracies measured with several numbers of them.
    """
    from preftune.cli.label_economics import Prices, file_economics, show_economics

    prices = Prices(cost_per_label, cost_per_item, half_width, more)
    found = file_economics(file, prices, cluster=cluster, curve=curve, seed=seed, skip_bad=skip_bad)
    return Reply(found, lambda console: show_economics(found, console))


@label.command(epilog=examples("preftune label backup labels.db backups/labels-monday.db"))
def backup(
    store: StoreName,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new file.")],
    as_json: AsJson = False,
) -> Reply:
    """Copy a store while it is in use: another label store, or a dump for pg_restore."""
    from preftune.feedback.store.backup import backup as back_up

    with opened(store) as place:
        found = {"path": str(back_up(place, out).absolute())}
    return Reply(found, lambda console: show_place(found, console))


@label.command(name="verify-audit", epilog=examples("preftune label verify-audit labels.db"))
def verify_audit(store: StoreName, as_json: AsJson = False) -> Reply:
    """Check the chain of events, and every judgment against the event that recorded it.

    Exit code 1 when something was changed or is missing.
    """
    from dataclasses import asdict

    from preftune.feedback.store import events

    with opened(store) as place:
        verdict = events.verify(place)
    error = None
    if not verdict.ok:
        error = RunFailed(verdict.wrong, remedy="Compare with a backup made before.")
    found = asdict(verdict)
    return Reply(found, lambda console: show_verdict(found, console), error)
