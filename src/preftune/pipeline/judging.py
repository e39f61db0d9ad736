"""Measuring a judge: its propositions or its verdicts against people's. Needs no torch itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from preftune.artifacts import derive_seed
from preftune.data import load_comparisons, read_rows
from preftune.judging import (
    Answer,
    Ask,
    Pair,
    Question,
    Reasoning,
    Response,
    Template,
    compare,
    judge_gate,
    measure_pairs,
    measure_proposition,
    propositions_hold,
    template,
)
from preftune.monitoring import Console
from preftune.records import BadInput, Comparison, Message, Prompt, Text

PORTION = 32
"""Questions asked between two movements of the progress bar."""
PROPOSITIONS = "propositions"
"""The column of graded responses: a mapping from names to yes or no."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a judge is asked. ``prompt`` names a packaged prompt or a file of your own."""

    prompt: str | None = None
    propositions: str | Path | None = None
    """Rows with ``name`` and ``text``: the words a proposition is asked in."""
    only: tuple[str, ...] = ()
    """These propositions, all if empty."""
    limit: int | None = None
    """The first so many rows."""
    seed: int = 0
    """Of the bootstrap."""


def evaluate_judge(
    ask: Ask,
    data: str | Path,
    *,
    wishes: Wishes = Wishes(),  # noqa: B008
    reasoning: Reasoning | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """A judge against what people said in ``data``.

    Rows with ``propositions`` measure each proposition by itself; rows with two responses measure
    the pairwise judge, asked in both orders, and say whether it may label (``gate``). ``failed``
    counts questions without an answer: above 0 the measurement is not complete. Raises
    :class:`BadInput`.
    """
    rows = read_rows(data)
    prompt = None if wishes.prompt is None else template(wishes.prompt)
    if any(PROPOSITIONS in row for row in rows):
        asking = _with_progress(ask, console or Console())
        return _propositions(rows[: wishes.limit], asking, prompt, wishes, str(data))
    comparisons = load_comparisons(data)[: wishes.limit]
    pairs, shares = _pairs(comparisons)
    asking = _with_progress(ask, console or Console())
    opinions = compare(pairs, asking, prompt=prompt, reasoning=reasoning)
    units = [Prompt(pair.prompt.text).id for pair in pairs]
    rng = np.random.default_rng(derive_seed(wishes.seed, "judge", "pairs"))
    found = measure_pairs(opinions, shares, units, rng)
    details = [opinion.missing.detail for opinion in opinions if opinion.missing is not None]
    return found | {
        "kind": "pairs",
        "data": str(data),
        "gate": judge_gate(found).as_json(),
        "missing": _most_frequent(details),
    }


def _propositions(
    rows: Sequence[dict[str, Any]], ask: Ask, prompt: Template | None, wishes: Wishes, file: str
) -> dict[str, Any]:
    texts = _words(rows, wishes, file)
    responses = [_response(row, place, file) for place, row in enumerate(rows)]
    grades = propositions_hold(responses, texts, ask, prompt=prompt)
    units = [Prompt(response.prompt.text).id for response in responses]
    measured = {}
    for name in texts:
        known = [i for i, row in enumerate(rows) if _truth(row, name, i, file) is not None]
        rng = np.random.default_rng(derive_seed(wishes.seed, "judge", name))
        measured[name] = measure_proposition(
            [grades[i][name] for i in known],
            [bool(rows[i][PROPOSITIONS][name]) for i in known],
            [units[i] for i in known],
            rng,
        )
    missing = [g.detail for row in grades for g in row.values() if not isinstance(g, float)]
    return {
        "kind": "propositions",
        "data": file,
        "responses": len(rows),
        "questions": sum(found["responses"] for found in measured.values()),
        "unclear": sum(found["unclear"] for found in measured.values()),
        "failed": sum(found["failed"] for found in measured.values()),
        "missing": _most_frequent(missing),
        "propositions": measured,
    }


def _words(rows: Sequence[dict[str, Any]], wishes: Wishes, file: str) -> dict[str, str]:
    """The words of each proposition in the rows' order; its name where no file has others."""
    names = list(dict.fromkeys(name for row in rows for name in row.get(PROPOSITIONS) or {}))
    strange = sorted(set(wishes.only) - set(names))
    if strange:
        raise BadInput(
            f"No row has the proposition {strange[0]!r}.",
            file=file,
            remedy=f"There are {', '.join(names)}.",
        )
    given: dict[str, str] = {}
    if wishes.propositions is not None:
        for place, row in enumerate(read_rows(wishes.propositions)):
            if not isinstance(row.get("name"), str) or not isinstance(row.get("text"), str):
                raise BadInput(
                    "A proposition has a name and a text.", file=wishes.propositions, line=place + 1
                )
            given[row["name"]] = row["text"]
    plain = {name: f"{name.replace('_', ' ').capitalize()}." for name in names}
    return {n: given.get(n, plain[n]) for n in names if not wishes.only or n in wishes.only}


def _response(row: dict[str, Any], place: int, file: str) -> Response:
    completion = row.get("completion")
    if not isinstance(completion, str) or "prompt" not in row:
        raise BadInput(
            "A graded response has a prompt, a completion and propositions.",
            file=file,
            line=place + 1,
        )
    return Response(Prompt(_text(row["prompt"], place, file)), completion)


def _text(given: object, place: int, file: str) -> Text:
    if isinstance(given, str):
        return given
    try:
        return tuple(Message(str(turn["role"]), str(turn["content"])) for turn in given)  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        raise BadInput(
            "A prompt is a text or a list of turns.", file=file, line=place + 1
        ) from None


def _truth(row: dict[str, Any], name: str, place: int, file: str) -> bool | None:
    """Yes, no, or None where people did not say."""
    value = (row.get(PROPOSITIONS) or {}).get(name)
    if value is not None and not isinstance(value, bool):
        raise BadInput(
            f"The proposition {name!r} is {value!r}, neither true nor false.",
            file=file,
            line=place + 1,
        )
    return value


def _pairs(comparisons: Sequence[Comparison]) -> tuple[list[Pair], list[float]]:
    """Each pair and people's share for its first response.

    A file names the chosen response first, so half of the pairs, by the hash of their texts, are
    turned round: otherwise κ had nothing to compare with.
    """
    pairs, shares = [], []
    for row in comparisons:
        told = f"{row.prompt.id}\0{row.chosen}\0{row.rejected}"
        turned = sha256(told.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 1
        sides = (row.rejected, row.chosen) if turned else (row.chosen, row.rejected)
        pairs.append(Pair(row.prompt, *sides))
        shares.append(1 - row.probability if turned else row.probability)
    return pairs, shares


def _with_progress(ask: Ask, console: Console) -> Ask:
    """Asks in portions, so that the bar moves."""

    def asked(questions: Sequence[Question]) -> list[Answer]:
        answers: list[Answer] = []
        with console.progress("judge", len(questions)) as bar:
            for start in range(0, len(questions), PORTION):
                part = questions[start : start + PORTION]
                answers += ask(part)
                bar.advance(len(part))
        return answers

    return asked


def _most_frequent(details: Sequence[str]) -> dict[str, int]:
    """The ten most frequent reasons why there is no verdict."""
    counts: dict[str, int] = {}
    for detail in details:
        counts[detail] = counts.get(detail, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10])
