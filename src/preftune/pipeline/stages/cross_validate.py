"""Leave one group out: does the reward model beat the baselines on groups it never saw?

Each fold trains an ensemble on the other groups; a member keeps some of those for early stopping,
every member other ones, so that together the ensemble learns from all of them. What a member or a
fold found is on the disk as soon as it is found, and is not worked out again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from preftune.algorithms.reward_batches import Pair, distinct_rows
from preftune.algorithms.reward_linear import LinearFit, fit_linear, linear_gaps
from preftune.algorithms.reward_model import RewardInputs, reward_model, score_rows
from preftune.artifacts import write_json_atomic
from preftune.data import write_rows
from preftune.evaluation import baselines, correctness, paired_accuracy
from preftune.models import Renderer, load_tokenizer, renderer_for
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.reward_linear import known_words, networks_weight
from preftune.pipeline.reward_rows import axes_for, pairs_of, read_records
from preftune.pipeline.stages.reward_model import fresh_model
from preftune.recipe import CrossValidate
from preftune.records import BadInput, Comparison
from preftune.stats import share_estimate
from preftune.training import Journal

BASELINES = ("longer", "tfidf", "tfidf_length")
PARTS = ("networks", "linear")
"""What the model is made of where ``reward_model.linear`` is set."""
UNTOLD = ("scores", "validation_gaps")
"""What a member found that the summary leaves out, for its length."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Comparisons as pairs of ids, and the group of each; ``names`` are the groups in order.

    ``known`` are the word counts that the linear model reads by.
    """

    comparisons: Sequence[Comparison]
    pairs: Sequence[Pair]
    groups: Sequence[str]
    names: Sequence[str]
    known: Mapping[str, int]

    def rows_of(self, names: Sequence[str]) -> list[int]:
        return [at for at, group in enumerate(self.groups) if group in names]


@dataclass(frozen=True, slots=True)
class Fold:
    """A group left out: which rows, the ensemble's mean score gap on each, and who was right."""

    group: str
    rows: Sequence[int]
    gaps: Floats
    correct: dict[str, Floats]
    members: Sequence[dict[str, Any]]
    linear: dict[str, Any] | None = None
    """The linear model's penalty, and what the networks weigh beside it."""


def run(context: StageContext[CrossValidate]) -> StageOutcome:
    grouped = _read(context)
    members = context.settings.members
    (context.folder / "metrics.jsonl").unlink(missing_ok=True)
    folds: list[Fold] = []
    with (
        context.journal(1) as journal,
        context.console.progress("leave one out", len(grouped.names) * members) as bar,
    ):
        for number, group in enumerate(grouped.names, 1):
            fold = _finished(context, number)
            if fold is None:
                fold = _train_fold(context, grouped, number, group)
            folds.append(fold)
            journal.record(number, _metrics(fold))
            bar.advance(members, f"{group[:24]} {float(fold.correct['model'].mean()):.3f}")
    write_rows(context.folder / "predictions.jsonl", _predictions(grouped, folds))
    return StageOutcome({"predictions": "predictions.jsonl"}, summary_of(grouped, folds))


def validation_of(names: Sequence[str], left_out: str, member: int, count: int) -> list[str]:
    """The groups a member stops early on: the next ones after the fold's, moved on by member."""
    start = list(names).index(left_out)
    rest = [names[(start + step) % len(names)] for step in range(1, len(names))]
    first = member * count
    return [rest[(first + step) % len(rest)] for step in range(count)]


def summary_of(grouped: Grouped, folds: Sequence[Fold]) -> dict[str, Any]:
    """Accuracies and paired differences as estimates; a group is the independent unit."""
    units = [fold.group for fold in folds for _ in fold.rows]
    right = {
        name: np.concatenate([fold.correct[name] for fold in folds])
        for name in ("model", *PARTS, *BASELINES)
        if all(name in fold.correct for fold in folds)
    }
    known = [name for name in BASELINES if name in right]
    parts = {
        name: {
            "accuracy": share_estimate(right[name], units).as_json(),
            "difference": paired_accuracy(right["model"], right[name], units).as_json(),
        }
        for name in PARTS
        if name in right
    }
    return {
        "comparisons": len(units),
        "folds": [_fold_summary(grouped, fold) for fold in folds],
        "accuracy": share_estimate(right["model"], units).as_json(),
        "baselines": {name: share_estimate(right[name], units).as_json() for name in known},
        "differences": {
            name: paired_accuracy(right["model"], right[name], units).as_json() for name in known
        },
    } | ({"parts": parts} if parts else {})


def _fold_summary(grouped: Grouped, fold: Fold) -> dict[str, Any]:
    """Inside one group the independent units are its prompts."""
    prompts = [grouped.comparisons[row].prompt.id for row in fold.rows]
    accuracies = {
        name: share_estimate(right, prompts).as_json() for name, right in fold.correct.items()
    }
    return {
        "group": fold.group,
        "count": len(fold.rows),
        **accuracies,
        "members": list(fold.members),
    } | ({} if fold.linear is None else {"linear_share": fold.linear})


def _read(context: StageContext[CrossValidate]) -> Grouped:
    settings, path = context.settings, context.inputs["data"]
    source = context.inputs["reward_model.model"]
    comparisons = read_records(path, settings.reward_model, train=True)
    if settings.reward_model.too_long == "skip":
        raise BadInput(
            "Every comparison of a fold is measured, so none can be skipped for its length.",
            remedy='Set reward_model.too_long = "truncate_prompt_left".',
        )
    groups = groups_of(comparisons, settings.by, path)
    names = sorted(set(groups))
    needed = settings.validation_groups + 2
    if len(names) < needed:
        raise BadInput(
            f'The column "{settings.by}" has {len(names)} group(s), and leaving one out needs '
            f"{needed}: one to test on, {settings.validation_groups} to stop on, one to learn on.",
            file=path,
            remedy="Choose another column, or fewer validation_groups.",
        )
    model = _fresh(context)
    renderer: Renderer = renderer_for(model, load_tokenizer(source), source)
    pairs = pairs_of(comparisons, renderer, settings.reward_model)
    linear = settings.reward_model.linear
    known = {} if linear is None else known_words(context.inputs, linear, "reward_model.linear")
    return Grouped(comparisons, pairs, groups, names, known)


def groups_of(comparisons: Sequence[Comparison], by: str, path: Path) -> list[str]:
    """Each comparison's value of the column. Raises :class:`BadInput` where there is none."""
    if by == "prompt":
        return [comparison.prompt.id for comparison in comparisons]
    for comparison in comparisons:
        if comparison.columns.get(by) is None:
            known = ", ".join(sorted(map(str, comparison.columns)))
            raise BadInput(
                f'A comparison has no column "{by}" to leave groups out by.',
                file=path,
                remedy=f"Columns: {known}.",
            )
    return [str(comparison.columns[by]) for comparison in comparisons]


def _train_fold(
    context: StageContext[CrossValidate], grouped: Grouped, number: int, group: str
) -> Fold:
    """Every member, the baselines on the same rows, and the result on the disk."""
    rows = grouped.rows_of([group])
    test = [grouped.pairs[row] for row in rows]
    members = [
        _member(context, grouped, number, group, member)
        for member in range(context.settings.members)
    ]
    places = {row: place for place, row in enumerate(distinct_rows(test))}
    mean = np.mean([member["scores"] for member in members], axis=0)
    gaps = mean[[places[p.chosen] for p in test]] - mean[[places[p.rejected] for p in test]]
    parts: dict[str, Floats] = {}
    linear: dict[str, Any] | None = None
    if context.settings.reward_model.linear is not None:
        parts["networks"] = correctness(gaps)
        gaps, alone, linear = _with_linear(grouped, group, members, gaps)
        parts["linear"] = correctness(alone)
    left_out = set(rows)
    train = [c for at, c in enumerate(grouped.comparisons) if at not in left_out]
    measured = baselines(train, [grouped.comparisons[row] for row in rows])
    told = [{key: value for key, value in m.items() if key not in UNTOLD} for m in members]
    correct = {"model": correctness(gaps), **parts, **measured.correct}
    fold = Fold(group, rows, gaps, correct, told, linear)
    write_json_atomic(
        _fold_file(context, number),
        {
            "group": group,
            "rows": rows,
            "gaps": gaps.tolist(),
            "correct": {name: right.tolist() for name, right in fold.correct.items()},
            "members": told,
            "linear": linear,
        },
    )
    return fold


def _with_linear(
    grouped: Grouped, group: str, members: Sequence[dict[str, Any]], network_gaps: Floats
) -> tuple[Floats, Floats, dict[str, Any]]:
    """Gaps of both parts on the group left out, the linear model's alone, and what is told.

    The networks' weight is fitted on the groups that each member stopped on, where the linear model
    is one that has not learned from them either.
    """
    others = [name for name in grouped.names if name != group]
    fit = _fit_linear(grouped, others)
    held: list[Pair] = []
    read: list[Floats] = []
    for member in members:
        stop = member["validation_groups"]
        apart = _fit_linear(grouped, [name for name in others if name not in stop], fit.penalty)
        pairs = [grouped.pairs[row] for row in grouped.rows_of(stop)]
        read.append(linear_gaps(apart.model, pairs))
        held += pairs
    stopped = [gap for member in members for gap in member["validation_gaps"]]
    weight = networks_weight(stopped, np.concatenate(read), held)
    alone = linear_gaps(fit.model, [grouped.pairs[row] for row in grouped.rows_of([group])])
    told = {"penalty": fit.penalty, "members_weight": weight}
    return alone + weight * network_gaps, alone, told


def _fit_linear(grouped: Grouped, names: Sequence[str], penalty: float | None = None) -> LinearFit:
    rows = grouped.rows_of(names)
    pairs = [grouped.pairs[row] for row in rows]
    groups = [grouped.groups[row] for row in rows]
    return fit_linear(pairs, groups, grouped.known, penalty)


def _member(
    context: StageContext[CrossValidate], grouped: Grouped, number: int, group: str, member: int
) -> dict[str, Any]:
    """One reward model of the ensemble: its scores of the group's answers, its validation."""
    settings = context.settings
    folder = context.folder / "folds" / f"{number:02d}" / f"member-{member}"
    result = folder / "result.json"
    if result.exists():
        return dict(json.loads(result.read_text(encoding="utf-8")))
    stop = validation_of(grouped.names, group, member, settings.validation_groups)
    learn = [name for name in grouped.names if name != group and name not in stop]
    source = context.inputs["reward_model.model"]
    inputs = RewardInputs(
        model=_fresh(context),
        pad_id=int(load_tokenizer(source).pad_token_id),
        train=[grouped.pairs[row] for row in grouped.rows_of(learn)],
        validation=[grouped.pairs[row] for row in grouped.rows_of(stop)],
        demonstrations=[],
        seed=context.seed_for("fold", group, member),
    )
    recipe = settings.reward_model
    with Journal(folder, context.console, recipe.checkpoint_every) as journal:
        trained = reward_model(recipe, inputs, journal)
        rows = distinct_rows([grouped.pairs[row] for row in grouped.rows_of([group])])
        scores = score_rows(inputs, rows, recipe.micro_batch_tokens)
        stopped_on = [grouped.pairs[row] for row in grouped.rows_of(stop)]
        found = {
            "member": member,
            "validation_groups": stop,
            "validation_accuracy": trained.best_eval_accuracy,
            "kept_step": trained.kept_step,
            "steps": trained.steps,
            "scores": scores.tolist(),
            "validation_gaps": _gaps(inputs, stopped_on, recipe.micro_batch_tokens),
        }
        write_json_atomic(result, found)
        journal.finish()
    return found


def _gaps(inputs: RewardInputs, pairs: Sequence[Pair], micro_batch_tokens: int) -> list[float]:
    rows = distinct_rows(pairs)
    places = {row: place for place, row in enumerate(rows)}
    scores = score_rows(inputs, rows, micro_batch_tokens).tolist()
    return [scores[places[pair.chosen]] - scores[places[pair.rejected]] for pair in pairs]


def _fresh(context: StageContext[CrossValidate]) -> PreTrainedModel:
    source, recipe = context.inputs["reward_model.model"], context.settings.reward_model
    axes = axes_for(recipe, [], context.inputs["data"])
    return fresh_model(context, source, context.seed_for("head"), axes, None)


def _fold_file(context: StageContext[CrossValidate], number: int) -> Path:
    return context.folder / "folds" / f"{number:02d}.json"


def _finished(context: StageContext[CrossValidate], number: int) -> Fold | None:
    """What an interrupted run found of this fold."""
    path = _fold_file(context, number)
    if not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    right = told["correct"]
    names = ("model", *PARTS, *BASELINES)
    correct = {name: np.array(right[name]) for name in names if name in right}
    gaps, members = np.array(told["gaps"]), told["members"]
    return Fold(told["group"], told["rows"], gaps, correct, members, told["linear"])


def _metrics(fold: Fold) -> dict[str, float]:
    """Accuracy on the group left out, and the loss of the ensemble's mean score there."""
    return {
        "eval_accuracy": float(fold.correct["model"].mean()),
        "eval_loss": float(np.logaddexp(0.0, -fold.gaps).mean()),
    }


def _predictions(grouped: Grouped, folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """A row for each comparison: who was right, and by what score gap."""
    return [
        {
            "row": row,
            "id": grouped.comparisons[row].columns.get("id"),
            "group": fold.group,
            "gap": float(fold.gaps[place]),
            **{name: float(right[place]) for name, right in fold.correct.items()},
        }
        for fold in folds
        for place, row in enumerate(fold.rows)
    ]
