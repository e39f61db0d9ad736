"""Methods side by side: what the evaluations of several runs say of each policy.

A method is a policy of an evaluate stage together with the settings of every stage that it was
made by. Runs that share all of that and differ in their seeds are seeds of one method.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preftune.artifacts import hash_value
from preftune.records import BadInput, Estimate
from preftune.reports.evidence import Measured, measured
from preftune.reports.reading import Row, Run, StageView, mapping, number, read_run
from preftune.reports.wording import estimate, model_name
from preftune.stats import over_seeds

MEASURES: dict[str, str] = {
    "win_rate": "share of held-out prompts on which the judge prefers it, ties half",
    "judge": "mean score by the judge",
    "proxy": "mean score by the reward model",
    "kl": "KL to the reference, nats a response",
    "tokens": "length of a response, tokens",
    "words": "length of a response, words",
    "distinct_2": "distinct word pairs among all word pairs",
    "document_loss": "loss on held-out documents, nats a token",
    "generated_tokens": "tokens sampled while training",
    "seconds": "compute of the method's own stage, seconds",
}
"""What is compared, in the order of the table; a method has what was measured of it."""
SAMPLED = ("win_rate", "judge", "proxy", "kl", "tokens", "words", "document_loss")
"""Those that are means over prompts, with an interval of their own within one run."""
SAME = ("judge", "reference", "prompts", "limit", "sampling")
"""Settings of an evaluation that change its numbers."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method's estimates by name: over its seeds where it has several, else over prompts.

    A number of a single run that has no spread to speak of (seconds, distinct word pairs) is an
    estimate whose interval is a point and whose ``count`` is 1.
    """

    name: str
    kind: str
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    measures: Mapping[str, Estimate]
    axes: Mapping[str, Estimate] = field(default_factory=dict)
    """Mean score on each of the judge's axes."""

    @property
    def label(self) -> str:
        """The name as people read it: ``ppo (first)`` is PPO (first)."""
        head, space, rest = self.name.partition(" ")
        return f"{model_name(head)}{space}{rest}"

    @property
    def over(self) -> str:
        return "seeds" if len(self.runs) > 1 else "prompts"

    def as_json(self) -> dict[str, Any]:
        known = {name: self.measures.get(name) for name in MEASURES}
        return {
            "method": self.name,
            "kind": self.kind,
            "seeds": list(self.seeds),
            "runs": list(self.runs),
            "over": self.over,
            "axes": {name: value.as_json() for name, value in self.axes.items()},
        } | {name: None if value is None else value.as_json() for name, value in known.items()}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every method of the runs, the best by the judge first. ``notes`` say what is uneven."""

    judge: str
    against: str
    methods: tuple[Method, ...]
    runs: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "judge": self.judge,
            "against": self.against,
            "methods": [method.as_json() for method in self.methods],
            "runs": list(self.runs),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class _Seen:
    """One policy of one run."""

    name: str
    kind: str
    origin: str
    identity: str
    run: Run
    measures: Mapping[str, Estimate]
    axes: Mapping[str, Estimate]


def compare_runs(runs: Sequence[Path], against: str | None = None) -> Comparison:
    """Reads run folders and puts their methods side by side.

    ``against`` names the policy that win rates are taken against; by default the one that KL is
    measured to. Raises :class:`BadInput` for a folder that is no run, and where nothing was
    evaluated.
    """
    read = [read_run(Path(folder)) for folder in dict.fromkeys(Path(f).absolute() for f in runs)]
    evaluations = [(run, each) for run in read for each in _evaluated(run)]
    if not evaluations:
        raise BadInput(
            "None of these runs has finished an evaluate stage, so there is nothing to compare.",
            file=read[0].folder if read else None,
            remedy="Add an evaluate stage that names the policies, and run it.",
        )
    opponent = against or _reference(evaluations)
    seen = [one for run, each in evaluations for one in _policies(run, each, opponent)]
    if not any("win_rate" in one.measures for one in seen) and against is not None:
        raise BadInput(
            f"No evaluation has a win rate against {against!r}.",
            file=read[0].folder,
            remedy="Name a policy that win_rates of the evaluate stage compare with.",
        )
    unevaluated = [run.folder.name for run in read if not _evaluated(run)]
    notes = [f"{name} has no finished evaluation and is left out." for name in unevaluated]
    return Comparison(
        judge=evaluations[0][1].judge,
        against=opponent,
        methods=tuple(_methods(seen)),
        runs=tuple(str(run.folder) for run in read),
        notes=(*notes, *_uneven([each for _, each in evaluations])),
    )


def _evaluated(run: Run) -> list[Measured]:
    return [each for each in measured(run) if each.policies and each.stage.folder is not None]


def _reference(evaluations: Sequence[tuple[Run, Measured]]) -> str:
    named = [str(each.stage.settings.get("reference", "sft")) for _, each in evaluations]
    return max(named, key=named.count)


def _policies(run: Run, each: Measured, opponent: str) -> Iterator[_Seen]:
    stages = {stage.name: stage for stage in run.stages}
    sources = mapping(each.stage.settings.get("policies"))
    rates = {w.policy: w.rate for w in each.win_rates if w.against == opponent}
    for name, row in each.policies.items():
        source = str(sources.get(name, name))
        stage = stages.get(_stage_of(source))
        found = {key: estimate(row.get(key)) for key in SAMPLED}
        found |= {"win_rate": rates.get(name), "distinct_2": _point(row.get("distinct_2"))}
        if stage is not None:
            found["seconds"] = _point(stage.seconds)
            found["generated_tokens"] = _point(generated_tokens(stage))
        axes = {key: estimate(value) for key, value in mapping(row.get("axes")).items()}
        yield _seen(run, name, stage, source, found, axes=axes)
    size = number(each.best_of.get("n"))
    if size:
        policy = str(each.stage.settings.get("best_of_policy", "sft"))
        source = str(sources.get(policy, policy))
        found = {key: estimate(each.best_of.get(key)) for key in ("judge", "proxy")}
        found["kl"] = _point(each.best_of.get("kl"))
        stage = stages.get(_stage_of(source))
        yield _seen(run, f"best of {size:g} of {policy}", stage, source, found, "best_of")


def _seen(
    run: Run,
    name: str,
    stage: StageView | None,
    source: str,
    found: Mapping[str, Estimate | None],
    kind: str | None = None,
    axes: Mapping[str, Estimate | None] | None = None,
) -> _Seen:
    made = mapping(run.recipe.get("stages"))
    manifest = stage.manifest if stage is not None else None
    return _Seen(
        name=name,
        kind=kind or (stage.kind if stage is not None else "model"),
        origin=hash_value([kind, _made_by(source, made)]),
        identity=manifest.identity if manifest is not None else source,
        run=run,
        measures=_known(found),
        axes=_known(axes or {}),
    )


def _known(found: Mapping[str, Estimate | None]) -> dict[str, Estimate]:
    return {str(key): value for key, value in found.items() if value is not None}


def _stage_of(source: str) -> str:
    return source.removeprefix("stage:").partition("/")[0]


def _made_by(value: object, stages: Row) -> Any:
    """A setting with every source of a stage replaced by that stage's own settings."""
    if isinstance(value, Mapping):
        return {str(key): _made_by(item, stages) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_made_by(item, stages) for item in value]
    if isinstance(value, str) and value.startswith("stage:") and _stage_of(value) in stages:
        return [value.partition("/")[2], _made_by(stages[_stage_of(value)], stages)]
    return value


def generated_tokens(stage: StageView) -> float | None:
    """Tokens a stage sampled while it trained; from its curves where its summary has no count."""
    told = number(stage.summary.get("generated_tokens"))
    if told is not None:
        return told
    total, episodes = 0.0, 0.0
    for row in stage.metrics:
        length, episode = number(row.get("completions/mean_length")), number(row.get("episode"))
        if length is not None and episode is not None:
            drawn = number(row.get("sampling/groups_drawn")) or 1.0
            total += length * (episode - episodes) * drawn
            episodes = episode
    return total if total else None


def _point(value: object) -> Estimate | None:
    known = number(value)
    return None if known is None else Estimate(known, known, known, 1)


def _methods(seen: Sequence[_Seen]) -> list[Method]:
    groups: dict[tuple[str, str], list[_Seen]] = {}
    for one in seen:
        group = groups.setdefault((one.name, one.origin), [])
        if all(one.identity != other.identity for other in group):
            group.append(one)  # the same model in two runs counts once
    names = [name for name, _ in groups]
    titles = {key: group[0].run for key, group in groups.items()}
    methods = [
        _method(name if names.count(name) == 1 else f"{name} ({_told(titles, (name, by))})", group)
        for (name, by), group in groups.items()
    ]
    return sorted(methods, key=_rank)


def _told(runs: Mapping[tuple[str, str], Run], key: tuple[str, str]) -> str:
    """What sets this group apart from those of the same name: its run's title, up to a colon, else
    its folder."""
    rivals = [run.title.partition(":")[0] for other, run in runs.items() if other[0] == key[0]]
    run = runs[key]
    title = run.title.partition(":")[0]
    return title if rivals.count(title) == 1 else run.folder.name


def _method(name: str, group: Sequence[_Seen]) -> Method:
    seeds = tuple(one.run.seed for one in group if one.run.seed is not None)
    return Method(
        name=name,
        kind=group[0].kind,
        seeds=seeds,
        runs=tuple(str(one.run.folder) for one in group),
        measures=_together(MEASURES, [one.measures for one in group]),
        axes=_together(group[0].axes, [one.axes for one in group]),
    )


def _together(keys: Iterable[str], each: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """One estimate over the seeds that have one, or the only one there is."""
    found = {}
    for key in keys:
        values = [one[key] for one in each if key in one]
        if len(values) > 1:
            found[key] = over_seeds([value.value for value in values])
        elif values:
            found[key] = values[0]
    return found


def _rank(method: Method) -> tuple[bool, float, float]:
    """By the judge, else by the reward model; what neither saw comes last."""
    judge, proxy = method.measures.get("judge"), method.measures.get("proxy")
    return judge is None, -(judge.value if judge else 0.0), -(proxy.value if proxy else 0.0)


def _uneven(evaluations: Sequence[Measured]) -> Iterator[str]:
    """Settings in which the evaluations differ: such numbers are not on equal terms."""
    for key in SAME:
        given = {hash_value(each.stage.settings.get(key)) for each in evaluations}
        if len(given) > 1:
            yield f"The evaluations differ in {key}: their numbers are not on equal terms."
