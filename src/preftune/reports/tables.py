"""The tables of a report: slices, how policies write, facts of a stage, its manifest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from preftune.artifacts import Manifest
from preftune.records import Estimate
from preftune.reports.evidence import Measured
from preftune.reports.reading import Row, StageView, mapping
from preftune.reports.wording import (
    count,
    estimate,
    figure,
    interval,
    model_name,
    percent,
    percent_interval,
)

SHARES = {"eos_rate", "cut_off", "empty", "distinct_1", "distinct_2", "repetition", "accuracy"}
MEASURES = (
    ("judge", "score by the judge"),
    ("proxy", "score by the reward model"),
    ("kl", "KL to the reference, nats a response"),
    ("words", "words an answer"),
    ("tokens", "tokens an answer"),
    ("eos_rate", "ended by itself"),
    ("cut_off", "cut off"),
    ("empty", "empty"),
    ("distinct_1", "distinct words"),
    ("distinct_2", "distinct word pairs"),
    ("repetition", "repetition"),
)
"""What the style table shows, in this order, where it was measured."""
MOST_FACTS = 60
RARE = 5
"""Values of a column that rest on fewer prompts say nothing by themselves."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading in its first column; cells are finished texts."""

    caption: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One value of a column: accuracy with interval, as text and as places from 0 to 100."""

    value: str
    accuracy: str
    left: float
    right: float
    middle: float
    count: str


class SliceTable(NamedTuple):
    """A column's values, and a line about those that are not shown, empty where all are."""

    column: str
    rows: list[SliceRow]
    left_out: str


def style_table(seen: Measured) -> Table | None:
    """Measures down, policies across: it fits a telephone with four policies."""
    if not seen.policies:
        return None
    axes = {axis: None for row in seen.policies.values() for axis in mapping(row.get("axes"))}
    body = []
    for name, words in MEASURES:
        values = [estimate(row.get(name)) for row in seen.policies.values()]
        body.append((words, *(_cell(name, value) for value in values)))
    for axis in axes:
        if axis in ("judge", "proxy", "gold"):
            continue
        values = [estimate(mapping(row.get("axes")).get(axis)) for row in seen.policies.values()]
        body.append((axis.replace("_", " "), *(_cell(axis, value) for value in values)))
    kept = [row for row in body if any(cell != "–" for cell in row[1:])]
    names = tuple(model_name(name) for name in seen.policies)
    return Table("How each policy writes", ("", *names), tuple(kept)) if kept else None


def openers(seen: Measured, most: int = 5) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each policy its commonest beginnings with the share of answers that have them."""
    found = []
    for name, row in seen.policies.items():
        given = row.get("openers")
        pairs = [
            (str(item[0]), percent(float(item[1])))
            for item in (given if isinstance(given, list) else [])
            if isinstance(item, list) and len(item) == 2 and isinstance(item[1], (int, float))
        ]
        if pairs:
            found.append((model_name(name), pairs[:most]))
    return found


def slice_tables(seen: Measured) -> list[SliceTable]:
    """The reward model's accuracy within each value of each column, lowest first.

    Values of fewer than :data:`RARE` prompts are counted; a column without others is left out.
    """
    found = []
    for column, values in mapping(seen.reward_model.get("slices")).items():
        known = [(str(v), e) for v, item in mapping(values).items() if (e := estimate(item))]
        told = [(v, e) for v, e in known if e.count >= RARE]
        ordered = sorted(told, key=lambda pair: (pair[1].value, pair[0]))
        if ordered:
            name = str(column).replace("_", " ")
            rows = [_slice(v, e) for v, e in ordered]
            rare = len(known) - len(told)
            left_out = f"{count(rare)} more, of fewer than {RARE} prompts each" if rare else ""
            found.append(SliceTable(name, rows, left_out))
    return found


def principles_table(stage: StageView) -> Table | None:
    """How often each principle of a constitution was used, and what came of it."""
    used = mapping(stage.summary.get("principles"))
    if not used:
        return None
    known = mapping(stage.summary.get("constitution"))
    name, version = known.get("name", "?"), known.get("version", "?")
    told = [key for key in ("decided", "changed") if any(key in mapping(r) for r in used.values())]
    columns = ["used", *told]
    body = tuple(
        (str(principle), *(str(mapping(row).get(column, "–")) for column in columns))
        for principle, row in used.items()
    )
    digest = str(known.get("sha256", ""))[:16]
    caption = f"{stage.name}: constitution {name}, version {version} ({digest})"
    return Table(caption, ("principle", *columns), body)


def facts(stage: StageView) -> list[tuple[str, str]]:
    """A stage's own summary as (name, text), nested names joined; long lists are counted."""
    told = {k: v for k, v in stage.summary.items() if k not in ("guards", "halt", "checks")}
    found = list(_flat(told, ""))
    if len(found) > MOST_FACTS:
        left = len(found) - MOST_FACTS
        found = [*found[:MOST_FACTS], ("and", f"{left} more in summary.json")]
    return found


def manifest_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """Who, when and with what."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items()))
    code = manifest.code.get("version", "")
    source = str(manifest.code.get("sha256", ""))[:16]
    facts = [
        ("started", manifest.started),
        ("seed", str(manifest.seed)),
        ("device", manifest.device),
        ("preftune", f"{code} (source {source})" if source else str(code)),
        ("Python", manifest.python),
        ("platform", manifest.platform),
        ("packages", versions),
        ("identity", manifest.identity),
    ]
    facts += [(f"function {name}", digest) for name, digest in sorted(manifest.callables.items())]
    return [(name, text) for name, text in facts if text]


def files_table(manifest: Manifest) -> Table | None:
    """What the stage read and wrote, with content hashes."""
    body = [("in", parent.role, parent.path, parent.sha256[:16]) for parent in manifest.parents] + [
        ("out", name, out["path"], out["sha256"][:16]) for name, out in manifest.outputs.items()
    ]
    head = ("", "name", "path", "sha256 begins")
    return Table("What went in and came out", head, tuple(body)) if body else None


def settings_text(settings: Row) -> str:
    """Resolved settings as indented JSON."""
    return json.dumps(_plain(settings), indent=2, ensure_ascii=False, default=str)


def _slice(value: str, accuracy: Estimate) -> SliceRow:
    ends = (accuracy.low, accuracy.high, accuracy.value)
    left, right, middle = (100 * min(1.0, max(0.0, end)) for end in ends)
    text = percent_interval(accuracy)
    return SliceRow(value, text, left, right, middle, count(accuracy.count))


def _cell(name: str, value: Estimate | None) -> str:
    if value is None:
        return "–"
    return percent_interval(value) if name in SHARES else interval(value)


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        name = f"{prefix}{key}".replace("_", " ")
        known = estimate(item) if isinstance(item, Mapping) else None
        if known is not None:
            text = interval(known)
            yield name, f"{text}, n = {count(known.count)}" if known.count else text
        elif isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key} / ")
        else:
            yield name, _text(item)


def _text(item: object) -> str:
    if item is None:
        return "–"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int):
        return count(item)
    if isinstance(item, float):
        return figure(item)
    if isinstance(item, Sequence) and not isinstance(item, str):
        short = all(isinstance(x, (str, int, float)) for x in item) and len(item) <= 8
        return ", ".join(_text(x) for x in item) if short else f"{len(item)} entries"
    return str(item)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
