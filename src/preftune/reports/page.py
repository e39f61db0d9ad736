"""A run folder becomes ``report.html``: one file that needs nothing else to be read."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from itertools import count as counter
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from preftune.artifacts import write_text_atomic
from preftune.reports.curves import LEAD, Chart, further_charts, lead_charts, main_charts
from preftune.reports.evidence import Measured, measured, watched
from preftune.reports.feedback_part import (
    audit_tables,
    labels_table,
    lineage_text,
    rounds_picture,
    rounds_table,
)
from preftune.reports.figure_data import file_name
from preftune.reports.figures import SERIES, finished
from preftune.reports.gains import gains_table
from preftune.reports.guard_history import GuardHistory, guard_history
from preftune.reports.pictures import (
    accuracy_chart,
    fold_charts,
    parting_picture,
    reliability_picture,
    win_rate_chart,
)
from preftune.reports.pipeline_picture import STATUS, PictureRow, lanes_svg, picture_rows
from preftune.reports.reading import Run, StageView, read_run
from preftune.reports.samples import Shown, pick, shown
from preftune.reports.tables import (
    SliceTable,
    Table,
    facts,
    files_table,
    manifest_facts,
    openers,
    principles_table,
    settings_text,
    slice_tables,
    style_table,
)
from preftune.reports.verdict import Story, tell
from preftune.reports.watching import watching_tables
from preftune.reports.wording import duration, listed, model_name
from preftune.reports.worth_reading import worth_reading

REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart on the page, its ids unique there."""

    title: str
    svg: Markup
    read: str
    names: tuple[tuple[str, str], ...]
    data: str = ""
    """Address of its numbers as a file; empty where it has none."""
    file: str = ""


@dataclass(frozen=True, slots=True)
class CurveGroup:
    """The curves of one stage."""

    stage: str
    kind: str
    main: list[Picture]
    further: list[Picture]


@dataclass(frozen=True, slots=True)
class EvaluationPart:
    """Everything shown of one evaluate stage."""

    stage: str
    wins: list[Picture]
    reward: list[Picture]
    slices: list[SliceTable]
    style: Table | None
    openers: list[tuple[str, list[tuple[str, str]]]]


@dataclass(frozen=True, slots=True)
class SamplePart:
    """Prompts of one evaluate stage with every policy's answer."""

    stage: str
    total: int
    note: str
    shown: list[Shown]


@dataclass(frozen=True, slots=True)
class Details:
    """The folded part of one stage."""

    stage: StageView
    status: str
    look: str
    took: str
    facts: list[tuple[str, str]]
    made: list[tuple[str, str]]
    files: Table | None
    settings: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the template is filled with."""

    run: Run
    status: str
    look: str
    meta: list[str]
    story: Story
    rows: list[PictureRow]
    lanes: Markup
    parting: list[list[Picture]]
    gains: Table | None
    evaluations: list[EvaluationPart]
    folds: list[tuple[str, list[Picture]]]
    principles: list[Table]
    watching: list[Table]
    histories: list[GuardHistory]
    labels: Table | None
    audits: list[Table]
    rounds: Table | None
    round_pictures: list[Picture]
    lineage: str
    curves: list[CurveGroup]
    samples: list[SamplePart]
    details: list[Details]
    commands: list[str]


def write_report(run_folder: Path) -> Path:
    """Writes ``report.html`` into a run folder from the files there; any part may be missing.

    BadInput when the folder is no run, RunFailed when the disk refuses. The same files give the
    same bytes.
    """
    target = Path(run_folder) / REPORT
    write_text_atomic(target, render(read_run(Path(run_folder))))
    return target


def render(run: Run) -> str:
    """The report's HTML."""
    return filled("report.html.j2", _page(run))


def filled(template: str, page: object) -> str:
    """One of the package's templates with ``page`` in it, and the style of every page."""
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup(_template("report.css"))  # the package's own file
    return environment.get_template(template).render(page=page, style=style)


def _page(run: Run) -> Page:
    numbers = counter(1)

    def pictures(charts: Iterable[Chart | None], where: str = "") -> list[Picture]:
        known = [chart for chart in charts if chart is not None]
        return [picture_of(chart, f"c{next(numbers)}", where) for chart in known]

    seen, watching = measured(run), watched(run)
    rows = picture_rows(run)
    lead = {each.stage.name: LEAD for each in watching}
    groups = [
        CurveGroup(
            s.name,
            s.kind,
            pictures(main_charts(s, lead.get(s.name, ())), s.name),
            pictures(further_charts(s), s.name),
        )
        for s in run.stages
    ]
    return Page(
        run=run,
        status=run.status,
        look=STATUS.get(run.status, ("planned", ""))[0],
        meta=_meta(run),
        story=tell(run, seen, watching),
        rows=rows,
        lanes=Markup(lanes_svg(rows)),  # escapes its texts itself
        parting=[
            pictures((parting_picture(each), *lead_charts(each.stage)), each.stage.name)
            for each in watching
        ],
        gains=gains_table(run),
        evaluations=[
            EvaluationPart(
                stage=each.stage.name,
                wins=pictures((win_rate_chart(each),), each.stage.name),
                reward=pictures((accuracy_chart(each), reliability_picture(each)), each.stage.name),
                slices=slice_tables(each),
                style=style_table(each),
                openers=openers(each),
            )
            for each in seen
        ],
        folds=[(s.name, drawn) for s in run.stages if (drawn := pictures(fold_charts(s), s.name))],
        principles=[table for s in run.stages if (table := principles_table(s)) is not None],
        watching=watching_tables(run),
        histories=[found for s in run.stages if (found := guard_history(s)) is not None],
        labels=labels_table(run),
        audits=audit_tables(run),
        rounds=rounds_table(run),
        round_pictures=pictures((rounds_picture(run),)),
        lineage=lineage_text(run),
        curves=_in_reading_order(groups),
        samples=_samples(run, seen),
        details=[_details(stage) for stage in run.stages],
        commands=_commands(run),
    )


def picture_of(chart: Chart, prefix: str, where: str = "") -> Picture:
    """The chart as it stands on a page; ``prefix`` is unique there, ``where`` names its stage."""
    return Picture(
        title=chart.title,
        svg=Markup(finished(chart.svg, prefix, chart.alt)),  # escapes its texts itself
        read=chart.read,
        names=tuple((SERIES[i % len(SERIES)], name) for i, name in enumerate(chart.names)),
        data=chart.data.address if chart.data is not None else "",
        file=file_name(*([where] if where else []), chart.title),
    )


def _in_reading_order(groups: list[CurveGroup]) -> list[CurveGroup]:
    """PPO first, then reward models, then the rest; language models side by side."""
    rank = {"ppo": 0, "reward_model": 1}
    written = [group for group in groups if group.main or group.further]
    language = [group for group in written if group.kind in ("pretrain", "sft")]
    if len(language) > 1:
        named = [
            replace(picture, title=f"{group.stage}: {picture.title[0].lower()}{picture.title[1:]}")
            for group in language
            for picture in group.main
        ]
        more = [
            replace(picture, title=f"{group.stage}: {picture.title}")
            for group in language
            for picture in group.further
        ]
        names = listed([group.stage for group in language])
        written = [group for group in written if group not in language]
        written.append(CurveGroup(names, "language models", named, more))
    return sorted(written, key=lambda group: rank.get(group.kind, 2))


def _meta(run: Run) -> list[str]:
    manifest = next((s.manifest for s in run.stages if s.manifest is not None), None)
    found = [f"folder {run.folder.resolve().name}"]
    if run.seed is not None:
        found.append(f"seed {run.seed}")
    if manifest is not None:
        found.append(f"started {manifest.started[:16].replace('T', ' ')} UTC")
        found.append(f"on {manifest.device}")
        found.append(f"preftune {manifest.code.get('version', '')}".strip())
    return found


def _samples(run: Run, seen: list[Measured]) -> list[SamplePart]:
    found = []
    for each in seen:
        samples = each.stage.samples
        policies = list(each.policies) or _policies(samples)
        if not samples or not policies:
            continue
        target = each.target or policies[-1]
        reference = each.reference or policies[0]
        if reference == target and len(policies) > 1:
            reference = policies[0] if policies[0] != target else policies[1]
        picked = pick(samples, reference, target, run.seed or 0)
        note = (
            f"Picked by the change in the judge's score from {model_name(reference)} to "
            f"{model_name(target)}: the best, the typical, the worst, one where judge and reward "
            "model disagree, and some at random."
        )
        ready = [shown(samples[place], why) for place, why in picked]
        found.append(SamplePart(each.stage.name, len(samples), note, ready))
        read = worth_reading(samples, target) if len(samples) > len(ready) else []
        if read:
            note = (
                f"Answers of {model_name(target)} worth a person's eyes: where the reward model "
                "likes more than the judge does, where its members disagree, the longest, and "
                "those that repeat."
            )
            ready = [shown(samples[place], why) for place, why in read]
            found.append(SamplePart(f"{each.stage.name}: worth reading", len(samples), note, ready))
    return found


def _policies(samples: Iterable[object]) -> list[str]:
    names: dict[str, None] = {}
    for row in samples:
        answers = row.get("samples") if isinstance(row, dict) else None
        for answer in answers if isinstance(answers, list) else []:
            if isinstance(answer, dict) and "policy" in answer:
                names[str(answer["policy"])] = None
    return list(names)


def _details(stage: StageView) -> Details:
    look = STATUS.get(stage.status, ("planned", ""))[0]
    manifest = stage.manifest
    told = [] if stage.kind in ("evaluate", "cross_validate") else facts(stage)
    return Details(
        stage=stage,
        status=stage.status,
        look=look,
        took=duration(stage.seconds) if stage.seconds is not None else "",
        facts=told,
        made=manifest_facts(manifest) if manifest else [],
        files=files_table(manifest) if manifest else None,
        settings=settings_text(stage.settings) if stage.settings else "",
    )


def _commands(run: Run) -> list[str]:
    seed = f" --seed {run.seed}" if run.seed is not None else ""
    data = run.recipe.get("data")
    root = " --set data.root=DIR" if isinstance(data, dict) and data.get("root") else ""
    return [
        f"preftune run recipe.toml{seed}{root} --out again",
        "preftune lineage .",
    ]


def _template(name: str) -> str:
    return resources.files("preftune.reports").joinpath("templates", name).read_text("utf-8")
