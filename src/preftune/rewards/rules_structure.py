"""Rules that lean on another package: JSON Schema, and ROUGE against a reference."""

import json
import re
from collections.abc import Sequence
from typing import Any

from preftune.recipe.rules import JsonSchemaRule, RougeRule
from preftune.records import BadInput, Completion

FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)\n?```", re.DOTALL)
EXTRA = "pip install 'preftune[rules]'"


def json_schema(completions: Sequence[Completion], rule: JsonSchemaRule) -> list[float | None]:
    """Whether each text is JSON the schema allows. Raises :class:`BadInput` for no schema."""
    validator = _validator(rule.json_schema)
    return [float(_valid(c.text, validator, rule.fenced)) for c in completions]


def rouge(completions: Sequence[Completion], rule: RougeRule) -> list[float | None]:
    """F1 of the overlap with each row's reference; None for rows without one."""
    scorer = _scorer(rule)
    found: list[float | None] = []
    for completion in completions:
        reference = completion.prompt.columns.get(rule.column)
        if reference is None:
            found.append(None)
        else:
            found.append(
                float(scorer.score(str(reference), completion.text)[rule.variant].fmeasure)
            )
    return found


def fenced_block(text: str) -> str | None:
    """The last fenced block of a text, None where there is none."""
    blocks = FENCE.findall(text)
    return str(blocks[-1]) if blocks else None


def _valid(text: str, validator: Any, fenced: bool) -> bool:
    block = fenced_block(text) if fenced else None
    try:
        value = json.loads(text if block is None else block)
    except (ValueError, RecursionError):
        return False
    return bool(validator.is_valid(value))


def _validator(schema: dict[str, Any]) -> Any:
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
    except ModuleNotFoundError:
        raise BadInput("JSON Schema rules need the package jsonschema.", remedy=EXTRA) from None
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(
            f"json_schema is no JSON Schema: {error.message}.",
            remedy="Correct it; the draft is 2020-12.",
        ) from None
    return Draft202012Validator(schema)


def _scorer(rule: RougeRule) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError:
        raise BadInput("ROUGE rules need the package rouge-score.", remedy=EXTRA) from None
    return RougeScorer([rule.variant], use_stemmer=rule.stem)
